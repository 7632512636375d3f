package ui

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// bridgeKind is where bridges come from.
type bridgeKind int

const (
	bridgesNone bridgeKind = iota
	bridgesSnowflake
	bridgesOwn
)

// bridgesOf tells which bridges are in use, and how many lines they are.
func bridgesOf(bridges []string) (bridgeKind, int) {
	switch {
	case len(bridges) == 0:
		return bridgesNone, 0
	case len(bridges) == 1 && bridges[0] == core.TorSnowflake:
		return bridgesSnowflake, 1
	}
	return bridgesOwn, len(bridges)
}

// chooseBridges asks for bridges.
func (w *Window) chooseBridges() {
	present := w.core.Tor().Bridges
	kind, _ := bridgesOf(present)
	lines := widget.NewTextEntry("obfs4 192.0.2.1:443 …", 4)
	lines.Wrapping = fyne.TextWrapBreak
	if kind == bridgesOwn {
		lines.SetText(strings.Join(present, "\n"))
	}
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	complain := func(text string) {
		problem.Set(widget.ToneDanger, text)
		if d != nil {
			d.Refresh()
		}
	}
	own := widget.NewColumn(4, lines, widget.NewHint(lang.L("Paste the lines that you got, such as from bridges.torproject.org, one bridge on each.")))
	own.Hidden = kind != bridgesOwn
	cards := newChoices(int(kind), func(i int) {
		own.Hidden = bridgeKind(i) != bridgesOwn
		complain("")
		d.Refresh()
		if !own.Hidden {
			w.win.Canvas().Focus(lines)
		}
	},
		[2]string{lang.L("No bridges"), lang.L("Your network can see that you use Tor.")},
		[2]string{lang.L("Snowflake"), lang.L("Looks like a video call, through browsers of volunteers. Works at once in most places where Tor is blocked.")},
		[2]string{lang.L("Bridges of your own"), lang.L("Lines that the Tor project or a friend gave you. Few others know them, so they are rarely blocked.")})
	lines.OnChanged = func(string) { complain("") }
	save := func() {
		bridges := []string{}
		switch bridgeKind(cards.chosen) {
		case bridgesSnowflake:
			bridges = append(bridges, core.TorSnowflake)
		case bridgesOwn:
			var err error
			if bridges, err = core.ReadTorBridges(lines.Text); err != nil {
				complain(sentence(err))
				return
			}
			if len(bridges) == 0 {
				complain(lang.L("Paste at least one line, or choose another possibility."))
				return
			}
		}
		w.changeTor(func(s *core.TorSettings) { s.Bridges = bridges }, func(err error) {
			if err != nil {
				complain(sentence(err))
				return
			}
			d.Close()
			w.refill()
		})
	}
	cards.submitted = save
	column := widget.NewColumn(12, widget.NewHint(lang.L("Bridges are ways into the Tor network that are in no public list.")))
	for _, o := range cards.objects() {
		column.Add(o)
	}
	column.Add(own)
	column.Add(problem)
	column.Add(buttonRow(widget.NewButton(lang.L("Save"), widget.ButtonPrimary, save)))
	d = newDialog(lang.L("Bridges"), 520, column)
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(cards.cards[kind])
}

// torField is a text that is asked for.
type torField struct {
	entry *widget.Entry
	hint  string
	value func(*core.TorSettings) *string
}

// askTor asks for texts among the choices about Tor.
func (w *Window) askTor(title, lead string, fields ...torField) {
	s := w.core.Tor()
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	save := func() {
		w.changeTor(func(s *core.TorSettings) {
			for _, f := range fields {
				*f.value(s) = strings.TrimSpace(f.entry.Text)
			}
		}, func(err error) {
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				d.Refresh()
				return
			}
			d.Close()
			w.refill()
		})
	}
	column := widget.NewColumn(12, widget.NewHint(lead))
	for _, f := range fields {
		f.entry.SetText(*f.value(&s))
		f.entry.OnSubmitted = func(string) { save() }
		f.entry.OnChanged = func(string) {
			if !problem.Hidden {
				problem.Set(widget.ToneDanger, "")
				d.Refresh()
			}
		}
		column.Add(widget.NewColumn(4, f.entry, widget.NewHint(f.hint)))
	}
	column.Add(problem)
	column.Add(buttonRow(widget.NewButton(lang.L("Save"), widget.ButtonPrimary, save)))
	d = newDialog(title, 480, column)
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(fields[0].entry)
}

