package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Tabs is a row of choices of which one is chosen, drawn as one piece. The arrow keys move between them.
type Tabs struct {
	control

	names    []string
	selected int
	changed  func(index int)
}

var (
	_ fyne.Widget    = (*Tabs)(nil)
	_ fyne.Focusable = (*Tabs)(nil)
	_ fyne.Tappable  = (*Tabs)(nil)
)

// NewTabs returns tabs with the given names, the first of which is chosen.
func NewTabs(names []string, changed func(index int)) *Tabs {
	t := &Tabs{names: names, changed: changed}
	t.init(t, nil)
	return t
}

// Selected returns the index of the chosen tab.
func (t *Tabs) Selected() int { return t.selected }

// Select chooses a tab and calls the callback if it was not chosen before.
func (t *Tabs) Select(index int) {
	if index < 0 || index >= len(t.names) || index == t.selected {
		return
	}
	t.selected = index
	t.Refresh()
	if t.changed != nil {
		t.changed(index)
	}
}

// Tapped implements fyne.Tappable.
func (t *Tabs) Tapped(ev *fyne.PointEvent) {
	t.Select(int(MirrorX(ev.Position.X, 0, t.Size().Width) / t.Size().Width * float32(len(t.names))))
}

// TypedKey implements fyne.Focusable.
func (t *Tabs) TypedKey(ev *fyne.KeyEvent) {
	switch MirrorKey(ev.Name) {
	case fyne.KeyLeft, fyne.KeyUp:
		t.Select(t.selected - 1)
	case fyne.KeyRight, fyne.KeyDown:
		t.Select(t.selected + 1)
	case fyne.KeyHome:
		t.Select(0)
	case fyne.KeyEnd:
		t.Select(len(t.names) - 1)
	case fyne.KeySpace:
		t.Select((t.selected + 1) % len(t.names))
	case fyne.KeyEscape:
		t.escape()
	}
}

// CreateRenderer implements fyne.Widget.
func (t *Tabs) CreateRenderer() fyne.WidgetRenderer {
	const height, edge = 40, 4
	track := canvas.NewRectangle(nil)
	track.CornerRadius = theme.BubbleRadius
	chosen := canvas.NewRectangle(nil)
	chosen.CornerRadius = theme.Grid
	ring := newRing(theme.BubbleRadius + 3)
	texts := make([]*words, len(t.names))
	objects := []fyne.CanvasObject{track, chosen}
	for i := range texts {
		texts[i] = newWords(theme.TextSmall, true)
		objects = append(objects, texts[i].box)
	}
	return newRenderer(&renderer{
		widget:  t,
		objects: append(objects, ring),
		minSize: func() fyne.Size {
			var w float32
			for _, n := range t.names {
				w = max(w, textWidth(n, theme.TextSmall, true))
			}
			return fyne.NewSize((w+3*theme.Grid)*float32(len(t.names))+2*edge, height)
		},
		layout: func(size fyne.Size) {
			place(track, 0, 0, size.Width, size.Height)
			placeRing(ring, 0, 0, size.Width, size.Height)
			w := (size.Width - 2*edge) / float32(max(len(t.names), 1))
			place(chosen, edge+float32(t.selected)*w, edge, w, size.Height-2*edge)
			for i, text := range texts {
				text.center(edge+float32(i)*w, edge, w, size.Height-2*edge, size.Width)
			}
		},
		update: func() {
			track.FillColor = theme.Color(theme.ColorBackground)
			track.Refresh()
			chosen.FillColor = theme.Color(theme.ColorPanel)
			chosen.Shadow = canvas.Shadow{Color: theme.Color(theme.ColorEdge), BlurRadius: 3, Offset: fyne.NewPos(0, 1)}
			chosen.Refresh()
			for i, text := range texts {
				name := theme.ColorSecondary
				if i == t.selected {
					name = theme.ColorText
				}
				text.set(t.names[i], name)
			}
			setRing(ring, t.focused)
		},
	})
}

// Toggle is a switch.
type Toggle struct {
	control

	on      bool
	changed func(on bool)
}

var (
	_ fyne.Widget    = (*Toggle)(nil)
	_ fyne.Focusable = (*Toggle)(nil)
	_ fyne.Tappable  = (*Toggle)(nil)
)

