package widget

import (
	"fmt"
	"image"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/sotto-chat/sotto/ui/theme"
)

func key(f fyne.Focusable, names ...fyne.KeyName) {
	for _, n := range names {
		f.TypedKey(&fyne.KeyEvent{Name: n})
	}
}

func window(t *testing.T, o fyne.CanvasObject, width, height float32) fyne.Canvas {
	t.Helper()
	w := test.NewWindow(o)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(width, height))
	t.Cleanup(w.Close)
	return w.Canvas()
}

func TestButtonKeys(t *testing.T) {
	newApp(t, theme.Light)
	n := 0
	b := NewButton("Go", ButtonPrimary, func() { n++ })
	test.Tap(b)
	key(b, fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter, fyne.KeyA)
	if n != 4 {
		t.Errorf("four ways to press, %d calls", n)
	}
	b.Disable()
	test.Tap(b)
	key(b, fyne.KeySpace)
	if n != 4 {
		t.Error("a disabled button can be pressed")
	}
	if b.AccessibilityLabel() != "Go" || NewIconButton("plus", "Add", nil).AccessibilityLabel() != "Add" {
		t.Error("a button does not say its name")
	}
	test.Tap(NewIconButton("plus", "Add", nil)) // must not fail
}

func TestToggleAndTabs(t *testing.T) {
	newApp(t, theme.Light)
	var got []string
	toggle := NewToggle(false, func(on bool) { got = append(got, fmt.Sprint(on)) })
	test.Tap(toggle)
	key(toggle, fyne.KeySpace)
	toggle.SetOn(true)
	if !toggle.On() {
		t.Error("the switch is off")
	}
	tabs := NewTabs([]string{"a", "b", "c"}, func(i int) { got = append(got, fmt.Sprint(i)) })
	tabs.Resize(fyne.NewSize(300, 40))
	key(tabs, fyne.KeyRight, fyne.KeyRight, fyne.KeyRight, fyne.KeyLeft, fyne.KeyHome, fyne.KeyHome)
	test.TapAt(tabs, fyne.NewPos(290, 10))
	test.TapAt(tabs, fyne.NewPos(300, 10))
	if want := "[true false 1 2 1 0 2]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestTabOrderReachesEverything(t *testing.T) {
	newApp(t, theme.Light)
	d := newDemo(true)
	c := window(t, d.window, 1100, 720)
	seen := map[fyne.Focusable]bool{}
	for range 60 {
		c.FocusNext()
		seen[c.Focused()] = true
	}
	for name, f := range map[string]fyne.Focusable{
		"profile": d.rail.profiles[0], "add": d.rail.add, "network": d.rail.network, "settings": d.rail.settings,
		"conversations": d.list, "messages": d.messages, "attach": d.composer.attach, "field": d.composer.editor,
		"emoji": d.composer.emoji,
	} {
		if !seen[f] {
			t.Errorf("Tab does not reach %s", name)
		}
	}
}

func TestRail(t *testing.T) {
	newApp(t, theme.Light)
	r := NewRail()
	window(t, r, 64, 500)
	var got []string
	r.OnProfile = func(i int) { got = append(got, fmt.Sprint("profile", i)) }
	r.OnAdd = func() { got = append(got, "add") }
	r.OnNetwork = func() { got = append(got, "network") }
	r.OnSettings = func() { got = append(got, "settings") }
	r.SetProfiles(make([]ProfileView, 3), 0)
	test.Tap(r.profiles[2])
	key(r.profiles[1], fyne.KeyReturn)
	test.Tap(r.add)
	test.Tap(r.network)
	test.Tap(r.settings)
	if want := "[profile2 profile1 add network settings]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	r.SetProfiles(make([]ProfileView, 30), 0) // more than there is room for
	if y := r.add.Position().Y; y > r.network.Position().Y-AvatarMedium {
		t.Errorf("the button to add is at %v, the shield at %v", y, r.network.Position().Y)
	}
	r.SetProfiles(nil, -1)
}

