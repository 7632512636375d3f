package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// showSettings shows the settings of the profile and of the window.
func (w *Window) showSettings() {
	if w.profile == nil {
		return
	}
	body := widget.NewColumn(20)
	fill := func() {
		body.Objects = nil
		for _, o := range []fyne.CanvasObject{w.profileSettings(), w.relaySettings(), w.protectionSettings(), w.appearanceSettings(), w.about()} {
			body.Add(o)
		}
		body.Refresh()
	}
	fill()
	page := newPlainPage(lang.L("Settings"), body, w.main.back)
	page.update = func(c any) {
		if c == nil {
			fill()
			page.scroll.Refresh()
		}
	}
	w.main.setPage(page, pageBeside)
}

func settingsCard(objects ...fyne.CanvasObject) fyne.CanvasObject {
	card := widget.NewCard(widget.NewColumn(theme.Grid, objects...))
	card.Margin = 16
	return card
}

func (w *Window) profileSettings() fyne.CanvasObject {
	name := widget.NewLabel(w.profile.Name(), theme.TextBody)
	name.Bold = true
	var avatar *widget.Avatar
	for _, p := range w.profiles {
		if p.ID == w.profile.ID() {
			avatar = widget.NewAvatar(widget.AvatarView{Name: p.Name, ID: seed(p.AvatarSeed)}, widget.AvatarRow)
		}
	}
	texts := widget.NewColumn(0, name, widget.NewHint(lang.L("Only people you connect with see this name.")))
	if avatar == nil {
		return section(lang.L("PROFILE"), settingsCard(texts))
	}
	return section(lang.L("PROFILE"), settingsCard(container.New(rightLayout{12}, texts, avatar)))
}

// relaySettings tell where messages wait, and let it be changed.
func (w *Window) relaySettings() fyne.CanvasObject {
	choice := w.profile.Relays()
	title, text := lang.L("On public relays"), lang.L("These were chosen at random. Each new conversation uses one of them for what is sent to you.")
	switch choice.Kind {
	case core.RelaysOwn:
		title, text = lang.L("On relays of your own"), lang.L("New conversations use these relays.")
	case core.RelaysThisComputer:
		title, text = lang.L("On this computer"), lang.L("Only programs on this computer can reach it, and only while this one runs.")
	}
	label := widget.NewLabel(title, theme.TextBody)
	label.Bold = true
	objects := []fyne.CanvasObject{container.New(rightLayout{8}, widget.NewColumn(0, label, widget.NewHint(text)),
		widget.NewButton(lang.L("Change…"), widget.ButtonSecondary, w.changeRelays))}
	for _, address := range choice.Addresses {
		row := widget.NewLabel(relayHost(address), theme.TextSmall)
		row.OneLine = true
		objects = append(objects, container.New(dotLayout{}, newDot(theme.ColorTrack), row))
	}
	if len(w.opt.Relays) > 0 {
		objects = append(objects, widget.NewNote(widget.ToneInfo, lang.L("This window was started with --relay: new queues are made there, whatever is chosen here.")))
	}
	return section(lang.L("WHERE MESSAGES WAIT"), settingsCard(objects...))
}

// relayHost is the part of a relay's address that people recognise. Its password is never shown.
func relayHost(address string) string {
	_, host, found := strings.Cut(address, "@")
	if !found {
		return lang.L("relay")
	}
	host, _, _ = strings.Cut(host, ",")
	return host
}

// changeRelays asks where messages of new conversations wait.
func (w *Window) changeRelays() {
	p := w.profile
	var d *widget.Dialog
	resized := func() {
		if d != nil {
			d.Refresh()
		}
	}
	chooser := newRelayChooser(w, p.Relays(), resized)
	problem := widget.NewNote(widget.ToneDanger, "")
	save := widget.NewButton(lang.L("Save"), widget.ButtonPrimary, func() {
		choice := chooser.choice()
		apart(w, only(func(ctx context.Context) error { return p.SetRelays(ctx, choice) }), func(_ nothing, err error) {
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				resized()
				return
			}
			d.Close()
			w.main.content.changed(nil)
		})
	})
	column := widget.NewColumn(12, widget.NewHint(lang.L("This is about new conversations. Those you have stay where they are.")))
	for _, o := range chooser.objects() {
		column.Add(o)
	}
	column.Add(problem)
	column.Add(buttonRow(save))
	d = newDialog(lang.L("Where messages wait"), 520, column)
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(chooser.choices.cards[chooser.choices.chosen])
}