// NewToggle returns a switch. changed is called when it is tapped, and on Space and Enter.
func NewToggle(on bool, changed func(on bool)) *Toggle {
	t := &Toggle{on: on, changed: changed}
	t.init(t, func() {
		t.SetOn(!t.on)
		if t.changed != nil {
			t.changed(t.on)
		}
	})
	return t
}

// On reports whether the switch is on.
func (t *Toggle) On() bool { return t.on }

// SetOn turns the switch on or off without calling the callback.
func (t *Toggle) SetOn(on bool) {
	t.on = on
	t.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (t *Toggle) CreateRenderer() fyne.WidgetRenderer {
	const width, height, edge = 36, 20, 2
	track := canvas.NewRectangle(nil)
	track.CornerRadius = height / 2
	knob := canvas.NewCircle(color.White)
	ring := newRing(height/2 + 3)
	return newRenderer(&renderer{
		widget:  t,
		objects: []fyne.CanvasObject{track, knob, ring},
		minSize: func() fyne.Size { return fyne.NewSize(width, height) },
		layout: func(size fyne.Size) {
			y := (size.Height - height) / 2
			place(track, 0, y, width, height)
			placeRing(ring, 0, y, width, height)
			x := float32(edge)
			if t.on {
				x = width - height + edge
			}
			place(knob, x, y+edge, height-2*edge, height-2*edge)
		},
		update: func() {
			name := theme.ColorTrack
			if t.on {
				name = theme.ColorAccent
			}
			track.FillColor = theme.Color(name)
			track.Refresh()
			knob.FillColor = color.White
			knob.Shadow = canvas.Shadow{Color: theme.Color(theme.ColorEdge), BlurRadius: 2, Offset: fyne.NewPos(0, 1)}
			knob.Refresh()
			setRing(ring, t.focused)
		},
	})
}

// Row is a line of settings: a title, a hint below it, and a value or a control at the right. With a callback it can be tapped
// and shows that it leads somewhere.
type Row struct {
	control

	title, value *Label
	hint         *Label
	iconName     string
}

var (
	_ fyne.Widget    = (*Row)(nil)
	_ fyne.Focusable = (*Row)(nil)
	_ fyne.Tappable  = (*Row)(nil)
)

// AccessibilityLabel implements fyne.Accessible.
func (r *Row) AccessibilityLabel() string { return r.title.Text }

// AccessibilityRole implements fyne.Accessible.
func (r *Row) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// NewRow returns a row that shows a title and a value; tapped may not be nil: what cannot be tapped is a NewFact.
func NewRow(title, value string, tapped func()) *Row {
	r := &Row{title: NewLabel(title, theme.TextSmall), value: NewHint(value), hint: NewHint("")}
	r.title.OneLine = true
	r.init(r, tapped)
	return r
}

// SetValue changes the value.
func (r *Row) SetValue(value string) {
	r.value.SetText(value)
	r.Refresh()
}

// SetHint puts a sentence below the title.
func (r *Row) SetHint(text string) {
	r.hint.SetText(text)
	r.Refresh()
}

// SetIcon puts an icon of the assets before the title.
func (r *Row) SetIcon(name string) {
	r.iconName = name
	r.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (r *Row) CreateRenderer() fyne.WidgetRenderer {
	hover := canvas.NewRectangle(nil)
	hover.CornerRadius = theme.Grid
	icon, chevron := newGlyph(), newGlyph()
	ring := newRing(theme.Grid)
	r.value.OneLine = true
	left := func() float32 {
		if r.iconName == "" {
			return 0
		}
		return 28
	}
	return newRenderer(&renderer{
		widget:  r,
		objects: []fyne.CanvasObject{hover, icon.Raster, r.title, r.hint, r.value, chevron.Raster, ring},
		minSize: func() fyne.Size {
			h := lineHeight(theme.TextSmall) + 12
			if r.hint.Text != "" {
				h += r.hint.MinSize().Height
			}
			return fyne.NewSize(160, h)
		},
		layout: func(size fyne.Size) {
			const side = 16
			place(hover, -theme.Grid, 0, size.Width+2*theme.Grid, size.Height)
			place(ring, -theme.Grid, 0, size.Width+2*theme.Grid, size.Height)
			line := lineHeight(theme.TextSmall)
			place(icon, 0, (size.Height-20)/2, 20, 20)
			w := min(textWidth(r.value.Text, theme.TextSmall, false)+1, size.Width/2)
			right := size.Width - side
			place(chevron, right+2, (size.Height-side)/2, side, side)
			place(r.value, right-w-2, (size.Height-line)/2, w, line)
			textW := right - w - left() - theme.Grid
			place(r.title, left(), 6, textW, line)
			r.hint.Resize(fyne.NewSize(textW, line))
			place(r.hint, left(), 6+line, textW, r.hint.MinSize().Height)
		},
		update: func() {
			hover.FillColor = color.Transparent
			if r.hovered {
				hover.FillColor = theme.Color(theme.ColorHover)
			}
			hover.Refresh()
			icon.Hidden = r.iconName == ""
			if !icon.Hidden {
				icon.set(r.iconName, theme.ColorSecondary)
			}
			r.hint.Hidden = r.hint.Text == ""
			chevron.set("chevron-right", theme.ColorSecondary)
			setRing(ring, r.focused)
		},
	})
}

// NewFact returns a line with a title at the left and something at the right: a value as a hint, or a control.
func NewFact(title, hint string, right fyne.CanvasObject) fyne.CanvasObject {
	texts := NewColumn(0, NewLabel(title, theme.TextSmall))
	if hint != "" {
		texts.Add(NewHint(hint))
	}
	return NewInset(newSides(texts, right), 6, 0)
}

// sides gives the right object its own size and the left one the rest.
type sides struct{}

func newSides(left, right fyne.CanvasObject) *fyne.Container {
	return &fyne.Container{Layout: sides{}, Objects: []fyne.CanvasObject{left, right}}
}

func (sides) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	left, right := objects[0], objects[1]
	r := right.MinSize()
	w := size.Width - r.Width - 2*theme.Grid
	left.Resize(fyne.NewSize(w, left.MinSize().Height))
	l := left.MinSize()
	place(left, 0, (size.Height-l.Height)/2, w, l.Height)
	place(right, size.Width-r.Width, (size.Height-r.Height)/2, r.Width, r.Height)
	Mirror(objects, size.Width)
}

func (sides) MinSize(objects []fyne.CanvasObject) fyne.Size {
	l, r := objects[0].MinSize(), objects[1].MinSize()
	return fyne.NewSize(l.Width+r.Width+2*theme.Grid, max(l.Height, r.Height))
}

// Progress shows how far some work is, with an amount and a button to cancel it.
type Progress struct {
	fynewidget.BaseWidget

	label  *Label
	value  float64
	cancel *IconButton
}

var _ fyne.Widget = (*Progress)(nil)

// NewProgress returns a progress bar. cancel may be nil for what cannot be cancelled.
func NewProgress(cancelName string, cancel func()) *Progress {
	p := &Progress{label: NewHint(""), cancel: NewIconButton("close", cancelName, cancel)}
	p.label.OneLine = true
	p.cancel.Hidden = cancel == nil
	p.ExtendBaseWidget(p)
	return p
}

// Set changes the fraction that is done, 0 to 1, and the text that tells the amount.
func (p *Progress) Set(done float64, text string) {
	p.value = max(0, min(1, done))
	p.label.SetText(text)
	p.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (p *Progress) CreateRenderer() fyne.WidgetRenderer {
	const bar = 4
	track, fill := canvas.NewRectangle(nil), canvas.NewRectangle(nil)
	track.CornerRadius, fill.CornerRadius = bar/2, bar/2
	return newRenderer(&renderer{
		widget:  p,
		objects: []fyne.CanvasObject{track, fill, p.label, p.cancel},
		minSize: func() fyne.Size { return fyne.NewSize(160, buttonHeight) },
		layout: func(size fyne.Size) {
			w := size.Width
			if p.cancel.Visible() {
				w -= buttonHeight + theme.Grid
				place(p.cancel, size.Width-buttonHeight, (size.Height-buttonHeight)/2, buttonHeight, buttonHeight)
			}
			h := lineHeight(theme.TextSmall)
			y := (size.Height - h - bar - 4) / 2
			place(p.label, 0, y, w, h)
			place(track, 0, y+h+4, w, bar)
			place(fill, 0, y+h+4, max(bar, w*float32(p.value)), bar)
		},
		update: func() {
			track.FillColor = theme.Color(theme.ColorTrack)
			track.Refresh()
			fill.FillColor = theme.Color(theme.ColorAccent)
			fill.Refresh()
		},
	})
}
