package theme

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	fynetheme "fyne.io/fyne/v2/theme"

	"github.com/sotto-chat/sotto/assets"
)

// luminance and contrast follow WCAG 2.1, "relative luminance" and "contrast ratio".
func luminance(c color.Color) float64 {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	lin := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(n.R) + 0.7152*lin(n.G) + 0.0722*lin(n.B)
}

func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	if x < y {
		x, y = y, x
	}
	return (x + 0.05) / (y + 0.05)
}

// textOn lists which text colours are used on which backgrounds.
var textOn = map[fyne.ThemeColorName][]fyne.ThemeColorName{
	ColorBackground: {ColorText, ColorSecondary, ColorAccent, ColorWarning, ColorDanger},
	ColorPanel:      {ColorText, ColorSecondary, ColorAccent, ColorWarning, ColorDanger},
	ColorRail:       {ColorText, ColorSecondary, ColorAccent, ColorDanger},
	ColorSelected:   {ColorText, ColorSecondary, ColorAccent},
	ColorAccentSoft: {ColorText, ColorAccent},
	ColorBubble:     {ColorText, ColorSecondary, ColorAccent, ColorWarning, ColorDanger},
	ColorQuote:      {ColorText, ColorAccent},
	ColorOwnBubble:  {ColorText, ColorOwnSecondary, ColorAccent},
	ColorOwnQuote:   {ColorText, ColorOwnSecondary},
	ColorAccent:     {ColorOnAccent},
	ColorDanger:     {ColorOnDanger},
	ColorTooltip:    {ColorOnTooltip},
	ColorHighlight:  {ColorText},
}

func TestContrast(t *testing.T) {
	for name, p := range map[string]palette{"light": light, "dark": dark} {
		for background, texts := range textOn {
			for _, text := range texts {
				if got := contrast(p[background], p[text]); got < 4.5 {
					t.Errorf("%s: %s on %s has a contrast of %.2f", name, text, background, got)
				}
			}
		}
	}
	for _, c := range avatarColors {
		if got := contrast(c, ColorOnAvatar); got < 4.5 {
			t.Errorf("initials on avatar colour %v have a contrast of %.2f", c, got)
		}
	}
}

func TestPalettesHaveTheSameNames(t *testing.T) {
	for name := range light {
		if _, ok := dark[name]; !ok {
			t.Errorf("%s is missing in the dark palette", name)
		}
	}
	if len(light) != len(dark) {
		t.Errorf("light has %d colours, dark %d", len(light), len(dark))
	}
}

func TestModes(t *testing.T) {
	test.NewTempApp(t)
	for _, c := range []struct {
		mode    Mode
		variant fyne.ThemeVariant
		want    palette
	}{
		{FollowSystem, fynetheme.VariantLight, light},
		{FollowSystem, fynetheme.VariantDark, dark},
		{Light, fynetheme.VariantDark, light},
		{Dark, fynetheme.VariantLight, dark},
	} {
		if got := New(c.mode).Color(ColorPanel, c.variant); got != c.want[ColorPanel] {
			t.Errorf("%v, variant %d: panel is %v", c.mode, c.variant, got)
		}
		if got := ParseMode(c.mode.String()); got != c.mode {
			t.Errorf("ParseMode(%q) = %v", c.mode.String(), got)
		}
	}
}

func TestAvatarColorIsStableAndSpread(t *testing.T) {
	seen := map[color.Color]bool{}
	for i := range 200 {
		id := fmt.Appendf(nil, "id-%d", i)
		if AvatarColor(id) != AvatarColor(id) {
			t.Fatal("the same id got two colours")
		}
		seen[AvatarColor(id)] = true
	}
	if len(seen) != len(avatarColors) {
		t.Errorf("200 ids use %d of %d colours", len(seen), len(avatarColors))
	}
}

func TestIconsAreDrawnInTheColorAsked(t *testing.T) {
	ink := color.NRGBA{R: 0xC2, G: 0x35, B: 0x2B, A: 0xFF}
	for _, name := range assets.IconNames() {
		for _, side := range []int{14, 20, 48} {
			img := DrawIcon(name, ink, side, side)
			var solid int
			for y := range side {
				for x := range side {
					c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
					if c.A < 0x30 {
						continue
					}
					solid++
					if d := int(c.R) - int(ink.R); d < -8 || d > 8 {
						t.Fatalf("icon %s has a pixel of %v", name, c)
					}
				}
			}
			if solid < side/4 {
				t.Errorf("icon %s has %d visible pixels at %d by %d", name, solid, side, side)
			}
		}
	}
	if img := DrawIcon("no such icon", ink, 8, 8); img.Bounds().Dx() != 8 {
		t.Error("an unknown icon has no picture")
	}
}

func TestIconLinesScale(t *testing.T) {
	// The upright of the plus sign is 2 of 24 units wide.
	img := DrawIcon("plus", color.Black, 240, 240)
	var width int
	for x := range 240 {
		if _, _, _, a := img.At(x, 70).RGBA(); a > 0x8000 {
			width++
		}
	}
	if width != 20 {
		t.Errorf("the line is %d pixels wide, want 20", width)
	}
}

func TestIconResourceFollowsTheTheme(t *testing.T) {
	a := test.NewTempApp(t)
	res := Icon("plus", ColorDanger)
	var names []string
	for mode, want := range map[Mode]string{Light: "#c2352b", Dark: "#f0705f"} {
		a.Settings().SetTheme(New(mode))
		if !bytes.Contains(res.Content(), []byte(want)) {
			t.Errorf("%s: the icon is not drawn in %s", mode, want)
		}
		names = append(names, res.Name())
	}
	if names[0] == names[1] {
		t.Error("the toolkit would keep the picture of the other theme")
	}
	if Icon("no such icon", ColorText) != fynetheme.BrokenImageIcon() {
		t.Error("an unknown icon is not shown as broken")
	}
}

func TestFonts(t *testing.T) {
	test.NewTempApp(t)
	th := New(Light)
	seen := map[string]bool{}
	for _, style := range []fyne.TextStyle{{}, {Bold: true}, {Italic: true}, {Bold: true, Italic: true}} {
		f := th.Font(style)
		if !bytes.HasPrefix(f.Content(), []byte("OTTO")) {
			t.Errorf("%s is not an OpenType font", f.Name())
		}
		seen[f.Name()] = true
	}
	if len(seen) != 4 {
		t.Errorf("four styles use %d fonts", len(seen))
	}
	if th.Font(fyne.TextStyle{Monospace: true}) == nil {
		t.Error("no monospace font")
	}
}

func TestScriptFonts(t *testing.T) {
	for _, s := range scripts {
		if FontOf(s.first, false) == nil || FontOf(s.last, true) == nil || len(FontOf(s.first, false).Content()) == 0 {
			t.Errorf("%s has no font", s.name)
		}
	}
	for text, want := range map[string]int{
		"": 0, "plain": 5, "привет": 12, "שלום abc": 9, "שלום, abc": 8, "abc שלום": 4, "漢字": 6, "नमस्ते दुनिया": 37, "12 ไทย": 3, "e\u0301": 3, "\xff\xd8": 2,
	} {
		if n, _ := FontRun(text, false); n != want {
			t.Errorf("the first run of %q has %d bytes, want %d", text, n, want)
		}
	}
	if _, font := FontRun("שלום", true); font == nil || font != FontOf('ש', true) || font == FontOf('ש', false) {
		t.Error("Hebrew is set in", font)
	}
	if _, font := FontRun("漢", false); font != nil {
		t.Error("Chinese is set in", font.Name())
	}
}
