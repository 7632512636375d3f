package ui

import (
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"

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
		{fyne.KeyF, control, "", "", search},
		{fyne.KeyDown, alt, lang.L("Alt+Down"), lang.L("Next conversation"), func() { w.stepContact(1) }},
		{fyne.KeyUp, alt, lang.L("Alt+Up"), lang.L("Previous conversation"), func() { w.stepContact(-1) }},
		{fyne.KeyI, control, lang.L("Ctrl+I"), lang.L("Who can see what"), func() {
			if c, ok := w.main.content.(*conversation); ok {
				c.togglePanel()
			}
		}},
		{fyne.Key1, control, lang.L("Ctrl+1 to 9"), lang.L("Switch profile"), func() { w.useProfileNumber(0) }},
		{fyne.KeyComma, control, lang.L("Ctrl+,"), lang.L("Settings"), w.showSettings},
		{fyne.KeySlash, control, lang.L("Ctrl+/"), lang.L("Keyboard shortcuts"), w.showShortcuts},
	}
	for i := 1; i < 9; i++ {
		list = append(list, shortcut{fyne.KeyName(strconv.Itoa(i + 1)), control, "", "", func() { w.useProfileNumber(i) }})
	}
	return list
}

// fixedKeys are what keys do inside the widgets.
func fixedKeys() [][2]string {
	return [][2]string{
		{lang.L("Enter"), lang.L("Send the message")},
		{lang.L("Shift+Enter"), lang.L("New line")},
		{lang.L("Tab"), lang.L("Next field or button")},
		{lang.L("Esc"), lang.L("Close, or go back")},
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
	default:
		w.main.back()
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
	if len(m.shown) == 0 {
		return
	}
	i := m.openRow() + by
	if m.openRow() < 0 {
		i = 0
	}
	w.openContact(m.shown[max(0, min(i, len(m.shown)-1))].ID)
}

// showShortcuts shows the cheat sheet.
func (w *Window) showShortcuts() {
	column := widget.NewColumn(2)
	add := func(keys, name string) {
		column.Add(widget.NewFact(name, "", widget.NewPill(keys)))
	}
	for _, s := range w.shortcuts() {
		if s.keys != "" {
			add(s.keys, s.name)
		}
	}
	for _, k := range fixedKeys() {
		add(k[0], k[1])
	}
	d := newDialog(lang.L("Keyboard shortcuts"), 420, column)
	d.ShowOn(w.win.Canvas())
}
