//go:build unix && !darwin

package desktop

import (
	"fmt"
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

func (a Autostart) content() (string, error) {
	var quoted []string
	for _, arg := range a.Command {
		if strings.ContainsAny(arg, "\n\r\x00") {
			return "", errCommand
		}
		quoted = append(quoted, quoteExec(arg))
	}
	return fmt.Sprintf("[Desktop Entry]\nType=Application\nName=%s\nExec=%s\nIcon=%s\nTerminal=false\nX-GNOME-Autostart-enabled=true\n",
		a.Name, strings.Join(quoted, " "), a.ID), nil
}

// turnedOff tells whether the settings of a desktop have turned an entry off, which they do in it.
func turnedOff(entry string) bool {
	for line := range strings.Lines(entry) {
		key, value, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(line), " ", ""), "=")
		if key == "Hidden" && value == "true" || key == "X-GNOME-Autostart-enabled" && value == "false" {
			return true
		}
	}
	return false
}

// quoteExec quotes an argument in the key Exec (Desktop Entry Specification 1.5, "The Exec key"), whose
// value is a string with escapes of its own.
func quoteExec(arg string) string {
	arg = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`, "%", "%%").Replace(arg)
	return `"` + strings.ReplaceAll(arg, `\`, `\\`) + `"`
}
