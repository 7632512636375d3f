package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/widget"
)

// torModes are what may go through Tor.
func torModes() []option[core.TorMode] {
	return []option[core.TorMode]{
		{core.TorDirect, lang.L("Directly"), lang.L("Fast. Relays see your network address, and your network sees which relays you use.")},
		{core.TorOnionRelays, lang.L("Through Tor to onion relays"), lang.L("Relays that have an onion address don't see yours. All others are reached directly.")},
		{core.TorOnly, lang.L("Through Tor only"), lang.L("No relay sees your network address, and your network sees only that you use Tor. Slower; while Tor is not there, messages wait.")},
	}
}

// usesTor tells what of the traffic of the profile that is shown goes through Tor.
func (w *Window) usesTor() core.TorMode {
	if w.profile == nil {
		return w.tor.Mode
	}
	mode, _ := w.profile.TorMode()
	return mode
}

// torChanged takes over how Tor is now.
func (w *Window) torChanged(status core.TorStatus) {
	w.tor = status
	if w.main != nil {
		w.main.showNetworkState()
		w.main.content.changed(core.TorChanged{Tor: status})
		if w.adder != nil {
			w.adder.changed(core.TorChanged{Tor: status})
		}
	}
}

// changeTor changes the choices about Tor, and hands over what is wrong with them. done may be nil.
func (w *Window) changeTor(change func(*core.TorSettings), done func(error)) {
	ordered(w, func(context.Context) (nothing, error) {
		s := w.core.Tor()
		change(&s)
		return nothing{}, w.core.SetTor(s)
	}, func(_ nothing, err error) {
		w.torChanged(w.core.TorStatus())
		if done != nil {
			done(err)
		} else if err != nil {
			w.tell(lang.L("Not changed"), sentence(err))
		}
	})
}

// torToggle is a switch of one of the choices about Tor.
func (w *Window) torToggle(title, hint string, on bool, change func(s *core.TorSettings, on bool)) fyne.CanvasObject {
	var toggle *widget.Toggle
	toggle = widget.NewToggle(on, func(on bool) {
		w.changeTor(func(s *core.TorSettings) { change(s, on) }, func(err error) {
			if err != nil {
				toggle.SetOn(!on)
				w.tell(lang.L("Not changed"), sentence(err))
				return
			}
			w.refill()
		})
	})
	return widget.NewFact(title, hint, toggle)
}

// wayIn lets people choose how the network is reached, by all profiles and by the one that is shown. tor shows the page about Tor.
func (w *Window) wayIn(tor func()) fyne.CanvasObject {
	heading := lang.L("HOW YOU REACH THE NETWORK")
	more := widget.NewRow(lang.L("Tor"), w.torWord(), tor)
	more.SetHint(lang.L("Bridges, proxy, circuits, log"))
	if w.core.TorLocked() {
		return section(heading, rowsCard(widget.NewInset(widget.NewNote(widget.ToneInfo,
			lang.L("This window was started with --tor-only: everything goes through Tor or waits, and that can't be changed until it is closed.")), 6, 10),
			widget.NewLine(), roomy(more)))
	}
	p := w.profile
	all := find(torModes(), w.core.Tor().Mode)
	mode, own := p.TorMode()
	of := find(torModes(), mode)
	everybody := widget.NewRow(lang.L("All profiles"), all.name, func() {
		chooseOption(w, lang.L("How you reach the network"), lang.L("This is for all profiles that have no choice of their own."), torModes(), w.core.Tor().Mode,
			func(_ context.Context, mode core.TorMode) error {
				s := w.core.Tor()
				s.Mode = mode
				return w.core.SetTor(s)
			}, w.torChosen)
	})
	everybody.SetHint(lang.L("Those that have no choice of their own."))
	value, hint := lang.L("Like all"), lang.L("It can have a choice of its own.")
	chosen := core.TorMode("")
	if own {
		value, hint, chosen = of.name, of.text, mode
	}
	this := widget.NewRow(p.Name(), value, func() {
		options := append([]option[core.TorMode]{{"", lang.L("Like all profiles"), lang.L("At present: {{.Mode}}.", map[string]any{"Mode": find(torModes(), w.core.Tor().Mode).name})}}, torModes()...)
		chooseOption(w, lang.L("How {{.Name}} reaches the network", map[string]any{"Name": p.Name()}), lang.L("This is for this profile alone."), options, chosen, p.SetTorMode, w.torChosen)
	})
	this.SetHint(hint)
	return section(heading, rowsCard(roomy(everybody), widget.NewLine(), roomy(this), widget.NewLine(), roomy(more)))
}

// torChosen shows what another mode of Tor leads to.
func (w *Window) torChosen() {
	w.tor = w.core.TorStatus()
	w.main.showNetworkState()
	w.refill()
}

// cancelTor goes back to reaching the network without Tor, once it was asked whether that is meant.
func (w *Window) cancelTor() {
	p := w.profile
	_, own := p.TorMode()
	w.confirm(lang.L("Stop using Tor?"), lang.L("Sotto then reaches relays directly: they see your network address, and your network sees which relays you use."),
		lang.L("Stop using Tor"), func() {
			ordered(w, func(ctx context.Context) (nothing, error) {
				if own {
					return nothing{}, p.SetTorMode(ctx, core.TorDirect)
				}
				s := w.core.Tor()
				s.Mode = core.TorDirect
				return nothing{}, w.core.SetTor(s)
			}, func(_ nothing, err error) {
				if err != nil {
					w.tell(lang.L("Not changed"), sentence(err))
				}
				w.torChosen()
			})
		})
}

// retryTor has Tor tried again at once.
func (w *Window) retryTor() {
	ordered(w, func(context.Context) (nothing, error) { w.core.RetryTor(); return nothing{}, nil }, nil)
}
