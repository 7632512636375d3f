package ui

import (
	"context"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

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
	answered := false
	patience := time.AfterFunc(lookPatience, func() {
		d.w.later(func() {
			if number == d.read && d.w.adder == d && !answered { // the answer may have come while this waited for its turn
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
		answered = true
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
		d.w.openContact(c.ID)
	})
}
