package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"github.com/sotto-chat/sotto/ui/theme"
)

// ButtonStyle says how much a button stands out.
type ButtonStyle int

const (
	ButtonPrimary   ButtonStyle = iota // the one next step: filled with the accent colour
	ButtonSecondary                    // another step: outlined
	ButtonText                         // a step aside: only the text, in the accent colour
	ButtonDanger                       // what cannot be taken back
)

const buttonHeight float32 = 36

// Button is a button with a text and an optional icon.
type Button struct {
	control

	style    ButtonStyle
	text     string
	iconName string
}

var (
	_ fyne.Widget     = (*Button)(nil)
	_ fyne.Focusable  = (*Button)(nil)
	_ fyne.Tappable   = (*Button)(nil)
	_ fyne.Accessible = (*Button)(nil)
)

// NewButton returns a button. tapped is called when it is tapped, and on Space and Enter.
func NewButton(text string, style ButtonStyle, tapped func()) *Button {
	b := &Button{style: style, text: text}
	b.init(b, tapped)
	return b
}

// SetText changes the text.
func (b *Button) SetText(text string) {
	b.text = text
	b.Refresh()
}

// Text returns the text.
func (b *Button) Text() string { return b.text }

// SetIcon puts an icon of the assets before the text; an empty name removes it.
func (b *Button) SetIcon(name string) {
	b.iconName = name
	b.Refresh()
}

// AccessibilityLabel implements fyne.Accessible.
func (b *Button) AccessibilityLabel() string { return b.text }

// AccessibilityRole implements fyne.Accessible.
func (b *Button) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

func (b *Button) colors() (fill, text fyne.ThemeColorName) {
	switch {
	case b.Disabled() && b.style != ButtonText:
		return theme.ColorLine, theme.ColorSecondary
	case b.Disabled():
		return "", theme.ColorSecondary
	case b.style == ButtonPrimary:
		return theme.ColorAccent, theme.ColorOnAccent
	case b.style == ButtonDanger:
		return theme.ColorDanger, theme.ColorOnDanger
	case b.style == ButtonSecondary:
		return theme.ColorPanel, theme.ColorText
	default:
		return "", theme.ColorAccent
	}
}

// CreateRenderer implements fyne.Widget.
func (b *Button) CreateRenderer() fyne.WidgetRenderer {
	const iconSize, gap = 18, 6
	box := canvas.NewRectangle(nil)
	box.CornerRadius = theme.FieldRadius
	hover := canvas.NewRectangle(nil)
	hover.CornerRadius = theme.FieldRadius
	ring := newRing(theme.FieldRadius + 3)
	text := newWords(theme.TextSmall, true)
	icon := newGlyph()
	pad := func() float32 {
		if b.style == ButtonText {
			return theme.Grid
		}
		return 2 * theme.Grid
	}
	contentWidth := func() float32 {
		w := textWidth(b.text, theme.TextSmall, true)
		if b.iconName != "" {
			w += iconSize
			if b.text != "" {
				w += gap
			}
		}
		return w
	}
	return newRenderer(&renderer{
		widget:  b,
		objects: []fyne.CanvasObject{box, hover, icon.Raster, text.box, ring},
		minSize: func() fyne.Size { return fyne.NewSize(contentWidth()+2*pad(), buttonHeight) },
		layout: func(size fyne.Size) {
			place(box, 0, 0, size.Width, size.Height)
			place(hover, 0, 0, size.Width, size.Height)
			placeRing(ring, 0, 0, size.Width, size.Height)
			x := (size.Width - contentWidth()) / 2
			if b.iconName != "" {
				place(icon, x, (size.Height-iconSize)/2, iconSize, iconSize)
				x += iconSize + gap
			}
			text.place(x, 0, size.Height, size.Width)
		},
		update: func() {
			fillName, textName := b.colors()
			box.FillColor = color.Transparent
			if fillName != "" {
				box.FillColor = theme.Color(fillName)
			}
			box.StrokeWidth = 0
			if b.style == ButtonSecondary {
				box.StrokeColor, box.StrokeWidth = theme.Color(theme.ColorLine), 1
			}
			box.Refresh()
			hover.FillColor = color.Transparent
			if b.hovered && !b.Disabled() {
				hover.FillColor = theme.Color(theme.ColorHover)
			}
			hover.Refresh()
			text.set(b.text, textName)
			icon.Hidden = b.iconName == ""
			if !icon.Hidden {
				icon.set(b.iconName, textName)
			}
			setRing(ring, b.focused)
		},
	})
}

