package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
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
// one to send. Above the field may be a banner about what is answered or edited, and what will be sent with the text. Set the
// callbacks before it is shown; a button whose callback is nil is hidden.
//
// Enter sends, Shift+Enter starts a new line, Tab moves on. Up in an empty field calls OnEditLast. Escape ends, in this order,
// the recording, the banner, and otherwise calls OnEscape.
type Composer struct {
	fynewidget.BaseWidget

	OnSend     func(text string) // the field is empty already, and can be given another text; the text is empty where only attachments are sent
	OnChanged  func(text string)
	OnAttach   func()
	OnEmoji    func()
	OnEditLast func()
	OnEscape   func()
	// OnCancel is called when the banner is closed, by its button or by Escape. Taking it away is up to the callback.
	OnCancel func()
	// OnRemove is called with the number of an attachment whose button was tapped.
	OnRemove func(i int)
	// OnVoice is called by the microphone, which stands in place of the send button while there is nothing to send. OnVoiceDone ends
	// the recording: with send true by the send button and Enter, with false by the bin and Escape.
	OnVoice     func()
	OnVoiceDone func(send bool)
	// OnLive is called by the button that lets the other side see the text while it is typed.
	OnLive func()
	// OnPaste is called before something is pasted. It returns true when it took it, for example a picture.
	OnPaste func() bool
	// OnResized is called when the height that the composer needs has changed.
	OnResized func()

	context     fyne.CanvasObject // above the field, see SetContext
	banner      *banner
	bannered    bool
	tiles       []*attachmentTile
	strip       *container.Scroll
	begins      bool // the strip is to show its beginning, which is at the right where one writes from there
	recorder    *recorder
	recording   bool
	live        bool
	editor      *Entry
	measure     *fynewidget.RichText
	attach      *IconButton
	emoji, send *IconButton
	liver       *IconButton
	lines       int
}

var _ fyne.Widget = (*Composer)(nil)

// NewComposer returns a composer whose empty field shows a prompt.
func NewComposer(prompt string) *Composer {
	c := &Composer{editor: NewTextEntry(prompt, 1), lines: 1, recorder: newRecorder()}
	c.editor.Scroll = fyne.ScrollVerticalOnly
	call := func(f *func()) func() {
		return func() {
			if *f != nil {
				(*f)()
			}
		}
	}
	c.attach = NewIconButton("plus", lang.L("Attach"), func() {
		if c.recording {
			c.voiceDone(false)
		} else if c.OnAttach != nil {
			c.OnAttach()
		}
	})
	c.emoji = NewIconButton("smile", lang.L("Emoji"), call(&c.OnEmoji))
	c.liver = NewIconButton("live", lang.L("Show while typing"), call(&c.OnLive))
	c.send = NewFilledIconButton("send", lang.L("Send"), composerField, c.pressed)
	c.send.escaped = func() bool {
		recording := c.recording
		if recording {
			c.voiceDone(false)
		}
		return recording
	}
	c.banner = newBanner(call(&c.OnCancel))
	c.strip = container.NewHScroll(container.NewHBox())
	c.measure = fynewidget.NewRichTextWithText("")
	c.measure.Wrapping = fyne.TextWrapWord
	c.editor.OnChanged = func(text string) {
		c.fit()
		c.enable()
		if c.OnChanged != nil {
			c.OnChanged(text)
		}
	}
	c.editor.OnEscape = c.escape
	c.editor.OnPaste = func() bool { return c.OnPaste != nil && c.OnPaste() }
	c.editor.OnKey = c.key
	c.ExtendBaseWidget(c)
	c.enable()
	return c
}

func (c *Composer) escape() {
	switch {
	case c.recording:
		c.voiceDone(false)
	case c.bannered && c.OnCancel != nil:
		c.OnCancel()
	case c.OnEscape != nil:
		c.OnEscape()
	}
}

// SetBanner shows what is answered or edited; nil takes it away.
func (c *Composer) SetBanner(view *ComposerBanner) {
	c.bannered = view != nil
	if view != nil {
		c.banner.view = *view
		c.banner.Refresh()
	}
	c.Refresh()
	c.resized()
}

// SetAttachments shows what will be sent with the text.
func (c *Composer) SetAttachments(views []ComposerAttachment) {
	tiles := make([]fyne.CanvasObject, len(views))
	c.tiles = make([]*attachmentTile, len(views))
	for i, v := range views {
		c.tiles[i] = newAttachmentTile(v, func() {
			if c.OnRemove != nil {
				c.OnRemove(i)
			}
		})
		tiles[i] = c.tiles[i]
	}
	c.strip.Content, c.begins = NewBar(theme.Grid, -1, tiles...), true
	c.strip.Refresh()
	c.enable()
	c.Refresh()
	c.resized()
}

// SetRecording shows a voice message that is being recorded in place of the field; nil shows the field again. Call it as often as
// the time and the loudness should move.
func (c *Composer) SetRecording(view *ComposerRecording) {
	changed := c.recording != (view != nil)
	c.recording = view != nil
	if view != nil {
		c.recorder.view = *view
		c.recorder.Refresh()
	}
	if !changed {
		return
	}
	c.enable()
	c.Refresh()
	c.resized()
	if cv := canvasOf(c); cv != nil && c.recording {
		cv.Focus(c.send)
	} else if cv != nil {
		c.Focus()
	}
}

