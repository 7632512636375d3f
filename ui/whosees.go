package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/store/vault"
	"github.com/sotto-chat/sotto/ui/theme"
)

// reach is how a relay is reached, which decides whether it sees the network address of this computer.
type reach int

const (
	reachDirect  reach = iota
	reachProxied       // through one of one's own relays
	reachTried         // the same if the relays allow it, or directly
	reachTor
	reachLocal // it is on this computer
	reachHeld  // not at all for now
)

// seenRelay is a relay of a conversation.
type seenRelay struct {
	host     string // empty if it is not known
	operator string // empty if it is not known
	own      bool   // messages for us wait there, not those for the contact
	reach    reach
	proxy    string // the host of the relay between, if reach is reachProxied and it is known
}

// seenRelays are the relays of a conversation as core knows them.
func seenRelays(carriers []core.Carrier) (relays []seenRelay) {
	for _, c := range carriers {
		r := seenRelay{host: c.Host, operator: c.Operator, own: c.Receive, proxy: c.Proxy}
		switch c.Reach {
		case core.ReachLocal:
			r.reach = reachLocal
		case core.ReachProxied:
			r.reach = reachProxied
		case core.ReachExit, core.ReachOnion:
			r.reach = reachTor
		case core.ReachHeld:
			r.reach = reachHeld
		}
		relays = append(relays, r)
	}
	return relays
}

// conversationRelays are the relays of a conversation by what is set, for while it is not known which ones they are.
func (w *Window) conversationRelays(*core.Contact) []seenRelay {
	own, other := seenRelay{own: true}, seenRelay{}
	if w.profile.Relays().Kind == core.RelaysThisComputer {
		own.reach = reachLocal
	}
	switch n := w.profile.Network(); {
	case n.Routing == core.RouteNever: // as it is
	case n.Fallback != core.FallbackAllow && own.reach != reachLocal:
		other.reach = reachProxied
	default:
		other.reach = reachTried
	}
	if mode, _ := w.profile.TorMode(); mode == core.TorOnly {
		other.reach = reachTor
		if own.reach != reachLocal {
			own.reach = reachTor
		}
	}
	return []seenRelay{own, other}
}

// whoSeesWhat tells what each party can learn about a conversation.
func (w *Window) whoSeesWhat(c *core.Contact, relays []seenRelay) []fyne.CanvasObject {
	if c.State == chat.ContactNotes {
		return []fyne.CanvasObject{w.computerSees()}
	}
	var cards []fyne.CanvasObject
	for _, r := range relays {
		cards = append(cards, w.relaySees(c, r))
	}
	name := w.profile.Name()
	if c.IncognitoName != "" {
		name = c.IncognitoName
	}
	address := lang.L("Your network address: hidden")
	for _, r := range relays {
		if !r.own && (r.reach == reachDirect || r.reach == reachTried) {
			address = lang.L("Your network address: hidden, except from a relay of its own")
		}
	}
	cards = append(cards,
		fact(w.contactName(c), lang.L("sees the name {{.Name}}, what you write and when.", map[string]any{"Name": name}), address, theme.ColorAccent),
		fact(lang.L("Your network"), lang.L("sees which relays you use, when, and how much."),
			lang.L("It may guess when you chat"), theme.ColorWarning),
		w.computerSees())
	return cards
}

// computerSees tells what there is on this computer, and what guards it.
func (w *Window) computerSees() fyne.CanvasObject {
	protection, ink := lang.L("The key is in the keyring of your account"), theme.ColorAccent
	switch w.profile.Protection() {
	case vault.Passphrase, vault.CallerKey, vault.Hidden:
		protection = lang.L("Passphrase set")
	case vault.PlainFile:
		protection, ink = lang.L("The key lies beside them: set a passphrase"), theme.ColorWarning
	}
	return fact(lang.L("This computer"), lang.L("keeps all messages, encrypted."), protection, ink)
}

// relaySees tells what a relay can learn about a conversation.
func (w *Window) relaySees(c *core.Contact, r seenRelay) fyne.CanvasObject {
	names := map[string]any{"Name": w.contactName(c), "Relay": r.host, "Operator": r.operator}
	title, text := lang.L("The relay where yours wait for {{.Name}}", names), lang.L("sees another queue, with other names and other keys.")
	if r.own {
		title, text = lang.L("The relay where messages for you wait"), lang.L("sees a queue, padded blocks and their times. Not who you are, not a word.")
	}
	switch {
	case r.operator != "":
		text = lang.L("{{.Relay}}, run by {{.Operator}},", names) + " " + text
	case r.host != "":
		text = r.host + " " + text
	}
	switch r.reach {
	case reachLocal:
		return fact(title, text, lang.L("It is on this computer"), theme.ColorAccent)
	case reachTor:
		return fact(title, text, lang.L("Your network address: hidden by Tor"), theme.ColorAccent)
	case reachProxied:
		if r.proxy != "" {
			return fact(title, text, lang.L("Your network address: hidden by {{.Proxy}}, which passes it on", map[string]any{"Proxy": r.proxy}), theme.ColorAccent)
		}
		return fact(title, text, lang.L("Your network address: hidden by a relay of yours"), theme.ColorAccent)
	case reachHeld:
		return fact(title, text, lang.L("Your network address: hidden, as nothing is sent there for now"), theme.ColorAccent)
	case reachTried:
		return fact(title, text, lang.L("Your network address: hidden by a relay of yours where both allow it"), theme.ColorWarning)
	default:
		return fact(title, text, lang.L("Your network address: visible"), theme.ColorWarning)
	}
}
