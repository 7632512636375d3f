package ui

import (
	"cmp"
	"context"
	"image"
	"image/png"
	"io"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/storage"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/ui/qr"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

const (
	// inviteTime is how long a relay may take to make room for an invitation.
	inviteTime = time.Minute
	// qrLargest is the largest side of a QR code on the screen, in pixels at scale 1: that of the narrowest dialog.
	qrLargest float32 = 336
	// qrModule is the side of a module in a saved picture, in pixels.
	qrModule = 8
)

// newConversation is the dialog in which conversations begin.
type newConversation struct {
	w       *Window
	profile *core.Profile
	dialog  *widget.Dialog
	tabs    *widget.Tabs
	holder  *fyne.Container

	// The first tab.
	code       *fyne.Container
	cancel     func() // of the invitation that is being made
	invitation *core.Invitation
	given      bool         // the link was copied or saved
	incognito  bool         // the invitation is made under a name of its own
	address    *addressView // shown in place of an invitation, or nil

	// The second tab.
	paste    fyne.CanvasObject
	entry    *widget.Entry
	problem  *widget.Note
	plan     *fyne.Container
	switched *widget.Toggle // of the plan: incognito

	next     func() // what Enter does in the field, nil for nothing
	stopLook func() // ends looking a link up

	problemText string // what problem shows
	read        int    // counts what was read, so that the last one wins
}

// newConversation opens the dialog, with a link if there is one already.
func (w *Window) newConversation(link string) {
	if w.profile == nil || w.adder != nil {
		return
	}
	d := &newConversation{w: w, profile: w.profile, holder: container.NewStack(), code: container.NewStack()}
	w.adder = d
	d.tabs = widget.NewTabs([]string{lang.L("Show my code"), lang.L("Scan or paste")}, d.selected)
	d.buildPaste()
	d.dialog = newDialog(lang.L("New conversation"), pageWidth, widget.NewColumn(18, d.tabs, d.holder))
	d.dialog.OnClosed = func() {
		if d.stopLook != nil {
			d.stopLook()
		}
		w.adder = nil
		if d.cancel != nil {
			d.cancel()
		}
		if d.address != nil {
			d.address.close()
		}
	}
	d.dialog.ShowOn(w.win.Canvas())
	if link != "" {
		d.tabs.Select(tabPaste)
		d.entry.SetText(link)
		return
	}
	d.selected(tabCode)
	w.win.Canvas().Focus(d.tabs)
}

// The tabs of the dialog.
const (
	tabCode = iota
	tabPaste
)

// selected shows a tab. The invitation is made when it is to be seen for the first time.
func (d *newConversation) selected(tab int) {
	if tab == tabPaste {
		d.setTab(d.paste)
		d.w.win.Canvas().Focus(d.entry)
		if text := d.w.app.Clipboard().Content(); d.entry.Text == "" && looksLikeLink(text) {
			d.offer(strings.TrimSpace(text))
		}
		return
	}
	d.setTab(d.code)
	if d.invitation == nil && d.cancel == nil && d.address == nil {
		d.invite()
	}
}

func (d *newConversation) setTab(o fyne.CanvasObject) {
	d.holder.Objects = []fyne.CanvasObject{o}
	d.resized()
}

// resized lays the dialog out again after its content changed.
func (d *newConversation) resized() {
	d.holder.Refresh()
	if d.dialog != nil {
		d.dialog.Refresh()
	}
}

// invite makes an invitation and shows its code.
func (d *newConversation) invite() {
	d.setCode(waitingView(d.dialogClose))
	cancelled := false
	incognito := d.incognito
	cancel := apart(d.w, func(ctx context.Context) (core.Invitation, error) {
		ctx, cancel := context.WithTimeout(ctx, inviteTime)
		defer cancel()
		if incognito {
			return d.profile.InviteIncognito(ctx)
		}
		return d.profile.Invite(ctx)
	}, func(i core.Invitation, err error) {
		switch {
		case cancelled:
			if err == nil { // it was made just before it was cancelled, and nobody has seen it
				d.discard(i.Contact.ID)
			}
			return
		case err != nil:
			d.cancel = nil
			d.showProblem(err)
			return
		}
		d.cancel = nil
		d.invitation = &i
		d.showCode()
	})
	d.cancel = func() {
		cancelled = true
		cancel()
	}
}

// discard deletes an invitation that nobody can have.
func (d *newConversation) discard(contact int64) {
	ordered(d.w, only(func(ctx context.Context) error { return d.profile.DeleteContact(ctx, contact) }), nil)
}

func (d *newConversation) dialogClose() { d.dialog.Close() }

// waitingView is shown while a relay makes room.
func waitingView(cancel func()) fyne.CanvasObject {
	activity := fynewidget.NewActivity()
	activity.Start()
	text := widget.NewLabel(lang.L("Asking a relay for a place where messages for you can wait…"), theme.TextBody)
	text.Alignment = fyne.TextAlignCenter
	stop := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, cancel)
	return widget.NewColumn(16, widget.NewGap(1, 56), container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(40), activity)),
		text, container.NewCenter(stop), widget.NewGap(1, 56))
}