// What addresses look like that are asked for.
const (
	exampleProxy   = "socks5://127.0.0.1:1080"
	exampleSocks   = "127.0.0.1:9050"
	exampleControl = "127.0.0.1:9051"
)

// chooseUpstream asks for the proxy that the network needs.
func (w *Window) chooseUpstream() {
	w.askTor(lang.L("Proxy of your network"), lang.L("Only if nothing gets out of your network but through a proxy. Leave it empty for none."),
		torField{widget.NewEntry(exampleProxy), lang.L("It begins with socks5:// or http://, and can have a name and a password in it."), func(s *core.TorSettings) *string { return &s.Upstream }})
}

// chooseExisting asks where a Tor runs already.
func (w *Window) chooseExisting() {
	w.askTor(lang.L("Which Tor"), lang.L("Leave everything empty and Sotto runs a Tor for itself."),
		torField{widget.NewEntry(exampleSocks), lang.L("Where it passes on what goes through Tor (its SocksPort, an address or the path of a socket)."), func(s *core.TorSettings) *string { return &s.Socks }},
		torField{widget.NewEntry(exampleControl), lang.L("Where it is controlled (its ControlPort). Needed for circuits, and for an onion address of this computer."), func(s *core.TorSettings) *string { return &s.Control }},
		torField{widget.NewPasswordEntry(lang.L("Password")), lang.L("For controlling it, if its cookie can't be read."), func(s *core.TorSettings) *string { return &s.Password }})
}

// onionSettings make the relay on this computer reachable from elsewhere. They are nil if there is none.
func (w *Window) onionSettings() fyne.CanvasObject {
	s := w.core.Tor()
	if w.profile.Relays().Kind != core.RelaysThisComputer && !s.OnionRelay {
		return nil
	}
	title := lang.L("Reachable from anywhere")
	text := lang.L("Through Tor, by an onion address, while Sotto runs. Contacts can tell by it which of your profiles are one person's.")
	forced := w.usesTor() == core.TorOnly
	objects := []fyne.CanvasObject{}
	if forced {
		objects = append(objects, widget.NewFact(title, text, widget.NewPill(lang.L("on"))))
	} else {
		objects = append(objects, w.torToggle(title, text, s.OnionRelay, func(s *core.TorSettings, on bool) { s.OnionRelay = on }))
	}
	on := forced || s.OnionRelay
	switch {
	case on && w.tor.Onion != "":
		state := lang.L("being made known, which takes a minute")
		ink := theme.ColorWarning
		if w.tor.Reachable {
			state, ink = lang.L("can be reached"), theme.ColorAccent
		}
		address := widget.NewLabel(w.tor.Onion, theme.TextCaption)
		onion := w.tor.Onion
		copied := widget.NewIconButton("copy", lang.L("Copy the address"), func() { w.copyText(onion) })
		objects = append(objects, widget.NewLine(), container.New(rightLayout{8}, container.New(dotLayout{}, newDot(ink), widget.NewColumn(0, widget.NewHint(state), address)), copied))
	case on && s.Socks != "" && s.Control == "":
		objects = append(objects, widget.NewNote(widget.ToneWarning, sentence(core.ErrTorControl)))
	case on && w.tor.Problem != nil && w.tor.State != core.TorReady && w.usesTor() == core.TorDirect: // otherwise it stands above
		objects = append(objects, widget.NewNote(widget.ToneWarning, torProblem(w.tor.Problem)))
	case on:
		objects = append(objects, widget.NewHint(lang.L("The address is made known as soon as Tor is connected.")))
	}
	return section(lang.L("THE RELAY ON THIS COMPUTER"), settingsCard(objects...))
}
