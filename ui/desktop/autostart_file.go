//go:build unix

package desktop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Enabled tells whether the program is started at login.
func (a Autostart) Enabled() (bool, error) {
	name, err := a.file()
	if err != nil {
		return false, err
	}
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return !turnedOff(string(content)), nil
}

// Enable has the program started at login, with this command.
func (a Autostart) Enable() error {
	if err := a.check(); err != nil {
		return err
	}
	content, err := a.content()
	if err != nil {
		return err
	}
	name, err := a.file()
	if err != nil {
		return err
	}
	if err = os.MkdirAll(filepath.Dir(name), 0o700); err == nil {
		err = os.WriteFile(name+".new", []byte(content), 0o600)
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	return nil
}

// Disable undoes Enable.
func (a Autostart) Disable() error {
	name, err := a.file()
	if err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("start at login: %w", err)
	}
	return nil
}
