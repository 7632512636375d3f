package ui

import (
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// shortcut is a key combination of the window.
type shortcut struct {
	key      fyne.KeyName
	modifier fyne.KeyModifier
	keys     string // as the cheat sheet shows them; empty for one that is not shown there
	name     string
	do       func()
}

// keyGroup is a part of the cheat sheet: keys and what they do.
type keyGroup struct {
	title string
	keys  [][2]string
}

// openHiddenKey is the key that works during the first start too: a hidden profile may be the only one.
const openHiddenKey = fyne.KeyP

// shortcuts lists the key combinations. They do nothing behind a dialog, and all but that one nothing during the first start.
func (w *Window) shortcuts() []shortcut {
	const control, alt, shift = fyne.KeyModifierShortcutDefault, fyne.KeyModifierAlt, fyne.KeyModifierShift
	search := func() {
		if w.profile != nil {
			w.main.frame.contentFirst = false
			w.main.arrange()
			w.win.Canvas().Focus(w.main.search.Entry)
		}
	}
	list := []shortcut{
		{fyne.KeyN, control, lang.L("Ctrl+N"), lang.L("New conversation"), func() { w.newConversation("") }},
		{fyne.KeyK, control, lang.L("Ctrl+K"), lang.L("Search"), search},
		{fyne.KeyF, control, lang.L("Ctrl+F"), lang.L("Search in the conversation"), func() {
			if c, ok := w.main.content.(*conversation); ok {
				c.search()
			} else {
				search()
			}
		}},
		{fyne.KeyDown, alt, lang.L("Alt+Down"), lang.L("Next conversation"), func() { w.stepContact(1) }},
		{fyne.KeyUp, alt, lang.L("Alt+Up"), lang.L("Previous conversation"), func() { w.stepContact(-1) }},
		{fyne.KeyI, control, lang.L("Ctrl+I"), lang.L("About this conversation"), func() {
			if c, ok := w.main.content.(*conversation); ok {
				c.togglePanel()
			}
		}},
		{fyne.KeyM, control, lang.L("Ctrl+M"), lang.L("What can be done with the conversation"), func() { w.main.openMenu() }},
		{fyne.Key1, control, lang.L("Ctrl+1 to 9"), lang.L("Switch profile"), func() { w.useProfileNumber(0) }},
		{fyne.KeyComma, control, lang.L("Ctrl+,"), lang.L("Settings"), w.showSettings},
		{fyne.KeyL, control, lang.L("Ctrl+L"), lang.L("Lock"), w.lock},
		{openHiddenKey, control | shift, lang.L("Ctrl+Shift+P"), lang.L("Open a hidden profile"), w.openHidden},
		{fyne.KeySlash, control, lang.L("Ctrl+/"), lang.L("Keyboard shortcuts"), w.showShortcuts},
	}
	for i := 1; i < 9; i++ {
		list = append(list, shortcut{fyne.KeyName(strconv.Itoa(i + 1)), control, "", "", func() { w.useProfileNumber(i) }})
	}
	return list
}

// fixedKeys are what keys do inside the widgets.
func fixedKeys() []keyGroup {
	return []keyGroup{
		{lang.L("WRITING"), [][2]string{
			{lang.L("Enter"), lang.L("Send the message")},
			{lang.L("Shift+Enter"), lang.L("New line")},
			{lang.L("Up"), lang.L("Edit the last message")},
			{lang.L("Esc"), lang.L("Stop answering or editing")},
			{lang.L("Ctrl+V"), lang.L("Paste text or a picture")},
		}},
		{lang.L("IN LISTS AND MESSAGES"), [][2]string{
			{lang.L("Up, Down"), lang.L("Move")},
			{lang.L("Page Up, Page Down"), lang.L("Move by a page")},
			{lang.L("Home, End"), lang.L("First, last")},
			{lang.L("Enter"), lang.L("Open, or what can be done with a message")},
			{lang.L("Menu"), lang.L("What can be done with the row or message")},
			{lang.L("Ctrl+C"), lang.L("Copy the message or what is selected")},
			{lang.L("Space, Ctrl+A"), lang.L("Choose one, all, while several are being chosen")},
		}},
		{lang.L("PICTURES AND VIDEOS"), [][2]string{
			{lang.L("Left, Right"), lang.L("Previous, next picture")},
			{lang.L("Space, Enter"), lang.L("Play the video")},
			{lang.L("+ − 0"), lang.L("Larger, smaller, as a whole")},
		}},
		{lang.L("EVERYWHERE"), [][2]string{
			{lang.L("Tab, Shift+Tab"), lang.L("Next, previous field or button")},
			{lang.L("Space"), lang.L("Press the button, turn the switch")},
			{lang.L("Esc"), lang.L("Close, or go back")},
		}},
	}
}

func (w *Window) addShortcuts(c fyne.Canvas) {
	for _, s := range w.shortcuts() {
		c.AddShortcut(&desktop.CustomShortcut{KeyName: s.key, Modifier: s.modifier}, func(fyne.Shortcut) { w.pressed(s) })
	}
	c.SetOnTypedKey(func(ev *fyne.KeyEvent) {
		if ev.Name == fyne.KeyEscape && w.main != nil && c.Overlays().Top() == nil {
			w.escape()
		}
	})
}

// pressed does what a key combination is for.
func (w *Window) pressed(s shortcut) {
	if (w.main != nil || w.starting != nil && s.key == openHiddenKey) && w.win.Canvas().Overlays().Top() == nil {
		s.do()
	}
}

// escape closes the panel, then the page.
func (w *Window) escape() {
	switch {
	case w.profile == nil:
	case w.main.frame.panelOpen:
		w.main.closePanel()
		w.keepPanel(false)
	default:
		w.main.content.leave()
	}
}

func (w *Window) useProfileNumber(i int) {
	if i < len(w.profiles) {
		w.useProfile(w.profiles[i].ID)
	}
}

// stepContact opens the conversation above or below the one that is open.
func (w *Window) stepContact(by int) {
	m := w.main
	if len(m.rows) == 0 {
		return
	}
	i := m.openRow() + by
	if m.openRow() < 0 {
		i = 0
	}
	m.openRowAt(max(0, min(i, len(m.rows)-1)))
}

// showShortcuts shows the cheat sheet.
func (w *Window) showShortcuts() {
	window := keyGroup{title: lang.L("WINDOW")}
	for _, s := range w.shortcuts() {
		if s.keys != "" {
			window.keys = append(window.keys, [2]string{s.keys, s.name})
		}
	}
	groups := append([]keyGroup{window}, fixedKeys()...)
	lines := func(groups ...keyGroup) fyne.CanvasObject {
		column := widget.NewColumn(14)
		for _, g := range groups {
			lines := widget.NewColumn(2)
			for _, k := range g.keys {
				lines.Add(container.New(rightLayout{8}, widget.NewLabel(k[1], theme.TextSmall), widget.NewPill(k[0])))
			}
			column.Add(section(g.title, lines))
		}
		return column
	}
	const narrow, wide = 460, 860
	var content fyne.CanvasObject
	width := float32(narrow)
	if w.size.Width > wide {
		width = wide
		const half = 2 // groups at the left
		content = container.New(twoColumns{36}, lines(groups[:half]...), lines(groups[half:]...))
	} else {
		content = lines(groups...)
	}
	d := newDialog(lang.L("Keyboard shortcuts"), width, content)
	d.ShowOn(w.win.Canvas())
}

// twoColumns puts two objects beside each other.
type twoColumns struct{ gap float32 }

func (l twoColumns) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	width := (size.Width - l.gap) / 2
	for i, o := range objects {
		place(o, float32(i)*(width+l.gap), 0, width, o.MinSize().Height)
	}
	widget.Mirror(objects, size.Width)
}

func (l twoColumns) MinSize(objects []fyne.CanvasObject) fyne.Size {
	a, b := objects[0].MinSize(), objects[1].MinSize()
	return fyne.NewSize(2*max(a.Width, b.Width)+l.gap, max(a.Height, b.Height))
}
