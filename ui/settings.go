package ui

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// settingsCard is a card of the settings, with a gap between what is in it.
func settingsCard(objects ...fyne.CanvasObject) fyne.CanvasObject {
	card := widget.NewCard(widget.NewColumn(theme.Grid, objects...))
	card.Margin = 16
	return card
}

// rowsCard is a card with rows that can be tapped.
func rowsCard(rows ...fyne.CanvasObject) fyne.CanvasObject {
	card := widget.NewCard(widget.NewInset(widget.NewColumn(0, rows...), 0, 8))
	card.Margin = 6
	return card
}

// showSettings shows what there is to be set, and leads to a page about each.
func (w *Window) showSettings() {
	if w.profile == nil {
		return
	}
	body := widget.NewColumn(20)
	fill := func() {
		body.Objects = []fyne.CanvasObject{w.profileCard(), w.settingsOfProfile(), w.settingsOfWindow()}
		body.Refresh()
	}
	fill()
	page := newPlainPage(lang.L("Settings"), body, w.main.back)
	page.update = func(c any) {
		switch c.(type) {
		case nil, core.AddressChanged:
			fill()
			page.scroll.Refresh()
		}
	}
	w.main.setPage(page, pageBeside)
}

// showSettingsPage shows a page that the settings lead to. fill returns what is on it, and is called again after changes.
func (w *Window) showSettingsPage(title string, fill func() []fyne.CanvasObject) *plainPage {
	body := widget.NewColumn(20)
	page := newPlainPage(title, body, w.showSettings)
	page.head.keepBack()
	page.update = func(c any) {
		if c == nil {
			body.Objects = fill()
			body.Refresh()
			page.scroll.Refresh()
		}
	}
	page.update(nil)
	w.main.setPage(page, pageBeside)
	return page
}

// refill shows the page again after something on it was changed.
func (w *Window) refill() {
	if w.main != nil {
		w.main.content.changed(nil)
	}
}

// ownAvatar is the avatar of the profile that is shown.
func (w *Window) ownAvatar() widget.AvatarView {
	view := widget.AvatarView{Name: w.profile.Name()}
	for _, p := range w.profiles {
		if p.ID == w.profile.ID() {
			view.ID, view.Picture = seed(p.AvatarSeed), w.thumbs.get(w.pictures[p.ID])
		}
	}
	return view
}

// profileCard shows the profile as others see it.
func (w *Window) profileCard() fyne.CanvasObject {
	name := widget.NewLabel(w.profile.Name(), theme.TextTitle)
	name.Bold, name.OneLine = true, true
	texts := widget.NewColumn(0, name, widget.NewHint(lang.L("Only people you connect with see this name.")))
	rename := widget.NewButton(lang.L("Name…"), widget.ButtonSecondary, w.renameProfile)
	picture := widget.NewButton(lang.L("Picture…"), widget.ButtonSecondary, w.changePicture)
	texts.Add(widget.NewInset(widget.NewFlow(theme.Grid, rename, picture), 8, 0, 0, 0))
	return settingsCard(widget.NewBar(16, 1, widget.NewAvatar(w.ownAvatar(), widget.AvatarLarge), texts))
}

// setting is a row that leads to a page of the settings.
func setting(icon, title, value string, tapped func()) fyne.CanvasObject {
	row := widget.NewRow(title, value, tapped)
	row.SetIcon(icon)
	return roomy(row)
}

// roomy leaves some room above and below a row.
func roomy(row fyne.CanvasObject) fyne.CanvasObject { return widget.NewInset(row, 5, 0) }

// settingsOfProfile lead to what is about this profile alone.
func (w *Window) settingsOfProfile() fyne.CanvasObject {
	address := lang.L("none yet")
	if w.address != nil {
		address = lang.L("in use")
	}
	protection, _, _ := w.protection()
	return section(lang.L("THIS PROFILE"), rowsCard(
		setting("qr", lang.L("My address"), address, w.showAddress), widget.NewLine(),
		setting("network", lang.L("Network and relays"), "", func() { w.openNetwork(w.showSettings, true) }), widget.NewLine(),
		setting("lock", lang.L("Privacy and lock"), protection, w.showPrivacy), widget.NewLine(),
		setting("folder", lang.L("Storage"), "", w.showStorage), widget.NewLine(),
		setting("user", lang.L("Mute or delete this profile"), "", w.showProfileSettings)))
}

// settingsOfWindow lead to what is the same for all profiles.
func (w *Window) settingsOfWindow() fyne.CanvasObject {
	return section(lang.L("THIS WINDOW"), rowsCard(
		setting("eye", lang.L("Appearance"), find(modes(), w.theme.Mode()).name, w.showAppearance), widget.NewLine(),
		setting("bell", lang.L("Notifications"), find(notifyLevels(), notifyLevel(w.core.Appearance().Notify)).name, w.showNotifications), widget.NewLine(),
		setting("screen", lang.L("Start and close"), "", w.showStarting), widget.NewLine(),
		setting("edit", lang.L("Keyboard shortcuts"), lang.L("Ctrl+/"), w.showShortcuts), widget.NewLine(),
		setting("info", lang.L("About Sotto"), w.opt.Version, w.showAbout)))
}