func (d *newConversation) showProblem(err error) {
	again := widget.NewButton(lang.L("Try again"), widget.ButtonPrimary, d.invite)
	d.setCode(widget.NewColumn(16, widget.NewGap(1, 40), widget.NewNote(widget.ToneDanger, sentence(err)), container.NewCenter(again), widget.NewGap(1, 40)))
}

// showCode shows the code of the invitation.
func (d *newConversation) showCode() {
	contact := d.invitation.Contact
	hint := widget.NewHint(lang.L("For one person, once. Whoever opens it first is connected with you and sees the name {{.Name}}, nothing else.",
		map[string]any{"Name": cmp.Or(contact.IncognitoName, d.profile.Name())}))
	hint.Alignment = fyne.TextAlignCenter
	switched := widget.NewFact(lang.L("Incognito"), lang.L("They see a random name, not {{.Name}}.", map[string]any{"Name": d.profile.Name()}),
		widget.NewToggle(d.incognito, d.setIncognito))
	address := widget.NewButton(lang.L("Use my address instead"), widget.ButtonText, d.useAddress)
	d.setCode(d.w.codeView(d.invitation.Link, hint, func() { d.given = true }, switched, address))
}

// setIncognito makes another invitation, with the name of the profile or without it.
func (d *newConversation) setIncognito(incognito bool) {
	d.incognito = incognito
	d.dropInvitation()
	d.invite()
}

// dropInvitation forgets the invitation that is shown, and deletes it if nobody can have it.
func (d *newConversation) dropInvitation() {
	if d.cancel != nil {
		d.cancel()
		d.cancel = nil
	}
	if i := d.invitation; i != nil && !d.given {
		if contact := d.w.contact(i.Contact.ID); contact == nil || contact.State == chat.ContactInvited {
			d.discard(i.Contact.ID)
		}
	}
	d.invitation, d.given = nil, false
}

// useAddress shows the address in place of the invitation.
func (d *newConversation) useAddress() {
	d.dropInvitation()
	d.address = newAddressView(d.w, d.resized, func() {
		d.address.close()
		d.address = nil
		d.invite()
	})
	d.address.settings = func() {
		d.dialog.Close()
		d.w.showAddress()
	}
	d.address.fill()
	d.setCode(d.address.holder)
}

func (d *newConversation) setCode(o fyne.CanvasObject) {
	d.code.Objects = []fyne.CanvasObject{o}
	d.code.Refresh()
	d.resized()
}

// codeView shows a link as a QR code and as text, with a hint between them. given is called when it is copied or saved. below is
// something to be shown below the link, or nil, and more are buttons beside the one that saves the picture.
func (w *Window) codeView(link string, hint fyne.CanvasObject, given func(), below fyne.CanvasObject, more ...fyne.CanvasObject) fyne.CanvasObject {
	column := widget.NewColumn(12)
	code, err := widget.NewQR(link, qrSide(link))
	if err == nil {
		column.Add(container.NewCenter(code))
	}
	column.Add(widget.NewInset(hint, 0, 32))
	text := widget.NewHint(link)
	text.OneLine = true
	var copied *widget.Button
	copied = widget.NewButton(lang.L("Copy link"), widget.ButtonPrimary, func() {
		w.app.Clipboard().SetContent(link)
		copied.SetText(lang.L("Copied"))
		copied.SetIcon("check")
		given()
	})
	box := widget.NewSurface(theme.ColorBackground, container.New(rightLayout{8}, widget.NewInset(text, 0, 0, 0, 10), copied))
	box.Radius, box.Margin = theme.FieldRadius, 4
	column.Add(box)
	if below != nil {
		column.Add(below)
	}
	if err == nil {
		save := widget.NewButton(lang.L("Save as picture…"), widget.ButtonText, func() { w.savePicture(code.Image(qrModule), given) })
		more = append([]fyne.CanvasObject{save}, more...)
	}
	column.Add(container.NewCenter(container.NewHBox(more...)))
	return column
}

