package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// modes are the colours in words.
func modes() []option[theme.Mode] {
	return []option[theme.Mode]{{theme.FollowSystem, lang.L("Like the system"), ""}, {theme.Light, lang.L("Light"), ""}, {theme.Dark, lang.L("Dark"), ""}}
}

// scales are the sizes of everything that is shown.
func scales() []option[float32] {
	return []option[float32]{{1, lang.L("Normal"), ""}, {0.9, lang.L("Small"), ""}, {1.2, lang.L("Large"), ""}, {1.4, lang.L("Largest"), ""}}
}

// notifyLevels are how much is told outside of the window.
func notifyLevels() []option[notifyLevel] {
	return []option[notifyLevel]{
		{notifyName, lang.L("Name only"), lang.L("Who wrote, but not what. Others at the screen learn whom you talk with.")},
		{notifyText, lang.L("Name and text"), lang.L("Whoever sees the screen can read the message. The desktop may keep it.")},
		{notifyNone, lang.L("Nothing"), lang.L("Unread messages show in the window only.")},
	}
}

// changeLook changes what the window remembers.
func (w *Window) changeLook(change func(*core.Appearance)) {
	look := w.core.Appearance()
	change(&look)
	_ = w.core.SetAppearance(look) // if it can't be kept, it is as before at the next start
}

// keepPanel remembers whether the panel is open.
func (w *Window) keepPanel(open bool) {
	w.changeLook(func(a *core.Appearance) { a.Panel = open })
}

// showAppearance shows what can be changed about how the window looks.
func (w *Window) showAppearance() {
	w.showSettingsPage(lang.L("Appearance"), func() []fyne.CanvasObject {
		objects := []fyne.CanvasObject{
			section(lang.L("COLOURS"), settingsCard(tabsOf(modes(), w.theme.Mode(), w.setMode))),
			section(lang.L("ACCENT"), settingsCard(w.accentChoice())),
			section(lang.L("PICTURES"), settingsCard(w.motionFact())),
		}
		if w.opt.Scale != nil {
			scale := w.core.Appearance().Scale
			sizes := scales()
			sizes[0], sizes[1] = sizes[1], sizes[0]
			if scale == 0 {
				scale = 1
			}
			objects = append(objects, section(lang.L("SIZE OF EVERYTHING"), settingsCard(tabsOf(sizes, scale, w.setScale),
				widget.NewHint(lang.L("Text, pictures and buttons become larger or smaller together.")))))
		}
		return objects
	})
}

// tabsOf returns tabs with options of which one is chosen.
func tabsOf[T comparable](options []option[T], chosen T, changed func(T)) *widget.Tabs {
	names := make([]string, len(options))
	at := 0
	for i, o := range options {
		names[i] = o.name
		if o.value == chosen {
			at = i
		}
	}
	ready := false
	tabs := widget.NewTabs(names, func(i int) {
		if ready {
			changed(options[i].value)
		}
	})
	tabs.Select(at)
	ready = true
	return tabs
}

// setMode changes the colours and remembers that.
func (w *Window) setMode(mode theme.Mode) {
	w.theme.SetMode(mode)
	w.app.Settings().SetTheme(w.theme)
	w.changeLook(func(a *core.Appearance) { a.Theme = mode.String() })
}

// setAccent changes the accent and remembers that.
func (w *Window) setAccent(accent theme.Accent) {
	w.theme.SetAccent(accent)
	w.app.Settings().SetTheme(w.theme)
	w.changeLook(func(a *core.Appearance) { a.Accent = string(accent) })
}

// setScale makes everything larger or smaller and remembers that.
func (w *Window) setScale(scale float32) {
	w.changeLook(func(a *core.Appearance) { a.Scale = scale })
	w.opt.Scale(scale)
	w.app.Settings().SetTheme(w.theme) // has the toolkit look at the scale again
}

// showNotifications shows how much is told outside of the window.
func (w *Window) showNotifications() {
	w.showSettingsPage(lang.L("Notifications"), func() []fyne.CanvasObject {
		look := w.core.Appearance()
		levels := notifyLevels()
		texts := make([][2]string, len(levels))
		chosen := 0
		for i, l := range levels {
			texts[i] = [2]string{l.name, l.text}
			if string(l.value) == look.Notify {
				chosen = i
			}
		}
		cards := newChoices(chosen, func(i int) {
			w.changeLook(func(a *core.Appearance) { a.Notify = string(levels[i].value) })
		}, texts...)
		objects := []fyne.CanvasObject{section(lang.L("WHEN A MESSAGE COMES"), widget.NewColumn(10, cards.objects()...))}
		more := []fyne.CanvasObject{widget.NewFact(lang.L("Do not disturb"), lang.L("Nothing is told until you switch this off. Messages are received."),
			widget.NewToggle(look.Quiet, w.setQuiet)), widget.NewLine()}
		if w.notifier != nil {
			more = append(more, widget.NewFact(lang.L("Sound"), lang.L("A short sound with each notification."), widget.NewToggle(!look.Silent, func(on bool) {
				w.changeLook(func(a *core.Appearance) { a.Silent = !on })
			})), widget.NewLine())
		}
		quiet := container.NewStack()
		w.fillQuiet(quiet)
		return append(objects, section(lang.L("MORE"), settingsCard(append(more, quiet)...)),
			widget.NewHint(lang.L("Of the conversation that is in front nothing is told, and of each other one once until you look at the window.")))
	})
}

