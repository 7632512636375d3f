package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

const startWidth float32 = 520 // of the column of the first start

// start is the first start: three steps, after which there is a profile.
type start struct {
	w      *Window
	holder *fyne.Container
	step   int

	name        *widget.Entry
	nameProblem *widget.Note
	network     *choices
	torNote     *widget.Note // below the choice of the network
	relays      *relayChooser
	passphrase  *passphraseFields
	problem     *widget.Note
	next        *widget.Button
	working     bool
}

// showStart begins the first start.
func (w *Window) showStart() {
	s := &start{w: w, holder: container.NewStack()}
	s.name = widget.NewEntry(lang.L("Your name"))
	s.name.OnSubmitted = func(string) { s.forward() }
	s.nameProblem = widget.NewNote(widget.ToneDanger, "")
	s.name.OnChanged = func(string) {
		if !s.nameProblem.Hidden {
			s.nameProblem.Set(widget.ToneDanger, "")
			s.holder.Refresh()
		}
	}
	modes := startModes()
	chosen := 0
	s.torNote = widget.NewNote(widget.ToneInfo, "")
	if w.core.TorLocked() || w.core.Tor().Mode == core.TorOnly {
		chosen = 1
	}
	s.network = newChoices(chosen, func(int) { s.showTorNote() }, [2]string{modes[0].name, modes[0].text}, [2]string{modes[1].name, modes[1].text})
	if w.core.TorLocked() {
		s.network.cards[0].Disable()
	}
	s.relays = newRelayChooser(w, core.RelayChoice{}, s.holder.Refresh)
	s.passphrase = newPassphraseFields(s.holder.Refresh, s.forward)
	s.problem = widget.NewNote(widget.ToneDanger, "")
	s.network.submitted = s.forward
	s.relays.choices.submitted = s.forward
	w.show(widget.NewSurface(theme.ColorBackground, container.NewStack(widget.NewGround(), container.NewVScroll(s.holder))))
	w.setTitle()
	w.starting = s
	s.show(0)
}

// show shows a step.
func (s *start) show(step int) {
	s.step = step
	back := widget.NewButton(lang.L("Back"), widget.ButtonSecondary, func() { s.show(s.step - 1) })
	back.Hidden = step == 0
	s.next = widget.NewButton(lang.L("Continue"), widget.ButtonPrimary, s.forward)
	var title, text string
	var body []fyne.CanvasObject
	var focus fyne.Focusable
	switch step {
	case 0:
		title = lang.L("What is your name?")
		text = lang.L("Only people you connect with get to see it. There is no account, no phone number, and nobody to register with.")
		body, focus = []fyne.CanvasObject{s.name, s.nameProblem}, s.name
	case 1:
		title = lang.L("How do you reach the network?")
		text = lang.L("Messages travel through relays, which pass them on and can't read them.")
		s.showTorNote()
		body, focus = append(s.network.objects(), s.torNote), s.network.cards[s.network.chosen]
	case 2:
		title = lang.L("Where do messages wait for you?")
		text = lang.L("Until you are online, messages for you wait on a relay.")
		body = append(s.relays.objects(), widget.NewGap(1, 4), s.passphrase.content, s.problem)
		focus = s.relays.choices.cards[s.relays.choices.chosen]
		s.next.SetText(lang.L("Start"))
	}
	heading := widget.NewLabel(title, theme.TextDisplay)
	heading.Bold = true
	lead := widget.NewLabel(text, theme.TextBody)
	lead.Color = theme.ColorSecondary
	name := widget.NewLabel(lang.L("Sotto"), theme.TextBody)
	name.Bold, name.Color = true, theme.ColorAccent
	column := widget.NewColumn(12, container.New(rightLayout{8}, name, newSteps(step, 3)), widget.NewGap(1, 4), heading, lead, widget.NewGap(1, 4))
	for _, o := range body {
		column.Add(o)
	}
	column.Add(widget.NewGap(1, 4))
	column.Add(container.New(rightLayout{8}, widget.NewBar(0, -1, back), s.next))
	card := widget.NewSurface(theme.ColorPanel, column)
	card.Radius, card.Border, card.Margin = theme.DialogRadius, theme.ColorLine, 32
	s.holder.Objects = []fyne.CanvasObject{container.New(columnLayout{width: startWidth, middle: true}, card)}
	s.holder.Refresh()
	s.w.win.Canvas().Focus(focus)
}

