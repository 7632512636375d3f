// Package assets holds the files that are built into the program: the fonts, the icons and the interface texts.
//
// Fonts are four static cuts of Inter, and Noto Sans for the scripts that neither Inter nor the toolkit's own fonts have (both SIL Open
// Font License, see fonts/OFL.txt). Chinese, Japanese and Korean are left to the fonts of the system: they would be larger than the
// program. Emoji are in the package emoji. Icons are line drawings on a grid of
// 24 by 24 with a stroke of currentColor, so that a theme can colour them.
//
// The texts of the interface are in translations, one JSON file for each language, named after its BCP 47 tag. To add a
// language, copy en.json to for example de.json or pt-BR.json and translate the values; the keys are the English texts that
// the code asks for and stay as they are. Words in double braces such as {{.Count}} are filled in by the program and have to
// appear in the translation too. A text with plural forms is an object whose keys are the plural categories of the
// language ("one", "few", "many", "other"). What a file leaves out appears in English; the tests list it. No code has to change.
// Which words are used for the terms of the field is in translations/README.md. Files called toolkit, such as toolkit.ar.json, have
// the texts of the toolkit in a language that it does not speak.
package assets

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
)

//go:embed fonts/*.otf fonts/*.ttf
var fonts embed.FS

//go:embed icons/*.svg
var icons embed.FS

//go:embed translations/*.json
var translations embed.FS

// Font returns the OpenType file of a cut of Inter: Regular, SemiBold, Italic or SemiBoldItalic.
func Font(cut string) ([]byte, error) {
	data, err := fonts.ReadFile("fonts/Inter-" + cut + ".otf")
	if err != nil {
		return nil, fmt.Errorf("assets: no font cut %q: %w", cut, err)
	}
	return data, nil
}

// ScriptFont returns the TrueType file of Noto Sans for a script, named as in the Unicode standard, such as Arabic. The cut is Regular
// or, for Arabic and Hebrew, Bold.
func ScriptFont(script, cut string) ([]byte, error) {
	data, err := fonts.ReadFile("fonts/NotoSans" + script + "-" + cut + ".ttf")
	if err != nil {
		return nil, fmt.Errorf("assets: no font for the script %q: %w", script, err)
	}
	return data, nil
}

// Icon returns the SVG file of an icon, named like its file without the extension.
func Icon(name string) ([]byte, error) {
	data, err := icons.ReadFile("icons/" + name + ".svg")
	if err != nil {
		return nil, fmt.Errorf("assets: no icon %q: %w", name, err)
	}
	return data, nil
}

// IconNames lists the names that Icon knows, sorted.
func IconNames() []string {
	files, _ := fs.Glob(icons, "icons/*.svg")
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".svg")
	}
	return names
}

// LoadTranslations registers the interface texts with the toolkit's lang package, which picks the language of the system.
// Call it once, before the first screen is built. What is in other languages stays where it is, which saves 10 MB, unless
// there is nothing in the language of the system: the person may understand another one.
func LoadTranslations() error {
	files, err := translations.ReadDir("translations")
	if err != nil {
		return fmt.Errorf("assets: load the interface texts: %w", err)
	}
	wanted := base(lang.SystemLocale().String())
	known := slices.ContainsFunc(files, func(f fs.DirEntry) bool { return fileLanguage(f.Name()) == wanted })
	for _, f := range files {
		if l := fileLanguage(f.Name()); known && l != wanted && l != "en" {
			continue
		}
		data, err := translations.ReadFile("translations/" + f.Name())
		if err == nil {
			err = lang.AddTranslations(fyne.NewStaticResource(f.Name(), data))
		}
		if err != nil {
			return fmt.Errorf("assets: load the interface texts: %w", err)
		}
	}
	return nil
}

// fileLanguage is the language of a file of texts, such as pt for pt-BR.json and for toolkit.pt-BR.json.
func fileLanguage(name string) string {
	name = strings.TrimSuffix(name, ".json")
	return base(name[strings.LastIndexByte(name, '.')+1:])
}

// base is the language of a locale, without its script and region.
func base(locale string) string {
	if i := strings.IndexAny(locale, "-_"); i >= 0 {
		locale = locale[:i]
	}
	return strings.ToLower(locale)
}
