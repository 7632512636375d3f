package ui

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/widget"
)

// lifetimes are the times after which messages disappear that are offered.
var lifetimes = []time.Duration{0, 5 * time.Minute, time.Hour, 8 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour}

// lifetimeName is what a time is called after which messages disappear.
func lifetimeName(d time.Duration) string {
	if d <= 0 {
		return lang.L("off")
	}
	return timeSpan(d)
}

// disappearingOffer returns what an item offers that can still be agreed to, or 0.
func (c *conversation) disappearingOffer(item *core.Item) time.Duration {
	contact := c.w.contact(c.id)
	if contact == nil || item.Kind != chat.KindDisappearing || item.Content != chat.Offer || item.Own || contact.DisappearingOffer != item.TTL {
		return 0
	}
	return item.TTL
}

// openOffer returns the time of an offer that was not agreed to, until something else is written; otherwise 0.
func (c *conversation) openOffer() time.Duration {
	for i := len(c.items) - 1; i >= 0 && !c.more; i-- {
		item := &c.items[i]
		if item.Own && !isNotice(item) {
			break
		}
		if item.Kind == chat.KindDisappearing {
			return c.disappearingOffer(item)
		}
	}
	return 0
}

// setDisappearing has messages disappear after a time, or never.
func (c *conversation) setDisappearing(after time.Duration) {
	id := c.id
	c.w.change(func(ctx context.Context, p *core.Profile) error { return p.SetDisappearing(ctx, id, after) })
}

// chooseDisappearing asks after which time messages are to disappear.
func (c *conversation) chooseDisappearing(contact *core.Contact) {
	own := widget.NewEntry(lang.L("such as 90 minutes, 2 days"))
	if !slices.Contains(lifetimes, contact.Disappearing) {
		own.SetText(timeSpan(contact.Disappearing))
	}
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	rows := widget.NewColumn(0)
	for _, after := range lifetimes {
		value := ""
		if after == contact.Disappearing {
			value = lang.L("now")
		}
		row := widget.NewRow(lifetimeName(after), value, func() {
			d.Close()
			c.setDisappearing(after)
		})
		rows.Add(row)
		rows.Add(widget.NewLine())
	}
	set := func() {
		after, ok := parseSpan(own.Text)
		if !ok {
			problem.Set(widget.ToneDanger, lang.L("Write a number and a unit, such as 90 minutes or 2 days."))
			d.Refresh()
			return
		}
		d.Close()
		c.setDisappearing(after)
	}
	own.OnSubmitted = func(string) { set() }
	d = newDialog(lang.L("Disappearing messages"), 420, widget.NewColumn(12,
		widget.NewHint(lang.L("Messages that are written from now on disappear on both sides, so long after they were read or sent. {{.Name}} has to agree, and can keep copies all the same.",
			map[string]any{"Name": c.name()})), rows,
		container.New(rightLayout{8}, own, widget.NewButton(lang.L("Set"), widget.ButtonSecondary, set)), problem))
	d.ShowOn(c.w.win.Canvas())
}

// parseSpan reads a time such as "90 minutes", "2d" or "1 week".
func parseSpan(text string) (time.Duration, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	n, err := strconv.Atoi(text[:digits])
	if err != nil || n <= 0 || n > 1_000_000_000 {
		return 0, false
	}
	unit := strings.TrimSpace(text[digits:])
	for i, length := range []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		if unit != "" && (namesUnit(unit, length) || unit == "smhdw"[i:i+1]) {
			total := time.Duration(n) * length
			if total/length != time.Duration(n) || total < chat.MinTTL || total > chat.MaxTTL {
				return 0, false
			}
			return total, true
		}
	}
	return 0, false
}

// namesUnit reports whether a word is the name of a unit of time as timeSpan writes it in this language, or how it begins. Languages
// write it in up to six ways, of which these numbers have all.
func namesUnit(word string, unit time.Duration) bool {
	for _, n := range []time.Duration{1, 2, 3, 11, 100} {
		if strings.HasPrefix(strings.ToLower(strings.TrimLeft(timeSpan(n*unit), "0123456789 ")), word) {
			return true
		}
	}
	return false
}