// startModes are the ways to the network at the first start.
func startModes() []option[core.TorMode] {
	return []option[core.TorMode]{
		{core.TorDirect, lang.L("Directly"), lang.L("Fast. Relays see your network address, and your network sees that you use them.")},
		{core.TorOnly, lang.L("Through Tor"), lang.L("Recommended where the network is watched: relays don't see your network address, and your network sees only that you use Tor. Slower.")},
	}
}

// showTorNote tells what there is to know about the way to the network that is chosen.
func (s *start) showTorNote() {
	tone, text := widget.ToneInfo, ""
	switch {
	case s.network.chosen == 1 && !s.w.core.TorInstalled():
		tone, text = widget.ToneWarning, lang.L("Tor is not installed on this computer. Install it, on Debian and Ubuntu by: apt install tor. You can go on: messages wait until it is there.")
	case s.w.core.TorLocked():
		text = lang.L("This window was started with --tor-only: everything goes through Tor or waits.")
	case s.network.chosen == 1:
		text = lang.L("If Tor is blocked where you are, choose bridges on the network page, which is behind the shield.")
	}
	s.torNote.Set(tone, text)
	s.holder.Refresh()
}

// forward goes to the next step, or makes the profile.
func (s *start) forward() {
	switch {
	case s.working:
	case s.step == 0:
		if strings.TrimSpace(s.name.Text) == "" {
			s.nameProblem.Set(widget.ToneDanger, lang.L("Type a name. It can be any, and more than one person can have the same."))
			s.holder.Refresh()
			return
		}
		s.show(1)
	case s.step == 1:
		s.show(2)
	default:
		s.finish()
	}
}

// finish makes the profile and shows the main screen.
func (s *start) finish() {
	passphrase, ok := s.passphrase.value()
	if !ok {
		return
	}
	s.setWorking(true)
	n := core.NewProfile{Name: strings.TrimSpace(s.name.Text), Relays: s.relays.choice(), Passphrase: passphrase}
	mode := startModes()[s.network.chosen].value
	apart(s.w, func(ctx context.Context) (*core.Profile, error) {
		t := s.w.core.Tor()
		t.Mode, t.OnionRelay = mode, t.OnionRelay || n.Relays.Kind == core.RelaysThisComputer
		if err := s.w.core.SetTor(t); err != nil { // before anything connects
			return nil, err
		}
		return s.w.core.CreateProfile(ctx, n)
	}, func(p *core.Profile, err error) {
		s.setWorking(false)
		if err != nil {
			if isNameError(err) {
				s.nameProblem.Set(widget.ToneDanger, sentence(err))
				s.show(0)
				return
			}
			s.problem.Set(widget.ToneDanger, sentence(err))
			s.holder.Refresh()
			return
		}
		s.w.profiles = s.w.core.Profiles()
		s.w.starting = nil
		s.w.showMain()
	})
}

func (s *start) setWorking(working bool) {
	s.working = working
	if working {
		s.problem.Set(widget.ToneDanger, "")
		s.next.SetText(lang.L("One moment…"))
		s.next.Disable()
	} else {
		s.next.SetText(lang.L("Start"))
		s.next.Enable()
	}
	s.holder.Refresh()
}

// newSteps shows which of some steps one is at.
func newSteps(step, n int) fyne.CanvasObject {
	row := widget.NewBar(4, -1)
	for i := range n {
		ink := theme.ColorTrack
		if i <= step {
			ink = theme.ColorAccent
		}
		bar := widget.NewSurface(ink, widget.NewGap(36, 4))
		bar.Radius = 2
		row.Add(bar)
	}
	return row
}

// relayChooser asks where messages wait.
type relayChooser struct {
	choices *choices
	address *widget.Entry
	own     *fyne.Container // the address and a hint, shown for own relays
	given   fyne.CanvasObject
}

// relayKinds are the possibilities in their order on the screen.
var relayKinds = []core.RelayKind{core.RelaysPublic, core.RelaysOwn, core.RelaysThisComputer}