// showProfileSettings shows what can be done with the profile as a whole.
func (w *Window) showProfileSettings() {
	p := w.profile
	w.showSettingsPage(p.Name(), func() []fyne.CanvasObject {
		quiet := container.NewStack()
		w.fillQuiet(quiet)
		remove := widget.NewButton(lang.L("Delete…"), widget.ButtonDanger, w.deleteProfile)
		return []fyne.CanvasObject{
			section(lang.L("NOTIFICATIONS"), settingsCard(quiet)),
			section(lang.L("NOT WANTED ANY MORE"), settingsCard(widget.NewFact(lang.L("Delete this profile"),
				lang.L("With all its conversations, here and on the relays. Other profiles stay as they are."), remove))),
		}
	})
}

// fillQuiet puts the switch that mutes the profile into a holder as soon as its state was read.
func (w *Window) fillQuiet(holder *fyne.Container) {
	p := w.profile
	put := func(quiet bool) {
		var toggle *widget.Toggle
		toggle = widget.NewToggle(quiet, func(on bool) {
			ordered(w, only(func(ctx context.Context) error { return p.SetQuiet(ctx, on) }), func(_ nothing, err error) {
				if err != nil {
					toggle.SetOn(!on)
					w.tell(lang.L("Not changed"), sentence(err))
				}
			})
		})
		holder.Objects = []fyne.CanvasObject{widget.NewFact(lang.L("Mute {{.Name}}", map[string]any{"Name": p.Name()}),
			lang.L("Nothing of this profile is told outside of the window. It goes on receiving."), toggle)}
		holder.Refresh()
	}
	put(false)
	ordered(w, p.Quiet, func(quiet bool, err error) {
		if err == nil && quiet {
			put(true)
		}
	})
}

// showPrivacy shows what guards the profile and the program on this computer.
func (w *Window) showPrivacy() {
	w.showSettingsPage(lang.L("Privacy and lock"), func() []fyne.CanvasObject {
		objects := []fyne.CanvasObject{w.protectionSettings()}
		if w.profile.Protection() == vault.Passphrase {
			lock := widget.NewButton(lang.L("Lock now"), widget.ButtonSecondary, w.lockProfile)
			objects = append(objects, settingsCard(widget.NewFact(lang.L("Lock this profile"),
				lang.L("The profile is closed until its passphrase is typed again. It receives nothing meanwhile."), lock)))
		}
		live := widget.NewToggle(w.core.Appearance().Live, func(on bool) { w.changeLook(func(a *core.Appearance) { a.Live = on }) })
		objects = append(objects, settingsCard(widget.NewFact(lang.L("Offer live messages"),
			lang.L("A button beside the message shows it to the other side while you type, with all that you take back."), live)))
		return append(objects, w.hiddenSettings(), w.lockSettings())
	})
}

// showStorage shows how much room the profile takes.
func (w *Window) showStorage() {
	p := w.profile
	sizes, problem := widget.NewColumn(10), widget.NewNote(widget.ToneDanger, "")
	var page *plainPage
	var measure func()
	var cancel func()
	compact := widget.NewButton(lang.L("Compact"), widget.ButtonSecondary, nil)
	holder := container.NewStack(compact)
	var start func()
	idle := func() {
		holder.Objects = []fyne.CanvasObject{widget.NewButton(lang.L("Compact"), widget.ButtonSecondary, start)}
		holder.Refresh()
	}
	start = func() {
		problem.Set(widget.ToneDanger, "")
		cancel = apart(w, only(p.Compact), func(_ nothing, err error) {
			cancel = nil
			idle()
			if err != nil && !isCanceled(err) {
				problem.Set(widget.ToneDanger, sentence(err))
			}
			measure()
		})
		holder.Objects = []fyne.CanvasObject{widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, cancel)}
		problem.Set(widget.ToneInfo, lang.L("Rewriting the messages. New ones are stored when it is done."))
		holder.Refresh()
		page.scroll.Refresh()
	}
	measure = func() {
		ordered(w, func(context.Context) (core.Space, error) { return p.Space() }, func(s core.Space, err error) {
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
			}
			sizes.Objects = nil
			for _, line := range []struct {
				name string
				size int64
			}{{lang.L("Messages"), s.Messages}, {lang.L("Everything else"), s.Files}, {lang.L("Together"), s.Messages + s.Files}} {
				sizes.Add(widget.NewFact(line.name, "", widget.NewPill(byteSize(line.size))))
			}
			sizes.Refresh()
			page.scroll.Refresh()
		})
	}
	idle()
	page = w.showSettingsPage(lang.L("Storage"), func() []fyne.CanvasObject {
		return []fyne.CanvasObject{
			section(lang.L("ON THIS COMPUTER"), settingsCard(sizes)),
			section(lang.L("DELETED MESSAGES"), settingsCard(widget.NewFact(lang.L("Give their room back"),
				lang.L("Deleted messages are gone, but the file stays as large as it was. It is written anew without them, for which as much room is needed again."), holder), problem)),
		}
	})
	page.left = func() {
		if cancel != nil {
			cancel()
		}
	}
	measure()
}

