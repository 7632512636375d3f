package widget

import (
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
)

// keepsKeyboard tells whether a click leaves the keyboard where it is: whether there is something there that could have it, as the driver of
// windows asks.
func keepsKeyboard(c fyne.Canvas, at fyne.Position) bool {
	top := c.Overlays().Top()
	if top == nil {
		top = c.Content()
	}
	for _, o := range test.LaidOutObjects(top) {
		if _, ok := o.(fyne.Focusable); !ok || !o.Visible() {
			continue
		}
		pos := fyne.CurrentApp().Driver().AbsolutePositionForObject(o)
		if at.X >= pos.X && at.Y >= pos.Y && at.X < pos.X+o.Size().Width && at.Y < pos.Y+o.Size().Height {
			return true
		}
	}
	return false
}

func TestGround(t *testing.T) {
	field := NewEntry("name")
	w := test.NewWindow(container.NewStack(NewGround(), container.NewVBox(field)))
	defer w.Close()
	c := w.Canvas()
	w.Resize(fyne.NewSize(400, 300))
	if !keepsKeyboard(c, fyne.NewPos(200, 290)) {
		t.Error("a click beside the field takes the keyboard away")
	}
	for range 3 {
		if c.FocusNext(); c.Focused() != field {
			t.Fatalf("Tab leads to a %T", c.Focused())
		}
	}

	inside := NewEntry("name")
	d := NewDialog("Title", NewColumn(8, inside), 300)
	closed := false
	d.OnClosed = func() { closed = true }
	d.ShowOn(c)
	if c.FocusNext(); c.Focused() == nil {
		t.Fatal("nothing in the dialog has the keyboard")
	}
	title := d.card.AddXY(40, 40)
	if !keepsKeyboard(c, title) {
		t.Error("a click beside the field of a dialog takes the keyboard away")
	}
	test.TapCanvas(c, d.card.SubtractXY(4, 4))
	if !closed {
		t.Error("a tap beside the dialog does not close it")
	}
}
