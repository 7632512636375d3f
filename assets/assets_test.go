package assets

import (
	"encoding/json"
	"encoding/xml"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fyne.io/fyne/v2/lang"
)

func TestIconsAreWellFormed(t *testing.T) {
	names := IconNames()
	if len(names) == 0 {
		t.Fatal("no icons")
	}
	for _, name := range names {
		data, err := Icon(name)
		if err != nil {
			t.Fatal(err)
		}
		var svg struct {
			XMLName xml.Name `xml:"svg"`
			ViewBox string   `xml:"viewBox,attr"`
			Stroke  string   `xml:"stroke,attr"`
		}
		if err := xml.Unmarshal(data, &svg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if svg.ViewBox == "" || svg.Stroke != "currentColor" {
			t.Errorf("%s: view box %q, stroke %q", name, svg.ViewBox, svg.Stroke)
		}
	}
	if _, err := Icon("../assets"); err == nil {
		t.Error("an unknown icon was found")
	}
	if _, err := Font("Comic"); err == nil {
		t.Error("an unknown font was found")
	}
}

// texts returns the keys of a translation file.
func texts(t *testing.T, name string) map[string]any {
	t.Helper()
	data, err := translations.ReadFile("translations/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

var update = flag.Bool("update", false, "add missing texts to en.json")

// TestEveryTextIsInTheEnglishFile reads the source of the interface for the texts that it asks for. With -update it adds those that
// are missing.
func TestEveryTextIsInTheEnglishFile(t *testing.T) {
	english := texts(t, "en.json")
	if *update {
		defer func() {
			data, err := json.MarshalIndent(english, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("translations/en.json", append(data, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}()
	}
	err := filepath.WalkDir("../ui", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			key, ok := langKey(n)
			if ok && english[key] == nil {
				if *update {
					english[key] = key
					return true
				}
				t.Errorf("%s: %q is not in en.json: run go test ./assets -update", path, key)
			}
			return true
		})
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// langKey returns the key of a call of lang.L, lang.N, lang.X or lang.XN with a constant text.
func langKey(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	if pkg, ok := f.X.(*ast.Ident); !ok || pkg.Name != "lang" || len(f.Sel.Name) > 2 {
		return "", false
	}
	text, ok := call.Args[0].(*ast.BasicLit)
	if !ok || text.Kind != token.STRING {
		return "", false
	}
	key, err := strconv.Unquote(text.Value)
	return key, err == nil
}

func TestLoadTranslations(t *testing.T) {
	speak(t, "en")
	if got := lang.L("NEW"); got != "NEW" {
		t.Errorf("NEW is %q", got)
	}
}