// byteSize is a number of bytes for people, such as "3.4 MB".
func byteSize(n int64) string {
	units := []string{lang.L("bytes"), "kB", "MB", "GB", "TB"}
	size, i := float64(n), 0
	for size >= 1000 && i < len(units)-1 {
		size /= 1000
		i++
	}
	if i == 0 || size >= 100 {
		return fmt.Sprintf("%.0f %s", size, units[i])
	}
	whole, tenth, _ := strings.Cut(strconv.FormatFloat(size, 'f', 1, 64), ".")
	return lang.L("{{.Whole}}.{{.Tenth}}", map[string]any{"Whole": whole, "Tenth": tenth}) + " " + units[i]
}

// showAbout shows what the program is.
func (w *Window) showAbout() {
	w.showSettingsPage(lang.L("About Sotto"), func() []fyne.CanvasObject {
		name := widget.NewLabel(lang.L("Sotto"), theme.TextDisplay)
		name.Bold, name.Alignment = true, fyne.TextAlignCenter
		column := widget.NewColumn(10, widget.NewGap(1, 8), container.NewCenter(newIconDisc("chat")), name)
		if w.opt.Version != "" {
			column.Add(container.NewCenter(widget.NewPill(w.opt.Version)))
		}
		text := widget.NewLabel(lang.L("A messenger without user identifiers. It speaks the open SimpleX protocols."), theme.TextBody)
		text.Alignment = fyne.TextAlignCenter
		column.Add(text)
		column.Add(widget.NewGap(1, 8))
		licence := func(name, text string) fyne.CanvasObject { return widget.NewFact(name, "", widget.NewPill(text)) }
		font, mit := lang.L("SIL Open Font License"), lang.L("MIT licence")
		return []fyne.CanvasObject{bigCard(column), section(lang.L("WHAT IT IS MADE OF"), settingsCard(
			widget.NewHint(lang.L("Sotto is free software under the licence that comes with it. In it are:")),
			licence(lang.L("Inter, the font"), font), licence(lang.L("Noto Sans, fonts of other scripts"), font),
			licence(lang.L("Noto Color Emoji, the pictures of emoji"), font), licence(lang.L("emojibase-data, the names of emoji"), mit),
			licence(lang.L("Unicode CLDR, the Arabic names of emoji"), lang.L("Unicode licence"))))}
	})
}

// protection tells in words what guards the profile on disk, and warns if that is little.
func (w *Window) protection() (title, text, warning string) {
	switch w.profile.Protection() {
	case vault.Passphrase, vault.Hidden:
		return lang.L("Guarded by a passphrase"), lang.L("Messages are encrypted, and the passphrase is stored nowhere."), ""
	case vault.KeyringEntry:
		return lang.L("Guarded by your account"), lang.L("Messages are encrypted, and the key is in the keyring of this computer. Whoever can use your account can read them."), ""
	case vault.CallerKey:
		return lang.L("Guarded by the lock"), lang.L("Messages are encrypted, and the passphrase of the program opens them."), ""
	default:
		return lang.L("Not guarded"), lang.L("Messages are encrypted, but the key lies in a file beside them."),
			lang.L("Whoever gets a copy of your files can read your messages. Set a passphrase to prevent that.")
	}
}

// protectionSettings tell what guards the profile on disk.
func (w *Window) protectionSettings() fyne.CanvasObject {
	title, text, warning := w.protection()
	set := widget.NewButton(lang.L("Set a passphrase…"), widget.ButtonSecondary, func() { w.changePassphrase(false) })
	objects := []fyne.CanvasObject{}
	if warning != "" {
		objects = append(objects, widget.NewNote(widget.ToneWarning, warning))
	}
	label := widget.NewLabel(title, theme.TextBody)
	label.Bold = true
	objects = append([]fyne.CanvasObject{widget.NewColumn(0, label, widget.NewHint(text))}, objects...)
	change := widget.NewButton(lang.L("Change…"), widget.ButtonSecondary, func() { w.changePassphrase(false) })
	switch w.profile.Protection() {
	case vault.Passphrase:
		remove := widget.NewButton(lang.L("Remove…"), widget.ButtonSecondary, func() { w.changePassphrase(true) })
		objects = append(objects, widget.NewBar(theme.Grid/2, -1, change, remove))
	case vault.Hidden: // which nothing else can open
		objects = append(objects, widget.NewBar(theme.Grid/2, -1, change))
	default:
		objects = append(objects, widget.NewBar(theme.Grid/2, -1, set))
	}
	return section(lang.L("THIS PROFILE"), settingsCard(objects...))
}

// changePassphrase sets, changes or removes the passphrase of the profile.
func (w *Window) changePassphrase(remove bool) {
	w.changeSecret(lang.L("Set a passphrase"), lang.L("Several words are best. It is stored nowhere: if you forget it, nobody can open this profile again."),
		w.profile.Protection() == vault.Passphrase || w.profile.Protection() == vault.Hidden, remove, w.profile.SetPassphrase)
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
