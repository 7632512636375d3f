package theme

import (
	"unicode/utf8"

	"fyne.io/fyne/v2"

	"github.com/sotto-chat/sotto/assets"
)

// script is a range of characters that are set in a font of their own.
type script struct {
	first, last rune
	name        string
}

// scripts are the blocks of the Unicode standard that neither Inter nor the toolkit's fonts have and that come with the program.
var scripts = []script{
	{0x0530, 0x058f, "Armenian"}, {0x0590, 0x05ff, "Hebrew"}, {0x0600, 0x06ff, "Arabic"}, {0x0750, 0x077f, "Arabic"}, {0x08a0, 0x08ff, "Arabic"},
	{0x0900, 0x097f, "Devanagari"}, {0x0980, 0x09ff, "Bengali"}, {0x0a00, 0x0a7f, "Gurmukhi"}, {0x0a80, 0x0aff, "Gujarati"}, {0x0b00, 0x0b7f, "Oriya"},
	{0x0b80, 0x0bff, "Tamil"}, {0x0c00, 0x0c7f, "Telugu"}, {0x0c80, 0x0cff, "Kannada"}, {0x0d00, 0x0d7f, "Malayalam"}, {0x0d80, 0x0dff, "Sinhala"},
	{0x0e00, 0x0e7f, "Thai"}, {0x0e80, 0x0eff, "Lao"}, {0x1000, 0x109f, "Myanmar"}, {0x10a0, 0x10ff, "Georgian"}, {0x1200, 0x139f, "Ethiopic"},
	{0x1780, 0x17ff, "Khmer"}, {0x1c90, 0x1cbf, "Georgian"}, {0xfb13, 0xfb17, "Armenian"}, {0xfb1d, 0xfb4f, "Hebrew"}, {0xfb50, 0xfdff, "Arabic"},
	{0xfe70, 0xfefe, "Arabic"},
}

// scriptFonts are the fonts that were needed so far. It belongs to the main goroutine, as all text does.
var scriptFonts = make(map[string]fyne.Resource)

// FontOf returns the font that a character needs, or nil for those that the theme's own fonts or the system's have. There is a bold
// one for Arabic and Hebrew only.
func FontOf(r rune, bold bool) fyne.Resource {
	if r < scripts[0].first {
		return nil
	}
	for _, s := range scripts {
		if r >= s.first && r <= s.last {
			cut := "Regular"
			if bold && (s.name == "Arabic" || s.name == "Hebrew") {
				cut = "Bold"
			}
			return scriptFont(s.name, cut)
		}
	}
	return nil
}

func scriptFont(name, cut string) fyne.Resource {
	key := name + "-" + cut
	font, ok := scriptFonts[key]
	if !ok {
		if data, err := assets.ScriptFont(name, cut); err == nil {
			font = fyne.NewStaticResource("NotoSans"+key+".ttf", data)
		}
		scriptFonts[key] = font
	}
	return font
}

// FontRun returns how many bytes at the beginning of a text are set in one font, and that font. Spaces and joiners stay with the
// letters before them; digits and signs are set in the theme's own fonts, since not all others have them.
func FontRun(s string, bold bool) (n int, font fyne.Resource) {
	if !mayNeedFont(s) {
		return len(s), nil
	}
	for i, r := range s {
		if i > 0 && (r == ' ' || r == '\u200c' || r == '\u200d' || r >= 0x0300 && r <= 0x036f) {
			continue
		}
		f := FontOf(r, bold)
		switch {
		case i == 0:
			font = f
		case f != font:
			return i, font
		}
	}
	return len(s), font
}

// mayNeedFont is a quick look at whether there are characters from U+0530 on.
func mayNeedFont(s string) bool {
	for i := range len(s) {
		if s[i] >= 0xd4 && utf8.RuneStart(s[i]) {
			return true
		}
	}
	return false
}