func TestConversationList(t *testing.T) {
	newApp(t, theme.Light)
	n, asked := 10_000, 0
	l := NewConversationList(func() int { return n }, func(i int) ConversationView {
		asked++
		return ConversationView{Name: fmt.Sprint("name ", i), Unread: i % 3}
	})
	c := window(t, l, 300, 640)
	if asked > 100 {
		t.Errorf("%d rows were drawn", asked)
	}
	var got []int
	l.OnSelected = func(i int) { got = append(got, i) }
	c.Focus(l)
	key(l, fyne.KeyDown, fyne.KeyDown, fyne.KeyUp, fyne.KeyReturn, fyne.KeyEnd, fyne.KeySpace, fyne.KeyHome, fyne.KeyUp, fyne.KeyEnter)
	test.TapAt(l, fyne.NewPos(50, 3*64+5))
	test.TapAt(l, fyne.NewPos(50, -1))
	if fmt.Sprint(got) != "[1 9999 0 3]" {
		t.Errorf("selected %v", got)
	}
	test.Scroll(c, fyne.NewPos(10, 10), 0, -64*5)
	test.TapAt(l, fyne.NewPos(50, 5))
	if l.Selected() != 5 {
		t.Errorf("the first visible row after scrolling is %d, want 5", l.Selected())
	}
	var menu int
	l.OnMenu = func(i int, _ fyne.Position) { menu = i }
	test.TapSecondaryAt(l, fyne.NewPos(50, 64+5))
	if menu != 6 {
		t.Errorf("the menu of row %d was opened", menu)
	}
	key(l, fyne.KeyDown, desktop.KeyMenu)
	if menu != 6 {
		t.Errorf("the Menu key opened the menu of row %d", menu)
	}
	l.MouseDown(primary(fyne.NewPos(297, 630)))
	l.MouseUp(primary(fyne.NewPos(297, 630)))
	if l.offset != 10_000*64-640 {
		t.Errorf("the foot of the bar scrolls to %v", l.offset)
	}
	n = 2
	l.Refresh()
	if len(l.content.Objects) != 2 || l.offset != 0 {
		t.Errorf("%d rows at %v", len(l.content.Objects), l.offset)
	}
	n = 0
	l.Refresh()
	key(l, fyne.KeyDown, fyne.KeyReturn)
}

func TestComposer(t *testing.T) {
	newApp(t, theme.Light)
	c := NewComposer("Message")
	cv := window(t, NewBorder(nil, c, nil, nil, nil), 500, 300)
	var sent []string
	edited, escaped, resized := 0, 0, 0
	drafts := ""
	c.OnSend = func(s string) { sent = append(sent, s) }
	c.OnEditLast = func() { edited++ }
	c.OnEscape = func() { escaped++ }
	c.OnChanged = func(s string) { drafts = s }
	c.OnResized = func() { resized++ }
	c.Focus()
	if cv.Focused() != c.Focusable() {
		t.Fatal("the field has not got the keyboard")
	}
	e := c.editor
	key(e, fyne.KeyReturn, fyne.KeyUp, fyne.KeyEscape)
	test.Type(e, "hello")
	if !strings.HasPrefix(drafts, "hello") || c.Text() != "hello" || c.send.Disabled() {
		t.Errorf("the draft is %q", drafts)
	}
	key(e, fyne.KeyUp) // moves the cursor now
	key(e, fyne.KeyEnd, fyne.KeyReturn)
	test.Type(e, "two")
	shift := &fyne.KeyEvent{Name: desktop.KeyShiftLeft}
	e.KeyDown(shift)
	key(e, fyne.KeyReturn)
	e.KeyUp(shift)
	test.Type(e, "lines")
	key(e, fyne.KeyEnter)
	if fmt.Sprintf("%q", sent) != `["hello" "two\nlines"]` {
		t.Errorf("sent %q", sent)
	}
	if edited != 1 || escaped != 1 || c.Text() != "" || !c.send.Disabled() {
		t.Errorf("edited %d, escaped %d, left %q", edited, escaped, c.Text())
	}
	if resized != 2 || c.lines != 1 {
		t.Errorf("resized %d times, %d lines", resized, c.lines)
	}
	if e.AcceptsTab() {
		t.Error("Tab stays in the field")
	}

	low := c.MinSize().Height
	c.SetText(strings.Repeat("a lot of words that go on and on ", 200))
	high := c.MinSize().Height
	c.SetText("1\n2\n3\n4\n5\n6\n7\n8")
	if c.lines != composerLines || c.MinSize().Height != high || high <= low {
		t.Errorf("the field has %d lines, heights %v, %v", c.lines, low, high)
	}
	c.SetText("ab")
	c.Insert("🎉")
	if c.Text() != "ab🎉" {
		t.Errorf("inserting gives %q", c.Text())
	}
	pasted := 0
	c.OnPaste = func() bool { pasted++; return true }
	e.TypedShortcut(&fyne.ShortcutPaste{Clipboard: fyne.CurrentApp().Clipboard()})
	if pasted != 1 || c.Text() != "ab🎉" {
		t.Error("pasting was not handed on")
	}
	c.SetContext(NewHint("Answering Bob"))
	if c.MinSize().Height <= low {
		t.Error("there is no room for the context")
	}
	e.TypedShortcut(&desktop.CustomShortcut{KeyName: fyne.KeyBackspace, Modifier: fyne.KeyModifierControl})
	if c.Text() != "" {
		t.Errorf("deleting a word leaves %q", c.Text())
	}
}

