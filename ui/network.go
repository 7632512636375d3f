package ui

import (
	"context"
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// network is what the shield on the rail shows: how relays are reached, and if all are, how the one on this computer is.
func (w *Window) network() (widget.NetworkState, string) {
	state, text := w.relayNetwork()
	if state == widget.NetworkOffline || state == widget.NetworkConnecting {
		return state, text
	}
	i := slices.IndexFunc(w.relays, func(r core.RelayStatus) bool { return r.Local })
	switch {
	case i < 0:
	case w.relays[i].Onion() && !w.tor.Reachable:
		state = widget.NetworkConnecting
		if w.torIsAway() {
			state = widget.NetworkOffline
		}
		return state, w.hereReached()
	case len(w.relays) > 1:
	case w.relays[i].Onion():
		return widget.NetworkTor, w.hereReached()
	default:
		return state, lang.L("Network: the only relay is on this computer, for those who are on it too")
	}
	return state, text
}

// torIsAway tells whether Tor is not there, and does not seem to come by itself.
func (w *Window) torIsAway() bool {
	return w.tor.State == core.TorFailed || w.tor.State == core.TorWaiting || w.tor.State == core.TorOff
}

// hereReached tells whether the relay on this computer can be reached by its onion address.
func (w *Window) hereReached() string {
	switch {
	case w.tor.Reachable:
		return lang.L("Network: the relay on this computer can be reached through Tor")
	case w.torIsAway():
		return lang.L("Network: nobody can reach the relay on this computer, as Tor is not there")
	case w.tor.State == core.TorReady:
		return lang.L("Network: Tor makes the address of this computer known")
	}
	return lang.L("Network: Tor is connecting, {{.Percent}} %", map[string]any{"Percent": w.tor.Percent})
}

// relayNetwork tells how relays are reached.
func (w *Window) relayNetwork() (widget.NetworkState, string) {
	up, waiting, hidden := 0, 0, 0
	mode := w.usesTor()
	for _, r := range w.relays {
		switch r.State {
		case core.RelayConnected:
			up++
		case core.RelayConnecting:
			waiting++
		}
		if mode == core.TorOnly || mode == core.TorOnionRelays && r.Onion() && !r.Local {
			hidden++
		}
	}
	total := len(w.relays)
	numbers := map[string]any{"Up": up, "Total": total, "Percent": w.tor.Percent, "Hidden": hidden}
	switch {
	case w.profile == nil:
		return widget.NetworkOffline, lang.L("Network: not connected")
	case hidden > 0 || mode == core.TorOnly:
		switch {
		case w.tor.State == core.TorReady:
		case w.torIsAway():
			return widget.NetworkOffline, lang.L("Network: Tor is not there")
		default:
			return widget.NetworkConnecting, lang.L("Network: Tor is connecting, {{.Percent}} %", numbers)
		}
	}
	switch {
	case total == 0 && mode == core.TorOnly:
		return widget.NetworkTor, lang.L("Network: through Tor, no relay is needed yet")
	case total == 0:
		return widget.NetworkDirect, lang.L("Network: no relay is needed yet")
	case up == total && hidden == total:
		return widget.NetworkTor, lang.N("Network: connected through Tor to {{.Total}} relays", total, numbers)
	case up == total && hidden > 0:
		return widget.NetworkDirect, lang.L("Network: connected to {{.Hidden}} of {{.Total}} relays through Tor, to the others directly", numbers)
	case up == total:
		return widget.NetworkDirect, lang.N("Network: connected directly to {{.Total}} relays", total, numbers)
	case up > 0 || waiting > 0:
		return widget.NetworkConnecting, lang.L("Network: {{.Up}} of {{.Total}} relays connected", numbers)
	default:
		return widget.NetworkOffline, lang.L("Network: no relay can be reached")
	}
}

// showNetworkState shows on the rail how the network is reached.
func (m *mainScreen) showNetworkState() {
	state, text := m.w.network()
	m.rail.SetNetwork(state, text)
	amount := ""
	if m.w.usesTor() != core.TorDirect && m.w.tor.State == core.TorBootstrapping {
		amount = percent(m.w.tor.Percent)
	}
	m.rail.SetAmount(amount)
}

// connectionLine tells below a contact's name how one is connected.
func (w *Window) connectionLine(c *core.Contact) string {
	if c.State != chat.ContactNotes && w.profile.StoreError() != nil {
		return lang.L("what arrives can't be stored")
	}
	switch c.State {
	case chat.ContactConnecting:
		return lang.L("connecting…")
	case chat.ContactFailed:
		return lang.L("not connected")
	case chat.ContactLeft:
		return lang.L("left the conversation")
	case chat.ContactNotes:
		return lang.L("only on this computer")
	}
	mode := w.usesTor()
	switch state, _ := w.relayNetwork(); {
	case mode == core.TorOnly && w.tor.State != core.TorReady:
		return lang.L("waiting for Tor")
	case state == widget.NetworkOffline:
		return lang.L("no relay can be reached")
	case state == widget.NetworkConnecting:
		return lang.L("connecting to relays…")
	case mode == core.TorOnly:
		return lang.L("through Tor, end-to-end encrypted")
	case mode == core.TorOnionRelays:
		return lang.L("through Tor to onion relays, end-to-end encrypted")
	default:
		return lang.L("connected directly, end-to-end encrypted")
	}
}

// showNetwork shows the page about the network.
func (w *Window) showNetwork() {
	if w.profile != nil {
		w.openNetwork(w.main.back, false)
	}
}

// openNetwork shows the page about the network. Where it belongs to another page the way back to that is always there.
func (w *Window) openNetwork(back func(), always bool) {
	page := w.networkPage(back, func() { w.openNetwork(back, always) })
	if always {
		page.head.keepBack()
	}
	w.main.setPage(page, pageBeside)
}

// networkPage is the page about the network: how it is reached, and the relays.
type networkPage struct {
	*plainPage
	list *relayList
}

// networkPage makes the page. again shows it again after another page that it leads to.
func (w *Window) networkPage(back, again func()) *networkPage {
	p := w.profile
	body := widget.NewColumn(20)
	page := newPlainPage(lang.L("Network and relays"), body, back)
	list := newRelayList(w, func() {
		body.Refresh()
		page.scroll.Refresh()
	})
	relays, onion, summary := container.NewStack(), container.NewStack(), newNetworkSummary(w)
	fillUsed := func() {
		used := widget.NewColumn(0)
		for i, r := range w.relays {
			if i > 0 {
				used.Add(widget.NewInset(widget.NewLine(), 6, 0))
			}
			used.Add(relayRow(r, w.opt.Now()))
		}
		if len(w.relays) == 0 {
			used.Add(widget.NewHint(lang.L("No relay is in use. One is chosen when you show a code or open a link.")))
		}
		connect := widget.NewButton(lang.L("Connect again"), widget.ButtonSecondary, func() {
			ordered(w, func(context.Context) (nothing, error) { p.Reconnect(); return nothing{}, nil }, nil)
		})
		relays.Objects = []fyne.CanvasObject{section(lang.L("RELAYS IN USE"), settingsCard(used, widget.NewBar(theme.Grid/2, -1, connect)))}
	}
	fillOnion := func() {
		onion.Objects = nil
		if settings := w.onionSettings(); settings != nil {
			onion.Objects = []fyne.CanvasObject{settings}
		}
		onion.Hidden = len(onion.Objects) == 0
	}
	fill := func() {
		summary.update()
		fillUsed()
		fillOnion()
		way, waits := w.wayIn(func() { w.showTor(again) }), section(lang.L("WHERE NEW CONVERSATIONS WAIT"), settingsCard(list.column))
		if onion.Hidden {
			body.Objects = []fyne.CanvasObject{summary.card, way, relays, waits, w.routingSettings()}
		} else { // whether others can reach the relay on this computer is to be seen without scrolling
			body.Objects = []fyne.CanvasObject{summary.card, way, waits, onion, relays, w.routingSettings()}
		}
		list.fill()
	}
	fill()
	before := w.tor
	page.update = func(c any) {
		switch c.(type) {
		case nil:
			fill()
		case core.RelayChanged:
			summary.update()
			fillUsed()
			list.resized()
		case core.TorChanged:
			summary.update()
			if before.State != w.tor.State {
				fill()
			} else if before.Onion != w.tor.Onion || before.Reachable != w.tor.Reachable {
				fillOnion()
			}
			before = w.tor
			list.resized()
		}
	}
	page.left = list.close
	return &networkPage{page, list}
}

// networkSummary tells in one card how the network is reached, and what that means.
type networkSummary struct {
	w           *Window
	card        *widget.Surface
	title, text *widget.Label
	tor         *torProgress
}

func newNetworkSummary(w *Window) *networkSummary {
	s := &networkSummary{w: w, title: widget.NewLabel("", theme.TextBody), text: widget.NewHint("")}
	s.title.Bold = true
	cancel := w.cancelTor
	if w.core.TorLocked() {
		cancel = nil
	}
	s.tor = newTorProgress(w, cancel)
	s.card = widget.NewCard(widget.NewColumn(theme.Grid, widget.NewColumn(0, s.title, s.text), s.tor.content))
	s.card.Margin = 16
	return s
}

func (s *networkSummary) update() {
	w := s.w
	mode := w.usesTor()
	state, _ := w.relayNetwork()
	s.tor.update()
	if mode == core.TorDirect {
		s.tor.content.Hide()
	}
	title, text := lang.L("You are connected directly"),
		lang.L("Fast, but relays see your network address, and your network sees which relays you use. Nobody sees what you write.")
	switch {
	case mode == core.TorOnly && w.tor.State != core.TorReady:
		title, text = lang.L("Tor is connecting"), lang.L("What you write waits on this computer until Tor is connected, and is then sent by itself. Nothing goes another way.")
		if w.tor.State == core.TorFailed || w.tor.State == core.TorWaiting {
			title = lang.L("Tor is not there")
		}
	case state == widget.NetworkOffline && w.tor.State != core.TorFailed && w.tor.State != core.TorWaiting:
		title, text = lang.L("You are offline"), lang.L("No relay can be reached. What you write waits on this computer and is sent by itself later. Check the connection to the internet.")
	case mode == core.TorOnly:
		title, text = lang.L("You are connected through Tor"), lang.L("No relay sees your network address, and your network sees only that you use Tor. Nobody sees what you write.")
		if state == widget.NetworkConnecting {
			title = lang.L("Connecting through Tor")
		}
	case mode == core.TorOnionRelays:
		title, text = lang.L("You are connected through Tor to onion relays"), lang.L("They don't see your network address. All other relays do, and your network sees that you use them.")
		if w.tor.State != core.TorReady {
			title = lang.L("Tor is connecting")
		}
	case state == widget.NetworkConnecting:
		title = lang.L("Connecting")
	case len(w.relays) > 0 && !slices.ContainsFunc(w.relays, func(r core.RelayStatus) bool { return !r.Local }):
		title, text = lang.L("Your relay is on this computer"), lang.L("No other relay is in use. People write to it while Sotto runs, and nobody else has a part in that.")
	}
	s.title.SetText(title)
	s.text.SetText(text)
	s.card.Refresh()
}

// relayRow shows a relay and its state.
func relayRow(r core.RelayStatus, now time.Time) fyne.CanvasObject {
	title := widget.NewLabel(r.Host(), theme.TextSmall)
	title.Bold, title.OneLine = true, true
	line := ""
	if r.Local {
		title.SetText(lang.L("The relay on this computer"))
	}
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
	widget.Mirror(objects, size.Width)
}

func (dotLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	m := objects[1].MinSize()
	return fyne.NewSize(m.Width+20, m.Height)
}
