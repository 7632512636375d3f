package assets

import (
	"go/ast"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"fyne.io/fyne/v2/lang"
)

// pluralForms are the plural categories of each language, from the Unicode CLDR.
var pluralForms = map[string][]string{
	"ar": {"few", "many", "one", "other", "two", "zero"},
	"de": {"one", "other"},
	"en": {"one", "other"},
	"es": {"many", "one", "other"},
	"fr": {"many", "one", "other"},
	"ja": {"other"},
}

// languages lists the languages that the interface is translated to, by the names of their files.
func languages(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(translations, "translations/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var tags []string
	for _, f := range files {
		if tag := strings.TrimSuffix(path.Base(f), ".json"); tag != "en" && !strings.HasPrefix(tag, "toolkit.") {
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		t.Fatal("no translations")
	}
	return tags
}

// forms returns the plural forms of a text, or the text alone as the form "other".
func forms(t *testing.T, value any) map[string]string {
	t.Helper()
	switch v := value.(type) {
	case string:
		return map[string]string{"other": v}
	case map[string]any:
		m := make(map[string]string, len(v))
		for form, text := range v {
			s, ok := text.(string)
			if !ok {
				t.Fatalf("the form %q is a %T", form, text)
			}
			m[form] = s
		}
		return m
	default:
		t.Fatalf("a text is a %T", value)
		return nil
	}
}

// placeholders lists what a text asks the program to fill in, sorted, each once.
func placeholders(text string) []string {
	return slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`{{[^}]*}}`).FindAllString(text, -1))))
}

// TestEveryLanguageHasEveryText compares the keys, the placeholders and the plural forms of every language with the English file.
func TestEveryLanguageHasEveryText(t *testing.T) {
	english := texts(t, "en.json")
	for _, tag := range languages(t) {
		t.Run(tag, func(t *testing.T) {
			wanted, ok := pluralForms[tag]
			if !ok {
				t.Fatal("its plural forms are not in pluralForms")
			}
			translated := texts(t, tag+".json")
			if d := translated["left-to-right"]; d != "left-to-right" && d != "right-to-left" {
				t.Errorf("the direction of writing is %q", d)
			}
			for key := range translated {
				if english[key] == nil {
					t.Errorf("%q is not in en.json", key)
				}
			}
			for key, value := range english {
				if translated[key] == nil {
					t.Errorf("%q is not translated", key)
					continue
				}
				_, plural := value.(map[string]any)
				if _, ok := translated[key].(map[string]any); ok != plural {
					t.Errorf("%q has plural forms: %v, in English %v", key, ok, plural)
					continue
				}
				original, got := forms(t, value)["other"], forms(t, translated[key])
				if names := slices.Sorted(maps.Keys(got)); plural && !slices.Equal(names, wanted) {
					t.Errorf("%q has the plural forms %v, want %v", key, names, wanted)
				}
				for form, text := range got {
					checkText(t, key, original, text)
					// The forms for none, one and two may spell out the number.
					want, have := placeholders(original), placeholders(text)
					if slices.Contains([]string{"zero", "one", "two"}, form) {
						want, have = drop(want, "{{.Count}}", "{{.Total}}"), drop(have, "{{.Count}}", "{{.Total}}")
						if form == "zero" && len(have) < len(want) {
							continue
						}
					}
					if !slices.Equal(want, have) {
						t.Errorf("%q asks for %v in %q, want %v", key, have, text, want)
					}
				}
			}
		})
	}
}

func drop(list []string, names ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(names, s) })
}

// checkText looks for what a translation must not have.
func checkText(t *testing.T, key, original, text string) {
	t.Helper()
	if text == "" {
		t.Errorf("%q has no text", key)
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) {
		t.Errorf("%q is not valid UTF-8: %q", key, text)
	}
	if strings.TrimSpace(text) != text && strings.TrimSpace(original) == original {
		t.Errorf("%q begins or ends with a space: %q", key, text)
	}
	if rest := regexp.MustCompile(`{{\.[A-Z][A-Za-z]*}}`).ReplaceAllString(text, ""); strings.ContainsAny(rest, "{}") {
		t.Errorf("%q has a broken placeholder: %q", key, text)
	}
	for _, r := range text {
		// The window finds the direction of a text by itself; marks and overrides would only mislead it and the reader.
		if r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u200b' || r == '\ufeff' {
			t.Errorf("%q has the invisible character %U", key, r)
		}
	}
}

// TestButtonsStayShort keeps the texts of buttons short enough for their places, which were made for the English texts.
func TestButtonsStayShort(t *testing.T) {
	buttons := buttonTexts(t)
	if len(buttons) < 20 {
		t.Fatalf("only %d buttons were found in the source", len(buttons))
	}
	for _, tag := range languages(t) {
		translated := texts(t, tag+".json")
		for _, key := range buttons {
			text, ok := translated[key].(string)
			if n := utf8.RuneCountInString(text); ok && n > max(20, utf8.RuneCountInString(key)*5/2) {
				t.Errorf("%s: the button %q is too long: %q", tag, key, text)
			}
		}
	}
}

