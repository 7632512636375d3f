package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// maxHits is how many messages a search finds at most.
const maxHits = 200

// findBar searches the messages of a conversation, above them.
type findBar struct {
	c     *conversation
	bar   fyne.CanvasObject
	field *widget.SearchField
	count *widget.Label
	back  *widget.IconButton // to an older hit
	on    *widget.IconButton // to a newer one

	number int // counts searches: what an earlier one finds is dropped
	hits   []core.Hit
	at     int
}

func newFindBar(c *conversation) *findBar {
	f := &findBar{c: c, count: widget.NewHint("")}
	f.count.OneLine = true
	f.field = widget.NewSearchField(lang.L("Search in this conversation"), f.searched)
	f.field.Entry.OnSubmitted = func(string) { f.step(1) }
	f.field.Entry.OnEscape = f.close
	f.field.Entry.OnKey = func(ev *fyne.KeyEvent) bool {
		switch ev.Name {
		case fyne.KeyUp:
			f.step(1)
		case fyne.KeyDown:
			f.step(-1)
		default:
			return false
		}
		return true
	}
	f.back = widget.NewIconButton("chevron-up", lang.L("Older"), func() { f.step(1) })
	f.on = widget.NewIconButton("chevron-down", lang.L("Newer"), func() { f.step(-1) })
	date := widget.NewIconButton("calendar", lang.L("Go to a day"), f.pickDay)
	end := widget.NewIconButton("close", lang.L("Close"), f.close)
	row := widget.NewInset(widget.NewBar(6, 0, f.field, widget.NewFixed(f.count, 84, 0), f.back, f.on, date, end), 8, 14, 8, 18)
	f.bar = widget.NewSurface(theme.ColorPanel, container.New(stackLayout{}, row, widget.NewLine()))
	f.bar.Hide()
	return f
}

// search opens the search in the conversation.
func (c *conversation) search() {
	c.find.bar.Show()
	c.stack.Refresh()
	c.w.win.Canvas().Focus(c.find.field.Entry)
}

// close ends the search.
func (f *findBar) close() {
	f.field.Entry.SetText("")
	f.bar.Hide()
	f.c.stack.Refresh()
	f.c.focus()
}

// searched looks for what is typed.
func (f *findBar) searched(text string) {
	f.number++
	number, c := f.number, f.c
	text = strings.TrimSpace(text)
	if text == "" {
		f.show(nil)
		return
	}
	ordered(c.w, func(ctx context.Context) ([]core.Hit, error) {
		return c.profile.Search(ctx, text, c.id, 0, maxHits)
	}, func(hits []core.Hit, err error) {
		switch {
		case c.left || number != f.number:
		case err != nil:
			c.warn(sentence(err))
		default:
			f.show(hits)
		}
	})
}

// show shows what was found, and goes to the newest of it.
func (f *findBar) show(hits []core.Hit) {
	old := f.hits
	f.hits, f.at = hits, 0
	for _, h := range slices.Concat(old, hits) {
		if i := f.c.index(h.Item.ID); i >= 0 {
			f.c.list.Changed(i)
		}
	}
	f.tell()
	if len(hits) > 0 {
		f.c.goTo(hits[0].Item.ID)
	}
}

// tell says which of how many hits is shown.
func (f *findBar) tell() {
	text := ""
	switch {
	case len(f.hits) > 0:
		text = lang.L("{{.At}} of {{.Count}}", map[string]any{"At": f.at + 1, "Count": len(f.hits)})
	case strings.TrimSpace(f.field.Entry.Text) != "":
		text = lang.L("nothing found")
	}
	f.count.SetText(text)
}

// step goes to an older or a newer hit.
func (f *findBar) step(by int) {
	if len(f.hits) == 0 {
		return
	}
	f.at = (f.at + by + len(f.hits)) % len(f.hits)
	f.tell()
	f.c.goTo(f.hits[f.at].Item.ID)
}

// ranges returns the parts of the text of a message that were found.
func (f *findBar) ranges(id int64) [][2]int {
	if f == nil {
		return nil
	}
	if i := slices.IndexFunc(f.hits, func(h core.Hit) bool { return h.Item.ID == id }); i >= 0 {
		return f.hits[i].Ranges
	}
	return nil
}

// removed forgets hits that are gone.
func (f *findBar) removed(ids []int64) {
	n := len(f.hits)
	f.hits = slices.DeleteFunc(f.hits, func(h core.Hit) bool { return slices.Contains(ids, h.Item.ID) })
	if len(f.hits) != n {
		f.at = max(0, min(f.at, len(f.hits)-1))
		f.tell()
	}
}

// pickDay asks for a day, and goes to its first message.
func (f *findBar) pickDay() {
	c := f.c
	var d *widget.Dialog
	calendar := fynewidget.NewCalendar(c.w.opt.Now(), func(day time.Time) {
		d.Close()
		c.toDay(day)
	})
	d = newDialog(lang.L("Go to a day"), 360, calendar)
	d.ShowOn(c.w.win.Canvas())
}

// toDay goes to the first message of a day, or after it.
func (c *conversation) toDay(day time.Time) {
	from := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, c.w.zone())
	ordered(c.w, func(ctx context.Context) (core.Item, error) { return c.profile.ItemAt(ctx, c.id, from) }, func(item core.Item, err error) {
		switch {
		case c.left:
		case err != nil:
			c.toNewest() // nothing was said since
		default:
			c.goTo(item.ID)
		}
	})
}
