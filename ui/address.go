package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// addressView shows the address of the profile, or offers to make one.
type addressView struct {
	w        *Window
	profile  *core.Profile
	holder   *fyne.Container
	resized  func()
	once     func() // leads to a one-time code, nil where there is no way to it
	settings func() // leads to the settings of the address, nil where they are in sight
	cancel   func() // of the address that is being made

	torChanged func() // of the code that is shown, or nil
	problem    error
}

// newAddressView returns a view, which is empty before fill. resized is called when its height changed.
func newAddressView(w *Window, resized, once func()) *addressView {
	return &addressView{w: w, profile: w.profile, holder: container.NewStack(), resized: resized, once: once}
}

// close gives up what is under way.
func (v *addressView) close() {
	if v.cancel != nil {
		v.cancel()
	}
}

// changed takes over what changed.
func (v *addressView) changed(e any) {
	switch e.(type) {
	case core.AddressChanged:
		if v.cancel == nil {
			v.fill()
		}
	case core.TorChanged:
		if v.torChanged != nil {
			v.torChanged()
			v.resized()
		}
	}
}

// fill shows the address, or what one is for.
func (v *addressView) fill() {
	switch a := v.w.address; {
	case v.cancel != nil:
		v.put(waitingView(v.cancel))
	case a == nil:
		v.put(v.offer())
	case a.Failure != "":
		replace := widget.NewButton(lang.L("Make a new one"), widget.ButtonPrimary, func() { v.make(true) })
		v.put(widget.NewColumn(16, widget.NewNote(widget.ToneDanger, lang.L("Nobody can use this address any more: its relay has lost it. Make a new one.")),
			container.NewCenter(replace)))
	default:
		hint := widget.NewHint(lang.L("For everybody, as often as they like. Whoever opens it asks to be connected, and you decide about each. Show it where the people you want will find it."))
		hint.Alignment = fyne.TextAlignCenter
		var more []fyne.CanvasObject
		if v.settings != nil {
			more = append(more, widget.NewButton(lang.L("Settings…"), widget.ButtonText, v.settings))
		}
		if v.once != nil {
			more = append(more, widget.NewButton(lang.L("Use a one-time code"), widget.ButtonText, v.once))
		}
		shown, torChanged := v.w.codeView(a.Link, hint, func() {}, nil, more...)
		v.torChanged = torChanged
		if a.Elsewhere {
			note := widget.NewNote(widget.ToneWarning, lang.L("Another Sotto that has a copy of this profile receives the requests at this address. Use only one of them."))
			note.SetAction(lang.L("Receive here"), v.receiveHere)
			shown = widget.NewColumn(16, note, shown)
		}
		v.put(shown)
	}
}

// receiveHere has the requests come here, and not to another program.
func (v *addressView) receiveHere() {
	w, p := v.w, v.profile
	ordered(w, only(func(ctx context.Context) error { return p.ReceiveAddressHere(ctx) }), func(_ nothing, err error) {
		if err != nil && w.profile == p && w.main != nil {
			w.tell(lang.L("Not received here"), sentence(err))
		}
	})
}

func (v *addressView) put(o fyne.CanvasObject) {
	v.holder.Objects = []fyne.CanvasObject{o}
	v.resized()
}

// offer tells what an address is, and offers to make one.
func (v *addressView) offer() fyne.CanvasObject {
	title := widget.NewLabel(lang.L("One code for everybody"), theme.TextTitle)
	title.Bold, title.Alignment = true, fyne.TextAlignCenter
	text := widget.NewLabel(lang.L("An address can be opened by many people, again and again: print it, or put it on a page. Each of them asks you first. Strangers can find it too, so delete it when you don't need it any more; your contacts stay."), theme.TextBody)
	text.Alignment, text.Color = fyne.TextAlignCenter, theme.ColorSecondary
	column := widget.NewColumn(16, widget.NewGap(1, 8), container.NewCenter(newIconDisc("qr")), title, widget.NewInset(text, 0, 32))
	if v.problem != nil {
		column.Add(widget.NewNote(widget.ToneDanger, sentence(v.problem)))
	}
	column.Add(container.NewCenter(widget.NewButton(lang.L("Make an address"), widget.ButtonPrimary, func() { v.make(false) })))
	if v.once != nil {
		column.Add(container.NewCenter(widget.NewButton(lang.L("Use a one-time code"), widget.ButtonText, v.once)))
	}
	column.Add(widget.NewGap(1, 8))
	return column
}

// make makes an address, in place of the one that there is if it is to be replaced.
func (v *addressView) make(replace bool) {
	p := v.profile
	v.problem = nil
	v.cancel = apart(v.w, func(ctx context.Context) (core.Address, error) {
		ctx, cancel := context.WithTimeout(ctx, inviteTime)
		defer cancel()
		if !replace {
			return p.MakeAddress(ctx)
		}
		old, err := p.Address(ctx)
		if err != nil {
			return old, err
		}
		if err := p.DeleteAddress(ctx); err != nil {
			return old, err
		}
		made, err := p.MakeAddress(ctx)
		if err == nil {
			err = p.SetAddressSettings(ctx, old.Settings)
		}
		return made, err
	}, func(a core.Address, err error) {
		v.cancel = nil
		if v.w.profile != p {
			return
		}
		if err != nil {
			v.problem = err
		} else {
			v.w.address = &a
		}
		v.fill()
	})
	v.fill()
}