// qrSide is the side of the code of a link on the screen: as many pixels for each module as there is room for, up to five.
func qrSide(link string) float32 {
	const edge = 10 // of the card around the code
	modules, err := qr.Encode(link)
	if err != nil {
		return qrLargest
	}
	n := float32(len(modules) + 2*qr.QuietZone)
	for scale := float32(5); scale > 2; scale-- {
		if side := scale*n + edge; side <= qrLargest {
			return side
		}
	}
	return 2*n + edge
}

// savePicture asks where to save a picture, and saves it as PNG.
func (w *Window) savePicture(img image.Image, saved func()) {
	d := dialog.NewFileSave(func(file fyne.URIWriteCloser, err error) {
		if err != nil {
			w.tell(lang.L("Not saved"), lang.L("The picture could not be saved there. Choose another folder."))
			return
		}
		if file == nil {
			return
		}
		saved()
		apart(w, func(context.Context) (nothing, error) {
			err := png.Encode(file, img)
			if e := file.Close(); err == nil {
				err = e
			}
			return nothing{}, err
		}, func(_ nothing, err error) {
			if err != nil {
				w.tell(lang.L("Not saved"), lang.L("The picture could not be saved there. Choose another folder."))
			}
		})
	}, w.win)
	d.SetFileName("sotto.png")
	d.Show()
}

// buildPaste makes the second tab.
func (d *newConversation) buildPaste() {
	d.entry = widget.NewTextEntry(lang.L("Paste the link that you were given"), 3)
	d.entry.OnChanged = d.look
	d.entry.OnPaste = func() bool {
		if d.w.app.Clipboard().Content() != "" {
			return false
		}
		d.pastePicture()
		return true
	}
	d.entry.OnKey = func(ev *fyne.KeyEvent) bool {
		if (ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter) && d.next != nil {
			d.next()
			return true
		}
		return ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter
	}
	d.problem = widget.NewNote(widget.ToneDanger, "")
	d.plan = container.NewStack()
	paste := widget.NewButton(lang.L("Paste"), widget.ButtonSecondary, d.pasteAny)
	paste.SetIcon("paste")
	file := widget.NewButton(lang.L("Picture…"), widget.ButtonSecondary, func() { d.w.chooseCode(d.readCode) })
	file.SetIcon("image")
	hint := widget.NewHint(lang.L("A code in a picture or screenshot can be pasted as well, or dropped onto this window."))
	buttons := []fyne.CanvasObject{paste, file}
	if d.w.opt.Screenshot != nil {
		screen := widget.NewButton(lang.L("My screen"), widget.ButtonSecondary, d.readScreen)
		screen.SetIcon("screen")
		buttons = append(buttons, screen)
	}
	if d.w.opt.Camera != nil {
		camera := widget.NewButton(lang.L("Camera…"), widget.ButtonSecondary, func() {
			d.w.scanCamera(func(text string) {
				if d.w.adder == d {
					d.entry.SetText(text)
				}
			})
		})
		camera.SetIcon("camera")
		buttons = append(buttons, camera)
	}
	d.paste = widget.NewColumn(14, d.entry, widget.NewFlow(theme.Grid, buttons...), hint, d.problem, d.plan)
}

// offer fills in the link that is in the clipboard anyway, if it is not one's own. Only a full link
// can be looked at without asking a relay, which nobody has asked for yet.
func (d *newConversation) offer(text string) {
	if !strings.Contains(text, "/invitation#") {
		return
	}
	number := d.read
	ordered(d.w, func(ctx context.Context) (core.Plan, error) { return d.profile.Plan(ctx, text) }, func(plan core.Plan, err error) {
		if err == nil && !plan.Own && number == d.read && d.entry.Text == "" && d.w.adder == d {
			d.entry.SetText(text)
		}
	})
}

