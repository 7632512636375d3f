package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// testTime is how long a relay may take to be tested.
const testTime = 45 * time.Second

// relayList shows the relays for new conversations, tests them, and lets one's own be added, put in order and removed.
type relayList struct {
	w       *Window
	profile *core.Profile
	column  *fyne.Container
	resized func()
	tests   map[string]*relayTest // by address
	entry   *widget.Entry
	problem *widget.Note
}

// relayTest is a test of a relay, under way or done.
type relayTest struct {
	cancel func() // nil when it is done
	err    error
}

func newRelayList(w *Window, resized func()) *relayList {
	l := &relayList{w: w, profile: w.profile, column: widget.NewColumn(theme.Grid), resized: resized, tests: make(map[string]*relayTest)}
	l.entry = widget.NewEntry(lang.L("Address of another relay of yours"))
	l.entry.OnSubmitted = func(string) { l.add() }
	l.problem = widget.NewNote(widget.ToneDanger, "")
	l.entry.OnChanged = func(string) { l.problem.Set(widget.ToneDanger, "") }
	return l
}

// close ends the tests.
func (l *relayList) close() {
	for _, t := range l.tests {
		if t.cancel != nil {
			t.cancel()
		}
	}
}

// fill shows the relays.
func (l *relayList) fill() {
	choice := l.profile.Relays()
	title, text := lang.L("On public relays"), lang.L("These were chosen at random. Each new conversation uses one of them for what is sent to you.")
	switch choice.Kind {
	case core.RelaysOwn:
		title, text = lang.L("On relays of your own"), lang.L("A new conversation uses the first of these for what is sent to you, or the next one if that can't be reached or already has a part in it. Files are spread over all those for files.")
	case core.RelaysThisComputer:
		title, text = lang.L("On this computer"), lang.L("It runs inside Sotto, and only while Sotto runs. Below you choose whether others can reach it.")
	}
	label := widget.NewLabel(title, theme.TextBody)
	label.Bold = true
	l.column.Objects = []fyne.CanvasObject{container.New(rightLayout{8}, widget.NewColumn(0, label, widget.NewHint(text)),
		widget.NewButton(lang.L("Change…"), widget.ButtonSecondary, l.w.changeRelays))}
	for i, address := range choice.Addresses {
		l.column.Add(widget.NewLine())
		l.column.Add(l.row(address, choice.Kind == core.RelaysOwn && len(choice.Addresses) > 1, l.before(choice, i) >= 0))
	}
	if choice.Kind == core.RelaysOwn {
		add := widget.NewButton(lang.L("Add"), widget.ButtonSecondary, l.add)
		l.column.Add(widget.NewLine())
		l.column.Add(widget.NewInset(container.New(rightLayout{8}, l.entry, add), 4, 0, 0, 0))
		l.column.Add(l.problem)
	}
	if len(l.w.opt.Relays) > 0 {
		l.column.Add(widget.NewNote(widget.ToneInfo, lang.L("This window was started with --relay: new queues are made there, whatever is chosen here.")))
	}
	l.column.Refresh()
	l.resized()
}

// before returns which relay a relay of one's own can take the place of: the one above it that is for messages too, -1 without one.
func (l *relayList) before(choice core.RelayChoice, i int) int {
	files := func(address string) bool {
		info, err := core.ReadRelay(address)
		return err != nil || info.Files
	}
	if choice.Kind != core.RelaysOwn || files(choice.Addresses[i]) {
		return -1
	}
	for i--; i >= 0 && files(choice.Addresses[i]); i-- {
	}
	return i
}

// row shows a relay with the result of its test.
func (l *relayList) row(address string, removable, movable bool) fyne.CanvasObject {
	info, err := core.ReadRelay(address)
	if err != nil {
		return widget.NewNote(widget.ToneDanger, sentence(err))
	}
	title := widget.NewLabel(info.Host(), theme.TextSmall)
	title.Bold, title.OneLine = true, true
	line := lang.L("of your own")
	switch {
	case info.Operator != "":
		line = lang.L("run by {{.Operator}}", map[string]any{"Operator": info.Operator})
	case info.Password:
		line = lang.L("of your own, with a password")
	}
	if info.Files {
		line = lang.L("{{.Relay}} · for files", map[string]any{"Relay": line})
	}
	hint := widget.NewHint(line)
	t := l.tests[address]
	action := widget.NewButton(lang.L("Test"), widget.ButtonText, func() { l.test(address) })
	ink := theme.ColorTrack
	switch {
	case t == nil:
	case t.cancel != nil:
		hint.Text += " · " + lang.L("being tested…")
		action = widget.NewButton(lang.L("Cancel"), widget.ButtonText, t.cancel)
		ink = theme.ColorWarning
	case t.err != nil:
		hint.Text, hint.Color, ink = sentence(t.err), theme.ColorDanger, theme.ColorDanger
	default:
		works := lang.L("works: a queue was made there and deleted")
		if info.Files {
			works = lang.L("works: a part of a file was announced there and deleted")
		}
		hint.Text, ink = line+" · "+works, theme.ColorAccent
	}
	right := widget.NewBar(theme.Grid/2, -1, action)
	up := widget.NewIconButton("up", lang.L("Prefer {{.Relay}} more", map[string]any{"Relay": info.Host()}), func() { l.prefer(address) })
	switch {
	case movable:
		right.Add(up)
	case removable: // the buttons of all rows stand below each other
		right.Add(widget.NewGap(up.MinSize().Width, 1))
	}
	if removable {
		right.Add(widget.NewIconButton("trash", lang.L("Remove {{.Relay}}", map[string]any{"Relay": info.Host()}), func() { l.remove(address) }))
	}
	return container.New(rightLayout{8}, container.New(dotLayout{}, newDot(ink), widget.NewColumn(0, title, hint)), right)
}

