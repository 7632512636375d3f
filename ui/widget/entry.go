package widget

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Entry is the toolkit's entry with the manners that Sotto needs: Tab moves on, Escape is heard, and key combinations that it
// does not use reach the window.
type Entry struct {
	fynewidget.Entry

	OnEscape func()                    // nil closes the dialog around
	OnKey    func(*fyne.KeyEvent) bool // sees keys first; true means that it was used
	OnPaste  func() bool               // true means that something else than text was pasted
	OnFocus  func(focused bool)

	shift  bool
	prompt string // that is drawn here if the window is mirrored: at the right, which the toolkit does not do
	drawn  *words
}

var _ fyne.Tabbable = (*Entry)(nil)

// NewEntry returns a field for one line of text.
func NewEntry(prompt string) *Entry {
	e := &Entry{}
	e.Wrapping = fyne.TextWrap(fyne.TextTruncateClip)
	e.setPrompt(prompt)
	e.ExtendBaseWidget(e)
	return e
}

// NewPasswordEntry returns a field for one line of text that is not shown.
func NewPasswordEntry(prompt string) *Entry {
	e := NewEntry(prompt)
	e.Password = true
	return e
}

// NewTextEntry returns a field for several lines of text, with the given number of them visible.
func NewTextEntry(prompt string, lines int) *Entry {
	e := &Entry{}
	e.MultiLine = true
	e.Wrapping = fyne.TextWrapWord
	e.setPrompt(prompt)
	e.SetMinRowsVisible(lines)
	e.ExtendBaseWidget(e)
	return e
}

// SetPlaceHolder changes what the empty field shows.
func (e *Entry) SetPlaceHolder(prompt string) {
	if e.setPrompt(prompt); mirrored {
		e.Refresh()
	} else {
		e.Entry.SetPlaceHolder(prompt)
	}
}

func (e *Entry) setPrompt(prompt string) {
	if mirrored {
		e.prompt = prompt
	} else {
		e.PlaceHolder = prompt
	}
}

// CreateRenderer implements fyne.Widget.
func (e *Entry) CreateRenderer() fyne.WidgetRenderer {
	r := e.Entry.CreateRenderer()
	if !mirrored {
		return r
	}
	e.drawn = newWords(theme.TextBody, false)
	return &promptRenderer{r, e}
}

// promptRenderer is the toolkit's renderer of a field with the prompt at the right.
type promptRenderer struct {
	fyne.WidgetRenderer
	entry *Entry
}

func (r *promptRenderer) Objects() []fyne.CanvasObject {
	return append(slices.Clip(r.WidgetRenderer.Objects()), r.entry.drawn.box)
}

func (r *promptRenderer) Layout(size fyne.Size) {
	r.WidgetRenderer.Layout(size)
	right := theme.FieldPadding
	if a := r.entry.ActionItem; a != nil {
		right += a.MinSize().Width
	}
	p := r.entry.drawn
	p.set(ellipsize(r.entry.prompt, p.size, fyne.TextStyle{}, size.Width-theme.FieldPadding-right), theme.ColorSecondary)
	height := fyne.MeasureText("M", p.size, fyne.TextStyle{}).Height
	p.place(size.Width-right-textWidth(p.text, p.size, false), theme.FieldPadding, height, 0)
	p.box.Hidden = r.entry.Text != ""
}

func (r *promptRenderer) Refresh() {
	r.WidgetRenderer.Refresh()
	r.Layout(r.entry.Size())
}

// TappedSecondary implements fyne.SecondaryTappable: it shows what can be done with the text.
func (e *Entry) TappedSecondary(ev *fyne.PointEvent) {
	c := canvasOf(e)
	if c == nil {
		return
	}
	c.Focus(e)
	clipboard := fyne.CurrentApp().Clipboard()
	when := func(possible bool, s fyne.Shortcut) func() {
		if !possible {
			return nil
		}
		return func() { e.TypedShortcut(s) }
	}
	visible, open := e.SelectedText() != "" && !e.Password, !e.Disabled()
	ShowMenu(c, ev.AbsolutePosition, Menu{Items: []MenuItem{
		{Icon: "cut", Text: lang.L("Cut"), Do: when(visible && open, &fyne.ShortcutCut{Clipboard: clipboard})},
		{Icon: "copy", Text: lang.L("Copy"), Do: when(visible, &fyne.ShortcutCopy{Clipboard: clipboard})},
		{Icon: "paste", Text: lang.L("Paste"), Do: when(open, &fyne.ShortcutPaste{Clipboard: clipboard})},
		{Icon: "select", Text: lang.L("Select all"), Do: when(e.Text != "", &fyne.ShortcutSelectAll{})},
		{Icon: "undo", Text: lang.L("Undo"), Line: true, Do: when(open, &fyne.ShortcutUndo{})},
		{Icon: "redo", Text: lang.L("Redo"), Do: when(open, &fyne.ShortcutRedo{})},
	}})
}

// AcceptsTab implements fyne.Tabbable.
func (e *Entry) AcceptsTab() bool { return false }

