package ui

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

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
	value = lang.L("not used")
	if s.Upstream != "" {
		value = lang.L("used")
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
	copied := widget.NewButton(lang.L("Copy"), widget.ButtonSecondary, func() { w.copyText(text) })
	if text == "" {
		copied.Disable()
	}
	done := widget.NewButton(lang.L("Close"), widget.ButtonPrimary, func() { d.Close() })
	d = newDialog(lang.L("What Tor says"), 620, widget.NewColumn(12, widget.NewFixed(scroll, 360, 300), buttonRow(copied, done)))
	d.ShowOn(w.win.Canvas())
	scroll.ScrollToBottom()
	w.win.Canvas().Focus(done)
}