// SetLive tells whether the text is shown to the other side while it is typed.
func (c *Composer) SetLive(on bool) {
	c.live = on
	c.Refresh()
}

func (c *Composer) voiceDone(send bool) {
	if c.OnVoiceDone != nil {
		c.OnVoiceDone(send)
	}
}

// pressed is the send button, which can be the microphone.
func (c *Composer) pressed() {
	switch {
	case c.recording:
		c.voiceDone(true)
	case c.voices():
		c.OnVoice()
	default:
		c.submit()
	}
}

// voices reports whether the send button is the microphone.
func (c *Composer) voices() bool {
	return c.OnVoice != nil && !c.recording && !c.sendable() && !c.bannered
}

func (c *Composer) sendable() bool { return !isBlank(c.editor.Text) || len(c.tiles) > 0 }

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
	if !c.sendable() || c.OnSend == nil {
		return
	}
	c.editor.SetText("")
	c.OnSend(text)
}

func isBlank(s string) bool {
	for _, r := range s {
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' {
			return false
		}
	}
	return true
}

// enable lets the send button be used while there is something to send, and shows what it does.
func (c *Composer) enable() {
	icon, name := "send", lang.L("Send")
	if c.voices() {
		icon, name = "mic", lang.L("Record a voice message")
	}
	if c.send.iconName != icon {
		c.send.SetName(name)
		c.send.SetIcon(icon, theme.ColorOnAccent)
	}
	on := c.sendable() || c.recording || c.voices()
	if on == !c.send.Disabled() {
		return
	}
	if on {
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
	if c.bannered {
		objects = append(objects, c.banner)
	}
	if len(c.tiles) > 0 {
		objects = append(objects, c.strip)
	}
	if c.recording {
		return append(objects, c.attach, c.recorder, c.send)
	}
	return append(objects, c.attach, c.editor, c.liver, c.emoji, c.send)
}

// above lays out what is above the field and returns its height.
func (r *composerRenderer) above(x, y, width float32) float32 {
	c := r.composer
	top := y
	put := func(o fyne.CanvasObject) {
		o.Resize(fyne.NewSize(width, o.MinSize().Height))
		h := o.MinSize().Height
		place(o, x, y, width, h)
		y += h + theme.Grid
	}
	if c.context != nil {
		put(c.context)
	}
	if c.bannered {
		put(c.banner)
	}
	if len(c.tiles) > 0 {
		put(c.strip)
		if c.begins && width > 0 {
			c.begins = false
			c.strip.ScrollToOffset(fyne.NewPos(MirrorX(0, 0, max(0, c.strip.Content.MinSize().Width-width)), 0))
		}
	}
	return y - top
}

func (r *composerRenderer) MinSize() fyne.Size {
	const pad = 2 * theme.Grid
	h := r.composer.fieldHeight()
	if r.composer.recording {
		h = composerField
	}
	return fyne.NewSize(240, h+2*composerEdge+r.above(pad, composerEdge, max(0, r.composer.Size().Width-2*pad)))
}

func (r *composerRenderer) Layout(size fyne.Size) {
	const pad, gap = 2 * theme.Grid, theme.Grid
	c := r.composer
	r.ground.Resize(size)
	place(r.line, 0, 0, size.Width, 1)
	top := composerEdge + r.above(pad, composerEdge, size.Width-2*pad)
	h := c.fieldHeight()
	if c.recording {
		h = composerField
	}
	foot := top + h - composerField + (composerField-buttonHeight)/2
	left, right := pad, size.Width-pad
	if c.attach.Visible() {
		place(c.attach, left-2, foot, buttonHeight, buttonHeight)
		left += buttonHeight + gap - 2
	}
	place(c.send, right-composerField, top+h-composerField, composerField, composerField)
	right -= composerField + gap
	defer func() { Mirror(r.Objects(), size.Width) }()
	if c.recording {
		place(c.recorder, left, top, right-left, h)
		return
	}
	for _, b := range []*IconButton{c.emoji, c.liver} {
		if b.Visible() {
			place(b, right-buttonHeight, foot, buttonHeight, buttonHeight)
			right -= buttonHeight + gap/2
		}
	}
	right -= gap / 2
	old := c.editor.Size().Width
	place(c.editor, left, top, right-left, h)
	if c.editor.Size().Width != old {
		c.fit()
	}
}

func (r *composerRenderer) Refresh() {
	c := r.composer
	c.enable()
	if c.recording {
		c.attach.SetName(lang.L("Delete the recording"))
		c.attach.SetIcon("trash", theme.ColorDanger)
	} else {
		c.attach.SetName(lang.L("Attach"))
		c.attach.SetIcon("plus", theme.ColorSecondary)
	}
	c.attach.Hidden = c.OnAttach == nil && !c.recording
	c.emoji.Hidden = c.OnEmoji == nil
	c.liver.Hidden = c.OnLive == nil
	ink := theme.ColorSecondary
	if c.live {
		ink = theme.ColorAccent
	}
	c.liver.SetIcon("live", ink)
	r.ground.FillColor = theme.Color(theme.ColorPanel)
	r.ground.Refresh()
	r.line.FillColor = theme.Color(theme.ColorLine)
	r.line.Refresh()
	r.Layout(c.Size())
	canvas.Refresh(c)
}
