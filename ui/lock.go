package ui

import (
	"context"
	"errors"
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// lock locks the program if it has a passphrase, otherwise the profile if that has one, which closes a hidden one, and otherwise shows how
// to get one.
func (w *Window) lock() {
	w.keepWritten()
	switch {
	case w.core.HasLock():
		ordered(w, only(w.core.Lock), func(_ nothing, err error) {
			if err != nil && !w.core.Locked() {
				w.tell(lang.L("Not locked"), sentence(err))
			}
		})
	case w.profile != nil && w.profile.Protection() == vault.Passphrase:
		w.lockProfile()
	case w.profile != nil && w.profile.Protection() == vault.Hidden:
		w.closeHidden()
	case w.profile != nil:
		w.showPrivacy()
	}
}

// lockChanged shows the lock, or what is behind it.
func (w *Window) lockChanged() {
	if w.core.Locked() {
		w.showLock()
		w.fillTray()
		return
	}
	w.locked = false
	if w.profiles = w.core.Profiles(); len(w.profiles) == 0 {
		w.showStart()
	} else {
		w.starting = nil
		w.showMain()
		if link := w.link; link != "" {
			w.link = ""
			w.linkOpened(link)
		}
	}
	w.fillTray()
}

// showLock forgets all that was shown and asks for the passphrase of the program.
func (w *Window) showLock() {
	if w.locked {
		return
	}
	w.locked = true
	w.forgetUse()
	for o := w.win.Canvas().Overlays().Top(); o != nil; o = w.win.Canvas().Overlays().Top() {
		if d, ok := o.(*widget.Dialog); ok {
			d.Close()
		}
		w.win.Canvas().Overlays().Remove(o)
	}
	if w.main != nil {
		w.main.content.closed()
	}
	w.main, w.profile, w.profiles, w.starting = nil, nil, nil, nil
	w.contacts, w.requests, w.address, w.relays = nil, nil, nil, nil
	clear(w.thumbs)
	clear(w.pictures)
	clear(w.notified)
	w.forgetWritten(func(contactKey) bool { return true })
	if w.notifier != nil {
		ordered(w, only(w.notifier.RemoveAll), nil)
	}
	w.setTitle()

	screen, entry := w.unlockScreen(lang.L("Sotto is locked"), lang.L("Type the passphrase of the program. Nothing is received until then."), func(passphrase string, done func(error)) {
		apart(w, only(func(ctx context.Context) error { return w.core.Unlock(ctx, passphrase) }), func(_ nothing, err error) { done(err) })
	})
	w.show(screen)
	w.win.Canvas().Focus(entry)
}

// forgetUse forgets and wipes what a profile that is closed may have left outside of it: what was used and looked at last, what was copied,
// and what other programs were given to open.
func (w *Window) forgetUse() {
	w.recent, w.place = nil, ""
	w.wipeCopies()
	w.forgetCopied()
}

// unlockScreen asks for a passphrase on a card in the middle of the room that there is. try calls its last argument with what came of it.
func (w *Window) unlockScreen(name, hint string, try func(passphrase string, done func(error))) (fyne.CanvasObject, *widget.Entry) {
	title := widget.NewLabel(name, theme.TextDisplay)
	title.Bold, title.Alignment = true, fyne.TextAlignCenter
	text := widget.NewLabel(hint, theme.TextBody)
	text.Color, text.Alignment = theme.ColorSecondary, fyne.TextAlignCenter
	entry := widget.NewPasswordEntry(lang.L("Passphrase"))
	problem := widget.NewNote(widget.ToneDanger, "")
	var open func()
	button := widget.NewButton(lang.L("Unlock"), widget.ButtonPrimary, func() { open() })
	card := widget.NewSurface(theme.ColorPanel, widget.NewColumn(14, container.NewCenter(newIconDisc("lock")), title, text, widget.NewGap(1, 4), entry, problem, button))
	card.Radius, card.Border, card.Margin = theme.DialogRadius, theme.ColorLine, 32
	screen := widget.NewSurface(theme.ColorBackground, container.NewStack(widget.NewGround(),
		container.NewVScroll(container.New(columnLayout{width: 420, middle: true}, card))))
	open = func() {
		if entry.Text == "" || button.Disabled() {
			return
		}
		problem.Set(widget.ToneDanger, "")
		button.SetText(lang.L("One moment…"))
		button.Disable()
		passphrase := entry.Text
		entry.SetText("")
		try(passphrase, func(err error) {
			button.SetText(lang.L("Unlock"))
			button.Enable()
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				screen.Refresh()
				w.win.Canvas().Focus(entry)
			}
		})
	}
	entry.OnSubmitted = func(string) { open() }
	return screen, entry
}