// protectionSettings tell what guards the profile on disk.
func (w *Window) protectionSettings() fyne.CanvasObject {
	title, text := lang.L("Guarded by your account"), lang.L("Messages are encrypted, and the key is in the keyring of this computer. Whoever can use your account can read them.")
	set := widget.NewButton(lang.L("Set a passphrase…"), widget.ButtonSecondary, func() { w.changePassphrase(false) })
	objects := []fyne.CanvasObject{}
	protected := false
	switch w.profile.Protection().String() {
	case "passphrase":
		protected = true
		title, text = lang.L("Guarded by a passphrase"), lang.L("Messages are encrypted, and the passphrase is stored nowhere.")
	case "file":
		title, text = lang.L("Not guarded"), lang.L("Messages are encrypted, but the key lies in a file beside them.")
		objects = append(objects, widget.NewNote(widget.ToneWarning, lang.L("Whoever gets a copy of your files can read your messages. Set a passphrase to prevent that.")))
	}
	label := widget.NewLabel(title, theme.TextBody)
	label.Bold = true
	objects = append([]fyne.CanvasObject{widget.NewColumn(0, label, widget.NewHint(text))}, objects...)
	if protected {
		change := widget.NewButton(lang.L("Change…"), widget.ButtonSecondary, func() { w.changePassphrase(false) })
		remove := widget.NewButton(lang.L("Remove…"), widget.ButtonSecondary, func() { w.changePassphrase(true) })
		objects = append(objects, container.NewHBox(change, remove))
	} else {
		objects = append(objects, container.NewHBox(set))
	}
	return section(lang.L("ON THIS COMPUTER"), settingsCard(objects...))
}

// changePassphrase sets, changes or removes the passphrase of the profile.
func (w *Window) changePassphrase(remove bool) {
	p := w.profile
	protected := p.Protection().String() == "passphrase"
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
		if save.Disabled() {
			return
		}
		present, next := "", ""
		if protected {
			present = old.Text
		}
		if !remove {
			switch next = first.Text; {
			case next == "":
				complain(lang.L("Type a passphrase."))
				return
			case next != second.Text:
				complain(lang.L("The two are not the same. Type the passphrase again."))
				return
			}
		}
		complain("")
		save.Disable()
		apart(w, only(func(ctx context.Context) error { return p.SetPassphrase(ctx, present, next) }), func(_ nothing, err error) {
			save.Enable()
			if err != nil {
				complain(sentence(err))
				return
			}
			d.Close()
			w.main.content.changed(nil)
		})
	}
	title := lang.L("Set a passphrase")
	text := lang.L("Several words are best. It is stored nowhere: if you forget it, nobody can open this profile again.")
	action := lang.L("Save")
	style := widget.ButtonPrimary
	switch {
	case remove:
		title, action, style = lang.L("Remove the passphrase"), lang.L("Remove"), widget.ButtonDanger
		text = lang.L("Afterwards whoever can use your account on this computer can read your messages.")
	case protected:
		title = lang.L("Change the passphrase")
	}
	save = widget.NewButton(action, style, submit)
	column := widget.NewColumn(12, widget.NewHint(text))
	fields := []*widget.Entry{}
	if protected {
		fields = append(fields, old)
	}
	if !remove {
		fields = append(fields, first, second)
	}
	for _, f := range fields {
		f.OnSubmitted = func(string) { submit() }
		column.Add(f)
	}
	column.Add(problem)
	column.Add(buttonRow(save))
	d = newDialog(title, 440, column)
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(fields[0])
}

// appearanceSettings let the colours be chosen.
func (w *Window) appearanceSettings() fyne.CanvasObject {
	modes := []theme.Mode{theme.FollowSystem, theme.Light, theme.Dark}
	tabs := widget.NewTabs([]string{lang.L("Like the system"), lang.L("Light"), lang.L("Dark")}, func(i int) { w.setMode(modes[i]) })
	for i, mode := range modes {
		if mode == w.theme.Mode() {
			tabs.Select(i)
		}
	}
	return section(lang.L("APPEARANCE"), settingsCard(tabs))
}

// setMode changes the colours and remembers that.
func (w *Window) setMode(mode theme.Mode) {
	if mode == w.theme.Mode() {
		return
	}
	w.theme.SetMode(mode)
	w.app.Settings().SetTheme(w.theme)
	look := w.core.Appearance()
	look.Theme = mode.String()
	_ = w.core.SetAppearance(look) // if it can't be kept, it is as before at the next start
}

func (w *Window) about() fyne.CanvasObject {
	name := lang.L("Sotto")
	if w.opt.Version != "" {
		name += " " + w.opt.Version
	}
	label := widget.NewLabel(name, theme.TextBody)
	label.Bold = true
	return section(lang.L("ABOUT"), settingsCard(label,
		widget.NewHint(lang.L("A messenger without user identifiers. It speaks the open SimpleX protocols. Free software under the licence that comes with it; the font is Inter under the SIL Open Font License.")),
		widget.NewRow(lang.L("Keyboard shortcuts"), lang.L("Ctrl+/"), w.showShortcuts)))
}

// newIconDisc is an icon on a soft disc.
func newIconDisc(icon string) fyne.CanvasObject {
	const side = 72
	ground := widget.NewSurface(theme.ColorAccentSoft, nil)
	ground.Radius = side / 2
	image := canvas.NewImageFromResource(theme.Icon(icon, theme.ColorAccent))
	image.FillMode = canvas.ImageFillContain
	return container.NewGridWrap(fyne.NewSquareSize(side), container.NewStack(ground, widget.NewInset(image, side/4)))
}
