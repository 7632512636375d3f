package theme

import (
	"testing"

	"fyne.io/fyne/v2/test"
	fynetheme "fyne.io/fyne/v2/theme"
)

func TestContrastOfAccents(t *testing.T) {
	if len(accented) != len(Accents)-1 {
		t.Errorf("%d accents are offered, there are %d", len(Accents), len(accented)+1)
	}
	for name, palettes := range accented {
		for i, p := range palettes {
			for background, texts := range textOn {
				for _, text := range texts {
					if got := contrast(p[background], p[text]); got < 4.5 {
						t.Errorf("%s %d: %s on %s has a contrast of %.2f", name, i, text, background, got)
					}
				}
			}
		}
	}
}

func TestAccent(t *testing.T) {
	test.NewTempApp(t)
	th := New(Light)
	if th.Accent() != "" || th.Color(ColorAccent, fynetheme.VariantLight) != light[ColorAccent] {
		t.Error("the first accent is not teal")
	}
	th.SetAccent("blue")
	if th.Color(ColorAccent, fynetheme.VariantLight) != th.AccentColor("blue", fynetheme.VariantLight) {
		t.Error("the accent is not in use")
	}
	th.SetAccent("nonsense")
	if th.Accent() != "" {
		t.Error("an unknown accent is in use")
	}
}
