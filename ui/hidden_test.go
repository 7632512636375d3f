package ui

import (
	"testing"

	"fyne.io/fyne/v2"

	"github.com/sotto-chat/sotto/ui/theme"
)

// hide hides a profile and closes it.
func (b *bench) hide(name, passphrase string) {
	b.Helper()
	for _, info := range b.core.Profiles() {
		if info.Name == name {
			if _, err := b.core.Hide(b.Context(), info.ID, passphrase); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := b.core.CloseHidden(); err != nil {
		b.Fatal(err)
	}
}

// shown tells whether the profile with a name is shown.
func (b *bench) shown(name string) bool { return b.profile != nil && b.profile.Name() == name }

func TestHiddenProfileOpensBySearch(t *testing.T) {
	const secret = "seven green bottles"
	b := newBench(t, theme.Light, "Alice", "Mallory")
	b.hide("Mallory", secret)
	b.wait("it is gone", func() bool { return len(b.profiles) == 1 && b.shown("Alice") })
	b.main.search.Entry.SetText(secret)
	b.wait("there are no hits", func() bool { return len(b.main.rows) == 0 })
	b.main.search.Entry.OnSubmitted(secret)
	if !b.trying {
		t.Error("Enter that is held down tries it as often")
	}
	b.wait("it is shown", func() bool { return b.shown("Mallory") })
	b.main.search.Entry.SetText(secret)
	b.openHiddenQuietly(secret)
	b.wait("it is shown still, and its passphrase is not", func() bool { return !b.trying })
	if !b.shown("Mallory") || b.main.search.Entry.Text != "" {
		t.Errorf("the search field shows %q", b.main.search.Entry.Text)
	}
	if title := b.win.Title(); title != "Sotto" {
		t.Errorf("every program can read %q", title)
	}
	if _, _, warning := b.protection(); warning != "" {
		t.Errorf("its passphrase guards it, but: %s", warning)
	}
	b.press(fyne.KeyL, fyne.KeyModifierShortcutDefault)
	b.wait("it is closed", func() bool { return b.shown("Alice") && len(b.profiles) == 1 })
}

func TestOnlyProfileIsHidden(t *testing.T) {
	const secret = "seven green bottles"
	b := newBench(t, theme.Light, "Mallory")
	b.hide("Mallory", secret)
	b.wait("the first start", func() bool { return b.starting != nil && b.main == nil })
	b.press(fyne.KeyN, fyne.KeyModifierShortcutDefault)
	if b.win.Canvas().Overlays().Top() != nil {
		t.Error("there is a new conversation without a profile")
	}
	b.press(fyne.KeyP, fyne.KeyModifierShortcutDefault|fyne.KeyModifierShift)
	entry := b.entry()
	entry.SetText(secret)
	entry.OnSubmitted(secret)
	b.wait("it is shown", func() bool { return b.shown("Mallory") && b.main != nil && b.starting == nil })
}
