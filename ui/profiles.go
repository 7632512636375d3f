package ui

import (
	"context"
	"errors"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

func isNameError(err error) bool { return errors.Is(err, core.ErrName) }

// addProfile asks for what a new profile needs, and makes it.
func (w *Window) addProfile() {
	var d *widget.Dialog
	resized := func() {
		if d != nil {
			d.Refresh()
		}
	}
	name := widget.NewEntry(lang.L("Your name in this profile"))
	problem := widget.NewNote(widget.ToneDanger, "")
	choice := core.RelayChoice{}
	if w.profile != nil {
		choice = w.profile.Relays()
	}
	relays := newRelayChooser(w, choice, resized)
	var create func()
	passphrase := newPassphraseFields(resized, func() { create() })
	button := widget.NewButton(lang.L("Add profile"), widget.ButtonPrimary, func() { create() })
	create = func() {
		if button.Disabled() {
			return
		}
		complain := func(text string) {
			problem.Set(widget.ToneDanger, text)
			resized()
		}
		if strings.TrimSpace(name.Text) == "" {
			complain(lang.L("Type a name. It can be any, and more than one person can have the same."))
			w.win.Canvas().Focus(name)
			return
		}
		secret, ok := passphrase.value()
		if !ok {
			return
		}
		complain("")
		button.Disable()
		n := core.NewProfile{Name: strings.TrimSpace(name.Text), Relays: relays.choice(), Passphrase: secret}
		apart(w, func(ctx context.Context) (*core.Profile, error) { return w.core.CreateProfile(ctx, n) }, func(p *core.Profile, err error) {
			button.Enable()
			if err != nil {
				complain(sentence(err))
				return
			}
			d.Close()
			w.useProfile(p.ID())
		})
	}
	name.OnSubmitted = func(string) { create() }
	column := widget.NewColumn(12,
		widget.NewHint(lang.L("A profile has its own name, contacts and keys. Nothing tells others that two profiles belong to the same person.")),
		name, widget.NewGap(1, 1), widget.NewHeading(lang.L("WHERE MESSAGES WAIT")))
	for _, o := range relays.objects() {
		column.Add(o)
	}
	column.Add(passphrase.content)
	column.Add(problem)
	column.Add(buttonRow(button))
	d = newDialog(lang.L("Add a profile"), 520, column)
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(name)
}

// lockedPage asks for the passphrase of a profile, or tells why it can't be opened.
func (w *Window) lockedPage(id string) page {
	i := slices.IndexFunc(w.profiles, func(p core.ProfileInfo) bool { return p.ID == id })
	if i < 0 || !w.profiles[i].Locked {
		err := error(core.ErrNoProfile)
		if i >= 0 && w.profiles[i].Err != nil {
			err = w.profiles[i].Err
		}
		again := func() { w.unlock(id, "", func(error) {}) }
		state := widget.NewEmptyState("warning", lang.L("This profile can't be opened"), sentence(err), lang.L("Try again"), again)
		return &simplePage{holder: container.NewStack(widget.NewSurface(theme.ColorBackground, state))}
	}
	title := widget.NewLabel(lang.L("This profile is locked"), theme.TextDisplay)
	title.Bold, title.Alignment = true, fyne.TextAlignCenter
	text := widget.NewLabel(lang.L("Type its passphrase to read and receive its messages."), theme.TextBody)
	text.Color, text.Alignment = theme.ColorSecondary, fyne.TextAlignCenter
	entry := widget.NewPasswordEntry(lang.L("Passphrase"))
	problem := widget.NewNote(widget.ToneDanger, "")
	var open func()
	button := widget.NewButton(lang.L("Unlock"), widget.ButtonPrimary, func() { open() })
	lock := newIconDisc("lock")
	card := widget.NewSurface(theme.ColorPanel, widget.NewColumn(14, container.NewCenter(lock), title, text, widget.NewGap(1, 4), entry, problem, button))
	card.Radius, card.Border, card.Margin = theme.DialogRadius, theme.ColorLine, 32
	holder := container.NewStack(widget.NewSurface(theme.ColorBackground, container.NewVScroll(container.New(columnLayout{width: 420, middle: true}, card))))
	open = func() {
		if entry.Text == "" || button.Disabled() {
			return
		}
		problem.Set(widget.ToneDanger, "")
		button.SetText(lang.L("One moment…"))
		button.Disable()
		w.unlock(id, entry.Text, func(err error) {
			button.SetText(lang.L("Unlock"))
			button.Enable()
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				entry.SetText("")
				holder.Refresh()
				w.win.Canvas().Focus(entry)
			}
		})
	}
	entry.OnSubmitted = func(string) { open() }
	w.win.Canvas().Focus(entry)
	return &simplePage{holder: holder}
}

// unlock opens a profile and shows it.
func (w *Window) unlock(id, passphrase string, done func(error)) {
	apart(w, func(ctx context.Context) (*core.Profile, error) { return w.core.OpenProfile(ctx, id, passphrase) }, func(_ *core.Profile, err error) {
		done(err)
		shown := slices.ContainsFunc(w.profiles, func(p core.ProfileInfo) bool { return p.Current && p.ID == id })
		if err == nil && shown {
			w.useProfile(id)
		}
	})
}
