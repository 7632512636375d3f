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

// shortcuts lists the key combinations. They do nothing during the first start and behind a dialog.
func (w *Window) shortcuts() []shortcut {
	const control, alt = fyne.KeyModifierShortcutDefault, fyne.KeyModifierAlt
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
		{fyne.KeyM, control, lang.L("Ctrl+M"), lang.L("What can be done with the conversation"), w.main.openMenu},
		{fyne.Key1, control, lang.L("Ctrl+1 to 9"), lang.L("Switch profile"), func() { w.useProfileNumber(0) }},
		{fyne.KeyComma, control, lang.L("Ctrl+,"), lang.L("Settings"), w.showSettings},
		{fyne.KeyL, control, lang.L("Ctrl+L"), lang.L("Lock"), w.lock},
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
			{lang.L("Home, End"), lang.L("First, last")},
			{lang.L("Enter"), lang.L("Open, or what can be done with a message")},
			{lang.L("Ctrl+C"), lang.L("Copy the message or what is selected")},
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
		if ev.Name == fyne.KeyEscape && w.main != nil {
			w.escape()
		}
	})
}

// pressed does what a key combination is for.
func (w *Window) pressed(s shortcut) {
	if w.main != nil && w.win.Canvas().Overlays().Top() == nil {
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
	column := widget.NewColumn(14)
	for _, g := range append([]keyGroup{window}, fixedKeys()...) {
		lines := widget.NewColumn(2)
		for _, k := range g.keys {
			name := widget.NewLabel(k[1], theme.TextSmall)
			lines.Add(container.New(rightLayout{8}, name, widget.NewPill(k[0])))
		}
		column.Add(section(g.title, lines))
	}
	d := newDialog(lang.L("Keyboard shortcuts"), 460, column)
	d.ShowOn(w.win.Canvas())
}
