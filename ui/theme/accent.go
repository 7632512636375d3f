package theme

import (
	"image/color"
	"maps"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"
)

// Accent names the colour of what stands out: buttons, links, one's own messages. The empty one is teal, the colour of Sotto.
type Accent string

// Accents are all accents in the order in which they are offered.
var Accents = []Accent{"", "blue", "violet", "rose", "amber", "grey"}

// accentInks are the accents in the light and in the dark palette.
var accentInks = map[Accent][2]color.NRGBA{
	"blue":   {rgb(0x1D5FC0), rgb(0x6FA8F5)},
	"violet": {rgb(0x6D43B8), rgb(0xB498F2)},
	"rose":   {rgb(0xAD2A5C), rgb(0xF38CAF)},
	"amber":  {rgb(0x8A5200), rgb(0xE9B04F)},
	"grey":   {rgb(0x475569), rgb(0xAAB7C7)},
}

// accented are the palettes of the accents but for the first one.
var accented = func() map[Accent][2]palette {
	all := make(map[Accent][2]palette, len(accentInks))
	for name, inks := range accentInks {
		all[name] = [2]palette{lightWith(inks[0]), darkWith(inks[1])}
	}
	return all
}()

// mix lays a part of ink, 0 to 1, over ground.
func mix(ground, ink color.NRGBA, part float64) color.NRGBA {
	m := func(a, b uint8) uint8 { return uint8(float64(a)*(1-part) + float64(b)*part + 0.5) }
	return color.NRGBA{R: m(ground.R, ink.R), G: m(ground.G, ink.G), B: m(ground.B, ink.B), A: 0xff}
}

// lightWith returns the light palette with another accent.
func lightWith(ink color.NRGBA) palette {
	p := maps.Clone(light)
	white := rgb(0xFFFFFF)
	p[ColorAccent] = ink
	p[ColorAccentSoft] = mix(white, ink, 0.13)
	p[ColorOwnBubble] = mix(white, ink, 0.15)
	p[ColorOwnQuote] = mix(white, ink, 0.21)
	p[ColorOwnSecondary] = rgb(0x4B5260)
	p[ColorSelected] = mix(rgb(0xF1F4F7), ink, 0.05)
	p[ColorQuote] = mix(white, ink, 0.07)
	return withToolkit(p)
}

// darkWith returns the dark palette with another accent.
func darkWith(ink color.NRGBA) palette {
	p := maps.Clone(dark)
	ground := rgb(0x11161B)
	p[ColorAccent] = ink
	p[ColorAccentSoft] = mix(ground, ink, 0.22)
	p[ColorOwnBubble] = mix(ground, ink, 0.27)
	p[ColorOwnQuote] = mix(ground, ink, 0.20)
	p[ColorOwnSecondary] = mix(rgb(0xDDE3EA), ink, 0.25)
	p[ColorSelected] = mix(rgb(0x1A222A), ink, 0.06)
	p[ColorQuote] = mix(rgb(0x1D242C), ink, 0.10)
	return withToolkit(p)
}

// Accent returns the accent in use.
func (t *Theme) Accent() Accent { return t.accent }

// SetAccent changes the accent; an unknown name means the first one. Give the theme to the app's settings again to have
// everything redrawn.
func (t *Theme) SetAccent(a Accent) {
	if _, ok := accented[a]; !ok {
		a = ""
	}
	t.accent = a
}

// AccentColor returns the colour of an accent as the theme shows it.
func (t *Theme) AccentColor(a Accent, variant fyne.ThemeVariant) color.Color {
	return t.paletteOf(a, variant)[ColorAccent]
}

func (t *Theme) paletteOf(a Accent, variant fyne.ThemeVariant) palette {
	isDark := t.mode == Dark || t.mode == FollowSystem && variant == fynetheme.VariantDark
	if p, ok := accented[a]; ok {
		if isDark {
			return p[1]
		}
		return p[0]
	}
	if isDark {
		return dark
	}
	return light
}