// pasteAny takes a link or a picture from the clipboard.
func (d *newConversation) pasteAny() {
	if text := strings.TrimSpace(d.w.app.Clipboard().Content()); text != "" {
		d.entry.SetText(text)
		return
	}
	d.pastePicture()
}

// pastePicture reads the code in the clipboard's picture.
func (d *newConversation) pastePicture() {
	if d.w.opt.Clipboard == nil {
		d.fail(lang.L("There is no text in the clipboard. Copy the link first."))
		return
	}
	d.readCode(func() (string, error) {
		img := d.w.opt.Clipboard()
		if img == nil {
			return "", errNoClipboard
		}
		return qr.Find(img)
	})
}

// chooseCode asks for a picture file, and hands over what reads its code.
func (w *Window) chooseCode(chosen func(read func() (string, error))) {
	open := dialog.NewFileOpen(func(file fyne.URIReadCloser, err error) {
		if file == nil && err == nil {
			return
		}
		chosen(func() (string, error) {
			if err != nil {
				return "", errNoFile
			}
			defer file.Close()
			return qr.Read(file)
		})
	}, w.win)
	open.SetFilter(storage.NewExtensionFileFilter([]string{".png", ".jpg", ".jpeg", ".gif", ".webp"}))
	open.Show()
}

// readScreen reads a code that is somewhere on the screen, as in a video call or on a web page.
func (d *newConversation) readScreen() {
	d.readCode(func() (string, error) {
		ctx, cancel := context.WithTimeout(d.w.ctx, lookTimeout)
		defer cancel()
		img, err := d.w.opt.Screenshot(ctx)
		if err != nil {
			return "", err
		}
		return qr.Find(img)
	})
}

// dropped sends files that were dropped onto a conversation, and reads the code in a picture that was dropped elsewhere.
func (w *Window) dropped(files []fyne.URI) {
	if len(files) == 0 || w.profile == nil || w.main == nil {
		return
	}
	if c, ok := w.main.content.(*conversation); ok && w.adder == nil && c.mayWrite() {
		if w.win.Canvas().Overlays().Top() == nil {
			paths := make([]string, len(files))
			for i, file := range files {
				paths[i] = file.Path()
			}
			c.attach(paths...)
		}
		return
	}
	if w.adder == nil {
		if w.win.Canvas().Overlays().Top() != nil {
			return
		}
		w.newConversation(files[0].Name())
		w.adder.entry.SetText("")
	}
	d := w.adder
	d.tabs.Select(tabPaste)
	d.readCode(func() (string, error) {
		file, err := storage.Reader(files[0])
		if err != nil {
			return "", errNoFile
		}
		defer file.Close()
		return qr.Read(io.LimitReader(file, qr.MaxFile+1))
	})
}

// readCode shows the link that read finds, on a goroutine of its own.
func (d *newConversation) readCode(read func() (string, error)) {
	d.read++
	number := d.read
	d.tell(widget.ToneInfo, lang.L("Looking for a code in the picture…"))
	d.setPlan(nil)
	apart(d.w, func(context.Context) (string, error) { return read() }, func(text string, err error) {
		if number != d.read {
			return
		}
		if err != nil {
			d.fail(sentence(err))
			return
		}
		d.entry.SetText(text)
		if d.entry.Text == text {
			d.look(text)
		}
	})
}

// tell shows how far it is, or what went wrong.
func (d *newConversation) tell(tone widget.Tone, text string) {
	d.problemText = text
	d.problem.Set(tone, text)
	d.resized()
}

// fail shows what went wrong.
func (d *newConversation) fail(text string) {
	d.tell(widget.ToneDanger, text)
	d.setPlan(nil)
}

// setPlan shows what opening the link would do, or nothing.
func (d *newConversation) setPlan(o fyne.CanvasObject) {
	d.next = nil
	d.plan.Objects = nil
	if o != nil {
		d.plan.Objects = []fyne.CanvasObject{o}
	}
	d.plan.Hidden = o == nil
	d.plan.Refresh()
	d.resized()
}