// idleCheck is how often it is looked whether there was input.
const idleCheck = 10 * time.Second

// watchIdle locks the program when there was no input for as long as was chosen.
func (w *Window) watchIdle() {
	w.idleTimer = time.AfterFunc(idleCheck, func() {
		w.later(func() {
			w.checkIdle(time.Since(widget.LastInput()))
			w.watchIdle()
		})
	})
}

func (w *Window) checkIdle(idle time.Duration) {
	if after := w.core.Idle(); after > 0 && idle >= after && w.core.HasLock() && !w.locked {
		w.lock()
	}
}

// idleTimes are after how long without input the program is locked.
func idleTimes() []option[time.Duration] {
	return []option[time.Duration]{
		{0, lang.L("Never"), lang.L("Only when you lock it yourself, with Ctrl+L.")},
		{time.Minute, lang.L("After a minute"), lang.L("For places where others can come to the computer.")},
		{5 * time.Minute, lang.L("After five minutes"), lang.L("While you are away it locks itself.")},
		{30 * time.Minute, lang.L("After half an hour"), lang.L("For a computer that few others come to.")},
	}
}

// lockSettings let the program be locked by a passphrase.
func (w *Window) lockSettings() fyne.CanvasObject {
	if !w.core.HasLock() {
		set := widget.NewButton(lang.L("Set a passphrase…"), widget.ButtonSecondary, func() { w.changeLock(false) })
		return section(lang.L("WHOLE PROGRAM"), settingsCard(widget.NewFact(lang.L("Lock Sotto with a passphrase"),
			lang.L("One passphrase for all profiles that have none of their own. While it is locked nothing is shown and nothing is received."), set)))
	}
	idle := find(idleTimes(), w.core.Idle())
	after := widget.NewRow(lang.L("Lock by itself"), idle.name, func() {
		chooseOption(w, lang.L("Lock by itself"), lang.L("So long after the last key or click in this window."), idleTimes(), w.core.Idle(),
			func(_ context.Context, d time.Duration) error { return w.core.SetIdle(d) }, w.refill)
	})
	after.SetHint(idle.text)
	wipe := widget.NewRow(lang.L("Passphrase that deletes everything"), "", w.changeWipe)
	wipe.SetHint(lang.L("Typed in place of the right one, it deletes all profiles at once. Nobody can see whether there is one."))
	now := widget.NewRow(lang.L("Lock now"), lang.L("Ctrl+L"), w.lock)
	change := widget.NewRow(lang.L("Change the passphrase"), "", func() { w.changeLock(false) })
	remove := widget.NewRow(lang.L("Remove the passphrase"), "", func() { w.changeLock(true) })
	rows := []fyne.CanvasObject{roomy(now)}
	for _, row := range []*widget.Row{after, change, remove, wipe} {
		rows = append(rows, widget.NewLine(), roomy(row))
	}
	return section(lang.L("WHOLE PROGRAM"), rowsCard(rows...))
}

// changeLock sets, changes or removes the passphrase of the program.
func (w *Window) changeLock(remove bool) {
	w.changeSecret(lang.L("Set a passphrase for Sotto"),
		lang.L("Several words are best. It is stored nowhere: if you forget it, nobody can open the profiles again that have none of their own."),
		w.core.HasLock(), remove, w.core.SetLock)
}