// showAddress shows the page about the address.
func (w *Window) showAddress() {
	if w.profile == nil {
		return
	}
	body := widget.NewColumn(16)
	page := newPlainPage(lang.L("My address"), body, w.showSettings)
	page.head.keepBack()
	view := newAddressView(w, nil, nil)
	settings := container.NewStack()
	view.resized = func() {
		settings.Objects = nil
		if a := w.address; a != nil && view.cancel == nil {
			settings.Objects = []fyne.CanvasObject{widget.NewColumn(20, w.addressSettings(a), w.addressRemoval(view))}
		}
		settings.Hidden = len(settings.Objects) == 0
		body.Refresh()
		page.scroll.Refresh()
	}
	body.Objects = []fyne.CanvasObject{bigCard(view.holder), settings}
	view.fill()
	page.update = func(c any) {
		if c == nil {
			view.fill()
		}
		view.changed(c)
	}
	page.left = view.close
	w.main.setPage(page, pageBeside)
}

// addressSettings let it be chosen how requests are received.
func (w *Window) addressSettings(a *core.Address) fyne.CanvasObject {
	p, s := w.profile, a.Settings
	problem := widget.NewNote(widget.ToneDanger, "")
	var greeting *widget.Entry
	var save *widget.Button
	set := func() {
		s.Greeting = greeting.Text
		next := s
		ordered(w, only(func(ctx context.Context) error { return p.SetAddressSettings(ctx, next) }), func(_ nothing, err error) {
			problem.Set(widget.ToneDanger, sentence(err))
			if err == nil {
				save.Disable()
			}
		})
	}
	greeting = widget.NewTextEntry(lang.L("For example: who you are, and what you'd like to be asked"), 3)
	greeting.SetText(s.Greeting)
	save = widget.NewButton(lang.L("Save"), widget.ButtonSecondary, set)
	save.Disable()
	greeting.OnChanged = func(text string) {
		problem.Set(widget.ToneDanger, "")
		if text == s.Greeting {
			save.Disable()
		} else {
			save.Enable()
		}
	}
	title := widget.NewLabel(lang.L("Greeting"), theme.TextBody)
	title.Bold = true
	objects := []fyne.CanvasObject{
		widget.NewColumn(0, title, widget.NewHint(lang.L("Whoever opens the address reads it before asking."))), greeting, buttonRow(save), problem, widget.NewLine(),
		widget.NewFact(lang.L("Accept everybody"), lang.L("Nobody has to wait for you, and the greeting is sent as a message. Strangers can write to you at once."),
			widget.NewToggle(s.AutoAccept, func(on bool) {
				s.AutoAccept = on
				set()
			})), widget.NewLine(),
		widget.NewFact(lang.L("Incognito"), lang.L("The address shows no name, and each of them sees another random one, not {{.Name}}.", map[string]any{"Name": p.Name()}),
			widget.NewToggle(s.Incognito, func(on bool) {
				s.Incognito = on
				set()
			})),
	}
	return section(lang.L("WHO OPENS IT"), settingsCard(objects...))
}

// addressRemoval lets the address be replaced and deleted.
func (w *Window) addressRemoval(view *addressView) fyne.CanvasObject {
	p := w.profile
	replace := widget.NewButton(lang.L("Replace…"), widget.ButtonSecondary, func() {
		w.ask(lang.L("Replace the address?"), lang.L("The old one stops working at once, wherever it was printed or shown, and requests that wait are deleted. Your contacts stay. A new address is made with the same settings."),
			lang.L("Replace"), func() { view.make(true) })
	})
	remove := widget.NewButton(lang.L("Delete…"), widget.ButtonSecondary, func() {
		w.ask(lang.L("Delete the address?"), lang.L("Nobody can ask to be connected with it any more, wherever it was printed or shown, and requests that wait are deleted. Your contacts stay. It can't be brought back."),
			lang.L("Delete address"), func() {
				ordered(w, only(func(ctx context.Context) error { return p.DeleteAddress(ctx) }), func(_ nothing, err error) {
					if err != nil {
						w.tell(lang.L("Not deleted"), sentence(err))
					}
				})
			})
	})
	return section(lang.L("NOT WANTED ANY MORE"), settingsCard(
		widget.NewFact(lang.L("Replace it"), lang.L("When too many have it. The old one stops working; contacts stay."), replace), widget.NewLine(),
		widget.NewFact(lang.L("Delete it"), lang.L("Nobody can ask to be connected any more; contacts stay."), remove)))
}
