package ui

import (
	"context"
	"errors"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/widget"
)

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }

// option is a choice in words: what it is called, and its consequence.
type option[T comparable] struct {
	value      T
	name, text string
}

// routings are the modes of private routing.
func routings() []option[core.Routing] {
	return []option[core.Routing]{
		{core.RouteUnknown, lang.L("For relays of others"), lang.L("A relay of yours passes on what goes to relays that you have not chosen. They don't see your network address.")},
		{core.RouteAlways, lang.L("Always"), lang.L("A relay of yours passes on all that you send, to your own other relays as well. A bit slower.")},
		{core.RouteUnprotected, lang.L("Only without Tor"), lang.L("As for relays of others, but not while Tor hides your network address anyway.")},
		{core.RouteNever, lang.L("Never"), lang.L("Fastest. The relay of everybody you write to sees your network address.")},
	}
}

// fallbacks are what happens where a relay can't be reached by private routing.
func fallbacks() []option[core.Fallback] {
	return []option[core.Fallback]{
		{core.FallbackProtected, lang.L("Directly where it is safe"), lang.L("Messages go directly through Tor, and to relays in your own network. To others they wait, and the conversation says so.")},
		{core.FallbackAllow, lang.L("Send directly"), lang.L("No message is held up. A relay that does not allow private routing sees your network address.")},
		{core.FallbackNever, lang.L("Wait"), lang.L("Your network address stays hidden. Messages to relays that don't allow private routing are not sent.")},
	}
}

// find returns the option with a value, or the first one.
func find[T comparable](options []option[T], value T) option[T] {
	return options[max(0, slices.IndexFunc(options, func(o option[T]) bool { return o.value == value }))]
}

// chooseOption asks for one of some options and applies it. apply is run beside the main goroutine, done afterwards if it worked.
func chooseOption[T comparable](w *Window, title, lead string, options []option[T], chosen T, apply func(ctx context.Context, value T) error, done func()) {
	texts := make([][2]string, len(options))
	for i, o := range options {
		texts[i] = [2]string{o.name, o.text}
	}
	at := max(0, slices.IndexFunc(options, func(o option[T]) bool { return o.value == chosen }))
	cards := newChoices(at, nil, texts...)
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	save := func() {
		value := options[cards.chosen].value
		ordered(w, only(func(ctx context.Context) error { return apply(ctx, value) }), func(_ nothing, err error) {
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				d.Refresh()
				return
			}
			d.Close()
			done()
		})
	}
	cards.submitted = save
	column := widget.NewColumn(12, widget.NewHint(lead))
	for _, o := range cards.objects() {
		column.Add(o)
	}
	column.Add(problem)
	column.Add(buttonRow(widget.NewButton(lang.L("Save"), widget.ButtonPrimary, save)))
	d = newDialog(title, 500, column)
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(cards.cards[at])
}

// routingSettings let private routing be chosen.
func (w *Window) routingSettings() fyne.CanvasObject {
	p, n := w.profile, w.profile.Network()
	routing, fallback := find(routings(), n.Routing), find(fallbacks(), n.Fallback)
	route := widget.NewRow(lang.L("Private routing"), routing.name, func() {
		chooseOption(w, lang.L("Private routing"), lang.L("What you write goes to the relay where it waits for the other side. A relay of yours can pass it on, so that the other one does not learn where you are."),
			routings(), n.Routing, func(ctx context.Context, r core.Routing) error {
				n := p.Network()
				n.Routing = r
				return p.SetNetwork(ctx, n)
			}, w.refill)
	})
	route.SetHint(routing.text)
	rows := []fyne.CanvasObject{roomy(route)}
	if n.Routing != core.RouteNever {
		fall := widget.NewRow(lang.L("If that is not possible"), fallback.name, func() {
			chooseOption(w, lang.L("If private routing is not possible"), lang.L("Old relays can't be reached through another one, and a relay can be away."),
				fallbacks(), n.Fallback, func(ctx context.Context, f core.Fallback) error {
					n := p.Network()
					n.Fallback = f
					return p.SetNetwork(ctx, n)
				}, w.refill)
		})
		fall.SetHint(fallback.text)
		rows = append(rows, widget.NewLine(), roomy(fall))
	}
	if p.Relays().Kind == core.RelaysThisComputer && n.Routing != core.RouteNever && w.usesTor() != core.TorOnly {
		text := lang.L("The relay on this computer has the same network address as you, so it can't hide it from others.")
		if n.Fallback != core.FallbackAllow {
			text += " " + lang.L("What may not go to their relays directly waits.")
		}
		rows = append(rows, widget.NewInset(widget.NewNote(widget.ToneInfo, text), 6, 10))
	}
	return section(lang.L("RELAYS OF OTHERS"), rowsCard(rows...))
}