// IconButton is a button that shows an icon and says its name in a tooltip.
type IconButton struct {
	control

	iconName  string
	colorName fyne.ThemeColorName
	filled    bool
	dashed    bool
	side      float32
}

var (
	_ fyne.Widget     = (*IconButton)(nil)
	_ fyne.Focusable  = (*IconButton)(nil)
	_ fyne.Tappable   = (*IconButton)(nil)
	_ fyne.Accessible = (*IconButton)(nil)
)

// NewIconButton returns a square button of 36 pixels with an icon of the assets. name is shown as the tooltip.
func NewIconButton(icon, name string, tapped func()) *IconButton {
	b := &IconButton{iconName: icon, colorName: theme.ColorSecondary, side: buttonHeight}
	b.tooltip.text = name
	b.init(b, tapped)
	return b
}

// NewFilledIconButton returns an icon button that stands out in the accent colour, with the given side in pixels.
func NewFilledIconButton(icon, name string, side float32, tapped func()) *IconButton {
	b := NewIconButton(icon, name, tapped)
	b.filled, b.side = true, side
	return b
}

// SetIcon changes the icon and its colour.
func (b *IconButton) SetIcon(icon string, colorName fyne.ThemeColorName) {
	b.iconName, b.colorName = icon, colorName
	b.Refresh()
}

// SetName changes the name that the tooltip shows.
func (b *IconButton) SetName(name string) { b.tooltip.text = name }

// AccessibilityLabel implements fyne.Accessible.
func (b *IconButton) AccessibilityLabel() string { return b.tooltip.text }

// AccessibilityRole implements fyne.Accessible.
func (b *IconButton) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// CreateRenderer implements fyne.Widget.
func (b *IconButton) CreateRenderer() fyne.WidgetRenderer {
	const iconSize = 20
	box := canvas.NewRectangle(nil)
	box.CornerRadius = theme.FieldRadius
	hover := canvas.NewRectangle(nil)
	hover.CornerRadius = theme.FieldRadius
	ring := newRing(theme.FieldRadius + 3)
	icon, dashes := newGlyph(), newGlyph()
	return newRenderer(&renderer{
		widget:  b,
		objects: []fyne.CanvasObject{box, hover, dashes.Raster, icon.Raster, ring},
		minSize: func() fyne.Size { return fyne.NewSquareSize(b.side) },
		layout: func(size fyne.Size) {
			x, y := (size.Width-b.side)/2, (size.Height-b.side)/2
			place(box, x, y, b.side, b.side)
			place(hover, x, y, b.side, b.side)
			place(dashes, x, y, b.side, b.side)
			placeRing(ring, x, y, b.side, b.side)
			place(icon, (size.Width-iconSize)/2, (size.Height-iconSize)/2, iconSize, iconSize)
		},
		update: func() {
			colorName := b.colorName
			box.FillColor = color.Transparent
			if b.filled {
				box.FillColor, colorName = theme.Color(theme.ColorAccent), theme.ColorOnAccent
				if b.Disabled() {
					box.FillColor, colorName = theme.Color(theme.ColorLine), theme.ColorSecondary
				}
			}
			box.Refresh()
			hover.FillColor = color.Transparent
			if b.hovered && !b.Disabled() {
				hover.FillColor = theme.Color(theme.ColorHover)
			}
			hover.Refresh()
			icon.set(b.iconName, colorName)
			dashes.Hidden = !b.dashed
			if b.dashed {
				dashes.set("dashed", theme.ColorTrack)
			}
			setRing(ring, b.focused)
		},
	})
}
