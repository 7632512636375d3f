package ui

import (
	"context"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// showInfo shows what is known of a message.
func (c *conversation) showInfo(id int64) {
	ordered(c.w, func(ctx context.Context) (core.Details, error) { return c.profile.Details(ctx, id) }, func(d core.Details, err error) {
		i := c.index(id)
		if c.left || i < 0 {
			return
		}
		if err != nil {
			c.warn(sentence(err))
			return
		}
		newDialog(lang.L("About this message"), 440, c.info(&c.items[i], d)).ShowOn(c.w.win.Canvas())
	})
}

// info lists what is known of a message.
func (c *conversation) info(item *core.Item, d core.Details) fyne.CanvasObject {
	rows := widget.NewColumn(10)
	add := func(name, value string) {
		if value != "" {
			text := widget.NewLabel(value, theme.TextSmall)
			rows.Add(container.New(halves{}, widget.NewHint(name), text))
		}
	}
	add(lang.L("From"), c.author(item.Own))
	add(lang.L("Written"), c.exactly(d.Written))
	add(lang.L("The relay got it"), c.exactly(d.Sent))
	add(lang.L("Arrived here"), c.exactly(d.Received))
	add(lang.L("Arrived there"), c.exactly(d.Delivered))
	add(lang.L("On its way"), routeText(d.Route))
	if item.TTL > 0 {
		add(lang.L("Disappears after"), timeSpan(item.TTL))
	}
	add(lang.L("Disappears"), c.exactly(item.Expires))
	add(lang.L("Taken back"), c.exactly(item.Deleted))
	if item.File != nil {
		add(lang.L("File"), item.File.Name)
		add(lang.L("Size"), byteSize(item.File.Size))
	}
	if len(d.Editions) > 0 {
		rows.Add(widget.NewLine())
		rows.Add(widget.NewHeading(lang.L("EARLIER TEXTS")))
		for _, e := range d.Editions {
			rows.Add(widget.NewCard(widget.NewHint(c.exactly(e.Time)), widget.NewLabel(e.Text, theme.TextSmall)))
		}
	}
	return rows
}

// exactly is a time to the second, empty if there is none.
func (c *conversation) exactly(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(c.w.zone()).Format("2006-01-02 15:04:05")
}

// routeText tells how the relay of a message was reached.
func routeText(r core.RouteKind) string {
	switch r {
	case chat.RouteOwn:
		return lang.L("to a relay that you have chosen")
	case chat.RouteProxied:
		return lang.L("through a relay of yours, which hid your network address")
	case chat.RouteDirect:
		return lang.L("directly to a relay of the other side, which saw your network address")
	case chat.RouteTor:
		return lang.L("through Tor, which hid your network address")
	}
	return ""
}

// halves puts a name at the left and what it names beside it.
type halves struct{}

const halvesName float32 = 130

func (halves) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	place(objects[0], 0, 0, halvesName, size.Height)
	place(objects[1], halvesName, 0, size.Width-halvesName, size.Height)
	widget.Mirror(objects, size.Width)
}

func (halves) MinSize(objects []fyne.CanvasObject) fyne.Size {
	a, b := objects[0].MinSize(), objects[1].MinSize()
	return fyne.NewSize(halvesName+b.Width, max(a.Height, b.Height))
}
