package widget

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
)

func TestPasteIsCut(t *testing.T) {
	newApp(t, theme.Light)
	e := NewEntry("")
	w := test.NewWindow(e)
	defer w.Close()
	for text, want := range map[string]string{
		"short":                         "short",
		strings.Repeat("x", MaxPaste+1): strings.Repeat("x", MaxPaste),
		strings.Repeat("x", MaxPaste-1) + "é and so": strings.Repeat("x", MaxPaste-1),
	} {
		clipboard := fyne.CurrentApp().Clipboard()
		clipboard.SetContent(text)
		e.SetText("")
		e.TypedShortcut(&fyne.ShortcutPaste{Clipboard: clipboard})
		if e.Text != want {
			t.Errorf("%d bytes are pasted, want %d", len(e.Text), len(want))
		}
		if clipboard.Content() != text {
			t.Error("the clipboard was changed")
		}
	}
}

// What was copied here is taken out of the clipboard, and nothing else.
func TestForgetCopied(t *testing.T) {
	newApp(t, theme.Light)
	clipboard := fyne.CurrentApp().Clipboard()
	clipboard.SetContent("of another program")
	ForgetCopied()(clipboard)
	if clipboard.Content() != "of another program" {
		t.Error("what another program has copied is gone")
	}
	Copy(clipboard, "a link")
	ForgetCopied()(clipboard)
	if got := clipboard.Content(); got != "" {
		t.Errorf("%q is left", got)
	}
	hidden := NewPasswordEntry("")
	w := test.NewWindow(hidden)
	defer w.Close()
	hidden.SetText("passphrase")
	hidden.TypedShortcut(&fyne.ShortcutSelectAll{})
	hidden.TypedShortcut(&fyne.ShortcutCopy{Clipboard: clipboard})
	if got := clipboard.Content(); got != "" {
		t.Errorf("%q was copied out of a field for passphrases", got)
	}
}

// The menu of a field offers what can be done with its text.
func TestEntryMenu(t *testing.T) {
	newApp(t, theme.Light)
	e := NewEntry("")
	w := test.NewWindow(NewTooltipLayer(e))
	defer w.Close()
	w.Resize(fyne.NewSize(600, 400))
	offers := func() (texts string) {
		e.TappedSecondary(&fyne.PointEvent{})
		p := w.Canvas().Overlays().Top().(*Popup)
		defer p.Close()
		for _, it := range p.content.(*menuBody).menu.Items {
			if it.Do != nil {
				texts += it.Text + " "
			}
		}
		return texts
	}
	if got := offers(); got != "Paste Undo Redo " {
		t.Errorf("an empty field offers %q", got)
	}
	e.SetText("some text")
	e.TypedShortcut(&fyne.ShortcutSelectAll{})
	if got := offers(); got != "Cut Copy Paste Select all Undo Redo " {
		t.Errorf("selected text offers %q", got)
	}
	e.Password = true
	if got := offers(); got != "Paste Select all Undo Redo " {
		t.Errorf("a passphrase offers %q", got)
	}
	e.Disable()
	if got := offers(); got != "Select all " {
		t.Errorf("a disabled field offers %q", got)
	}
}