// look finds out what the link in a text is.
func (d *newConversation) look(text string) {
	d.read++
	number := d.read
	if d.stopLook != nil {
		d.stopLook()
	}
	d.tell(widget.ToneDanger, "")
	d.setPlan(nil)
	if strings.TrimSpace(text) == "" {
		return
	}
	// A short link is looked up on its relay, which takes a moment or fails.
	patience := time.AfterFunc(lookPatience, func() {
		d.w.later(func() {
			if number == d.read && d.w.adder == d {
				d.tell(widget.ToneInfo, lang.L("Looking the link up…"))
			}
		})
	})
	d.stopLook = apart(d.w, func(ctx context.Context) (core.Plan, error) {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		return d.profile.Plan(ctx, text)
	}, func(plan core.Plan, err error) {
		patience.Stop()
		if number == d.read && d.w.adder == d {
			d.showPlan(plan, err)
		}
	})
}

// How long looking a link up takes before it is told, and at the most.
const (
	lookPatience = 300 * time.Millisecond
	lookTimeout  = 30 * time.Second
)

// showPlan tells what opening a link would do, and offers it.
func (d *newConversation) showPlan(plan core.Plan, err error) {
	switch {
	case err != nil:
		d.fail(sentence(err))
		return
	case plan.Own:
		d.fail(sentence(core.ErrOwnLink))
		return
	}
	d.tell(widget.ToneDanger, "")
	kind := lang.L("One-time invitation")
	if plan.Kind == core.LinkContact {
		kind = lang.L("Address of a person")
	}
	if known := plan.Known; known != nil && known.State != chat.ContactFailed {
		show := func() {
			d.dialog.Close()
			d.w.openContact(known.ID)
		}
		open := widget.NewButton(lang.L("Open conversation"), widget.ButtonPrimary, show)
		d.setPlan(planCard(planTitle(d.w.contactName(known), kind, widget.NewAvatar(d.w.avatar(known), widget.AvatarMedium)),
			widget.NewHint(lang.L("You have opened this link before. It leads to {{.Name}}.", map[string]any{"Name": d.w.contactName(known)})), buttonRow(open)))
		d.next = show
		return
	}
	incognito := false
	connect := widget.NewButton(lang.L("Connect"), widget.ButtonPrimary, func() { d.connect(plan, incognito) })
	what := lang.L("It connects you with who made it, through the relay {{.Relay}}.", map[string]any{"Relay": relayName(plan.Relay)})
	if plan.Kind == core.LinkContact {
		what = lang.L("You ask its owner, through the relay {{.Relay}}, and are connected when they accept.", map[string]any{"Relay": relayName(plan.Relay)})
	}
	var title fyne.CanvasObject
	if plan.Name != "" { // whoever made the link chose it
		title = planTitle(plan.Name, kind, widget.NewAvatar(widget.AvatarView{Name: plan.Name}, widget.AvatarMedium))
	} else {
		title = planTitle(kind, "", nil)
	}
	lines := []fyne.CanvasObject{title}
	if plan.Greeting != "" {
		greeting := widget.NewSurface(theme.ColorPanel, widget.NewLabel(plan.Greeting, theme.TextSmall))
		greeting.Radius, greeting.Margin = theme.FieldRadius, 10
		lines = append(lines, greeting)
	}
	seen := widget.NewHint("")
	setSeen := func() {
		if incognito {
			seen.SetText(lang.L("You will be seen under a random name that is made up for this conversation alone."))
		} else {
			seen.SetText(lang.L("You will be seen as {{.Name}}.", map[string]any{"Name": d.profile.Name()}))
		}
	}
	setSeen()
	d.switched = widget.NewToggle(false, func(on bool) {
		incognito = on
		setSeen()
		d.resized()
	})
	title2 := widget.NewLabel(lang.L("Incognito"), theme.TextBody)
	title2.Bold = true
	lines = append(lines, widget.NewHint(what), widget.NewLine(),
		container.New(rightLayout{12}, widget.NewColumn(0, title2, seen), d.switched), buttonRow(connect))
	d.setPlan(planCard(lines...))
	d.next = func() { d.connect(plan, incognito) }
}

