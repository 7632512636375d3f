package core

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/sotto-chat/sotto/store"
)

// Space is what a profile takes on the disk, in bytes.
type Space struct {
	Messages int64 // the database, with all that was said
	Files    int64 // everything else
}

// Space returns what the profile takes on the disk.
func (p *Profile) Space() (s Space, err error) {
	err = filepath.WalkDir(p.core.profileDir(p.id), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if strings.Contains(d.Name(), ".db") {
			s.Messages += info.Size()
		} else {
			s.Files += info.Size()
		}
		return nil
	})
	if err != nil {
		return Space{}, fmt.Errorf("measuring a profile: %w", err)
	}
	return s, nil
}

// Compact gives the space of what was deleted back to the disk. It needs as much free space again as
// the messages take; what is to be stored waits meanwhile.
func (p *Profile) Compact(ctx context.Context) error { return p.db.Compact(ctx) }

// settingQuiet is set while nothing of a profile is told outside of the window.
const settingQuiet = "quiet"

// Quiet tells whether nothing that happens in the profile is to be told outside of the window.
func (p *Profile) Quiet(ctx context.Context) (quiet bool, err error) {
	err = p.db.View(ctx, func(tx *store.Tx) error {
		b, err := tx.Setting(settingQuiet)
		quiet = len(b) > 0
		return err
	})
	return quiet, err
}

// SetQuiet sets what Quiet tells.
func (p *Profile) SetQuiet(ctx context.Context, quiet bool) error {
	var b []byte
	if quiet {
		b = []byte{1}
	}
	return p.db.Update(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingQuiet, b) })
}