// test tests a relay.
func (l *relayList) test(address string) {
	t := &relayTest{}
	l.tests[address] = t
	t.cancel = apart(l.w, only(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, testTime)
		defer cancel()
		return l.profile.TestRelay(ctx, address)
	}), func(_ nothing, err error) {
		t.cancel, t.err = nil, err
		if isCanceled(err) {
			delete(l.tests, address)
		}
		l.fill()
	})
	l.fill()
}

// add adds a relay of one's own, if it is one.
func (l *relayList) add() {
	address := strings.TrimSpace(l.entry.Text)
	if address == "" {
		l.complain(core.ErrNoRelays)
		return
	}
	choice := l.profile.Relays()
	if slices.Contains(choice.Addresses, address) {
		l.entry.SetText("")
		return
	}
	choice.Addresses = append(choice.Addresses, address)
	l.set(choice, func() {
		l.entry.SetText("")
		l.test(address)
	})
}

// prefer moves a relay of one's own up.
func (l *relayList) prefer(address string) {
	choice := l.profile.Relays()
	i := slices.Index(choice.Addresses, address)
	if i < 0 {
		return
	}
	if above := l.before(choice, i); above >= 0 {
		choice.Addresses[above], choice.Addresses[i] = choice.Addresses[i], choice.Addresses[above]
		l.set(choice, l.fill)
	}
}

// remove takes a relay of one's own out. Queues that are there stay.
func (l *relayList) remove(address string) {
	choice := l.profile.Relays()
	choice.Addresses = slices.DeleteFunc(choice.Addresses, func(a string) bool { return a == address })
	l.set(choice, l.fill)
}

func (l *relayList) set(choice core.RelayChoice, done func()) {
	ordered(l.w, only(func(ctx context.Context) error { return l.profile.SetRelays(ctx, choice) }), func(_ nothing, err error) {
		if err != nil {
			l.complain(err)
			return
		}
		done()
	})
}

func (l *relayList) complain(err error) {
	l.problem.Set(widget.ToneDanger, sentence(err))
	l.column.Refresh()
	l.resized()
}

// changeRelays asks where messages of new conversations wait.
func (w *Window) changeRelays() {
	p := w.profile
	var d *widget.Dialog
	resized := func() {
		if d != nil {
			d.Refresh()
		}
	}
	chooser := newRelayChooser(w, p.Relays(), resized)
	problem := widget.NewNote(widget.ToneDanger, "")
	save := widget.NewButton(lang.L("Save"), widget.ButtonPrimary, func() {
		choice := chooser.choice()
		apart(w, only(func(ctx context.Context) error {
			if err := w.openRelay(p.Relays().Kind, choice.Kind); err != nil {
				return err
			}
			return p.SetRelays(ctx, choice)
		}), func(_ nothing, err error) {
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				resized()
				return
			}
			d.Close()
			w.refill()
		})
	})
	column := widget.NewColumn(12, widget.NewHint(lang.L("This is about new conversations. Those you have stay where they are; each can be moved in its panel.")))
	for _, o := range chooser.objects() {
		column.Add(o)
	}
	column.Add(problem)
	column.Add(buttonRow(save))
	d = newDialog(lang.L("Where messages wait"), 520, column)
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(chooser.choices.cards[chooser.choices.chosen])
}

// openRelay gives the relay on this computer an onion address if that relay is chosen newly.
func (w *Window) openRelay(before, kind core.RelayKind) error {
	t := w.core.Tor()
	if kind != core.RelaysThisComputer || before == kind || t.OnionRelay {
		return nil
	}
	t.OnionRelay = true
	return w.core.SetTor(t)
}
