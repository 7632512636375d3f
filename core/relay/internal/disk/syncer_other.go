//go:build !linux

package disk

import "github.com/cockroachdb/pebble/v2/vfs"

// A syncer writes the data of files to the disk.
type syncer struct{}

func newSyncer() *syncer { return nil }

func (*syncer) sync(f vfs.File) error { return f.SyncData() }

func (*syncer) close() {}
