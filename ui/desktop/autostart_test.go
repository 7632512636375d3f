//go:build unix && !darwin

package desktop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAutostart(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	name := filepath.Join(dir, "autostart", "chat.sotto.Sotto.desktop")
	a := Autostart{ID: "chat.sotto.Sotto", Name: "Sotto", Command: []string{`/opt/my "apps"/$sotto\100%`, "--data", "a`b c"}}
	state := func(want bool) {
		t.Helper()
		if got, err := a.Enabled(); got != want || err != nil {
			t.Errorf("enabled: %v, %v", got, err)
		}
	}
	state(false)
	for range 2 {
		if err := a.Enable(); err != nil {
			t.Fatal(err)
		}
		state(true)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := `Exec="/opt/my \\"apps\\"/\\$sotto\\\\100%%" "--data" "a` + "\\\\`b c\"\n"
	if !strings.Contains(string(b), want) {
		t.Errorf("the entry is %s, want %s", b, want)
	}
	program, err := exec.LookPath("desktop-file-validate")
	if err != nil {
		t.Fatalf("%v: install the package desktop-file-utils (packaging/setup.sh test does)", err)
	}
	for _, file := range []string{name, "../../packaging/chat.sotto.Sotto.desktop"} {
		if out, err := exec.Command(program, file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", file, err, out)
		}
	}
	for _, off := range []string{"Hidden=true", "X-GNOME-Autostart-enabled = false"} {
		if err := os.WriteFile(name, append(b, off+"\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		state(false)
	}
	for range 2 {
		if err := a.Disable(); err != nil {
			t.Error(err)
		}
		state(false)
	}
	for _, bad := range [][]string{nil, {"sotto"}, {"/sotto", "a\nHidden=true"}} {
		a.Command = bad
		if err := a.Enable(); err == nil {
			t.Errorf("%q was taken", bad)
		}
		state(false)
	}
}