// changeSecret asks for what is needed to set, change or remove a passphrase.
func (w *Window) changeSecret(title, text string, set, remove bool, change func(ctx context.Context, old, new string) error) {
	q := passphraseQuestion{title: title, text: text, action: lang.L("Save"), old: set, new: !remove}
	switch {
	case remove:
		q.title, q.action, q.danger = lang.L("Remove the passphrase"), lang.L("Remove"), true
		q.text = lang.L("Afterwards whoever can use your account on this computer can read your messages.")
	case set:
		q.title = lang.L("Change the passphrase")
	}
	w.askPassphrase(q, change)
}

// changeWipe sets or removes the passphrase that deletes everything.
func (w *Window) changeWipe() {
	w.askPassphrase(passphraseQuestion{title: lang.L("Passphrase that deletes everything"), action: lang.L("Save"), new: true, empty: true, danger: true,
		text: lang.L("When it is typed to unlock Sotto, all profiles and all messages are deleted on this computer without asking, and Sotto is as at its first start. Leave it empty for none.")},
		func(ctx context.Context, _, new string) error { return w.core.SetWipe(ctx, new) })
}

// passphraseQuestion asks for a passphrase.
type passphraseQuestion struct {
	title, text, action string
	old                 bool // the present one is asked for
	new                 bool // another one is asked for, twice
	empty               bool // the new one may be empty
	danger              bool
}

// askPassphrase asks for passphrases and does something with them, until that works. Then the page is shown again.
func (w *Window) askPassphrase(q passphraseQuestion, do func(ctx context.Context, old, new string) error) {
	old := widget.NewPasswordEntry(lang.L("Present passphrase"))
	first, second := widget.NewPasswordEntry(lang.L("New passphrase")), widget.NewPasswordEntry(lang.L("The same again"))
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	complain := func(text string) {
		problem.Set(widget.ToneDanger, text)
		d.Refresh()
	}
	var save *widget.Button
	submit := func() {
		switch {
		case save.Disabled():
			return
		case q.new && first.Text == "" && !q.empty:
			complain(lang.L("Type a passphrase."))
			return
		case q.new && first.Text != second.Text:
			complain(lang.L("The two are not the same. Type the passphrase again."))
			return
		}
		complain("")
		save.Disable()
		present, next := old.Text, first.Text
		apart(w, only(func(ctx context.Context) error { return do(ctx, present, next) }), func(_ nothing, err error) {
			save.Enable()
			if err != nil {
				complain(sentence(err))
				return
			}
			d.Close()
			w.refill()
		})
	}
	style := widget.ButtonPrimary
	if q.danger {
		style = widget.ButtonDanger
	}
	save = widget.NewButton(q.action, style, submit)
	column := widget.NewColumn(12, widget.NewHint(q.text))
	var fields []*widget.Entry
	if q.old {
		fields = append(fields, old)
	}
	if q.new {
		fields = append(fields, first, second)
	}
	for _, f := range fields {
		f.OnSubmitted = func(string) { submit() }
		column.Add(f)
	}
	column.Add(problem)
	column.Add(buttonRow(save))
	d = newDialog(q.title, 440, column)
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(fields[0])
}

// isHidden tells whether the profile that is shown is a hidden one.
func (w *Window) isHidden() bool {
	return slices.ContainsFunc(w.core.Profiles(), func(p core.ProfileInfo) bool { return p.ID == w.profile.ID() && p.Hidden })
}

// hiddenSettings let the profile be hidden, or shown again.
func (w *Window) hiddenSettings() fyne.CanvasObject {
	id := w.profile.ID()
	if !w.isHidden() {
		hide := widget.NewButton(lang.L("Hide…"), widget.ButtonSecondary, w.hideProfile)
		return section(lang.L("HIDDEN PROFILE"), settingsCard(widget.NewFact(lang.L("Hide this profile"),
			lang.L("Nothing shows that it exists. It opens with its own passphrase, typed where profiles are added. It receives while it is open only."), hide)))
	}
	closed := widget.NewButton(lang.L("Close now"), widget.ButtonSecondary, w.closeHidden)
	show := widget.NewButton(lang.L("Show…"), widget.ButtonSecondary, func() {
		w.askPassphrase(passphraseQuestion{title: lang.L("Show this profile"), action: lang.L("Show"), new: true, empty: true,
			text: lang.L("It is listed like the others again. Give it a passphrase, or leave it empty for none.")},
			func(ctx context.Context, _, new string) error { return w.rehouse(w.core.Unhide(ctx, id, new)) })
	})
	return section(lang.L("HIDDEN PROFILE"), settingsCard(
		widget.NewFact(lang.L("This profile is hidden"), lang.L("Closed, nothing shows that it exists, and it receives nothing."), closed), widget.NewLine(),
		widget.NewFact(lang.L("Hide it no more"), lang.L("It is listed like the others again."), show)))
}

