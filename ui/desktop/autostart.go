package desktop

import (
	"errors"
	"path/filepath"
)

// Autostart starts a program when the person logs in. It is part of the person's own settings.
type Autostart struct {
	ID      string   // names the program to the desktop, as chat.sotto.Sotto
	Name    string   // as people read it
	Command []string // absolute path of the program, and its arguments
}

var errCommand = errors.New("the command to start at login has to begin with an absolute path")

func (a Autostart) check() error {
	if len(a.Command) == 0 || !filepath.IsAbs(a.Command[0]) {
		return errCommand
	}
	return nil
}
