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
	"slices"
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

var update = flag.Bool("update", false, "add missing texts to en.json and drop those that nothing shows")

// TestEveryTextIsInTheEnglishFile compares the texts that the source of the interface asks for with those of the English file, which
// TestEveryLanguageHasEveryText compares with the others. With -update it mends that file.
func TestEveryTextIsInTheEnglishFile(t *testing.T) {
	english := texts(t, "en.json")
	used := make(map[string]bool)
	eachCall(t, func(where string, call *ast.CallExpr) {
		if !isLang(call) {
			return
		}
		key, ok := langKey(call)
		if !ok {
			t.Errorf("%s: the text is not a constant, so that nobody can tell whether it is translated", where)
			return
		}
		used[key] = true
		_, plural := english[key].(map[string]any)
		switch asked := call.Fun.(*ast.SelectorExpr).Sel.Name == "N"; {
		case english[key] == nil && *update:
			english[key] = key
		case english[key] == nil:
			t.Errorf("%s: %q is not in en.json: run go test ./assets -update", where, key)
		case plural != asked:
			t.Errorf("%s: %q has plural forms: %v, is asked for with a number: %v", where, key, plural, asked)
		}
	})
	for key := range english {
		if used[key] {
			continue
		}
		if *update {
			delete(english, key)
			continue
		}
		t.Errorf("%q is in en.json, and nothing shows it", key)
	}
	if *update {
		data, err := json.MarshalIndent(english, "", "\t")
		if err == nil {
			err = os.WriteFile("translations/en.json", append(data, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// eachCall calls f for each call in the source of the interface, with its place.
func eachCall(t *testing.T, f func(where string, call *ast.CallExpr)) {
	t.Helper()
	for _, dir := range []string{"../ui", "../cmd/sotto"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					f(set.Position(call.Pos()).String(), call)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// isLang tells whether a call asks for a text in the language of the window.
func isLang(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := f.X.(*ast.Ident)
	return ok && pkg.Name == "lang" && slices.Contains([]string{"L", "N", "X", "XN", "Localize", "LocalizePlural", "LocalizeKey", "LocalizePluralKey"}, f.Sel.Name)
}

// langKey returns the key of a call that asks for a constant text.
func langKey(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 || !isLang(call) {
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

func TestFileLanguage(t *testing.T) {
	for name, want := range map[string]string{"de.json": "de", "pt-BR.json": "pt", "toolkit.ar.json": "ar", "zh_Hant.json": "zh"} {
		if got := fileLanguage(name); got != want {
			t.Errorf("%s is in %q, not in %q", name, got, want)
		}
	}
}