// KeyDown implements desktop.Keyable.
func (e *Entry) KeyDown(ev *fyne.KeyEvent) {
	touched()
	if ev.Name == desktop.KeyShiftLeft || ev.Name == desktop.KeyShiftRight {
		e.shift = true
	}
	e.Entry.KeyDown(ev)
}

// KeyUp implements desktop.Keyable.
func (e *Entry) KeyUp(ev *fyne.KeyEvent) {
	if ev.Name == desktop.KeyShiftLeft || ev.Name == desktop.KeyShiftRight {
		e.shift = false
	}
	e.Entry.KeyUp(ev)
}

// FocusGained implements fyne.Focusable.
func (e *Entry) FocusGained() {
	e.Entry.FocusGained()
	Reveal(e)
	if e.OnFocus != nil {
		e.OnFocus(true)
	}
}

// FocusLost implements fyne.Focusable.
func (e *Entry) FocusLost() {
	e.shift = false // the key may be let go elsewhere
	e.Entry.FocusLost()
	if e.OnFocus != nil {
		e.OnFocus(false)
	}
}

// TypedKey implements fyne.Focusable.
func (e *Entry) TypedKey(ev *fyne.KeyEvent) {
	touched()
	if e.OnKey != nil && e.OnKey(ev) {
		return
	}
	if ev.Name == fyne.KeyEscape {
		if e.OnEscape != nil {
			e.OnEscape()
		} else {
			Escape(e)
		}
		return
	}
	e.Entry.TypedKey(ev)
}

// TypedShortcut implements fyne.Shortcutable.
func (e *Entry) TypedShortcut(s fyne.Shortcut) {
	switch s := s.(type) {
	case *fyne.ShortcutCopy, *fyne.ShortcutCut:
		if text := e.SelectedText(); text != "" && !e.Password {
			defer wasCopied(text)
		}
	case *fyne.ShortcutPaste:
		if e.OnPaste != nil && e.OnPaste() {
			return
		}
		if text := s.Clipboard.Content(); len(text) > MaxPaste {
			e.Entry.TypedShortcut(&fyne.ShortcutPaste{Clipboard: cut{s.Clipboard, strings.ToValidUTF8(text[:MaxPaste], "")}})
			return
		}
	case *desktop.CustomShortcut:
		switch s.KeyName {
		case fyne.KeyLeft, fyne.KeyRight, fyne.KeyBackspace, fyne.KeyDelete: // moving and deleting by words
		default:
			forwardShortcut(canvasOf(e), s)
			return
		}
	}
	e.Entry.TypedShortcut(s)
}

// MaxPaste is how many bytes of a text are pasted into an Entry. The time that the toolkit takes grows with the square of their number: a few
// hundred thousand stop the window for many seconds. No link, name or message is as long.
const MaxPaste = 64 << 10

// cut is a clipboard with the beginning of what is in it.
type cut struct {
	fyne.Clipboard
	text string
}

func (c cut) Content() string { return c.text }

// SearchField is an entry with a magnifying glass and a button to clear it.
type SearchField struct {
	fynewidget.BaseWidget

	// Entry is the field itself, for its text, its focus and its callbacks OnChanged and OnSubmitted.
	Entry *Entry
}

var _ fyne.Widget = (*SearchField)(nil)

// blank reserves the room for an icon inside an entry.
var blank = fyne.NewStaticResource("blank.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>`))

// NewSearchField returns a search field. changed is called with the text after every change.
func NewSearchField(prompt string, changed func(text string)) *SearchField {
	f := &SearchField{Entry: NewEntry(prompt)}
	f.Entry.Icon = blank
	f.Entry.ActionItem = NewGap(searchSide, searchSide)
	f.Entry.OnChanged = func(text string) {
		f.Refresh()
		if changed != nil {
			changed(text)
		}
	}
	f.Entry.OnEscape = func() {
		if f.Entry.Text == "" {
			Escape(f.Entry)
		}
		f.Entry.SetText("")
	}
	f.ExtendBaseWidget(f)
	return f
}

const searchSide float32 = 28 // of the button that clears the field

// CreateRenderer implements fyne.Widget.
func (f *SearchField) CreateRenderer() fyne.WidgetRenderer {
	icon := newGlyph()
	clear := NewIconButton("close", lang.L("Clear"), func() { f.Entry.SetText("") })
	clear.side = searchSide
	return newRenderer(&renderer{
		widget:  f,
		objects: []fyne.CanvasObject{f.Entry, icon.Raster, clear},
		minSize: func() fyne.Size { return fyne.NewSize(120, f.Entry.MinSize().Height) },
		layout: func(size fyne.Size) {
			f.Entry.Resize(size)
			place(icon, 12, (size.Height-16)/2, 16, 16)
			place(clear, size.Width-searchSide-5, (size.Height-searchSide)/2, searchSide, searchSide)
		},
		update: func() {
			icon.set("search", theme.ColorSecondary)
			clear.Hidden = f.Entry.Text == ""
		},
	})
}