// closeHidden closes the hidden profiles that are open.
func (w *Window) closeHidden() {
	ordered(w, func(context.Context) (nothing, error) { return nothing{}, w.core.CloseHidden() }, func(_ nothing, err error) {
		if err != nil {
			w.tell(lang.L("Not closed"), sentence(err))
		}
	})
}

// hideProfile asks for the passphrase of a hidden profile, and makes the one that is shown such.
func (w *Window) hideProfile() {
	id := w.profile.ID()
	w.askPassphrase(passphraseQuestion{title: lang.L("Hide this profile"), action: lang.L("Hide"), new: true,
		text: lang.L("With this passphrase alone it can be found and opened again, so it has to differ from all others. If you forget it, the profile is lost.")},
		func(ctx context.Context, _, new string) error { return w.rehouse(w.core.Hide(ctx, id, new)) })
}

// rehouse shows a profile that got another id. It is called beside the main goroutine.
func (w *Window) rehouse(p *core.Profile, err error) error {
	if err == nil {
		w.later(func() { w.useProfile(p.ID()) })
	}
	return err
}

// openHidden asks for the passphrase of a hidden profile and shows that.
func (w *Window) openHidden() {
	entry := widget.NewPasswordEntry(lang.L("Passphrase of the hidden profile"))
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	var button *widget.Button
	open := func() {
		if entry.Text == "" || button.Disabled() {
			return
		}
		button.Disable()
		passphrase := entry.Text
		apart(w, func(ctx context.Context) (*core.Profile, error) { return w.core.OpenHidden(ctx, passphrase) }, func(p *core.Profile, err error) {
			button.Enable()
			if err != nil {
				entry.SetText("")
				text := sentence(err)
				if errors.Is(err, core.ErrNoProfile) {
					text = lang.L("No hidden profile opens with this passphrase.")
				}
				problem.Set(widget.ToneDanger, text)
				d.Refresh()
				return
			}
			d.Close()
			w.hiddenOpened(p)
		})
	}
	button = widget.NewButton(lang.L("Open"), widget.ButtonPrimary, open)
	entry.OnSubmitted = func(string) { open() }
	d = newDialog(lang.L("Open a hidden profile"), 440, widget.NewColumn(12,
		widget.NewHint(lang.L("Whether there is one shows only when the right passphrase is typed.")), entry, problem, buttonRow(button)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(entry)
}

// openHiddenQuietly opens the hidden profile whose passphrase was typed into the search field. Nothing shows if there is none.
func (w *Window) openHiddenQuietly(passphrase string) {
	if w.trying { // Enter is held down, and each try takes a while
		return
	}
	w.trying = true
	apart(w, func(ctx context.Context) (*core.Profile, error) { return w.core.OpenHidden(ctx, passphrase) }, func(p *core.Profile, err error) {
		w.trying = false
		if err != nil {
			return
		}
		w.hiddenOpened(p)
		if w.main != nil { // it was the one that is shown already
			w.main.search.Entry.SetText("")
		}
	})
}

// hiddenOpened shows a hidden profile that was opened, which may be the only one.
func (w *Window) hiddenOpened(p *core.Profile) {
	if w.locked {
		return
	}
	if w.main == nil {
		w.profiles, w.starting = w.core.Profiles(), nil
		w.showMain()
	}
	w.useProfile(p.ID())
}
