package desktop

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// file is the property list of a launch agent (launchd.plist(5)).
func (a Autostart) file() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return filepath.Join(home, "Library", "LaunchAgents", a.ID+".plist"), nil
}

// Enabled tells whether the program is started at login.
func (a Autostart) Enabled() (bool, error) {
	name, err := a.file()
	if err != nil {
		return false, err
	}
	_, err = os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Enable has the program started at login, with this command.
func (a Autostart) Enable() error {
	if err := a.check(); err != nil {
		return err
	}
	name, err := a.file()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	text := func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
		return "<string>" + b.String() + "</string>"
	}
	var command strings.Builder
	for _, arg := range a.Command {
		command.WriteString(text(arg))
	}
	list := `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key>` + text(a.ID) + `
<key>ProgramArguments</key><array>` + command.String() + `</array>
<key>RunAtLoad</key><true/>
</dict></plist>
`
	if err := os.WriteFile(name, []byte(list), 0o600); err != nil {
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
