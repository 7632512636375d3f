package core

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sotto-chat/sotto/"

// imports returns what the packages of the module import outside of tests, by their path
// below the module.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			all[filepath.ToSlash(rel)] = append(all[filepath.ToSlash(rel)], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// floors are the floors of core, the ground floor first: a package imports only packages of
// floors below its own.
var floors = [][]string{
	{"core/wire", "core/internal/accept", "core/internal/fault", "core/internal/reference", "core/crypt/sntrup761", "core/picture", "core/mp4"},
	{"core/voice", "core/video"},
	{"core/crypt"},
	{"core/transport/tls13", "core/ratchet"},
	{"core/transport"},
	{"core/smp", "core/tor", "core/tor/tornet"},
	{"core/xftp", "core/relay/internal/disk", "core/relay/internal/front"},
	{"core/agent", "core/relay", "core/relay/files", "core/relay/internal/relaytest", "core/chat/event"},
	{"core/chat", "core/relay/files/s3"},
	{"core"},
}

func TestFloors(t *testing.T) {
	floor := map[string]int{}
	for i, packages := range floors {
		for _, p := range packages {
			floor[p] = i
		}
	}
	for p, list := range imports(t) {
		within := func(dirs ...string) bool {
			return slices.ContainsFunc(dirs, func(dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") })
		}
		if _, known := floor[p]; within("core") && !known {
			t.Errorf("%s is not in the list of floors", p)
		}
		for _, imported := range list {
			forbid := func(why string, names ...string) {
				for _, n := range names {
					if imported == n || strings.Contains(n, ".") && strings.HasPrefix(imported, n+"/") {
						t.Errorf("%s imports %s: %s", p, imported, why)
					}
				}
			}
			own, ofModule := strings.CutPrefix(imported, module)
			if ofModule && within("core") {
				above, known := floor[own]
				if known && above >= floor[p] {
					t.Errorf("%s imports %s, which is not below it", p, own)
				}
			}
			if ofModule && strings.HasPrefix(own, "cmd/") {
				t.Errorf("%s imports %s: nothing imports a command", p, own)
			}
			if within("core", "store") {
				forbid("only the window knows the toolkit", "fyne.io")
			}
			if within("ui") {
				forbid("the window knows core and no protocol", module+"core/smp", module+"core/agent", module+"core/transport", module+"core/ratchet",
					module+"core/crypt", module+"core/relay", module+"core/chat/event")
			}
			if within("store") {
				forbid("the store knows no protocol", module+"core")
			}
			if within("core/wire", "core/ratchet") {
				forbid("it has neither a network nor a disk", "net", "net/http", "os", module+"store")
			}
			if within("core/relay") {
				forbid("the relay has nothing of the client", module+"core/agent", module+"core/chat", module+"core/transport", module+"core/tor", module+"store")
			}
		}
	}
}

// TestDialing keeps the opening of connections in one package.
func TestDialing(t *testing.T) {
	for p, list := range imports(t) {
		switch p {
		case "core/transport", "core/transport/tls13": // dials
		case "core/tor", "core/tor/tornet": // dials the control port of tor; tornet is for tests and looks for free ports
		case "core/relay", "cmd/sotto-relay", "core": // only listens; core for the relay on this computer, and to hand links over within it
		case "core/relay/files", "core/relay/internal/front": // only listen
		case "core/relay/internal/relaytest", "core/internal/accept": // are for tests
		case "core/relay/files/s3": // its module connects with the object store that an operator has chosen
		case "core/xftp": // speaks HTTP over connections that core/transport has made
			if slices.Contains(list, "net") {
				t.Errorf("%s imports net: only core/transport and core/tor open connections", p)
			}
		default:
			for _, n := range []string{"net", "net/http", "golang.org/x/net/proxy"} {
				if slices.Contains(list, n) {
					t.Errorf("%s imports %s: only core/transport and core/tor open connections", p, n)
				}
			}
		}
	}
}