// motionFact lets pictures move or not.
func (w *Window) motionFact() fyne.CanvasObject {
	text := lang.L("Animated pictures play in the conversation while the window is in front. Otherwise they play when you open them.")
	if w.still {
		text = lang.L("The settings of this computer ask for less motion: animated pictures play when you open them.")
	}
	toggle := widget.NewToggle(w.moves(), func(on bool) {
		w.changeLook(func(a *core.Appearance) { a.Still = !on })
		w.setPlaying()
	})
	if w.still {
		toggle.Disable()
	}
	return widget.NewFact(lang.L("Play animated pictures"), text, toggle)
}

// accentChoice lets an accent be chosen.
func (w *Window) accentChoice() fyne.CanvasObject {
	names := map[theme.Accent]string{"": lang.L("Teal"), "blue": lang.L("Blue"), "violet": lang.L("Violet"), "rose": lang.L("Rose"), "amber": lang.L("Amber"), "grey": lang.L("Grey")}
	name := widget.NewLabel(names[w.theme.Accent()], theme.TextBody)
	s := &swatches{chosen: w.theme.Accent(), theme: w.theme}
	s.changed = func(a theme.Accent) {
		name.SetText(names[a])
		w.setAccent(a)
	}
	s.ExtendBaseWidget(s)
	return widget.NewBar(16, 1, s, name)
}

// swatches is a row of accents of which one is chosen. The arrow keys move between them.
type swatches struct {
	fynewidget.BaseWidget

	theme   *theme.Theme
	chosen  theme.Accent
	changed func(theme.Accent)
	focused bool
}

var (
	_ fyne.Tappable      = (*swatches)(nil)
	_ fyne.Focusable     = (*swatches)(nil)
	_ desktop.Cursorable = (*swatches)(nil)
)

const swatchSide, swatchGap float32 = 28, 12

func (s *swatches) Cursor() desktop.Cursor { return desktop.PointerCursor }
func (s *swatches) TypedRune(rune)         {}

func (s *swatches) FocusGained() {
	s.focused = true
	s.Refresh()
	widget.Reveal(s)
}

func (s *swatches) FocusLost() {
	s.focused = false
	s.Refresh()
}

func (s *swatches) Tapped(ev *fyne.PointEvent) {
	s.choose(int(widget.MirrorX(ev.Position.X, 0, s.Size().Width) / (swatchSide + swatchGap)))
}

func (s *swatches) TypedKey(ev *fyne.KeyEvent) {
	switch widget.MirrorKey(ev.Name) {
	case fyne.KeyLeft, fyne.KeyUp:
		s.choose(s.index() - 1)
	case fyne.KeyRight, fyne.KeyDown:
		s.choose(s.index() + 1)
	case fyne.KeyEscape:
		widget.Escape(s)
	}
}

func (s *swatches) index() int {
	for i, a := range theme.Accents {
		if a == s.chosen {
			return i
		}
	}
	return 0
}

func (s *swatches) choose(i int) {
	if i < 0 || i >= len(theme.Accents) || theme.Accents[i] == s.chosen {
		return
	}
	s.chosen = theme.Accents[i]
	s.changed(s.chosen)
	s.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (s *swatches) CreateRenderer() fyne.WidgetRenderer {
	r := &swatchRenderer{s: s, ring: canvas.NewCircle(color.Transparent)}
	for range theme.Accents {
		r.discs = append(r.discs, canvas.NewCircle(nil))
	}
	r.Refresh()
	return r
}

type swatchRenderer struct {
	s     *swatches
	discs []*canvas.Circle
	ring  *canvas.Circle
}

func (r *swatchRenderer) Destroy() {}

func (r *swatchRenderer) Objects() []fyne.CanvasObject {
	objects := make([]fyne.CanvasObject, 0, len(r.discs)+1)
	for _, d := range r.discs {
		objects = append(objects, d)
	}
	return append(objects, r.ring)
}

func (r *swatchRenderer) MinSize() fyne.Size {
	return fyne.NewSize(float32(len(r.discs))*(swatchSide+swatchGap), swatchSide+swatchGap)
}

func (r *swatchRenderer) Layout(size fyne.Size) {
	for i, d := range r.discs {
		place(d, float32(i)*(swatchSide+swatchGap)+swatchGap/2, swatchGap/2, swatchSide, swatchSide)
	}
	const out = 4
	place(r.ring, float32(r.s.index())*(swatchSide+swatchGap)+swatchGap/2-out, swatchGap/2-out, swatchSide+2*out, swatchSide+2*out)
	widget.Mirror(r.Objects(), size.Width)
}

func (r *swatchRenderer) Refresh() {
	variant := fyne.CurrentApp().Settings().ThemeVariant()
	for i, d := range r.discs {
		d.FillColor = r.s.theme.AccentColor(theme.Accents[i], variant)
		d.Refresh()
	}
	r.ring.StrokeColor, r.ring.StrokeWidth = theme.Color(theme.ColorTrack), 2
	if r.s.focused {
		r.ring.StrokeColor = theme.Color(theme.ColorText)
	}
	r.Layout(r.s.Size())
	canvas.Refresh(r.s)
}
