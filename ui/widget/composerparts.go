package widget

import (
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// ComposerBanner says above the field what is written there: an answer, or another text for an old message.
type ComposerBanner struct {
	Icon    string      // of the assets, such as "reply" or "edit"
	Title   string      // such as "Alice" or "Edit message"
	Text    string      // of the message
	Picture image.Image // its small preview, or nil
}

// ComposerAttachment is something that will be sent with the text.
type ComposerAttachment struct {
	Picture image.Image // a small thumbnail; nil shows the name
	Icon    string      // for a file; on a picture a sign such as "play"
	Name    string
	Detail  string // such as "1.2 MB"
}

// ComposerRecording is a voice message while it is recorded.
type ComposerRecording struct {
	Time     string // so far, such as "0:07"
	Loudness []byte // of the last seconds, 0 to 255
}

// banner draws a ComposerBanner.
type banner struct {
	fynewidget.BaseWidget
	painter

	view  ComposerBanner
	close *IconButton
}

func newBanner(cancel func()) *banner {
	b := &banner{painter: newPainter()}
	b.close = NewIconButton("close", lang.L("Cancel"), cancel)
	b.close.side = searchSide
	b.ExtendBaseWidget(b)
	return b
}

// CreateRenderer implements fyne.Widget.
func (b *banner) CreateRenderer() fyne.WidgetRenderer {
	const height, icon, side, gap = 44, 20, 36, 10
	var size fyne.Size
	draw := func() {
		b.begin()
		b.whole = size.Width
		line := lineHeight(theme.TextSmall)
		b.painter.icon(b.view.Icon, theme.ColorAccent, 8, (height-icon)/2, icon)
		b.rect(theme.Color(theme.ColorAccent), 1.5, 38, 3, quoteBar, height-6)
		left, right := float32(50), size.Width-searchSide-gap
		if p := b.view.Picture; p != nil && !p.Bounds().Empty() {
			b.cover(p, 6, left, (height-side)/2, side, side)
			left += side + gap
		}
		w := max(right-left, 10)
		title := ellipsize(b.view.Title, theme.TextSmall, fyne.TextStyle{Bold: true}, w)
		b.text(title, theme.TextSmall, fyne.TextStyle{Bold: true}, theme.Color(theme.ColorAccent), left, 4, w, line)
		text := ellipsize(b.view.Text, theme.TextSmall, fyne.TextStyle{}, w)
		b.text(text, theme.TextSmall, fyne.TextStyle{}, theme.Color(theme.ColorSecondary), left, 4+line, w, line)
	}
	return newRenderer(&renderer{
		widget:  b,
		objects: []fyne.CanvasObject{b.box, b.close},
		minSize: func() fyne.Size { return fyne.NewSize(120, height) },
		layout: func(s fyne.Size) {
			size = s
			draw()
			place(b.close, s.Width-searchSide, (height-searchSide)/2, searchSide, searchSide)
		},
		update: draw,
	})
}

const tileHeight float32 = 72 // of an attachment above the field

// attachmentTile shows a ComposerAttachment with a button that takes it away.
type attachmentTile struct {
	fynewidget.BaseWidget
	painter

	view   ComposerAttachment
	remove *IconButton
}

func newAttachmentTile(view ComposerAttachment, removed func()) *attachmentTile {
	t := &attachmentTile{painter: newPainter(), view: view}
	t.remove = NewIconButton("close", lang.L("Remove"), removed)
	t.remove.side = 24
	t.ExtendBaseWidget(t)
	return t
}

func (t *attachmentTile) width() float32 {
	if t.view.Picture != nil {
		return tileHeight
	}
	return 190
}

// CreateRenderer implements fyne.Widget.
func (t *attachmentTile) CreateRenderer() fyne.WidgetRenderer {
	const icon = 22
	draw := func() {
		t.begin()
		w := t.width()
		t.whole = w
		t.rect(theme.Color(theme.ColorBackground), theme.FieldRadius, 0, 0, w, tileHeight)
		if p := t.view.Picture; p != nil && !p.Bounds().Empty() {
			t.cover(p, theme.FieldRadius, 0, 0, w, tileHeight)
			if t.view.Icon != "" {
				t.rect(theme.Color(theme.ColorMedia), 15, (w-30)/2, (tileHeight-30)/2, 30, 30)
				t.icon(t.view.Icon, theme.ColorOnMedia, (w-16)/2, (tileHeight-16)/2, 16)
			}
		} else {
			name := t.view.Icon
			if name == "" {
				name = "file"
			}
			t.rect(theme.Color(theme.ColorAccent), 20, 10, 16, 40, 40)
			t.icon(name, theme.ColorOnAccent, 10+(40-icon)/2, 16+(40-icon)/2, icon)
			room := w - 60 - 8
			line := lineHeight(theme.TextSmall)
			text := ellipsizeMiddle(t.view.Name, theme.TextSmall, fyne.TextStyle{Bold: true}, room-16)
			t.text(text, theme.TextSmall, fyne.TextStyle{Bold: true}, theme.Color(theme.ColorText), 60, 18, room, line)
			detail := ellipsize(t.view.Detail, theme.TextCaption, fyne.TextStyle{}, room)
			t.text(detail, theme.TextCaption, fyne.TextStyle{}, theme.Color(theme.ColorSecondary), 60, 18+line, room, 16)
		}
		t.rect(theme.Color(theme.ColorPanel), 11, w-25, 3, 22, 22)
	}
	return newRenderer(&renderer{
		widget:  t,
		objects: []fyne.CanvasObject{t.box, t.remove},
		minSize: func() fyne.Size { return fyne.NewSize(t.width(), tileHeight) },
		layout:  func(fyne.Size) { place(t.remove, t.width()-26, 2, 24, 24) },
		update:  draw,
	})
}

// recorder is shown instead of the field while a voice message is recorded.
type recorder struct {
	fynewidget.BaseWidget
	painter

	view ComposerRecording
}

func newRecorder() *recorder {
	r := &recorder{painter: newPainter()}
	r.ExtendBaseWidget(r)
	return r
}

// CreateRenderer implements fyne.Widget.
func (r *recorder) CreateRenderer() fyne.WidgetRenderer {
	const step, bar, height, dot, pad = 4, 2.4, 24, 10, 14
	var size fyne.Size
	draw := func() {
		r.begin()
		r.whole = size.Width
		r.rect(theme.Color(theme.ColorBackground), theme.FieldRadius, 0, 0, size.Width, size.Height)
		r.rect(theme.Color(theme.ColorDanger), dot/2, pad, (size.Height-dot)/2, dot, dot)
		w := textWidth(r.view.Time, theme.TextBody, false)
		left := pad + dot + theme.Grid
		r.text(r.view.Time, theme.TextBody, fyne.TextStyle{}, theme.Color(theme.ColorText), left, 0, w, size.Height)
		left += w + 2*theme.Grid
		n := max(0, int((size.Width-left-pad)/step))
		curve := r.view.Loudness
		if len(curve) > n {
			curve = curve[len(curve)-n:]
		}
		for i, v := range curve { // the newest at the right
			h := max(3, height*float32(v)/255)
			x := size.Width - pad - float32(len(curve)-i)*step
			r.rect(theme.Color(theme.ColorAccent), bar/2, x, (size.Height-h)/2, bar, h)
		}
		canvas.Refresh(r)
	}
	return newRenderer(&renderer{
		widget:  r,
		objects: []fyne.CanvasObject{r.box},
		minSize: func() fyne.Size { return fyne.NewSize(120, composerField) },
		layout: func(s fyne.Size) {
			size = s
			draw()
		},
		update: draw,
	})
}