// planTitle is who or what a link leads to, with the kind of the link below.
func planTitle(name, kind string, avatar fyne.CanvasObject) fyne.CanvasObject {
	title := widget.NewLabel(name, theme.TextBody)
	title.Bold = true
	column := widget.NewColumn(0, title)
	if kind != "" {
		column.Add(widget.NewHint(kind))
	}
	if avatar == nil {
		return column
	}
	return widget.NewBar(12, 1, avatar, column)
}

// relayName is how a relay is called in a sentence: its host, and who runs it if that is known.
func relayName(server wire.Server) string {
	info, err := core.ReadRelay(server.String())
	switch {
	case err != nil:
		return ""
	case info.Operator != "":
		return lang.L("{{.Relay}} ({{.Operator}})", map[string]any{"Relay": info.Host(), "Operator": info.Operator})
	}
	return info.Host()
}

func planCard(objects ...fyne.CanvasObject) fyne.CanvasObject {
	card := widget.NewSurface(theme.ColorBackground, widget.NewColumn(10, objects...))
	card.Radius, card.Margin = theme.BubbleRadius, 16
	return card
}

// connect opens the link of a plan, closes the dialog and shows the conversation.
func (d *newConversation) connect(plan core.Plan, incognito bool) {
	d.setPlan(nil)
	d.tell(widget.ToneInfo, lang.L("Connecting…"))
	d.resized()
	apart(d.w, func(ctx context.Context) (core.Contact, error) {
		ctx, cancel := context.WithTimeout(ctx, inviteTime)
		defer cancel()
		return d.profile.ConnectTo(ctx, plan, incognito)
	}, func(c core.Contact, err error) {
		if d.w.profile != d.profile {
			return
		}
		if err != nil {
			if d.w.adder == d {
				d.fail(sentence(err))
			}
			return
		}
		d.w.setContact(c)
		d.w.main.refreshList()
		if d.w.adder != d {
			return
		}
		d.dialog.Close()
		d.dropInvitation() // the code beside was shown to nobody for certain, and is not needed any more
		d.w.openContact(c.ID)
	})
}

// changed leads to the conversation as soon as somebody opens the code that is shown.
func (d *newConversation) changed(e any) {
	if d.address != nil {
		d.address.changed(e)
		return
	}
	c, ok := e.(core.ContactChanged)
	if !ok || d.invitation == nil || c.Contact.ID != d.invitation.Contact.ID || c.Contact.State == chat.ContactInvited {
		return
	}
	d.dialog.Close()
	d.w.openContact(c.Contact.ID)
}

// incognitoLine tells under which name an invitation was made, nil if that is the profile's.
func incognitoLine(c *core.Contact) fyne.CanvasObject {
	if c.IncognitoName == "" {
		return nil
	}
	return container.NewCenter(container.NewHBox(widget.NewPill(lang.L("incognito")),
		widget.NewHint(lang.L("They see you as “{{.Name}}”.", map[string]any{"Name": c.IncognitoName}))))
}

// invitationPage shows an invitation that nobody has opened yet.
type invitationPage struct {
	*plainPage
	id int64
}

func newInvitationPage(w *Window, c *core.Contact) *invitationPage {
	hint := widget.NewHint(lang.L("For one person, once. As soon as somebody opens it, the conversation begins here. If you gave it to the wrong person, delete it."))
	hint.Alignment = fyne.TextAlignCenter
	remove := widget.NewButton(lang.L("Delete invitation"), widget.ButtonText, func() { w.askDelete(c.ID) })
	card := widget.NewSurface(theme.ColorPanel, w.codeView(c.Invitation, hint, func() {}, incognitoLine(c)))
	card.Radius, card.Margin, card.Border = theme.DialogRadius, 24, theme.ColorLine
	p := &invitationPage{newPlainPage(w.contactName(c), widget.NewColumn(16, card, container.NewCenter(remove)), w.main.back), c.ID}
	p.head.set(w.contactName(c), lang.L("waiting to be opened"))
	p.update = func(e any) {
		if e, ok := e.(core.ContactChanged); ok && e.Contact.ID == p.id && e.Contact.State != chat.ContactInvited {
			w.main.showContact(p.id)
		}
	}
	return p
}
