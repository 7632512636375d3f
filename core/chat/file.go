package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// FileState tells how far the file of a message is.
type FileState string

// The states of files. A file of ours is waiting, uploading and done; one of a contact is offered, waiting once it
// is asked for, downloading and done.
const (
	FileOffered     FileState = "offered"
	FileWaiting     FileState = "waiting"
	FilePaused      FileState = "paused"
	FileUploading   FileState = "uploading"
	FileDownloading FileState = "downloading"
	FileDone        FileState = "done"
	FileFailed      FileState = "failed" // see File.Failure
	FileCancelled   FileState = "cancelled"
)

// The reasons why files fail, besides FailureGone, FailureRefused, FailureFull and FailureOther.
const (
	FailureDisk    Failure = "disk full"
	FailureDamaged Failure = "damaged"    // a relay has returned something else, or the sender has described it wrongly
	FailureBlocked Failure = "blocked"    // the operator of a relay has blocked it
	FailureNoRelay Failure = "no relay"   // there is no relay for files
	FailureSource  Failure = "not kept"   // the copy on this computer is damaged or not there
	FailureSave    Failure = "not saved"  // it is here, but could not be put where it was to go
	FailureNoPeer  Failure = "no contact" // the contact can't be told about it any more
	FailureLegacy  Failure = "legacy"     // the contact sends it in a way that programs of the network have given up
)

// Errors of files.
var (
	// ErrNoFile tells that a message has no file.
	ErrNoFile = errors.New("this message has no file")
	// ErrNotHere tells that a file was not received yet.
	ErrNotHere = errors.New("this file was not received yet")
	// ErrFileTooLarge tells that a file is longer than can be sent.
	ErrFileTooLarge = fmt.Errorf("a file can have up to %d GB", MaxFile>>30)
	// ErrLegacyFile tells that a file is offered in a way in which it can't be received.
	ErrLegacyFile = errors.New("the program of the contact is too old to send files to this one")
	// ErrFileState tells that what is asked for is not possible now.
	ErrFileState = errors.New("this is not possible with a file that is done, cancelled or not on its way")
	// ErrDiskFull tells that there is no room for a file, or a message.
	ErrDiskFull = store.ErrDiskFull
)

// UnknownRelaysError tells that a file waits on relays that are not known, which would see the network address of this
// computer.
type UnknownRelaysError struct{ Hosts []string }

func (e *UnknownRelaysError) Error() string {
	return "the file waits on relays that are not known: " + strings.Join(e.Hosts, ", ")
}

// MaxFile is the size of the longest file that is sent, in bytes (presets.md §8).
const MaxFile = xftp.DefaultMaxSize

// FilesConfig is what a Chat needs for files.
type FilesConfig struct {
	// Dir is the folder for files.
	Dir string
	// Network is how relays for files are reached; its sessions belong to this Chat only.
	Network xftp.Config
	// Relays returns those that files are uploaded to.
	Relays func() ([]xftp.Relay, error)
	// Known tells whether a relay may be asked for a file without asking the person, though it sees the network address of
	// this computer.
	Known func(server wire.Server) bool
	// Hidden tells whether a relay does not see that address, as it is reached now; nil tells that all do.
	Hidden func(server wire.Server) bool
	// Automatic tells up to which size pictures, voice messages and videos are received unasked, in bytes.
	Automatic func() int64
}

// FileProgress tells how far a file is.
type FileProgress struct {
	Item        int64
	Done, Total int64 // bytes
	Speed       int64 // bytes a second
}

func (FileProgress) chatEvent() {}

// findFile returns an item with its file.
func findFile(tx *store.Tx, item int64) (*store.Item, *store.File, error) {
	i, _, err := findItem(tx, item)
	if err != nil {
		return nil, nil, err
	}
	f, err := tx.File(item)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, ErrNoFile
	}
	return i, f, err
}

// setFileState stores the state of a file, and stops or starts its transfer after the commit.
func (c *Chat) setFileState(tx *store.Tx, i *store.Item, state FileState) error {
	i.FileState, i.FileFailure, i.FileRelay = string(state), "", ""
	switch state {
	case FileWaiting:
		tx.AfterCommit(func() { c.startTransfer(i.ID) })
	case FilePaused, FileCancelled:
		tx.AfterCommit(func() { c.stopTransfer(i.ID) })
	}
	return c.saveItem(tx, i)
}

// failFile marks a file as failed.
func (c *Chat) failFile(tx *store.Tx, i *store.Item, failure Failure, relay string) error {
	i.FileState, i.FileFailure, i.FileRelay = string(FileFailed), string(failure), relay
	tx.AfterCommit(func() { c.stopTransfer(i.ID) })
	return c.saveItem(tx, i)
}

// OpenFile opens the file of a message. The error is ErrNoItem, ErrNoFile, ErrNotHere, or wraps blob.ErrDamaged.
func (c *Chat) OpenFile(ctx context.Context, item int64) (r *blob.Reader, file File, err error) {
	var f *store.File
	err = c.db.View(ctx, func(tx *store.Tx) error {
		var i *store.Item
		if i, f, err = findFile(tx, item); err == nil {
			file = *newItem(i).File
		}
		return err
	})
	if err == nil && f.Blob.Name == "" {
		err = ErrNotHere
	}
	if err != nil {
		return nil, file, err
	}
	r, err = c.blobs.Reader(f.Blob)
	return r, file, err
}

// SaveFile puts a copy of the file of a message at a path, where nothing may be yet but the same file. The error is one of those of
// OpenFile, ErrDiskFull, or tells why it can't be written.
func (c *Chat) SaveFile(ctx context.Context, item int64, path string) error {
	var f *store.File
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		_, f, err = findFile(tx, item)
		return err
	})
	if err == nil && f.Blob.Name == "" {
		err = ErrNotHere
	}
	if err != nil {
		return err
	}
	return diskError(c.blobs.Export(ctx, f.Blob, path))
}

// Files returns up to limit messages with a file, the newest first, whose id is below before, or of all with before 0: of
// a contact, or of all contacts with contact 0.
func (c *Chat) Files(ctx context.Context, contact, before int64, limit int) (list []Item, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	err = c.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.ItemsWithFile(contact, before, min(max(limit, 0), maxPage))
		for _, row := range rows {
			list = append(list, newItem(row))
		}
		return err
	})
	return list, err
}
