package ui

import (
	"context"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// network is what the shield on the rail shows.
func (w *Window) network() (widget.NetworkState, string) {
	up, waiting := 0, 0
	for _, r := range w.relays {
		switch r.State {
		case core.RelayConnected:
			up++
		case core.RelayConnecting:
			waiting++
		}
	}
	total := len(w.relays)
	numbers := map[string]any{"Up": up, "Total": total}
	switch {
	case w.profile == nil:
		return widget.NetworkOffline, lang.L("Network: not connected")
	case total == 0:
		return widget.NetworkDirect, lang.L("Network: no relay is needed yet")
	case up == total:
		return widget.NetworkDirect, lang.N("Network: connected directly to {{.Total}} relays", total, numbers)
	case up > 0 || waiting > 0:
		return widget.NetworkConnecting, lang.L("Network: {{.Up}} of {{.Total}} relays connected", numbers)
	default:
		return widget.NetworkOffline, lang.L("Network: no relay can be reached")
	}
}

// connectionLine tells below a contact's name how one is connected.
func (w *Window) connectionLine(c *core.Contact) string {
	switch c.State {
	case chat.ContactConnecting:
		return lang.L("connecting…")
	case chat.ContactFailed:
		return lang.L("not connected")
	case chat.ContactLeft:
		return lang.L("left the conversation")
	}
	switch state, _ := w.network(); state {
	case widget.NetworkOffline:
		return lang.L("no relay can be reached")
	case widget.NetworkConnecting:
		return lang.L("connecting to relays…")
	default:
		return lang.L("connected directly, end-to-end encrypted")
	}
}

// showNetwork shows the page about the network.
func (w *Window) showNetwork() {
	if w.profile == nil {
		return
	}
	p := w.profile
	body := widget.NewColumn(16)
	fill := func() {
		body.Objects = nil
		body.Add(w.networkSummary())
		relays := widget.NewColumn(0)
		for i, r := range w.relays {
			if i > 0 {
				relays.Add(widget.NewInset(widget.NewLine(), 6, 0))
			}
			relays.Add(relayRow(r, w.opt.Now()))
		}
		if len(w.relays) == 0 {
			relays.Add(widget.NewHint(lang.L("No relay is in use. One is chosen when you show a code or open a link.")))
		}
		card := widget.NewCard(relays)
		card.Margin = 16
		body.Add(section(lang.L("RELAYS OF THIS PROFILE"), card))
		body.Add(container.NewHBox(widget.NewButton(lang.L("Connect again"), widget.ButtonSecondary, func() {
			ordered(w, func(context.Context) (nothing, error) { p.Reconnect(); return nothing{}, nil }, nil)
		})))
		body.Refresh()
	}
	fill()
	page := newPlainPage(lang.L("Network"), body, w.main.back)
	page.update = func(c any) {
		switch c.(type) {
		case nil, core.RelayChanged:
			fill()
			page.scroll.Refresh()
		}
	}
	w.main.setPage(page, pageBeside)
}

// networkSummary tells in one card how the network is reached, and what that means.
func (w *Window) networkSummary() fyne.CanvasObject {
	state, _ := w.network()
	title, text := lang.L("You are connected directly"),
		lang.L("Fast, but relays see your network address, and your network sees which relays you use. Nobody sees what you write. Tor, which hides both, comes with a later version.")
	switch state {
	case widget.NetworkOffline:
		title, text = lang.L("You are offline"), lang.L("No relay can be reached. What you write waits on this computer and is sent by itself later. Check the connection to the internet.")
	case widget.NetworkConnecting:
		title = lang.L("Connecting")
	}
	label := widget.NewLabel(title, theme.TextBody)
	label.Bold = true
	card := widget.NewCard(label, widget.NewHint(text))
	card.Margin = 16
	return card
}

// relayRow shows a relay and its state.
func relayRow(r core.RelayStatus, now time.Time) fyne.CanvasObject {
	title := widget.NewLabel(r.Host(), theme.TextSmall)
	title.Bold, title.OneLine = true, true
	line := ""
	if r.Operator != "" {
		line = lang.L("run by {{.Operator}}", map[string]any{"Operator": r.Operator}) + " · "
	}
	since := map[string]any{"Time": listTime(r.Since, now)}
	ink := theme.ColorAccent
	switch r.State {
	case core.RelayConnected:
		line += lang.L("connected since {{.Time}}", since)
	case core.RelayConnecting:
		line, ink = line+lang.L("connecting since {{.Time}}", since), theme.ColorWarning
	default:
		line, ink = line+lang.L("disconnected since {{.Time}}", since), theme.ColorDanger
	}
	texts := widget.NewColumn(0, title, widget.NewHint(line))
	if r.State == core.RelayDisconnected && r.Err != nil {
		why := widget.NewHint(sentence(r.Err))
		why.Color = theme.ColorDanger
		texts.Add(why)
	}
	return container.New(dotLayout{}, newDot(ink), texts)
}

// section is a heading with something below it.
func section(title string, objects ...fyne.CanvasObject) fyne.CanvasObject {
	return widget.NewColumn(theme.Grid, append([]fyne.CanvasObject{widget.NewHeading(title)}, objects...)...)
}

// whoSeesWhat tells what each party can learn about a conversation.
func (w *Window) whoSeesWhat(c *core.Contact) []fyne.CanvasObject {
	protection, ink := lang.L("The key is in the keyring of your account"), theme.ColorAccent
	switch w.profile.Protection().String() {
	case "passphrase":
		protection = lang.L("Passphrase set")
	case "file":
		protection, ink = lang.L("The key lies beside them: set a passphrase"), theme.ColorWarning
	}
	return []fyne.CanvasObject{
		fact(lang.L("The relay where messages for you wait"), lang.L("sees a queue, padded blocks and their times. Not who you are, not a word."),
			lang.L("Your network address: visible"), theme.ColorWarning),
		fact(lang.L("The relay where yours wait for {{.Name}}", map[string]any{"Name": w.contactName(c)}), lang.L("sees another queue, with other names and other keys."),
			lang.L("Your network address: visible"), theme.ColorWarning),
		fact(w.contactName(c), lang.L("sees the name {{.Name}}, what you write and when.", map[string]any{"Name": w.profile.Name()}),
			lang.L("Your network address: hidden, except from a relay of its own"), theme.ColorAccent),
		fact(lang.L("Your network"), lang.L("sees which relays you use, when, and how much."),
			lang.L("It may guess when you chat"), theme.ColorWarning),
		fact(lang.L("This computer"), lang.L("keeps all messages, encrypted."), protection, ink),
	}
}

// newDot is a small disc in a colour of the theme.
func newDot(ink fyne.ThemeColorName) fyne.CanvasObject {
	dot := widget.NewSurface(ink, nil)
	dot.Radius = dotSide / 2
	return dot
}

const dotSide float32 = 8

// dotLayout puts a dot before something.
type dotLayout struct{}

func (dotLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	const gap = 12
	place(objects[0], 0, 5, dotSide, dotSide)
	place(objects[1], dotSide+gap, 0, size.Width-dotSide-gap, size.Height)
}

func (dotLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	m := objects[1].MinSize()
	return fyne.NewSize(m.Width+20, m.Height)
}
