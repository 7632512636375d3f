package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

const (
	composerLines = 6  // the field grows up to here
	composerField = 40 // height of the field with one line
	composerEdge  = 12 // around the field
)

// Composer is where a message is written: a button for attachments, a field that grows with the text, a button for emoji and
// one to send. Set the callbacks before it is shown; OnAttach and OnEmoji may be nil, which hides their buttons.
//
// Enter sends, Shift+Enter starts a new line, Tab moves on. Up in an empty field calls OnEditLast and Escape calls OnEscape.
type Composer struct {
	fynewidget.BaseWidget

	OnSend     func(text string) // the field is emptied afterwards
	OnChanged  func(text string)
	OnAttach   func()
	OnEmoji    func()
	OnEditLast func()
	OnEscape   func()
	// OnPaste is called before something is pasted. It returns true when it took it, for example a picture.
	OnPaste func() bool
	// OnResized is called when the height that the composer needs has changed.
	OnResized func()

	context     fyne.CanvasObject // above the field: what is answered or edited
	editor      *Entry
	measure     *fynewidget.RichText
	attach      *IconButton
	emoji, send *IconButton
	lines       int
}

var _ fyne.Widget = (*Composer)(nil)

// NewComposer returns a composer whose empty field shows a prompt.
func NewComposer(prompt string) *Composer {
	c := &Composer{editor: NewTextEntry(prompt, 1), lines: 1}
	c.editor.Scroll = fyne.ScrollVerticalOnly
	call := func(f *func()) func() {
		return func() {
			if *f != nil {
				(*f)()
			}
		}
	}
	c.attach = NewIconButton("plus", lang.L("Attach"), call(&c.OnAttach))
	c.emoji = NewIconButton("smile", lang.L("Emoji"), call(&c.OnEmoji))
	c.send = NewFilledIconButton("send", lang.L("Send"), composerField, c.submit)
	c.measure = fynewidget.NewRichTextWithText("")
	c.measure.Wrapping = fyne.TextWrapWord
	c.editor.OnChanged = func(text string) {
		c.fit()
		c.enable()
		if c.OnChanged != nil {
			c.OnChanged(text)
		}
	}
	c.editor.OnEscape = call(&c.OnEscape)
	c.editor.OnPaste = func() bool { return c.OnPaste != nil && c.OnPaste() }
	c.editor.OnKey = c.key
	c.ExtendBaseWidget(c)
	c.enable()
	return c
}

// Text returns the draft.
func (c *Composer) Text() string { return c.editor.Text }

// SetText changes the draft and puts the cursor at its end.
func (c *Composer) SetText(text string) {
	c.editor.SetText(text)
	c.editor.CursorRow, c.editor.CursorColumn = 0, 0
	c.editor.Entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyPageDown})
	c.fit()
}

// Insert puts text at the cursor, as if it were typed.
func (c *Composer) Insert(text string) {
	for _, r := range text {
		c.editor.TypedRune(r)
	}
}

// SetPlaceholder changes what an empty field shows.
func (c *Composer) SetPlaceholder(text string) { c.editor.SetPlaceHolder(text) }

// SetContext puts something above the field, such as the message that is answered; nil takes it away.
func (c *Composer) SetContext(o fyne.CanvasObject) {
	c.context = o
	c.Refresh()
	c.resized()
}

// Focus gives the keyboard to the field.
func (c *Composer) Focus() {
	if cv := canvasOf(c.editor); cv != nil {
		cv.Focus(c.editor)
	}
}

// Focusable returns the field, for comparing it with what has the keyboard.
func (c *Composer) Focusable() fyne.Focusable { return c.editor }

func (c *Composer) key(ev *fyne.KeyEvent) bool {
	switch ev.Name {
	case fyne.KeyReturn, fyne.KeyEnter:
		if c.editor.shift {
			return false
		}
		c.submit()
		return true
	case fyne.KeyUp:
		if c.editor.Text == "" && c.OnEditLast != nil {
			c.OnEditLast()
			return true
		}
	}
	return false
}

func (c *Composer) submit() {
	text := c.editor.Text
	if isBlank(text) || c.OnSend == nil {
		return
	}
	c.OnSend(text)
	c.editor.SetText("")
}

func isBlank(s string) bool {
	for _, r := range s {
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' {
			return false
		}
	}
	return true
}

