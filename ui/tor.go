package ui

import (
	"context"
	"math"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
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

// torPhase tells what Tor does while it connects.
func torPhase(phase core.TorPhase) string {
	switch phase {
	case core.TorPhaseTransport:
		return lang.L("Disguising the connection")
	case core.TorPhaseProxy:
		return lang.L("Reaching the proxy of your network")
	case core.TorPhaseConnecting:
		return lang.L("Reaching the Tor network")
	case core.TorPhaseDirectory:
		return lang.L("Loading the list of Tor's relays")
	case core.TorPhaseCircuit:
		return lang.L("Making the first way through Tor")
	default:
		return lang.L("Starting")
	}
}

// torProblem tells what keeps Tor from the network, and what to do about it.
func torProblem(p *core.TorProblem) string {
	words := map[string]any{"Detail": p.Detail}
	switch p.Kind {
	case core.TorProblemMissing:
		return torMissing()
	case core.TorProblemTransport:
		return lang.L("The program for this kind of bridge is not installed. On Debian and Ubuntu: apt install obfs4proxy snowflake-client. Or choose other bridges.")
	case core.TorProblemConfig:
		if p.Detail == "" {
			return lang.L("Tor does not accept its settings. Check the bridges and the proxy.")
		}
		return lang.L("Tor does not accept its settings: {{.Detail}}", words)
	case core.TorProblemFolder:
		return lang.L("Tor can't use its folder beside your profiles. Check its permissions, and whether the disk is full.")
	case core.TorProblemClock:
		return clockProblem(p.Skew)
	case core.TorProblemOffline:
		return lang.L("There is no network. Connect this computer; Tor goes on by itself.")
	case core.TorProblemBlocked:
		return lang.L("The network is there, but no relay of Tor answers: it may be blocked here. Try bridges, such as snowflake.")
	case core.TorProblemBridges:
		return lang.L("No bridge answers. Try other ones.")
	case core.TorProblemProxy:
		return lang.L("The proxy of your network does not answer or refuses. Check its address and password.")
	case core.TorProblemDied:
		return lang.L("Tor has ended by itself. It is started again.")
	case core.TorProblemControl:
		return lang.L("What answers there is not Tor, or a very old one. Check the address.")
	case core.TorProblemAccess:
		return lang.L("Your Tor does not let Sotto control it. Give its password, or let your account read its cookie.")
	case core.TorProblemNotThere:
		return lang.L("There is no Tor at the address that you gave. Start it, or let Sotto run its own.")
	case core.TorProblemInUse:
		return lang.L("Another program uses the folder of this Tor. Close it.")
	default:
		return lang.L("Tor does not work: {{.Detail}}", words)
	}
}

func torMissing() string {
	return lang.L("Tor is not installed on this computer. Install it, on Debian and Ubuntu by: apt install tor. Then try again.")
}

// clockProblem tells by how much the clock is wrong: ahead if d is above zero, by an unknown time if it is zero.
func clockProblem(d time.Duration) string {
	if d == 0 {
		return lang.L("The clock of this computer is wrong, and Tor needs it. Set the time and the time zone.")
	}
	off := map[string]any{"Time": roundTime(d.Abs())}
	if d > 0 {
		return lang.L("The clock of this computer is {{.Time}} ahead, and Tor needs it. Set the time and the time zone.", off)
	}
	return lang.L("The clock of this computer is {{.Time}} behind, and Tor needs it. Set the time and the time zone.", off)
}

// roundTime tells about how long a time is.
func roundTime(d time.Duration) string {
	unit := func(size time.Duration) int { return int(math.Round(float64(d) / float64(size))) }
	switch {
	case d < 90*time.Minute:
		n := max(1, unit(time.Minute))
		return lang.N("{{.Count}} minutes", n, map[string]any{"Count": n})
	case d < 36*time.Hour:
		n := unit(time.Hour)
		return lang.N("{{.Count}} hours", n, map[string]any{"Count": n})
	default:
		n := unit(24 * time.Hour)
		return lang.N("{{.Count}} days", n, map[string]any{"Count": n})
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

// torWord tells in a word how Tor is.
func (w *Window) torWord() string {
	switch w.tor.State {
	case core.TorReady:
		return lang.L("connected")
	case core.TorBootstrapping:
		return percent(w.tor.Percent)
	case core.TorOff:
		return lang.L("not in use")
	case core.TorFailed, core.TorWaiting:
		return lang.L("not there")
	default:
		return lang.L("starting")
	}
}

func percent(n int) string { return lang.L("{{.Percent}} %", map[string]any{"Percent": n}) }

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

// torProgress shows how far Tor is, and what stands in its way.
type torProgress struct {
	w       *Window
	content *fyne.Container
	bar     *widget.Progress
	note    *widget.Note
}

// newTorProgress may offer to give up.
func newTorProgress(w *Window, cancel func()) *torProgress {
	t := &torProgress{w: w, bar: widget.NewProgress(lang.L("Stop using Tor"), cancel), note: widget.NewNote(widget.ToneWarning, "")}
	t.content = widget.NewColumn(theme.Grid, t.bar, t.note)
	return t
}

func (t *torProgress) update() {
	s := t.w.tor
	connecting := s.State == core.TorStarting || s.State == core.TorBootstrapping
	t.bar.Hidden = !connecting
	t.bar.Set(float64(s.Percent)/100, torPhase(s.Phase)+" · "+percent(s.Percent))
	t.note.Set(widget.ToneWarning, "")
	t.note.SetAction("", nil)
	if s.Problem != nil && s.State != core.TorReady {
		t.note.Set(widget.ToneWarning, torProblem(s.Problem))
		switch s.Problem.Kind {
		case core.TorProblemBlocked, core.TorProblemBridges, core.TorProblemTransport:
			t.note.SetAction(lang.L("Bridges…"), t.w.chooseBridges)
		case core.TorProblemProxy:
			t.note.SetAction(lang.L("Proxy…"), t.w.chooseUpstream)
		case core.TorProblemNotThere, core.TorProblemAccess, core.TorProblemControl:
			t.note.SetAction(lang.L("Which Tor…"), t.w.chooseExisting)
		default:
			if !connecting {
				t.note.SetAction(lang.L("Try again"), t.w.retryTor)
			}
		}
	}
	t.content.Hidden = !connecting && t.note.Hidden
	t.content.Refresh()
}

// torPage is the page about Tor.
type torPage struct {
	*plainPage
	w        *Window
	body     *fyne.Container
	progress *torProgress
	title    *widget.Label
	circuits *fyne.Container
	list     []core.TorCircuit
	known    bool  // list was read
	err      error // of reading list
	state    core.TorState
}

// showTor shows the page about Tor.
func (w *Window) showTor(back func()) *torPage {
	t := &torPage{w: w, body: widget.NewColumn(20), circuits: container.NewStack(), title: widget.NewLabel("", theme.TextBody), progress: newTorProgress(w, nil)}
	t.title.Bold = true
	t.plainPage = newPlainPage(lang.L("Tor"), t.body, back)
	t.head.keepBack()
	t.update = func(c any) {
		switch c.(type) {
		case nil:
			t.fill()
		case core.TorChanged:
			t.show()
			if t.state != w.tor.State {
				t.readCircuits()
			}
		}
	}
	t.fill()
	t.readCircuits()
	w.main.setPage(t, pageBeside)
	return t
}

func (t *torPage) fill() {
	t.show()
	t.body.Objects = []fyne.CanvasObject{t.summary(), t.waysIn(), t.caution(), section(lang.L("CIRCUITS"), settingsCard(t.circuits)), t.log()}
	t.body.Refresh()
	t.scroll.Refresh()
}

// show shows how Tor is.
func (t *torPage) show() {
	switch t.w.tor.State {
	case core.TorReady:
		t.title.SetText(lang.L("Tor is connected"))
	case core.TorOff:
		t.title.SetText(lang.L("Tor is not in use"))
	case core.TorFailed, core.TorWaiting:
		t.title.SetText(lang.L("Tor is not there"))
	default:
		t.title.SetText(lang.L("Tor is connecting"))
	}
	t.progress.update()
	t.showCircuits()
	t.body.Refresh()
	t.scroll.Refresh()
}

func (t *torPage) summary() fyne.CanvasObject {
	return settingsCard(widget.NewColumn(0, t.title, widget.NewHint(lang.L("A network of volunteers' computers. What you send goes through three of them, of which none knows both you and where it goes."))), t.progress.content)
}

// waysIn are the ways to the Tor network.
func (t *torPage) waysIn() fyne.CanvasObject {
	w, s := t.w, t.w.core.Tor()
	value := lang.L("none")
	switch kind, lines := bridgesOf(s.Bridges); kind {
	case bridgesSnowflake:
		value = lang.L("snowflake")
	case bridgesOwn:
		value = lang.N("{{.Count}} of your own", lines, map[string]any{"Count": lines})
	}
	bridges := widget.NewRow(lang.L("Bridges"), value, w.chooseBridges)
	bridges.SetHint(lang.L("Where Tor is blocked, or using it draws attention."))
	value = lang.L("none")
	if s.Upstream != "" {
		value = lang.L("in use")
	}
	proxy := widget.NewRow(lang.L("Proxy of your network"), value, w.chooseUpstream)
	proxy.SetHint(lang.L("Where a company or school lets nothing out but through its proxy."))
	value = lang.L("Sotto's own")
	if s.Socks != "" {
		value = s.Socks
	}
	existing := widget.NewRow(lang.L("Which Tor"), value, w.chooseExisting)
	existing.SetHint(lang.L("Sotto runs a Tor for itself, or uses one that runs on this computer already."))
	return section(lang.L("THE WAY TO TOR"), rowsCard(roomy(bridges), widget.NewLine(), roomy(proxy), widget.NewLine(), roomy(existing)))
}

// caution are choices for those who want it stricter.
func (t *torPage) caution() fyne.CanvasObject {
	w, s := t.w, t.w.core.Tor()
	return section(lang.L("STRICTER"), settingsCard(
		w.torToggle(lang.L("Onion addresses only"), lang.L("Through Tor only relays that have an onion address are reached. Nobody at the end of Tor can see which relay it is. Messages to others wait."),
			s.OnionRequired, func(s *core.TorSettings, on bool) { s.OnionRequired = on }), widget.NewLine(),
		w.torToggle(lang.L("A circuit for each conversation"), lang.L("Relays can't tell by the connection which conversations are yours. Slower, and more load for Tor."),
			s.Isolate, func(s *core.TorSettings, on bool) { s.Isolate = on })))
}

// readCircuits asks Tor for its circuits.
func (t *torPage) readCircuits() {
	w := t.w
	t.state = w.tor.State
	if t.state != core.TorReady {
		t.list, t.known, t.err = nil, false, nil
		t.showCircuits()
		return
	}
	apart(w, w.core.Circuits, func(list []core.TorCircuit, err error) {
		t.list, t.known, t.err = list, true, err
		t.showCircuits()
		t.scroll.Refresh()
	})
}

// circuitPurpose tells what a circuit is for.
func circuitPurpose(purpose string) string {
	switch {
	case strings.HasPrefix(purpose, "HS_CLIENT"):
		return lang.L("To an onion relay")
	case strings.HasPrefix(purpose, "HS_SERVICE"):
		return lang.L("For the relay on this computer")
	case strings.HasPrefix(purpose, "HS_"):
		return lang.L("In reserve for onion addresses")
	case strings.HasPrefix(purpose, "MEASURE"), strings.Contains(purpose, "TEST"):
		return lang.L("To measure how fast Tor is")
	case purpose == "GENERAL", strings.HasPrefix(purpose, "CONFLUX"):
		return lang.L("To a relay, or in reserve")
	default:
		return lang.L("For Tor itself")
	}
}

func (t *torPage) showCircuits() {
	w := t.w
	column := widget.NewColumn(6)
	switch {
	case w.tor.State != core.TorReady:
		column.Add(widget.NewHint(lang.L("There are none while Tor is not connected.")))
	case t.err != nil:
		column.Add(widget.NewNote(widget.ToneInfo, sentence(t.err)))
	case !t.known:
		column.Add(widget.NewHint(lang.L("One moment…")))
	case len(t.list) == 0:
		column.Add(widget.NewHint(lang.L("There are none at the moment.")))
	}
	const most = 12 // more tell nobody more
	for i, c := range t.list {
		if i == most {
			n := len(t.list) - most
			column.Add(widget.NewHint(lang.N("and {{.Count}} more", n, map[string]any{"Count": n})))
			break
		}
		hint := lang.L("being built")
		if c.Built {
			hint = lang.L("since {{.Time}}", map[string]any{"Time": listTime(c.Created.In(w.zone()), w.opt.Now())})
		}
		column.Add(widget.NewFact(circuitPurpose(c.Purpose), hint, widget.NewPill(lang.N("{{.Count}} hops", c.Hops, map[string]any{"Count": c.Hops}))))
	}
	if w.tor.State == core.TorReady {
		fresh := widget.NewButton(lang.L("New circuits"), widget.ButtonSecondary, t.newCircuits)
		column.Add(widget.NewInset(widget.NewBar(12, 1, fresh, widget.NewHint(lang.L("Everything connects again on other ways."))), 4, 0, 0, 0))
	}
	t.circuits.Objects = []fyne.CanvasObject{column}
	t.circuits.Refresh()
}

func (t *torPage) newCircuits() {
	apart(t.w, only(t.w.core.NewCircuits), func(_ nothing, err error) {
		if err != nil {
			t.err = err
			t.showCircuits()
			return
		}
		t.readCircuits()
	})
}

// log leads to what Tor says.
func (t *torPage) log() fyne.CanvasObject {
	show := widget.NewButton(lang.L("Show…"), widget.ButtonSecondary, t.w.showTorLog)
	return section(lang.L("IF IT DOES NOT WORK"), settingsCard(widget.NewFact(lang.L("What Tor says"),
		lang.L("The last messages of the program, for somebody who helps you. Addresses are left out of them."), show)))
}

// showTorLog shows the messages of Tor.
func (w *Window) showTorLog() {
	var text strings.Builder
	for _, line := range w.core.TorLog() {
		text.WriteString(line.Time.In(w.zone()).Format(time.TimeOnly) + " [" + line.Severity + "] " + line.Text + "\n")
	}
	w.showLog(text.String())
}

func (w *Window) showLog(text string) {
	shown := text
	if shown == "" {
		shown = lang.L("Tor has said nothing yet.")
	}
	scroll := container.NewVScroll(widget.NewLabel(shown, theme.TextCaption))
	var d *widget.Dialog
	copied := widget.NewButton(lang.L("Copy"), widget.ButtonSecondary, func() { w.app.Clipboard().SetContent(text) })
	if text == "" {
		copied.Disable()
	}
	done := widget.NewButton(lang.L("Close"), widget.ButtonPrimary, func() { d.Close() })
	d = newDialog(lang.L("What Tor says"), 620, widget.NewColumn(12, widget.NewFixed(scroll, 360, 300), buttonRow(copied, done)))
	d.ShowOn(w.win.Canvas())
	scroll.ScrollToBottom()
	w.win.Canvas().Focus(done)
}

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
		copied := widget.NewIconButton("copy", lang.L("Copy the address"), func() { w.app.Clipboard().SetContent(onion) })
		objects = append(objects, widget.NewLine(), container.New(rightLayout{8}, container.New(dotLayout{}, newDot(ink), widget.NewColumn(0, widget.NewHint(state), address)), copied))
	case on && s.Socks != "" && s.Control == "":
		objects = append(objects, widget.NewNote(widget.ToneWarning, sentence(core.ErrTorControl)))
	case on && w.tor.Problem != nil && w.tor.State != core.TorReady:
		objects = append(objects, widget.NewNote(widget.ToneWarning, torProblem(w.tor.Problem)))
	case on:
		objects = append(objects, widget.NewHint(lang.L("The address is made known as soon as Tor is connected.")))
	}
	return section(lang.L("THE RELAY ON THIS COMPUTER"), settingsCard(objects...))
}
