package ui

import (
	"context"
	"errors"
	"slices"
	"strings"

	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
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
		apart(w, func(ctx context.Context) (*core.Profile, error) {
			if err := w.openRelay(choice.Kind, n.Relays.Kind); err != nil {
				return nil, err
			}
			return w.core.CreateProfile(ctx, n)
		}, func(p *core.Profile, err error) {
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
	hidden := widget.NewButton(lang.L("Open a hidden one…"), widget.ButtonText, func() {
		d.Close()
		w.openHidden()
	})
	column.Add(buttonRow(hidden, button))
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
	screen, entry := w.unlockScreen(lang.L("This profile is locked"), lang.L("Type its passphrase to read and receive its messages."), func(passphrase string, done func(error)) {
		w.unlock(id, passphrase, done)
	})
	w.win.Canvas().Focus(entry)
	return &simplePage{holder: container.NewStack(screen)}
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

// renameProfile asks for another name of the profile.
func (w *Window) renameProfile() {
	p := w.profile
	entry := widget.NewEntry(lang.L("Your name in this profile"))
	entry.SetText(p.Name())
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	save := func() {
		name := strings.TrimSpace(entry.Text)
		ordered(w, only(func(ctx context.Context) error { return p.Rename(ctx, name) }), func(_ nothing, err error) {
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				d.Refresh()
				return
			}
			d.Close()
			if w.profile == p {
				w.setTitle()
				w.main.content.changed(nil)
			}
		})
	}
	entry.OnSubmitted = func(string) { save() }
	d = newDialog(lang.L("Change your name"), 440, widget.NewColumn(12,
		widget.NewHint(lang.L("Everybody in this profile who knows you by it gets to know the new name. Those whom you talk with incognito don't.")),
		entry, problem, buttonRow(widget.NewButton(lang.L("Save"), widget.ButtonPrimary, save))))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(entry)
}

// lockProfile locks the profile until its passphrase is typed again.
func (w *Window) lockProfile() {
	if w.profile == nil || w.profile.Protection() != vault.Passphrase {
		return
	}
	id := w.profile.ID()
	w.forgetUse()
	w.main.setPage(&simplePage{holder: container.NewStack(widget.NewSurface(theme.ColorBackground, nil))}, pageAlone)
	ordered(w, only(func(context.Context) error { return w.core.LockProfile(id) }), func(_ nothing, err error) {
		if err != nil {
			w.tell(lang.L("Not locked"), sentence(err))
		}
		w.forget(id)
		w.profile = nil // so that it is shown anew
		w.useProfile(id)
	})
}

// deleteProfile asks for the name of the profile and deletes it.
func (w *Window) deleteProfile() {
	p := w.profile
	name := p.Name()
	entry := widget.NewEntry(name)
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	var button *widget.Button
	do := func() {
		if strings.TrimSpace(entry.Text) != strings.TrimSpace(name) || button.Disabled() {
			return
		}
		button.Disable()
		entry.Disable()
		button.SetText(lang.L("Deleting…"))
		d.SetDismissible(false)
		problem.Set(widget.ToneInfo, lang.L("Relays are asked to delete what waits there. This takes ten seconds at the most."))
		d.Refresh()
		apart(w, only(func(ctx context.Context) error { return w.core.DeleteProfile(ctx, p.ID()) }), func(_ nothing, err error) {
			d.SetDismissible(true)
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				button.SetText(lang.L("Delete profile"))
				button.Enable()
				entry.Enable()
				d.Refresh()
				return
			}
			d.Close()
			w.profileDeleted(p.ID())
		})
	}
	button = widget.NewButton(lang.L("Delete profile"), widget.ButtonDanger, do)
	button.Disable()
	entry.OnChanged = func(text string) {
		if strings.TrimSpace(text) == strings.TrimSpace(name) {
			button.Enable()
		} else {
			button.Disable()
		}
	}
	entry.OnSubmitted = func(string) { do() }
	cancel := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, func() { d.Close() })
	names := map[string]any{"Name": name}
	consequences := widget.NewColumn(6)
	for _, text := range []string{
		lang.L("All conversations of {{.Name}}, its contacts and its address are deleted on this computer.", names),
		lang.L("Its queues are deleted on the relays: nobody can write to {{.Name}} any more, and nobody is told.", names),
		lang.L("Nothing of it can be brought back. Copies that others have of your messages stay with them."),
	} {
		consequences.Add(container.New(dotLayout{}, newDot(theme.ColorDanger), widget.NewLabel(text, theme.TextBody)))
	}
	d = newDialog(lang.L("Delete the profile {{.Name}}?", names), 460, widget.NewColumn(14, consequences,
		widget.NewHint(lang.L("Type its name, {{.Name}}, if you are sure.", names)), entry, problem, buttonRow(cancel, button)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(entry)
}

// profileDeleted shows another profile in place of one that is gone, or begins anew where there is none.
func (w *Window) profileDeleted(id string) {
	w.forget(id)
	w.profiles = w.core.Profiles()
	shown := w.profile != nil && w.profile.ID() == id
	switch {
	case w.main == nil:
	case len(w.profiles) == 0:
		w.main.content.closed()
		w.profile, w.main = nil, nil
		w.contacts, w.requests, w.address, w.relays = nil, nil, nil, nil
		w.showStart()
	case shown:
		w.profile = nil
		current := slices.IndexFunc(w.profiles, func(p core.ProfileInfo) bool { return p.Current })
		w.useProfile(w.profiles[max(current, 0)].ID)
		w.main.refreshRail()
	default:
		w.main.refreshRail()
	}
}