// buttonTexts returns the texts of widget.NewButton in the source of the interface.
func buttonTexts(t *testing.T) []string {
	t.Helper()
	var keys []string
	eachCall(t, func(_ string, call *ast.CallExpr) {
		if len(call.Args) == 0 {
			return
		}
		name := ""
		switch f := call.Fun.(type) {
		case *ast.SelectorExpr:
			name = f.Sel.Name
		case *ast.Ident:
			name = f.Name
		}
		if name == "NewButton" {
			if key, ok := langKey(call.Args[0]); ok {
				keys = append(keys, key)
			}
		}
	})
	return keys
}

// TestToolkitTexts compares the texts of the toolkit that this package translates, because the toolkit does not, with those of the
// interface: a text that is in both has to be the same, as the file that is read last counts.
func TestToolkitTexts(t *testing.T) {
	files, err := fs.Glob(translations, "translations/toolkit.*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := path.Base(f)
		own := texts(t, strings.TrimPrefix(name, "toolkit."))
		for key, value := range texts(t, name) {
			for _, text := range forms(t, value) {
				checkText(t, key, key, text)
			}
			if own[key] != nil && own[key] != value {
				t.Errorf("%s: %q is %q, but %q in the interface", name, key, value, own[key])
			}
		}
	}
}

// TestMain lets the tests begin in English, whatever the language of the computer is.
func TestMain(m *testing.M) {
	os.Setenv("LC_ALL", "en")
	os.Setenv("LANGUAGE", "en")
	os.Exit(m.Run())
}

// speak sets the language of the system until the test ends.
func speak(t *testing.T, tag string) {
	t.Helper()
	t.Cleanup(func() { // runs after the variables have their old values again
		if err := LoadTranslations(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("LC_ALL", tag)
	t.Setenv("LANGUAGE", tag)
	if err := LoadTranslations(); err != nil {
		t.Fatal(err)
	}
}

// TestLanguageOfTheSystem asks for texts as the interface does, with a region and without.
func TestLanguageOfTheSystem(t *testing.T) {
	for _, c := range []struct{ system, cancel, none, one, two, few, many string }{
		{"en_GB.UTF-8", "Cancel", "0 days", "1 day", "2 days", "3 days", "11 days"},
		{"de_AT.UTF-8", "Abbrechen", "0 Tage", "1 Tag", "2 Tage", "3 Tage", "11 Tage"},
		{"fr", "Annuler", "1 jour", "1 jour", "2 jours", "3 jours", "11 jours"},
		{"es_MX.UTF-8", "Cancelar", "0 días", "1 día", "2 días", "3 días", "11 días"},
		{"ja_JP.UTF-8", "キャンセル", "0日", "1日", "2日", "3日", "11日"},
		{"ar_EG.UTF-8", "إلغاء", "0 يوم", "يوم واحد", "يومين", "3 أيام", "11 يومًا"},
		{"eo", "Cancel", "0 days", "1 day", "2 days", "3 days", "11 days"},
	} {
		t.Run(c.system, func(t *testing.T) {
			speak(t, c.system)
			if got := lang.L("Cancel"); got != c.cancel {
				t.Errorf("Cancel is %q, want %q", got, c.cancel)
			}
			for n, want := range map[int]string{0: c.none, 1: c.one, 2: c.two, 3: c.few, 11: c.many} {
				if got := lang.N("{{.Count}} days", n, map[string]any{"Count": n}); got != want {
					t.Errorf("%d days are %q, want %q", n, got, want)
				}
			}
			if got := lang.L("{{.Name}} has a new picture.", map[string]any{"Name": "Bob"}); !strings.Contains(got, "Bob") {
				t.Errorf("the name is not in %q", got)
			}
		})
	}
}

// TestEveryNumberHasAForm asks for every text with plural forms in every language with many numbers.
func TestEveryNumberHasAForm(t *testing.T) {
	english := texts(t, "en.json")
	for _, tag := range languages(t) {
		t.Run(tag, func(t *testing.T) {
			speak(t, tag)
			translated := texts(t, tag+".json")
			for key, value := range english {
				if _, plural := value.(map[string]any); !plural {
					continue
				}
				known := slices.Collect(maps.Values(forms(t, translated[key])))
				fill := make(map[string]any)
				for _, text := range known {
					for _, p := range placeholders(text) {
						fill[strings.Trim(p, "{}.")] = p // each placeholder stands for itself
					}
				}
				for _, n := range []int{0, 1, 2, 3, 10, 11, 99, 100, 101, 102, 103, 111, 1_000_000} {
					if got := lang.N(key, n, fill); !slices.Contains(known, got) {
						t.Errorf("%q with %d is %q", key, n, got)
					}
				}
			}
		})
	}
}
