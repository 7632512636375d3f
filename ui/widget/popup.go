package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Popup is a card in front of the window, near what it belongs to. Escape and a tap beside the card close it.
type Popup struct {
	fynewidget.BaseWidget

	// OnClosed is called once the popup is gone, however it was closed.
	OnClosed func()

	content  fyne.CanvasObject
	at       fyne.Position
	bubble   tooltipBubble
	canvas   fyne.Canvas
	typedKey func(*fyne.KeyEvent) // of the canvas, before the popup was shown
	card     fyne.Position        // of the last layout
	cardSize fyne.Size
}

var (
	_ fyne.Widget            = (*Popup)(nil)
	_ fyne.Tappable          = (*Popup)(nil)
	_ fyne.SecondaryTappable = (*Popup)(nil)
	_ tooltipHost            = (*Popup)(nil)
)

// ShowPopup shows content on a canvas, with its upper left corner at a position, the upper right one if the window is laid out
// from right to left, or as near to it as there is room. Content that
// can have the keyboard gets it.
func ShowPopup(c fyne.Canvas, content fyne.CanvasObject, at fyne.Position) *Popup {
	p := &Popup{content: content, at: at, bubble: newTooltipBubble(), canvas: c, typedKey: c.OnTypedKey()}
	p.ExtendBaseWidget(p)
	c.SetOnTypedKey(func(ev *fyne.KeyEvent) {
		if ev.Name == fyne.KeyEscape {
			p.Close()
		}
	})
	c.Overlays().Add(p)
	p.Resize(c.Size())
	if f, ok := content.(fyne.Focusable); ok {
		c.Focus(f)
	}
	return p
}

// Close takes the popup away.
func (p *Popup) Close() {
	if p.canvas == nil {
		return
	}
	c := p.canvas
	p.canvas = nil
	c.Overlays().Remove(p)
	c.SetOnTypedKey(p.typedKey)
	if p.OnClosed != nil {
		p.OnClosed()
	}
}

func (p *Popup) cancel() { p.Close() }

// Tapped implements fyne.Tappable.
func (p *Popup) Tapped(ev *fyne.PointEvent) {
	at := ev.Position.Subtract(p.card)
	if at.X < 0 || at.Y < 0 || at.X > p.cardSize.Width || at.Y > p.cardSize.Height {
		p.Close()
	}
}

// TappedSecondary implements fyne.SecondaryTappable.
func (p *Popup) TappedSecondary(ev *fyne.PointEvent) { p.Tapped(ev) }

func (p *Popup) showTooltip(text string, at fyne.Position, size fyne.Size) {
	p.bubble.show(text, at.Subtract(p.Position()), size, p.Size())
	canvas.Refresh(p)
}

func (p *Popup) hideTooltip() {
	p.bubble.hide()
	canvas.Refresh(p)
}

// CreateRenderer implements fyne.Widget.
func (p *Popup) CreateRenderer() fyne.WidgetRenderer {
	const edge = 8
	card := canvas.NewRectangle(nil)
	card.CornerRadius = theme.BubbleRadius
	return newRenderer(&renderer{
		widget:  p,
		objects: append([]fyne.CanvasObject{card, p.content}, p.bubble.objects()...),
		still:   allStill, // it is near the pointer
		minSize: func() fyne.Size { return fyne.NewSize(0, 0) },
		layout: func(size fyne.Size) {
			p.cardSize = p.content.MinSize().Min(size.SubtractWidthHeight(2*edge, 2*edge))
			x := p.at.X
			if mirrored {
				x -= p.cardSize.Width
			}
			p.card = fyne.NewPos(
				max(edge, min(x, size.Width-p.cardSize.Width-edge)),
				max(edge, min(p.at.Y, size.Height-p.cardSize.Height-edge)))
			for _, o := range []fyne.CanvasObject{card, p.content} {
				o.Move(p.card)
				o.Resize(p.cardSize)
			}
		},
		update: func() {
			card.FillColor = theme.Color(theme.ColorPanel)
			card.StrokeColor, card.StrokeWidth = theme.Color(theme.ColorLine), 1
			card.Shadow = canvas.Shadow{Color: theme.Color(theme.ColorEdge), BlurRadius: 16, Offset: fyne.NewPos(0, 4)}
			card.Refresh()
			p.bubble.update()
		},
	})
}