// newRelayChooser starts with a choice. changed is called when the height changed.
func newRelayChooser(w *Window, choice core.RelayChoice, changed func()) *relayChooser {
	r := &relayChooser{address: widget.NewTextEntry("smp://", 2)}
	r.address.Wrapping = fyne.TextWrapBreak
	if choice.Kind == core.RelaysOwn {
		r.address.SetText(strings.Join(choice.Addresses, "\n"))
	}
	chosen := 0
	for i, kind := range relayKinds {
		if kind == choice.Kind {
			chosen = i
		}
	}
	r.own = widget.NewColumn(4, r.address, widget.NewHint(lang.L("The address that was shown when the relay was set up, one on each line if there are several.")))
	r.choices = newChoices(chosen, func(i int) {
		r.own.Hidden = relayKinds[i] != core.RelaysOwn
		changed()
		if !r.own.Hidden {
			w.win.Canvas().Focus(r.address)
		}
	},
		[2]string{lang.L("On public relays"), lang.L("Works at once. A few are chosen at random for you. They see queues of padded blocks, not who you are and not a word.")},
		[2]string{lang.L("On a relay of your own"), lang.L("You depend on nobody else's computer. You need its address.")},
		[2]string{lang.L("On this computer"), lang.L("A relay of your own inside Sotto, which contacts reach through Tor by its onion address while Sotto runs. Profiles that share it can be recognised by it as one person's.")})
	r.own.Hidden = relayKinds[chosen] != core.RelaysOwn
	if len(w.opt.Relays) > 0 {
		r.given = widget.NewNote(widget.ToneInfo, lang.L("This window was started with --relay: new queues are made there, whatever is chosen here."))
	}
	return r
}

func (r *relayChooser) objects() []fyne.CanvasObject {
	cards := r.choices.objects()
	objects := []fyne.CanvasObject{cards[0], cards[1], r.own, cards[2]}
	if r.given != nil {
		objects = append(objects, r.given)
	}
	return objects
}

// choice returns what was chosen.
func (r *relayChooser) choice() core.RelayChoice {
	c := core.RelayChoice{Kind: relayKinds[r.choices.chosen]}
	if c.Kind == core.RelaysOwn {
		c.Addresses = strings.Fields(r.address.Text)
	}
	return c
}

// passphraseFields ask for a new passphrase, twice, if one is wanted.
type passphraseFields struct {
	content       *fyne.Container
	toggle        *widget.Toggle
	fields        *fyne.Container
	first, second *widget.Entry
	problem       *widget.Note
	changed       func()
}

// newPassphraseFields offers a passphrase. changed is called when the height changed, submitted on Enter.
func newPassphraseFields(changed, submitted func()) *passphraseFields {
	p := &passphraseFields{changed: changed, first: widget.NewPasswordEntry(lang.L("Passphrase")), second: widget.NewPasswordEntry(lang.L("The same again"))}
	p.problem = widget.NewNote(widget.ToneDanger, "")
	p.first.OnChanged = func(string) { p.complain("") }
	p.second.OnChanged = p.first.OnChanged
	p.first.OnSubmitted = func(string) { submitted() }
	p.second.OnSubmitted = p.first.OnSubmitted
	p.fields = widget.NewColumn(8, p.first, p.second, p.problem,
		widget.NewHint(lang.L("Several words are best. It is stored nowhere: if you forget it, nobody can open this profile again.")))
	p.fields.Hide()
	p.toggle = widget.NewToggle(false, func(on bool) {
		p.fields.Hidden = !on
		changed()
		if canvas := fyne.CurrentApp().Driver().CanvasForObject(p.toggle); on && canvas != nil {
			canvas.Focus(p.first)
		}
	})
	p.content = widget.NewColumn(8, widget.NewFact(lang.L("Protect with a passphrase"),
		lang.L("Without one, whoever can use your account on this computer can read your messages. You can set it later."), p.toggle), p.fields)
	return p
}

func (p *passphraseFields) complain(text string) {
	if text == "" && p.problem.Hidden {
		return
	}
	p.problem.Set(widget.ToneDanger, text)
	p.changed()
}

// value returns the passphrase, empty for none, and whether it was typed the same twice.
func (p *passphraseFields) value() (string, bool) {
	switch {
	case !p.toggle.On():
		return "", true
	case p.first.Text == "":
		p.complain(lang.L("Type a passphrase, or switch this off."))
		return "", false
	case p.first.Text != p.second.Text:
		p.complain(lang.L("The two are not the same. Type the passphrase again."))
		return "", false
	}
	return p.first.Text, true
}
