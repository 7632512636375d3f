package widget

import (
	"image"
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
	listMargin  float32 = 22  // left and right of the bubbles
	bubblePad   float32 = 12  // between the side of a bubble and its text
	bubbleEdge  float32 = 8   // above and below the text of a bubble
	bubbleLimit float32 = 620 // no bubble is wider
	bubbleShare float32 = 0.75
	groupSpace  float32 = 11 // above the first bubble of a group
	joinedSpace float32 = 3  // above the others
	emojiSize   float32 = 40 // of a message that is nothing but emoji
	chooseSpace float32 = 34 // for the check mark while messages are chosen
)

// hitKind is what of a message the pointer is on.
type hitKind int

const (
	hitNothing hitKind = iota
	hitBubble
	hitText
	hitQuote
	hitAttachment
	hitWave // the curve of a voice message
	hitSpeed
	hitPreview
	hitReaction
	hitRetry
	hitAuthor
)

type hitBox struct {
	kind       hitKind
	index      int // of the reaction
	back       int // how many messages above the one of the row it belongs to, in an album
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
	choosing, chosen         bool // several messages are being chosen, and this one is
	selFrom, selTo           int  // selected bytes of the text

	album []rowState // of its messages, if it draws an album
}

// messageRow draws one message.
type messageRow struct {
	painter

	message Message
	album   []Message // that are drawn in one, the last of them being message; none for most rows
	folded  bool      // another row draws the message
	moving  []moving
	frameOf func(message int64, frames []Frame) image.Image // the one that is to be seen now
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

// drawChoice draws the check mark beside a message.
func (r *messageRow) drawChoice(chosen bool) {
	const side, disc, check = 24, 20, 16
	x, y := listMargin-6, r.bubble.y+(min(r.bubble.h, 60)-side)/2
	if !chosen {
		r.icon("circle", theme.ColorSecondary, x, y, side)
		return
	}
	r.rect(theme.Color(theme.ColorAccent), disc/2, x+(side-disc)/2, y+(side-disc)/2, disc, disc)
	r.icon("check", theme.ColorOnAccent, x+(side-check)/2, y+(side-check)/2, check)
}

// draw draws a message for a list of the given width and sets the height.
func (r *messageRow) draw(m Message, s rowState, width float32) {
	r.message, r.folded = m, false
	r.moving = r.moving[:0]
	r.begin()
	r.whole = width
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
	if s.choosing && m.Kind != MessageService && len(r.album) == 0 {
		r.drawChoice(s.chosen)
	}
	if s.marked || s.chosen && len(r.album) == 0 {
		ink := theme.Color(theme.ColorAccentSoft)
		if s.chosen { // lighter than a selection, so that the bubbles stand out
			ink = faint(theme.ColorSelection)
		}
		mark := r.rect(ink, 0, 0, r.bubble.y-4, width, r.height-r.bubble.y+6)
		// Behind everything that was drawn before it.
		copy(r.box.Objects[1:], r.box.Objects)
		r.box.Objects[0] = mark
	}
	if s.current && len(r.album) == 0 {
		ring := r.rect(color.Transparent, theme.BubbleRadius+3, r.bubble.x-3, r.bubble.y-3, r.bubble.w+6, r.bubble.h+6)
		outline(ring, theme.ColorAccent, theme.FocusWidth)
		ring.Refresh()
	}
	r.box.Resize(fyne.NewSize(width, r.height))
	r.bubble.x = r.mirrorX(r.bubble.x, r.bubble.w)
	for i := range r.hits {
		r.hits[i].x = r.mirrorX(r.hits[i].x, r.hits[i].w)
	}
}

// faint is a colour of the theme that lets half of what is behind it through.
func faint(name fyne.ThemeColorName) color.Color {
	c := color.NRGBAModel.Convert(theme.Color(name)).(color.NRGBA)
	c.A /= 2
	return c
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
		r.asIs(func() {
			for _, f := range line.fragments {
				r.fragment(&f, theme.TextSmall, theme.Color(theme.ColorSecondary), x, y+float32(i)*h, h)
			}
		})
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
	if s.choosing {
		left += chooseSpace
	}
	avatarLeft := left
	if m.Author != nil && m.Kind == MessageIncoming {
		left += AvatarTiny + theme.Grid
	}
	limit := min((width-2*listMargin)*bubbleShare, bubbleLimit, width-listMargin-left) - 2*bubblePad

	// First the sizes.
	size := theme.TextBody
	bare := m.Quote == nil && m.Attachment == nil && m.Preview == nil && !m.Forwarded && emojiOnly(m.Text)
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
	if m.Forwarded {
		contentW = max(contentW, forwardIcon+textWidth(lang.L("Forwarded"), theme.TextCaption, false))
	}
	mediaW, mediaH := r.mediaSize(limit)
	contentW = max(contentW, mediaW)
	var quote quoteLayout
	if m.Quote != nil {
		quote = layoutQuote(m.Quote, limit)
		contentW = max(contentW, quote.width)
	}
	var preview previewLayout
	if m.Preview != nil {
		preview = layoutPreview(m.Preview, limit)
		contentW = max(contentW, preview.width)
	}
	meta := r.metaWidth()
	metaBelow := len(r.text.lines) == 0
	if n := len(r.text.lines); n > 0 {
		last := r.text.lines[n-1]
		const gap = 12
		switch {
		case bare:
			metaBelow = true
		case last.rtl != mirrored || last.width+gap+meta > limit: // the time stands where the line ends
			metaBelow = true
		default:
			contentW = max(contentW, last.width+gap+meta)
		}
	}
	contentW = max(contentW, min(meta, limit))

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
	if m.Forwarded {
		const h = 18
		r.icon("forward", colors.secondary, inner-2, y, forwardIcon-3)
		r.text1(lang.L("Forwarded"), theme.TextCaption, false, colors.secondary, inner+forwardIcon, y, contentW-forwardIcon, h-2)
		y += h
	}
	if m.Quote != nil {
		y = r.drawQuote(&quote, colors, inner, y, contentW)
	}
	if m.Attachment != nil {
		w := mediaW
		if m.Attachment.isPicture() {
			w = contentW // a wide text under a narrow picture
		}
		y = r.drawAttachment(colors, s, inner, y, w, mediaH)
		if a := m.Attachment; len(r.text.lines) == 0 && m.Preview == nil && !a.isPicture() && a.Kind != AttachmentVoice {
			y -= 12 // there is room for the time beside the size of the file
		}
	}
	if m.Preview != nil {
		y = r.drawPreview(&preview, colors, inner, y, contentW)
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
		r.avatar(*m.Author, AvatarTiny, avatarLeft, y-AvatarTiny)
		r.hits = append(r.hits, hitBox{kind: hitAuthor, x: avatarLeft, y: y - AvatarTiny, w: AvatarTiny, h: AvatarTiny})
	}
	if len(m.Reactions) > 0 {
		y = r.drawReactions(x, y, bubbleW, width)
	}
	if m.Delivery == DeliveryFailed {
		y = r.drawRetry(y, width)
	}
	return y
}

const forwardIcon float32 = 18 // the sign before "Forwarded", with its gap

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
		if (r.message.Kind == MessageOutgoing) != mirrored {
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

// quoteLayout is a quoted message, broken into lines.
type quoteLayout struct {
	text          textLayout
	width, height float32
	icon, picture float32 // room for them at the left of the text and at the right
}

func layoutQuote(q *Quote, limit float32) quoteLayout {
	const side = 40 // of the picture
	var l quoteLayout
	if q.Picture != nil && !q.Picture.Bounds().Empty() {
		l.picture = side + theme.Grid
	}
	if q.Icon != "" {
		l.icon = 20
	}
	room := limit - 2*quotePad - quoteBar - l.picture
	text := ellipsizeLines(q.Text, theme.TextSmall, fyne.TextStyle{}, room-l.icon)
	l.text = layoutText(text, nil, theme.TextSmall, fyne.TextStyle{}, room-l.icon)
	w := max(l.text.width+l.icon, min(textWidth(q.Author, theme.TextSmall, true), room))
	l.width = w + 2*quotePad + quoteBar + l.picture
	l.height = lineHeight(theme.TextSmall)*float32(len(l.text.lines)+1) + 7
	if l.picture > 0 {
		l.height = max(l.height, side+8)
	}
	return l
}

func (r *messageRow) drawQuote(l *quoteLayout, colors bubbleColors, x, y, w float32) float32 {
	q := r.message.Quote
	line := lineHeight(theme.TextSmall)
	box := r.rect(theme.Color(colors.quote), 6, x, y, w, l.height)
	if mirrored {
		box.TopRightCornerRadius, box.BottomRightCornerRadius = 3, 3
	} else {
		box.TopLeftCornerRadius, box.BottomLeftCornerRadius = 3, 3
	}
	r.rect(theme.Color(theme.ColorAccent), 1.5, x, y, quoteBar, l.height)
	inner := x + quoteBar + quotePad
	room := w - 2*quotePad - quoteBar - l.picture
	author := ellipsize(q.Author, theme.TextSmall, fyne.TextStyle{Bold: true}, room)
	r.text1(author, theme.TextSmall, true, theme.ColorAccent, inner, y+3, room, line)
	if q.Icon != "" {
		r.icon(q.Icon, colors.secondary, inner-1, y+3+line+1, l.icon-4)
	}
	r.layout(&l.text, theme.ColorText, theme.ColorText, inner+l.icon, y+3+line, room-l.icon)
	if l.picture > 0 {
		side := l.picture - theme.Grid
		r.cover(q.Picture, 4, x+w-side-4, y+(l.height-side)/2, side, side)
	}
	r.hits = append(r.hits, hitBox{kind: hitQuote, x: x, y: y, w: w, h: l.height})
	return y + l.height + 6
}

func (r *messageRow) drawText(s rowState, x, y, w float32) float32 {
	h := lineHeight(r.text.size)
	r.textLeft, r.textTop, r.textW = r.mirrorX(x, w), y, w
	total := h * float32(len(r.text.lines))
	for n, f := range r.message.Found {
		if n == maxFound {
			break
		}
		r.paintRange(f[0], f[1], theme.ColorHighlight, 3)
	}
	r.paintRange(s.selFrom, s.selTo, theme.ColorSelection, 2)
	ink := theme.ColorText
	if r.message.Removed {
		ink = colorsFor(r.message.Kind).secondary
	}
	r.layout(&r.text, ink, theme.ColorAccent, x, y, w)
	r.hits = append(r.hits, hitBox{kind: hitText, x: x, y: y, w: w, h: total})
	return y + total
}

// maxFound is how many hits of a search are coloured in one message.
const maxFound = 100

// paintRange colours what is behind a part of the text.
func (r *messageRow) paintRange(from, to int, ink fyne.ThemeColorName, radius float32) {
	if from >= to {
		return
	}
	h := lineHeight(r.text.size)
	for i, line := range r.text.lines {
		if line.end <= from || line.start >= to {
			continue
		}
		for _, e := range r.text.extent(i, from, to) {
			r.asIs(func() {
				r.rect(theme.Color(ink), radius, r.textLeft+r.text.indent(i, r.textW)+e[0], r.textTop+float32(i)*h, e[1], h)
			})
		}
	}
}

const metaIcon, metaGap float32 = 16, 3

func (r *messageRow) metaText() string {
	m := &r.message
	text := m.Time
	if m.Edited && !m.Live {
		text = lang.L("edited") + "  " + text
	}
	return text
}

// liveText is shown on a message that its author is still typing.
func (r *messageRow) liveText() string {
	if !r.message.Live {
		return ""
	}
	return lang.L("typing…")
}

func (r *messageRow) metaWidth() float32 {
	m := &r.message
	w := textWidth(r.metaText(), theme.TextCaption, false)
	if live := r.liveText(); live != "" {
		w += metaIcon + metaGap + textWidth(live, theme.TextCaption, true) + 2*metaGap
	}
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
	if live := r.liveText(); live != "" {
		w := textWidth(live, theme.TextCaption, true)
		r.icon("edit", theme.ColorAccent, x, y+(h-metaIcon)/2, metaIcon)
		r.text1(live, theme.TextCaption, true, theme.ColorAccent, x+metaIcon+metaGap, y, w, h)
		x += metaIcon + metaGap + w + 2*metaGap
	}
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

// drawReactions draws the reactions below the bubble, in as many lines as they need.
func (r *messageRow) drawReactions(x, y, bubbleW, width float32) float32 {
	const height, pad, gap, most = 24, 8, 4, 40
	reactions := r.message.Reactions[:min(len(r.message.Reactions), most)]
	first, own := 0, r.message.Kind == MessageOutgoing
	room := max(bubbleW, min(width*bubbleShare, 260))
	y += 5
	for len(reactions) > 0 {
		// As many as fit on a line.
		var widths []float32
		var total float32
		for _, re := range reactions {
			w := textWidth(reactionLabel(re), theme.TextSmall, false) + 2*pad
			if total+w > room && len(widths) > 0 {
				break
			}
			widths = append(widths, w)
			total += w + gap
		}
		left := x
		if own {
			left = x + bubbleW - total + gap
		}
		for i, w := range widths {
			re := reactions[i]
			r.drawReaction(re, theme.TextSmall, left, y, w, height, pad)
			r.hits = append(r.hits, hitBox{kind: hitReaction, index: first + i, x: left, y: y, w: w, h: height})
			left += w + gap
		}
		reactions = reactions[len(widths):]
		first += len(widths)
		y += height + gap
	}
	return y - gap
}

// drawReaction draws a reaction as a pill, with some room around its text.
func (r *messageRow) drawReaction(re Reaction, size, x, y, w, h, pad float32) {
	fill, line := theme.ColorPanel, theme.ColorLine
	if re.Own {
		fill, line = theme.ColorAccentSoft, theme.ColorAccent
	}
	pill := r.rect(theme.Color(fill), h/2, x, y, w, h)
	pill.StrokeColor, pill.StrokeWidth = theme.Color(line), 1
	pill.Refresh()
	r.text1(reactionLabel(re), size, false, theme.ColorText, x+pad, y, w-2*pad, h)
}

func reactionLabel(re Reaction) string {
	const long = 32 // bytes: more than the longest emoji
	emoji := harmless(re.Emoji)
	if len(emoji) > long {
		emoji = "\ufffd"
	}
	return emoji + " " + strconv.Itoa(re.Count)
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

// ellipsizeLines shortens a text to two lines.
func ellipsizeLines(text string, size float32, style fyne.TextStyle, width float32) string {
	const long = 1024 // bytes: surely more than two lines
	if len(text) > long {
		text = strings.ToValidUTF8(text[:long], "")
	}
	l := layoutText(text, nil, size, style, width)
	if len(l.lines) <= 2 {
		return text
	}
	second := l.lines[1]
	rest := text[second.start:min(len(text), second.end+64)]
	return text[:second.start] + ellipsize(rest+"…", size, style, width)
}

// ellipsizeMiddle shortens the name of a file so that its end with the extension stays.
func ellipsizeMiddle(name string, size float32, style fyne.TextStyle, width float32) string {
	const end = 8
	if r := []rune(name[max(0, len(name)-4*end):]); len(name) < 1024 && len(r) > end && measureText(name, size, style) > width {
		tail := string(r[len(r)-end:])
		head := ellipsize(strings.TrimSuffix(name, tail), size, style, width-measureText(tail, size, style))
		return head + tail
	}
	return ellipsize(name, size, style, width)
}
