package widget

import (
	"image/color"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Measures of the list of messages, in pixels.
const (
	listMargin   float32 = 22  // left and right of the bubbles
	bubblePad    float32 = 12  // between the side of a bubble and its text
	bubbleEdge   float32 = 8   // above and below the text of a bubble
	bubbleLimit  float32 = 620 // no bubble is wider
	bubbleShare  float32 = 0.75
	groupSpace   float32 = 11 // above the first bubble of a group
	joinedSpace  float32 = 3  // above the others
	pictureLimit float32 = 300
	emojiSize    float32 = 40 // of a message that is nothing but emoji
)

// hitKind is what of a message the pointer is on.
type hitKind int

const (
	hitNothing hitKind = iota
	hitBubble
	hitText
	hitQuote
	hitAttachment
	hitReaction
	hitRetry
	hitAuthor
)

type hitBox struct {
	kind       hitKind
	index      int // of the reaction
	x, y, w, h float32
}

func (b hitBox) contains(p fyne.Position) bool {
	return p.X >= b.x && p.Y >= b.y && p.X < b.x+b.w && p.Y < b.y+b.h
}

// rowState is what the list knows about a row beside its message.
type rowState struct {
	joinsPrevious, joinsNext bool
	firstOfDay               bool
	current                  bool // has the keyboard
	marked                   bool // was jumped to
	selFrom, selTo           int  // selected bytes of the text
}

// messageRow draws one message.
type messageRow struct {
	painter

	message Message
	height  float32
	bubble  hitBox
	hits    []hitBox // later ones are above earlier ones

	text     textLayout
	textKey  rowTextKey
	textLeft float32
	textTop  float32
	textW    float32
}

// rowTextKey tells whether the text has to be broken into lines again. Spans are compared by where their slice is.
type rowTextKey struct {
	text  string
	spans *Span
	size  float32
	width float32
}

func newMessageRow() *messageRow { return &messageRow{painter: newPainter()} }

// hit returns what is at a position of the row.
func (r *messageRow) hit(p fyne.Position) hitBox {
	for i := len(r.hits) - 1; i >= 0; i-- {
		if r.hits[i].contains(p) {
			return r.hits[i]
		}
	}
	return hitBox{}
}

// offsetAt returns the byte of the text that is nearest to a position of the row.
func (r *messageRow) offsetAt(p fyne.Position) int {
	n := len(r.text.lines)
	if n == 0 {
		return 0
	}
	line := int((p.Y - r.textTop) / lineHeight(r.text.size))
	line = max(0, min(line, n-1))
	return r.text.offsetAt(line, p.X-r.textLeft-r.text.indent(line, r.textW))
}

// spanAt returns the span under a position of the row, or nil.
func (r *messageRow) spanAt(p fyne.Position) *Span {
	h := lineHeight(r.text.size)
	line := int((p.Y - r.textTop) / h)
	if p.Y < r.textTop || line >= len(r.text.lines) {
		return nil
	}
	x := p.X - r.textLeft - r.text.indent(line, r.textW)
	for _, f := range r.text.lines[line].fragments {
		if f.span >= 0 && x >= f.x && x < f.x+f.width {
			return &r.text.spans[f.span]
		}
	}
	return nil
}

// draw draws a message for a list of the given width and sets the height.
func (r *messageRow) draw(m Message, s rowState, width float32) {
	r.message = m
	r.begin()
	r.hits = r.hits[:0]
	r.bubble = hitBox{}
	y := float32(0)
	if m.Day != "" && s.firstOfDay {
		y = r.drawDay(m.Day, y, width)
	}
	if m.New {
		y = r.drawNew(y, width)
	}
	if m.Kind == MessageService {
		y = r.drawService(y, width)
	} else {
		y = r.drawBubble(s, y, width)
	}
	r.height = y
	if s.marked {
		mark := r.rect(theme.Color(theme.ColorAccentSoft), 0, 0, r.bubble.y-4, width, r.bubble.h+8)
		// Behind everything that was drawn before it.
		copy(r.box.Objects[1:], r.box.Objects)
		r.box.Objects[0] = mark
	}
	if s.current {
		ring := r.rect(color.Transparent, theme.BubbleRadius+3, r.bubble.x-3, r.bubble.y-3, r.bubble.w+6, r.bubble.h+6)
		outline(ring, theme.ColorAccent, theme.FocusWidth)
		ring.Refresh()
	}
	r.box.Resize(fyne.NewSize(width, r.height))
}

func (r *messageRow) drawDay(day string, y, width float32) float32 {
	const height = 22
	y += 14
	w := textWidth(day, theme.TextCaption, true)
	r.text1(day, theme.TextCaption, true, theme.ColorSecondary, (width-w)/2, y, w, height)
	return y + height + 2
}

func (r *messageRow) drawNew(y, width float32) float32 {
	const height, gap = 20, 10
	y += 12
	label := lang.L("NEW")
	w := textWidth(label, theme.TextCaption, true)
	x := (width - w) / 2
	line := theme.Color(theme.ColorAccent)
	r.rect(line, 0, listMargin, y+height/2, x-gap-listMargin, 1)
	r.rect(line, 0, x+w+gap, y+height/2, width-listMargin-x-w-gap, 1)
	r.text1(label, theme.TextCaption, true, theme.ColorAccent, x, y, w, height)
	return y + height
}

func (r *messageRow) drawService(y, width float32) float32 {
	y += groupSpace
	inner := min(width-4*listMargin, 480)
	r.breakText(theme.TextSmall, inner)
	h := lineHeight(theme.TextSmall)
	for i, line := range r.text.lines {
		x := (width - line.width) / 2
		for _, f := range line.fragments {
			r.painter.text(f.drawn(), theme.TextSmall, f.style, theme.Color(theme.ColorSecondary), x+f.x, y+float32(i)*h, f.width, h)
		}
	}
	height := h * float32(len(r.text.lines))
	r.bubble = hitBox{kind: hitBubble, x: (width - inner) / 2, y: y, w: inner, h: height}
	r.hits = append(r.hits, r.bubble)
	return y + height
}

func (r *messageRow) text1(s string, size float32, bold bool, name fyne.ThemeColorName, x, y, w, h float32) {
	r.painter.text(s, size, fyne.TextStyle{Bold: bold}, theme.Color(name), x, y, w, h)
}

func (r *messageRow) breakText(size, width float32) {
	key := rowTextKey{text: r.message.Text, size: size, width: width}
	if len(r.message.Spans) > 0 {
		key.spans = &r.message.Spans[0]
	}
	if key == r.textKey && r.text.lines != nil {
		return
	}
	r.textKey = key
	r.text = layoutText(r.message.Text, r.message.Spans, size, fyne.TextStyle{Italic: r.message.Removed}, width)
}

func (r *messageRow) drawBubble(s rowState, y, width float32) float32 {
	m := &r.message
	if s.joinsPrevious {
		y += joinedSpace
	} else {
		y += groupSpace
	}
	left := listMargin
	if m.Author != nil && m.Kind == MessageIncoming {
		left += AvatarTiny + theme.Grid
	}
	limit := min((width-2*listMargin)*bubbleShare, bubbleLimit, width-listMargin-left) - 2*bubblePad

	// First the sizes.
	size := theme.TextBody
	bare := m.Quote == nil && m.Attachment == nil && emojiOnly(m.Text)
	if bare {
		size = emojiSize
	}
	if m.Text == "" {
		r.text, r.textKey = textLayout{}, rowTextKey{}
	} else {
		r.breakText(size, limit)
	}
	contentW := r.text.width
	author := m.Author != nil && m.Kind == MessageIncoming && !s.joinsPrevious
	if author {
		contentW = max(contentW, min(limit, textWidth(m.Author.Name, theme.TextSmall, true)))
	}
	picW, picH := r.pictureSize(limit)
	contentW = max(contentW, picW)
	if m.Attachment != nil && m.Attachment.Picture == nil {
		contentW = max(contentW, min(limit, 240))
	}
	var quote textLayout
	if m.Quote != nil {
		text := ellipsizeLines(m.Quote.Text, theme.TextSmall, limit-2*quotePad-quoteBar)
		quote = layoutText(text, nil, theme.TextSmall, fyne.TextStyle{}, limit-2*quotePad-quoteBar)
		w := max(quote.width, min(textWidth(m.Quote.Author, theme.TextSmall, true), limit-2*quotePad-quoteBar))
		contentW = max(contentW, w+2*quotePad+quoteBar)
	}
	meta := r.metaWidth()
	metaBelow := len(r.text.lines) == 0
	if n := len(r.text.lines); n > 0 {
		last := r.text.lines[n-1]
		const gap = 12
		switch {
		case bare:
			metaBelow = true
		case last.rtl || last.width+gap+meta > limit:
			metaBelow = true
		default:
			contentW = max(contentW, last.width+gap+meta)
		}
	}
	contentW = max(contentW, meta)

	// Then the places, from the top.
	bubbleW := contentW + 2*bubblePad
	x := left
	if m.Kind == MessageOutgoing {
		x = width - listMargin - bubbleW
	}
	r.bubble = hitBox{kind: hitBubble, x: x, y: y, w: bubbleW}
	r.hits = append(r.hits, r.bubble)
	colors := colorsFor(m.Kind)
	var grounds []*canvas.Rectangle
	if !bare {
		grounds = r.ground(colors, s)
	}
	inner := x + bubblePad
	top := y
	y += bubbleEdge
	if author {
		const h = 20
		name := ellipsize(m.Author.Name, theme.TextSmall, fyne.TextStyle{Bold: true}, contentW)
		r.text1(name, theme.TextSmall, true, theme.ColorAccent, inner, y-1, contentW, h)
		r.hits = append(r.hits, hitBox{kind: hitAuthor, x: inner, y: y, w: contentW, h: h})
		y += h
	}
	if m.Quote != nil {
		y = r.drawQuote(&quote, colors, inner, y, contentW)
	}
	if m.Attachment != nil {
		if picW > 0 {
			y = r.drawPicture(inner, y, contentW, picH)
		} else {
			y = r.drawFile(colors, inner, y, contentW)
		}
		if m.Text == "" {
			y += 2
		}
	}
	if len(r.text.lines) > 0 {
		y = r.drawText(s, inner, y, contentW)
	}
	const metaH = 16
	switch {
	case bare:
		r.drawMeta(colors.forBare(), x+bubbleW-bubblePad-meta, y, metaH)
		y += metaH
	case metaBelow:
		r.drawMeta(colors, x+bubbleW-bubblePad-meta, y, metaH)
		y += metaH + bubbleEdge - 2
	default:
		r.drawMeta(colors, x+bubbleW-bubblePad-meta, y-metaH+1, metaH)
		y += bubbleEdge
	}
	r.bubble.h = y - top
	r.hits[0].h = r.bubble.h
	for _, g := range grounds {
		g.Resize(fyne.NewSize(bubbleW, r.bubble.h))
	}
	if m.Author != nil && m.Kind == MessageIncoming && !s.joinsNext {
		r.avatar(*m.Author, AvatarTiny, listMargin, y-AvatarTiny)
		r.hits = append(r.hits, hitBox{kind: hitAuthor, x: listMargin, y: y - AvatarTiny, w: AvatarTiny, h: AvatarTiny})
	}
	if len(m.Reactions) > 0 {
		y = r.drawReactions(x, y, bubbleW)
	}
	if m.Delivery == DeliveryFailed {
		y = r.drawRetry(y, width)
	}
	return y
}

// forBare is for a message without a bubble: it stands on the background.
func (c bubbleColors) forBare() bubbleColors {
	c.secondary = theme.ColorSecondary
	return c
}

// ground draws the bubble and a faint edge below it; both get their height later.
func (r *messageRow) ground(colors bubbleColors, s rowState) []*canvas.Rectangle {
	b := r.bubble
	grounds := []*canvas.Rectangle{
		r.rect(theme.Color(theme.ColorEdge), theme.BubbleRadius, b.x, b.y+1, b.w, 0),
		r.rect(theme.Color(colors.ground), theme.BubbleRadius, b.x, b.y, b.w, 0),
	}
	for _, g := range grounds {
		if r.message.Kind == MessageOutgoing {
			g.BottomRightCornerRadius = theme.TailRadius
			if s.joinsPrevious {
				g.TopRightCornerRadius = theme.TailRadius
			}
		} else {
			g.BottomLeftCornerRadius = theme.TailRadius
			if s.joinsPrevious {
				g.TopLeftCornerRadius = theme.TailRadius
			}
		}
	}
	return grounds
}

const (
	quotePad float32 = 9
	quoteBar float32 = 3
)

func (r *messageRow) drawQuote(q *textLayout, colors bubbleColors, x, y, w float32) float32 {
	line := lineHeight(theme.TextSmall)
	h := line*float32(len(q.lines)+1) + 7
	box := r.rect(theme.Color(colors.quote), 6, x, y, w, h)
	box.TopLeftCornerRadius, box.BottomLeftCornerRadius = 3, 3
	r.rect(theme.Color(theme.ColorAccent), 1.5, x, y, quoteBar, h)
	inner := x + quoteBar + quotePad
	author := ellipsize(r.message.Quote.Author, theme.TextSmall, fyne.TextStyle{Bold: true}, w-2*quotePad-quoteBar)
	r.text1(author, theme.TextSmall, true, theme.ColorAccent, inner, y+3, w, line)
	r.layout(q, theme.ColorText, theme.ColorText, inner, y+3+line, w-2*quotePad-quoteBar)
	r.hits = append(r.hits, hitBox{kind: hitQuote, x: x, y: y, w: w, h: h})
	return y + h + 6
}

// pictureSize returns how large the picture of the attachment is shown, or 0.
func (r *messageRow) pictureSize(limit float32) (w, h float32) {
	a := r.message.Attachment
	if a == nil || a.Picture == nil {
		return 0, 0
	}
	b := a.Picture.Bounds()
	if b.Dx() < 1 || b.Dy() < 1 {
		return 0, 0
	}
	w = min(limit, pictureLimit)
	h = w * float32(b.Dy()) / float32(b.Dx())
	if h > pictureLimit {
		w, h = max(w*pictureLimit/h, 80), pictureLimit
	}
	return w, max(h, 24)
}

func (r *messageRow) drawPicture(x, y, w, h float32) float32 {
	a := r.message.Attachment
	r.picture(a.Picture, theme.Grid, x, y, w, h)
	r.hits = append(r.hits, hitBox{kind: hitAttachment, x: x, y: y, w: w, h: h})
	if a.Icon != "" {
		const disc, side = 44, 22
		cx, cy := x+w/2, y+h/2
		r.rect(theme.Color(theme.ColorPanel), disc/2, cx-disc/2, cy-disc/2, disc, disc)
		r.icon(a.Icon, theme.ColorAccent, cx-side/2, cy-side/2, side)
	}
	r.drawProgress(x+theme.Grid, y+h-10, w-2*theme.Grid)
	return y + h + 5
}

func (r *messageRow) drawFile(colors bubbleColors, x, y, w float32) float32 {
	const disc, side, gap = 40, 22, 10
	a := r.message.Attachment
	r.rect(theme.Color(theme.ColorAccent), theme.FieldRadius, x, y+2, disc, disc)
	icon := a.Icon
	if icon == "" {
		icon = "file"
	}
	r.icon(icon, theme.ColorOnAccent, x+(disc-side)/2, y+2+(disc-side)/2, side)
	line := lineHeight(theme.TextSmall)
	tw := w - disc - gap
	name := ellipsize(a.Name, theme.TextSmall, fyne.TextStyle{Bold: true}, tw)
	r.text1(name, theme.TextSmall, true, theme.ColorText, x+disc+gap, y+4, tw, line)
	detail := ellipsize(a.Detail, theme.TextCaption, fyne.TextStyle{}, tw)
	r.text1(detail, theme.TextCaption, false, colors.secondary, x+disc+gap, y+4+line, tw, lineHeight(theme.TextCaption))
	r.drawProgress(x+disc+gap, y+disc, tw)
	r.hits = append(r.hits, hitBox{kind: hitAttachment, x: x, y: y, w: w, h: disc + 4})
	return y + disc + 8
}

func (r *messageRow) drawProgress(x, y, w float32) {
	const bar = 4
	done := r.message.Attachment.Progress
	if done <= 0 || done >= 1 {
		return
	}
	r.rect(theme.Color(theme.ColorTrack), bar/2, x, y, w, bar)
	r.rect(theme.Color(theme.ColorAccent), bar/2, x, y, max(bar, w*done), bar)
}

func (r *messageRow) drawText(s rowState, x, y, w float32) float32 {
	h := lineHeight(r.text.size)
	r.textLeft, r.textTop, r.textW = x, y, w
	total := h * float32(len(r.text.lines))
	for i := range r.text.lines {
		if s.selFrom >= s.selTo {
			break
		}
		for _, e := range r.text.extent(i, s.selFrom, s.selTo) {
			r.rect(theme.Color(theme.ColorSelection), 2, x+r.text.indent(i, w)+e[0], y+float32(i)*h, e[1], h)
		}
	}
	ink := theme.ColorText
	if r.message.Removed {
		ink = colorsFor(r.message.Kind).secondary
	}
	r.layout(&r.text, ink, theme.ColorAccent, x, y, w)
	r.hits = append(r.hits, hitBox{kind: hitText, x: x, y: y, w: w, h: total})
	return y + total
}

const metaIcon, metaGap float32 = 16, 3

func (r *messageRow) metaText() string {
	m := &r.message
	text := m.Time
	if m.Edited {
		text = lang.L("edited") + "  " + text
	}
	return text
}

func (r *messageRow) metaWidth() float32 {
	m := &r.message
	w := textWidth(r.metaText(), theme.TextCaption, false)
	if m.Expires != "" {
		w += metaIcon + metaGap + textWidth(m.Expires, theme.TextCaption, false) + 2*metaGap
	}
	if m.Delivery.icon() != "" {
		w += metaGap + metaIcon
	}
	return w
}

// drawMeta draws what stands at the foot of a bubble: how long it stays, whether it was edited, the time and the ticks.
func (r *messageRow) drawMeta(colors bubbleColors, x, y, h float32) {
	m := &r.message
	if m.Expires != "" {
		w := textWidth(m.Expires, theme.TextCaption, false)
		r.icon("timer", colors.secondary, x, y+(h-metaIcon)/2, metaIcon)
		r.text1(m.Expires, theme.TextCaption, false, colors.secondary, x+metaIcon+metaGap, y, w, h)
		x += metaIcon + metaGap + w + 2*metaGap
	}
	text := r.metaText()
	w := textWidth(text, theme.TextCaption, false)
	r.text1(text, theme.TextCaption, false, colors.secondary, x, y, w, h)
	if icon := m.Delivery.icon(); icon != "" {
		ink := colors.secondary
		switch m.Delivery {
		case DeliveryDelivered:
			ink = theme.ColorAccent
		case DeliveryFailed:
			ink = theme.ColorDanger
		}
		r.icon(icon, ink, x+w+metaGap, y+(h-metaIcon)/2, metaIcon)
	}
}

func (r *messageRow) drawReactions(x, y, bubbleW float32) float32 {
	const height, pad, gap = 22, 8, 4
	y += 6
	widths := make([]float32, len(r.message.Reactions))
	var total float32
	label := func(re Reaction) string {
		return re.Emoji + " " + strconv.Itoa(re.Count)
	}
	for i, re := range r.message.Reactions {
		widths[i] = textWidth(label(re), theme.TextSmall, false) + 2*pad
		total += widths[i] + gap
	}
	if r.message.Kind == MessageOutgoing {
		x += max(0, bubbleW-total+gap)
	}
	for i, re := range r.message.Reactions {
		fill, line := theme.ColorPanel, theme.ColorLine
		if re.Own {
			fill, line = theme.ColorAccentSoft, theme.ColorAccent
		}
		pill := r.rect(theme.Color(fill), height/2, x, y, widths[i], height)
		pill.StrokeColor, pill.StrokeWidth = theme.Color(line), 1
		pill.Refresh()
		r.text1(label(re), theme.TextSmall, false, theme.ColorText, x+pad, y, widths[i]-2*pad, height)
		r.hits = append(r.hits, hitBox{kind: hitReaction, index: i, x: x, y: y, w: widths[i], h: height})
		x += widths[i] + gap
	}
	return y + height
}

func (r *messageRow) drawRetry(y, width float32) float32 {
	const height = 22
	failed, retry := lang.L("Not sent."), lang.L("Try again")
	fw, rw := textWidth(failed, theme.TextCaption, false), textWidth(retry, theme.TextCaption, true)
	x := width - listMargin - rw
	r.text1(failed, theme.TextCaption, false, theme.ColorDanger, x-4-fw, y, fw, height)
	r.text1(retry, theme.TextCaption, true, theme.ColorDanger, x, y, rw, height)
	r.hits = append(r.hits, hitBox{kind: hitRetry, x: x - 4 - fw, y: y, w: fw + 4 + rw, h: height})
	return y + height
}

// ellipsizeLines shortens a quotation to two lines.
func ellipsizeLines(text string, size, width float32) string {
	const long = 1024 // bytes: surely more than two lines
	if len(text) > long {
		text = strings.ToValidUTF8(text[:long], "")
	}
	l := layoutText(text, nil, size, fyne.TextStyle{}, width)
	if len(l.lines) <= 2 {
		return text
	}
	second := l.lines[1]
	rest := text[second.start:min(len(text), second.end+64)]
	return text[:second.start] + ellipsize(rest+"…", size, fyne.TextStyle{}, width)
}
