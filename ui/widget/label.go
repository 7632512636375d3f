package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Label is a text that wraps at the width it is given. Set the fields before it is shown, or call Refresh afterwards. It asks
// for little width by itself: give it the room that is left, as the centre of a border layout or in a Column.
type Label struct {
	fynewidget.BaseWidget

	Text      string
	Spans     []Span
	TextSize  float32
	Color     fyne.ThemeColorName
	Bold      bool
	Alignment fyne.TextAlign
	OneLine   bool // shorten the text with an ellipsis instead of wrapping it

	cached textLayout
	key    labelKey
}

type labelKey struct {
	text  string
	spans int
	size  float32
	bold  bool
	line  bool
	width float32
}

var _ fyne.Widget = (*Label)(nil)

// NewLabel returns a label in the text colour with the given size, one of the theme's Text constants.
func NewLabel(text string, size float32) *Label {
	l := &Label{Text: text, TextSize: size, Color: theme.ColorText}
	l.ExtendBaseWidget(l)
	return l
}

// NewHint returns a small label in the secondary colour.
func NewHint(text string) *Label {
	l := NewLabel(text, theme.TextSmall)
	l.Color = theme.ColorSecondary
	return l
}

// NewTitle returns a bold label for the title of a pane.
func NewTitle(text string) *Label {
	l := NewLabel(text, theme.TextTitle)
	l.Bold, l.OneLine = true, true
	return l
}

// NewHeading returns a small bold label in the secondary colour, for the heading of a section.
func NewHeading(text string) *Label {
	l := NewLabel(text, theme.TextCaption)
	l.Bold, l.Color = true, theme.ColorSecondary
	return l
}

// SetText changes the text.
func (l *Label) SetText(text string) {
	l.Text, l.Spans = text, nil
	l.Refresh()
}

// lay returns the text broken at width. Spans are compared by their number only: Refresh forgets what is cached.
func (l *Label) lay(width float32) *textLayout {
	key := labelKey{l.Text, len(l.Spans), l.TextSize, l.Bold, l.OneLine, width}
	if key != l.key || l.cached.lines == nil {
		text := l.Text
		style := fyne.TextStyle{Bold: l.Bold}
		if l.OneLine {
			if width > 0 {
				text = ellipsize(text, l.TextSize, style, width)
			}
			width = 0
		}
		l.key, l.cached = key, layoutLabel(text, l.Spans, l.TextSize, style, width)
	}
	return &l.cached
}

// CreateRenderer implements fyne.Widget.
func (l *Label) CreateRenderer() fyne.WidgetRenderer {
	r := &labelRenderer{label: l, painter: newPainter()}
	r.Layout(l.Size())
	return r
}

type labelRenderer struct {
	painter

	label *Label
}

func (r *labelRenderer) Destroy()                     {}
func (r *labelRenderer) Objects() []fyne.CanvasObject { return r.box.Objects }

func (r *labelRenderer) Refresh() {
	r.label.cached = textLayout{}
	r.Layout(r.label.Size())
	canvas.Refresh(r.label)
}

// MinSize is one word wide for a text that wraps, and as high as the text is at the present width.
func (r *labelRenderer) MinSize() fyne.Size {
	l := r.label
	h := lineHeight(l.TextSize)
	if l.OneLine {
		return fyne.NewSize(min(textWidth(l.Text, l.TextSize, l.Bold), 2*l.TextSize), h)
	}
	lay := l.lay(l.Size().Width)
	return fyne.NewSize(min(lay.width, 4*l.TextSize), h*float32(len(lay.lines)))
}

func (r *labelRenderer) Layout(size fyne.Size) {
	l := r.label
	lay := l.lay(size.Width)
	h := lineHeight(l.TextSize)
	r.begin()
	for i, line := range lay.lines {
		x := float32(0)
		switch {
		case l.Alignment == fyne.TextAlignCenter:
			x = (size.Width - line.width) / 2
		case l.Alignment == fyne.TextAlignTrailing:
			x = MirrorX(size.Width-line.width, line.width, size.Width)
		case line.rtl || mirrored && len(lay.lines) == 1: // several lines begin where they are read from
			x = size.Width - line.width
		}
		for _, f := range line.fragments {
			name := l.Color
			if f.span >= 0 && lay.spans[f.span].Color != "" {
				name = lay.spans[f.span].Color
			}
			r.fragment(&f, l.TextSize, theme.Color(name), x, float32(i)*h, h)
		}
	}
}
