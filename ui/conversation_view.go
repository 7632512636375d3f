package ui

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// Len implements widget.MessageSource.
func (c *conversation) Len() int { return len(c.items) }

// At implements widget.MessageSource.
func (c *conversation) At(i int) widget.Message {
	item := &c.items[i]
	now := c.w.opt.Now()
	at := item.Time.In(now.Location())
	m := widget.Message{ID: item.ID, At: at, Time: clock(at), Day: dayName(at, now), New: item.ID == c.newID}
	if isNotice(item) {
		m.Kind, m.Text = widget.MessageService, itemText(item, c.name())
		return m
	}
	if item.Own {
		m.Kind = widget.MessageOutgoing
	}
	m.Delivery, m.Live = delivery(item), item.Live
	if item.TTL > 0 {
		m.Expires = timeSpan(item.TTL)
	}
	if !item.Deleted.IsZero() {
		m.Removed, m.Text = true, takenBack(item)
		return m
	}
	text := c.text(item)
	m.Text, m.Spans, m.Found = text.text, text.spans, text.found(c.find.ranges(item.ID))
	m.Album, m.Edited, m.Forwarded = c.album(i), item.Edited, item.Forwarded
	m.Quote = c.quote(item)
	m.Attachment = c.attachment(item)
	m.Preview = c.linkPreview(item)
	for _, r := range item.Reactions {
		m.Reactions = append(m.Reactions, reaction(r))
	}
	return m
}

// reaction is a reaction as it stands under a message.
func reaction(r core.Reaction) widget.Reaction {
	view := widget.Reaction{Emoji: r.Emoji, Own: r.Own}
	for _, on := range []bool{r.Own, r.Theirs} {
		if on {
			view.Count++
		}
	}
	return view
}

// name is how the contact is called.
func (c *conversation) name() string {
	if contact := c.w.contact(c.id); contact != nil {
		return c.w.contactName(contact)
	}
	return ""
}

// author is how who has written something is called.
func (c *conversation) author(own bool) string {
	if own {
		return lang.L("You")
	}
	return c.name()
}

// takenBack says that a message was taken back.
func takenBack(i *core.Item) string {
	if i.Own {
		return lang.L("You have taken this message back.")
	}
	return lang.L("This message was taken back.")
}

// delivery is how far one's own message got.
func delivery(i *core.Item) widget.Delivery {
	if !i.Own || isNotice(i) {
		return widget.DeliveryNone
	}
	switch i.State {
	case chat.StatePending:
		return widget.DeliveryPending
	case chat.StateSent:
		return widget.DeliverySent
	case chat.StateDelivered:
		return widget.DeliveryDelivered
	case chat.StateFailed:
		return widget.DeliveryFailed
	}
	return widget.DeliveryNone
}

// quote is what a message answers.
func (c *conversation) quote(item *core.Item) *widget.Quote {
	q := item.Quote
	if q == nil {
		return nil
	}
	view := &widget.Quote{Author: c.author(q.Own), Text: oneLine(plainText(q.Text)), Icon: contentIcon(q.Content)}
	if i := c.index(q.Item); q.Item != 0 && i >= 0 {
		view.Picture = c.media.preview(&c.items[i])
	}
	switch {
	case view.Text == "" && q.Content == "":
		view.Text = lang.L("This message is not here any more.")
	case view.Text == "":
		view.Text = contentName(q.Content)
	}
	return view
}

// contentIcon is the icon for what a message holds besides text, empty for none.
func contentIcon(content string) string {
	switch content {
	case "image", "video", "file":
		return content
	case "voice":
		return "mic"
	}
	return ""
}

// contentName says what a message holds besides text.
func contentName(content string) string {
	switch content {
	case "image":
		return lang.L("Picture")
	case "video":
		return lang.L("Video")
	case "voice":
		return lang.L("Voice message")
	case "file":
		return lang.L("File")
	}
	return lang.L("Message")
}

// linkPreview is what the author of a message has found behind a link in it.
func (c *conversation) linkPreview(item *core.Item) *widget.LinkPreview {
	p := item.Preview
	if p == nil {
		return nil
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil
	}
	return &widget.LinkPreview{Title: oneLine(p.Title), Description: oneLine(p.Description), Host: u.Host, Link: p.URL, Picture: c.media.linkPicture(item)}
}

// shown is the text of a message without the signs that style it.
type shown struct {
	change int64 // of the item
	text   string
	spans  []widget.Span
	parts  [][3]int // where a part without gaps begins in the original, how long it is, and where it is shown
}

// found returns where parts of the original are in what is shown.
func (s *shown) found(ranges [][2]int) (found [][2]int) {
	for _, r := range ranges {
		for _, p := range s.parts {
			from, to := max(r[0], p[0]), min(r[1], p[0]+p[1])
			if from < to {
				found = append(found, [2]int{from - p[0] + p[2], to - p[0] + p[2]})
			}
		}
	}
	return found
}

// maxTexts bounds the texts that are kept as they are shown.
const maxTexts = 500