// enable lets the send button be used while there is something to send.
func (c *Composer) enable() {
	if isBlank(c.editor.Text) == c.send.Disabled() {
		return
	}
	if c.send.Disabled() {
		c.send.Enable()
	} else {
		c.send.Disable()
	}
}

// fit lets the field have as many lines as the text.
func (c *Composer) fit() {
	const long = 2000 // bytes: surely more than the field can show
	lines := composerLines
	if text := c.editor.Text; len(text) < long {
		c.measure.Segments = []fynewidget.RichTextSegment{&fynewidget.TextSegment{Text: text, Style: fynewidget.RichTextStyleInline}}
		c.measure.Resize(fyne.NewSize(c.editor.Size().Width, 1))
		c.measure.Refresh()
		line := fyne.MeasureText("M", theme.TextBody, fyne.TextStyle{}).Height
		lines = int((c.measure.MinSize().Height-2*theme.FieldPadding)/line + 0.5)
	}
	lines = max(1, min(lines, composerLines))
	if lines == c.lines {
		return
	}
	c.lines = lines
	c.editor.SetMinRowsVisible(lines)
	c.Refresh()
	c.resized()
}

func (c *Composer) resized() {
	if c.OnResized != nil {
		c.OnResized()
	}
}

// fieldHeight is the height of the field for its lines.
func (c *Composer) fieldHeight() float32 {
	line := fyne.MeasureText("M", theme.TextBody, fyne.TextStyle{}).Height
	return composerField + float32(c.lines-1)*line
}

// CreateRenderer implements fyne.Widget.
func (c *Composer) CreateRenderer() fyne.WidgetRenderer {
	r := &composerRenderer{composer: c, ground: canvas.NewRectangle(nil), line: canvas.NewRectangle(nil)}
	r.Refresh()
	return r
}

type composerRenderer struct {
	composer     *Composer
	ground, line *canvas.Rectangle
}

func (r *composerRenderer) Destroy() {}

func (r *composerRenderer) Objects() []fyne.CanvasObject {
	c := r.composer
	objects := []fyne.CanvasObject{r.ground, r.line}
	if c.context != nil {
		objects = append(objects, c.context)
	}
	return append(objects, c.attach, c.editor, c.emoji, c.send)
}

func (r *composerRenderer) contextHeight(width float32) float32 {
	c := r.composer
	if c.context == nil {
		return 0
	}
	c.context.Resize(fyne.NewSize(width, c.context.MinSize().Height))
	return c.context.MinSize().Height + theme.Grid
}

func (r *composerRenderer) MinSize() fyne.Size {
	w := max(0, r.composer.Size().Width-4*theme.Grid)
	return fyne.NewSize(240, r.composer.fieldHeight()+2*composerEdge+r.contextHeight(w))
}

func (r *composerRenderer) Layout(size fyne.Size) {
	const pad, gap = 2 * theme.Grid, theme.Grid
	c := r.composer
	r.ground.Resize(size)
	place(r.line, 0, 0, size.Width, 1)
	top := float32(composerEdge)
	if c.context != nil {
		h := r.contextHeight(size.Width - 2*pad)
		place(c.context, pad, top, size.Width-2*pad, h-theme.Grid)
		top += h
	}
	h := c.fieldHeight()
	foot := top + h - composerField + (composerField-buttonHeight)/2
	left, right := pad, size.Width-pad
	if c.attach.Visible() {
		place(c.attach, left-2, foot, buttonHeight, buttonHeight)
		left += buttonHeight + gap - 2
	}
	place(c.send, right-composerField, top+h-composerField, composerField, composerField)
	right -= composerField + gap
	if c.emoji.Visible() {
		place(c.emoji, right-buttonHeight, foot, buttonHeight, buttonHeight)
		right -= buttonHeight + gap
	}
	old := c.editor.Size().Width
	place(c.editor, left, top, right-left, h)
	if c.editor.Size().Width != old {
		c.fit()
	}
}

func (r *composerRenderer) Refresh() {
	c := r.composer
	c.attach.Hidden = c.OnAttach == nil
	c.emoji.Hidden = c.OnEmoji == nil
	r.ground.FillColor = theme.Color(theme.ColorPanel)
	r.ground.Refresh()
	r.line.FillColor = theme.Color(theme.ColorLine)
	r.line.Refresh()
	r.Layout(c.Size())
	canvas.Refresh(c)
}
