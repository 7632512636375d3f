package desktop

import (
	"encoding/xml"
	"fmt"
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

func (a Autostart) content() (string, error) {
	text := func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
		return "<string>" + b.String() + "</string>"
	}
	var command strings.Builder
	for _, arg := range a.Command {
		command.WriteString(text(arg))
	}
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key>` + text(a.ID) + `
<key>ProgramArguments</key><array>` + command.String() + `</array>
<key>RunAtLoad</key><true/>
</dict></plist>
`, nil
}

// turnedOff is never so: the settings of the system keep elsewhere what they turned off.
func turnedOff(string) bool { return false }