// text returns the text of a message as it is shown.
func (c *conversation) text(item *core.Item) shown {
	s, ok := c.texts[item.ID]
	if ok && s.change == item.Change {
		return s
	}
	if len(c.texts) >= maxTexts {
		clear(c.texts)
	}
	if item.Kind == chat.KindUnsupported && !hasMedia(item) {
		s = shown{text: itemText(item, c.name())}
		end := strings.IndexByte(s.text, '\n')
		if end < 0 {
			end = len(s.text)
		}
		s.spans = []widget.Span{{Start: 0, End: end, Italic: true}}
	} else {
		s = styled(item.Text)
	}
	if f := item.File; f != nil && (f.State == core.FileFailed || f.Failure == chat.FailureSave) {
		if s.text != "" {
			s.text += "\n"
		}
		start := len(s.text)
		s.text += fileFailure(f)
		s.spans = append(s.spans, widget.Span{Start: start, End: len(s.text), Color: theme.ColorDanger})
	}
	s.change = item.Change
	c.texts[item.ID] = s
	return s
}

// styled makes what is shown of a text with the network's markdown.
func styled(text string) shown {
	var (
		s   shown
		out strings.Builder
		at  int // in text
	)
	take := func(from, to int) {
		if from < to {
			s.parts = append(s.parts, [3]int{from, to - from, out.Len()})
			out.WriteString(text[from:to])
		}
	}
	for _, f := range core.Format(text) {
		take(at, f.Start)
		start := out.Len()
		if f.Style == chat.StyleContact && f.ShownEnd-f.ShownStart > longLink {
			out.WriteString(lang.L("Link for connecting"))
		} else {
			take(f.ShownStart, f.ShownEnd)
		}
		if span := spanOf(f); out.Len() > start {
			span.Start, span.End = start, out.Len()
			s.spans = append(s.spans, span)
		}
		at = f.End
	}
	take(at, len(text))
	s.text = out.String()
	return s
}

// longLink is the length in bytes from which on a link for connecting is shown as words.
const longLink = 60

func spanOf(f core.Span) widget.Span {
	s := widget.Span{Link: f.Link, Lies: f.LinkLies}
	switch f.Style {
	case chat.StyleBold:
		s.Bold = true
	case chat.StyleItalic:
		s.Italic = true
	case chat.StyleStrike:
		s.Strike = true
	case chat.StyleMono:
		s.Mono = true
	case chat.StyleSecret:
		s.Secret = true
	case chat.StyleRed, chat.StyleMagenta:
		s.Color = theme.ColorDanger
	case chat.StyleYellow:
		s.Color = theme.ColorWarning
	case chat.StyleGreen, chat.StyleBlue, chat.StyleCyan:
		s.Color = theme.ColorAccent
	case chat.StyleLink, chat.StyleContact:
		s.Color = theme.ColorAccent
	}
	return s
}

// plainText is a text without the signs that style it, and with secrets left out.
func plainText(text string) string {
	const enough = 400 // bytes: more than is shown of it
	if len(text) > enough {
		text = strings.ToValidUTF8(text[:enough], "")
	}
	s := styled(text)
	for _, span := range slices.Backward(s.spans) {
		if span.Secret {
			s.text = s.text[:span.Start] + "•••" + s.text[span.End:]
		}
	}
	return s.text
}

// timeSpan is a time as a person says it.
func timeSpan(d time.Duration) string {
	const day, week = 24 * time.Hour, 7 * 24 * time.Hour
	for _, unit := range []struct {
		length time.Duration
		text   func(n int) string
	}{
		{week, func(n int) string { return lang.N("{{.Count}} weeks", n, map[string]any{"Count": n}) }},
		{day, func(n int) string { return lang.N("{{.Count}} days", n, map[string]any{"Count": n}) }},
		{time.Hour, func(n int) string { return lang.N("{{.Count}} hours", n, map[string]any{"Count": n}) }},
		{time.Minute, func(n int) string { return lang.N("{{.Count}} minutes", n, map[string]any{"Count": n}) }},
	} {
		if d >= unit.length && d%unit.length == 0 {
			return unit.text(int(d / unit.length))
		}
	}
	n := int(d / time.Second)
	return lang.N("{{.Count}} seconds", n, map[string]any{"Count": n})
}

// openLink opens the link of a message: one for connecting here, others in another program after asking.
func (w *Window) openLink(link string) {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return
	case u.Scheme == "simplex":
		w.newConversation(link)
		return
	case u.Scheme == "mailto" || u.Scheme == "tel":
		w.confirm(lang.L("Open in another program?"), link, lang.L("Open"), func() { w.openURL(u) })
		return
	case !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "":
		return
	}
	var d *widget.Dialog
	open := widget.NewButton(lang.L("Open"), widget.ButtonPrimary, func() {
		d.Close()
		w.openURL(u)
	})
	cancel := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, func() { d.Close() })
	address := widget.NewLabel(link, theme.TextBody)
	address.Bold = true
	hint := widget.NewHint(lang.L("{{.Host}} will see your network address, and that somebody opened this link.", map[string]any{"Host": u.Host}))
	d = newDialog(lang.L("Open in the browser?"), 460, widget.NewColumn(12, address, hint, widget.NewGap(1, 4), buttonRow(cancel, open)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(open)
}

func (w *Window) openURL(u *url.URL) {
	if err := w.app.OpenURL(u); err != nil {
		w.tell(lang.L("Not opened"), lang.L("No program for that was found on this computer."))
	}
}
