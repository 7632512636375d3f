//go:build unix && !darwin

package desktop

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// file is the desktop entry (Desktop Application Autostart Specification 0.5).
func (a Autostart) file() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "autostart", a.ID+".desktop"), nil
}

// Enabled tells whether the program is started at login.
func (a Autostart) Enabled() (bool, error) {
	name, err := a.file()
	if err != nil {
		return false, err
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// The settings of a desktop turn it off so.
		key, value, _ := strings.Cut(strings.ReplaceAll(lines.Text(), " ", ""), "=")
		if key == "Hidden" && value == "true" || key == "X-GNOME-Autostart-enabled" && value == "false" {
			return false, nil
		}
	}
	return true, nil
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
	var quoted []string
	for _, arg := range a.Command {
		if strings.ContainsAny(arg, "\n\r\x00") {
			return errCommand
		}
		quoted = append(quoted, quoteExec(arg))
	}
	entry := fmt.Sprintf("[Desktop Entry]\nType=Application\nName=%s\nExec=%s\nIcon=%s\nTerminal=false\nX-GNOME-Autostart-enabled=true\n",
		a.Name, strings.Join(quoted, " "), a.ID)
	if err := os.WriteFile(name+".new", []byte(entry), 0o600); err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
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

// quoteExec quotes an argument in the key Exec (Desktop Entry Specification 1.5, "The Exec key"), whose
// value is a string with escapes of its own.
func quoteExec(arg string) string {
	arg = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`, "%", "%%").Replace(arg)
	return `"` + strings.ReplaceAll(arg, `\`, `\\`) + `"`
}
