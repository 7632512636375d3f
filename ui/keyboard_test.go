package ui

import (
	"bytes"
	"fmt"
	"image"
	"reflect"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// walker walks through screens with Tab.
type walker struct {
	*bench
	visible map[string]bool // kinds of controls whose focus was seen to be visible
}

// controls are what can be used of the screen or dialog in front, and what can't be reached by the keyboard.
func (k *walker) controls() (list []fyne.Focusable, unreachable []fyne.CanvasObject) {
	var visit func(o fyne.CanvasObject)
	visit = func(o fyne.CanvasObject) {
		if o == nil || !o.Visible() {
			return
		}
		var inside []fyne.CanvasObject
		own := true // and not one of the toolkit's
		switch o := o.(type) {
		case *fyne.Container:
			inside = o.Objects
		case fyne.Widget:
			own = strings.Contains(reflect.TypeOf(o).Elem().PkgPath(), "sotto")
			inside = test.WidgetRenderer(o).Objects()
		}
		d, disableable := o.(fyne.Disableable)
		switch o.(type) {
		case *widget.Dialog, *widget.Popup: // a tap beside it does what Escape does
		case *widget.Entry:
			inside = nil
			list = append(list, o.(fyne.Focusable))
		default:
			_, tappable := o.(fyne.Tappable)
			if f, ok := o.(fyne.Focusable); !own || disableable && d.Disabled() {
			} else if ok {
				list = append(list, f)
			} else if tappable {
				unreachable = append(unreachable, o)
			}
		}
		for _, i := range inside {
			visit(i)
		}
	}
	visit(k.top())
	return list, unreachable
}

func nameOf(o any) string {
	name := ""
	if a, ok := o.(fyne.Accessible); ok {
		name = a.AccessibilityLabel()
	}
	return fmt.Sprintf("%T %q", o, name)
}

// walk reaches every control of what is in front with Tab, and sees that the focus shows, in the window as it is and in the smallest one.
func (k *walker) walk(screen string) {
	k.Helper()
	k.walkOnce(screen)
	if size := k.win.Canvas().Size(); size.Width > smallestWidth {
		k.resize(smallestWidth, smallestHeight)
		k.walkOnce(screen + ", small")
		k.resize(size.Width, size.Height)
	}
}

func (k *walker) walkOnce(screen string) {
	k.Helper()
	k.settle()
	c := k.win.Canvas()
	list, unreachable := k.controls()
	for _, o := range unreachable {
		k.Errorf("%s: %s can be tapped, and not reached by the keyboard", screen, nameOf(o))
	}
	c.Unfocus()
	reached := make(map[fyne.Focusable]bool)
	for range 2*len(list) + 2 {
		c.FocusNext()
		f := c.Focused()
		if f == nil {
			break
		}
		reached[f] = true
		k.inSight(screen, f)
		if kind := fmt.Sprintf("%T", f); !k.visible[kind] {
			k.visible[kind] = true
			with := seen(c.Capture())
			c.Unfocus()
			if bytes.Equal(with, seen(c.Capture())) {
				k.Errorf("%s: nothing shows that %s has the keyboard", screen, nameOf(f))
			}
			c.Focus(f)
		}
	}
	for _, f := range list {
		if !reached[f] {
			k.Errorf("%s: Tab does not lead to %s", screen, nameOf(f))
		}
	}
	c.Unfocus()
}

// ringWidth is how far the ring around what has the keyboard reaches, in pixels.
const ringWidth = 4

// inSight sees that what has the keyboard is scrolled into sight, with the ring around it.
func (k *walker) inSight(screen string, f fyne.Focusable) {
	k.Helper()
	d := fyne.CurrentApp().Driver()
	o := f.(fyne.CanvasObject)
	at, size := d.AbsolutePositionForObject(o), o.Size()
	within := func(what string, from fyne.Position, room fyne.Size) {
		// Of what is too high for the room, the beginning is.
		if top := at.Y - ringWidth; top < from.Y || at.Y+min(size.Height, room.Height-2*ringWidth)+ringWidth > from.Y+room.Height {
			k.Errorf("%s: %s has the keyboard at %v to %v, out of the sight of %s, %v to %v", screen, nameOf(f), at.Y, at.Y+size.Height, what, from.Y, from.Y+room.Height)
		}
	}
	if scroll := scrollAround(k.top(), o, nil); scroll != nil {
		within("what scrolls", d.AbsolutePositionForObject(scroll), scroll.Size())
	}
	within("the window", fyne.Position{Y: -ringWidth}, k.win.Canvas().Size().AddWidthHeight(0, 2*ringWidth))
}

// scrollAround returns what scrolls around an object that is somewhere in another one, nil if nothing does.
func scrollAround(in, o fyne.CanvasObject, around *container.Scroll) *container.Scroll {
	if in == o {
		return around
	}
	var inside []fyne.CanvasObject
	switch in := in.(type) {
	case *fyne.Container:
		inside = in.Objects
	case *widget.Entry:
	case fyne.Widget:
		if s, ok := in.(*container.Scroll); ok && s.Direction != container.ScrollHorizontalOnly {
			around = s
		}
		inside = test.WidgetRenderer(in).Objects()
	}
	for _, i := range inside {
		if found := scrollAround(i, o, around); found != nil {
			return found
		}
	}
	return nil
}

func seen(img image.Image) []byte {
	switch img := img.(type) {
	case *image.NRGBA:
		return img.Pix
	case *image.RGBA:
		return img.Pix
	}
	panic(fmt.Sprintf("a picture of type %T", img))
}

// escape presses Escape where the keyboard is, and sees that what was in front is closed.
func (k *walker) escape(screen string) {
	k.Helper()
	c := k.win.Canvas()
	before := c.Overlays().Top()
	if before == nil {
		k.Errorf("%s: no dialog is open", screen)
		return
	}
	key := &fyne.KeyEvent{Name: fyne.KeyEscape}
	if f := c.Focused(); f != nil {
		f.TypedKey(key)
	} else {
		c.OnTypedKey()(key)
	}
	if c.Overlays().Top() == before {
		k.Errorf("%s: Escape does not close it", screen)
		c.Overlays().Remove(before)
	}
}

// TestScreensByKeyboard reaches everything on every screen with Tab.
func TestScreensByKeyboard(t *testing.T) {
	k := &walker{newBench(t, theme.Light, "Alice", "Work"), make(map[string]bool)}
	k.fill()
	k.resize(1100, 720)
	k.walk("main")
	k.open(1)
	k.walk("conversation")
	k.main.content.(*conversation).togglePanel()
	k.walk("panel")
	for name, show := range map[string]func(){
		"settings":                          k.showSettings,
		"appearance":                        k.showAppearance,
		"notifications":                     k.showNotifications,
		"privacy":                           k.showPrivacy,
		"storage":                           k.showStorage,
		"profile":                           k.showProfileSettings,
		"about":                             k.showAbout,
		"address":                           k.showAddress,
		"network":                           k.showNetwork,
		"Tor":                               func() { k.showTor(k.showSettings) },
		"gallery":                           func() { k.showGallery(1) },
		"code":                              func() { k.showVerify(1) },
		"a conversation that is being made": func() { k.openContact(3) },
	} {
		show()
		k.walk(name)
	}
	r := k.ask()
	k.openRequest(r.ID)
	k.walk("request")
	k.resize(420, 520)
	k.main.back()
	k.walk("narrow list")
	k.lockedScreen()
	k.walk("unlock")
}

// lockedScreen shows what asks for a passphrase.
func (k *walker) lockedScreen() {
	screen, _ := k.unlockScreen("Locked", "Type the passphrase.", func(string, func(error)) {})
	k.show(screen)
}

// TestFirstStartByKeyboard walks through the steps of the first start.
func TestFirstStartByKeyboard(t *testing.T) {
	k := &walker{newBench(t, theme.Light), make(map[string]bool)}
	k.resize(1100, 720)
	k.starting.name.SetText("Alice")
	for step := range 3 {
		k.starting.show(step)
		k.walk(fmt.Sprint("step ", step+1))
	}
}

// TestDialogsByKeyboard walks through every dialog and closes it with Escape, with the keyboard on what the dialog gave it to and with
// the keyboard on nothing.
func TestDialogsByKeyboard(t *testing.T) {
	k := &walker{newBench(t, theme.Light, "Alice", "Work"), make(map[string]bool)}
	k.fill()
	k.resize(1100, 720)
	k.open(1)
	for _, d := range []struct {
		name string
		show func()
	}{
		{"shortcuts", k.showShortcuts},
		{"add a profile", k.addProfile},
		{"hidden profile", k.openHidden},
		{"rename profile", k.renameProfile},
		{"picture", k.changePicture},
		{"passphrase", func() { k.changePassphrase(false) }},
		{"lock", func() { k.changeLock(false) }},
		{"wipe", k.changeWipe},
		{"relays", k.changeRelays},
		{"bridges", k.chooseBridges},
		{"upstream", k.chooseUpstream},
		{"existing Tor", k.chooseExisting},
		{"log of Tor", func() { k.showLog("a line") }},
		{"name of contact", func() { k.rename(1) }},
		{"block", func() { k.askBlock(1) }},
		{"clear", func() { k.askClear(1) }},
		{"delete", func() { k.askDelete(1) }},
		{"resync", func() { k.askResync(1) }},
		{"link", func() { k.openLink("https://example.org/") }},
		{"new conversation", func() { k.newConversation("") }},
		{"paste", func() { k.newConversation("nonsense") }},
		{"tell", func() { k.tell("Title", "Text") }},
		{"choose a file", func() { k.openFile(nil, nil) }},
		{"save a file", func() { k.saveFile("sotto.png", nil) }},
		{"move", func() { k.askMove(1) }},
	} {
		k.fill()
		name, show := d.name, d.show
		show()
		k.walk(name)
		k.escape(name)
		for k.win.Canvas().Overlays().Top() != nil {
			k.win.Canvas().Overlays().Remove(k.win.Canvas().Overlays().Top())
		}
		show()
		k.settle()
		k.escape(name + " at once")
	}
}