// shortcutCanvas hears the shortcuts that reach a window, as the canvas of a real window does.
type shortcutCanvas struct {
	fyne.Canvas
	fyne.ShortcutHandler
}

func (c *shortcutCanvas) AddShortcut(s fyne.Shortcut, f func(fyne.Shortcut)) {
	c.ShortcutHandler.AddShortcut(s, f)
}
func (c *shortcutCanvas) RemoveShortcut(s fyne.Shortcut) { c.ShortcutHandler.RemoveShortcut(s) }

func TestShortcutsReachTheWindow(t *testing.T) {
	c := &shortcutCanvas{}
	var got []string
	ctrl1 := &desktop.CustomShortcut{KeyName: fyne.Key1, Modifier: fyne.KeyModifierControl}
	c.AddShortcut(ctrl1, func(s fyne.Shortcut) { got = append(got, s.ShortcutName()) })
	forwardShortcut(c, ctrl1)
	forwardShortcut(nil, ctrl1)
	if len(got) != 1 {
		t.Errorf("the window heard %v", got)
	}
}

func TestDialog(t *testing.T) {
	newApp(t, theme.Light)
	c := window(t, NewTooltipLayer(NewButton("below", ButtonPrimary, func() {})), 600, 500)
	before := func(*fyne.KeyEvent) {}
	c.SetOnTypedKey(before)
	field := NewEntry("name")
	closed := 0
	d := NewDialog("Title", NewColumn(8, field, NewButton("OK", ButtonPrimary, func() {})), 400)
	d.OnClosed = func() { closed++ }

	for name, leave := range map[string]func(){
		"escape without focus": func() { c.OnTypedKey()(&fyne.KeyEvent{Name: fyne.KeyEscape}) },
		"escape in a field":    func() { c.Focus(field); key(field, fyne.KeyEscape) },
		"escape on a button":   func() { key(d.close, fyne.KeyEscape) },
		"the close button":     func() { test.Tap(d.close) },
		"a tap beside it":      func() { test.TapCanvas(c, fyne.NewPos(5, 5)) },
	} {
		d.ShowOn(c)
		d.ShowOn(c) // twice does no harm
		if c.Overlays().Top() != fyne.CanvasObject(d) {
			t.Fatal("the dialog is not in front")
		}
		test.TapCanvas(c, d.card.AddXY(20, 20))
		if d.canvas == nil {
			t.Fatal("a tap on the card closes the dialog")
		}
		closed = 0
		leave()
		if c.Overlays().Top() != nil || closed != 1 {
			t.Errorf("%s does not close it", name)
		}
	}
	d.SetDismissible(false)
	d.ShowOn(c)
	key(field, fyne.KeyEscape)
	test.TapCanvas(c, fyne.NewPos(5, 5))
	if d.canvas == nil {
		t.Error("a dialog that asks for an answer was closed")
	}
	for range 5 {
		c.FocusNext()
		if b, ok := c.Focused().(*Button); ok && b.text == "below" {
			t.Error("Tab leaves the dialog")
		}
	}
	d.Close()

	// Content that is too high for the window scrolls inside the card.
	tall := NewDialog("Tall", NewGap(100, 3000), 400)
	tall.ShowOn(c)
	if bottom := tall.card.Y + tall.cardSize.Height; bottom > 500 {
		t.Errorf("the card ends at %v of 500", bottom)
	}
	tall.Close()
}

func TestTooltip(t *testing.T) {
	newApp(t, theme.Light)
	b := NewIconButton("plus", "Add a profile", func() {})
	l := NewTooltipLayer(NewInset(b, 100))
	c := window(t, l, 236, 236)
	test.MoveMouse(c, fyne.NewPos(110, 110))
	if b.tooltip.timer == nil {
		t.Fatal("no tooltip is on its way")
	}
	b.tooltip.showNow()
	if !l.bubble.box.Visible() || l.bubble.text.text != "Add a profile" {
		t.Error("the tooltip is not shown")
	}
	box := l.bubble.box
	if p := box.Position(); p.X < 0 || p.X+box.Size().Width > 236 || p.Y < 136 {
		t.Errorf("the tooltip is at %v, %v", p, box.Size())
	}
	test.MoveMouse(c, fyne.NewPos(5, 5))
	if l.bubble.box.Visible() || b.tooltip.timer != nil {
		t.Error("the tooltip stays")
	}
	b.tooltip.showNow()
	if l.bubble.box.Visible() {
		t.Error("the tooltip came after the pointer left")
	}
}

func TestQRCanBeRead(t *testing.T) {
	newApp(t, theme.Dark)
	text := "simplex:/contact#/?v=2-7&smp=smp%3A%2F%2F" + strings.Repeat("abcdEFGH0123", 60)
	q, err := NewQR(text, 286)
	if err != nil {
		t.Fatal(err)
	}
	for name, img := range map[string]image.Image{
		"saved": q.Image(6),
		"shown": show(NewSurface(theme.ColorPanel, NewInset(q, 20)), 326, 326, 2).Capture(),
	} {
		bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
		if err != nil {
			t.Fatal(err)
		}
		got, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
		if err != nil || got.GetText() != text {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewQR(strings.Repeat("x", 5000), 200); err == nil {
		t.Error("5000 characters fit into a QR code")
	}
}

func TestNoteAndSearch(t *testing.T) {
	newApp(t, theme.Light)
	n := NewNote(ToneDanger, "")
	if n.Visible() {
		t.Error("a note without text is shown")
	}
	n.Set(ToneDanger, "It failed.")
	did := 0
	n.SetAction("Try again", func() { did++ })
	window(t, n, 300, 60)
	test.Tap(n.action)
	if !n.Visible() || did != 1 {
		t.Error("the note cannot be acted upon")
	}
	var got []string
	f := NewSearchField("Search", func(s string) { got = append(got, s) })
	window(t, f, 200, 40)
	test.Type(f.Entry, "bo")
	key(f.Entry, fyne.KeyEscape)
	if fmt.Sprintf("%q", got) != `["b" "bo" ""]` {
		t.Errorf("searched for %q", got)
	}
}

// TestThemeChange draws the same widgets in both palettes one after the other.
func TestThemeChange(t *testing.T) {
	a := newApp(t, theme.Light)
	d := newDemo(true)
	c := window(t, d.window, 1000, 600)
	first := c.Capture()
	a.Settings().SetTheme(theme.New(theme.Dark))
	d.window.Refresh()
	refreshAll(d.window)
	changed := c.Capture()
	fresh := window(t, newDemo(true).window, 1000, 600).Capture()
	if same(first, changed) {
		t.Error("the picture did not change with the theme")
	}
	if n := difference(changed, fresh); n > 0 {
		t.Errorf("%d pixels differ from a window made in the new theme", n)
	}
}

func refreshAll(o fyne.CanvasObject) {
	for _, child := range test.LaidOutObjects(o) {
		child.Refresh()
	}
}

func same(a, b image.Image) bool { return difference(a, b) == 0 }

func difference(a, b image.Image) int {
	n := 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			if a.At(x, y) != b.At(x, y) {
				n++
			}
		}
	}
	return n
}
