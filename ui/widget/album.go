package widget

import (
	"fyne.io/fyne/v2"

	"github.com/sotto-chat/sotto/ui/theme"
)

// An album is a run of messages with a picture each that are shown as one grid; see Message.Album. The row of its last message draws
// it, with the text of that one, and the rows of the others have no height. Each picture is still a message of its own for whoever
// taps, chooses or reacts to it.

// MaxAlbum is how many messages an album has at most, as many as other programs of the network send at once.
const MaxAlbum = 10

// members returns the messages of the album that ends with row i, and none for every other message.
func (l *MessageList) members(i int, last Message) []Message {
	if !last.Album || i == 0 {
		return nil
	}
	first := i - 1
	for first > 0 && l.source.At(first).Album {
		first--
	}
	album := make([]Message, 0, i-first+1)
	for k := first; k < i; k++ {
		album = append(album, l.source.At(k))
	}
	return append(album, last)
}

// asOne is what the bubble of an album shows beside the pictures.
func asOne(album []Message) Message {
	first, m := &album[0], album[len(album)-1]
	m.Quote, m.New, m.Reactions = first.Quote, first.New, nil
	for i := range album {
		if d := album[i].Delivery; d < m.Delivery {
			m.Delivery = d
		}
	}
	return m
}

// holder returns the row that draws message i, and its number; nil if it is not on screen.
func (l *MessageList) holder(i int) (*messageRow, int) {
	if r, ok := l.rows[i]; ok && !r.folded {
		return r, i
	}
	for k, r := range l.rows {
		if i < k && i > k-len(r.album) {
			return r, k
		}
	}
	return nil, -1
}

// boxOf returns where message i is on screen, in the list: its bubble, or its picture in an album.
func (l *MessageList) boxOf(i int) (pos fyne.Position, size fyne.Size, ok bool) {
	r, k := l.holder(i)
	if r == nil {
		return pos, size, false
	}
	box := r.bubble
	for _, h := range r.hits {
		if len(r.album) > 0 && h.kind == hitAttachment && h.back == k-i {
			box = h
		}
	}
	return fyne.NewPos(box.x, r.box.Position().Y+box.y), fyne.NewSize(box.w, box.h), true
}

// regrouped drops the rows that may be drawn otherwise after message i has changed: its neighbours, whose group may begin or end
// now, and where there are albums all that follow.
func (l *MessageList) regrouped(i int) {
	albums := false
	there := min(l.length, l.source.Len()) // one may be gone
	for k := max(i-1, 0); k <= i+1; k++ {
		if r, ok := l.rows[k]; ok && (r.folded || len(r.album) > 0) || k < there && l.source.At(k).Album {
			albums = true
		}
		l.dropRow(k)
	}
	for k := range l.rows {
		if albums && k > i {
			l.dropRow(k)
		}
	}
}

// gridRows tells how many pictures stand beside each other in each line of a grid.
func gridRows(n int) (rows []int) {
	switch {
	case n <= 3:
		return []int{n}
	case n == 4:
		return []int{2, 2}
	}
	for n%3 != 0 { // the larger ones come first
		rows, n = append(rows, 2), n-2
	}
	for ; n > 0; n -= 3 {
		rows = append(rows, 3)
	}
	return rows
}

// gridHeight returns how high a grid of n pictures of the given width is.
func gridHeight(n int, w float32) (h float32) {
	if n == 3 {
		return w * 2 / 3
	}
	for _, k := range gridRows(n) {
		h += w / float32(k)
	}
	return h
}

// gridCells returns the boxes of a grid of n pictures.
func gridCells(n int, x, y, w, h float32) (cells []hitBox) {
	if n == 3 { // a large one beside two
		wide := (w - gridGap) * 2 / 3
		narrow, low := w-wide-gridGap, (h-gridGap)/2
		right, below := x+wide+gridGap, y+low+gridGap
		return []hitBox{{x: x, y: y, w: wide, h: h}, {x: right, y: y, w: narrow, h: low}, {x: right, y: below, w: narrow, h: low}}
	}
	rows := gridRows(n)
	whole := gridHeight(n, 1)
	h -= gridGap * float32(len(rows)-1)
	for _, k := range rows {
		width, height := (w-gridGap*float32(k-1))/float32(k), h/float32(k)/whole
		for i := range k {
			cells = append(cells, hitBox{x: x + float32(i)*(width+gridGap), y: y, w: width, h: height})
		}
		y += height + gridGap
	}
	return cells
}

// drawAlbum draws the pictures of an album in a box.
func (r *messageRow) drawAlbum(s rowState, x, y, w, h float32) {
	const radius = 6
	n := len(r.album)
	for i, c := range gridCells(n, x, y, w, h) {
		m, state := &r.album[i], s.album[i]
		c.kind, c.back = hitAttachment, n-1-i
		if m.Attachment == nil {
			continue
		}
		r.hits = append(r.hits, c)
		r.rect(theme.Color(theme.ColorTrack), radius, c.x, c.y, c.w, c.h)
		r.drawPicture(m, radius, c.x, c.y, c.w, c.h)
		r.drawOverlay(m.Attachment, c.x, c.y, c.w, c.h)
		r.drawCellReactions(m, c)
		if s.choosing {
			r.drawCellChoice(state.chosen, c)
		}
		if state.current || state.marked {
			ring := r.rect(theme.Color(theme.ColorTrack), radius, c.x, c.y, c.w, c.h)
			outline(ring, theme.ColorAccent, theme.FocusWidth)
			ring.Refresh()
		}
	}
}

// drawCellReactions draws the reactions to a picture of an album, as many as have room in its lower corner.
func (r *messageRow) drawCellReactions(m *Message, c hitBox) {
	const height, pad, gap, edge = 22, 7, 3, 5
	left, y := c.x+edge, c.y+c.h-height-edge
	for i, re := range m.Reactions {
		w := textWidth(reactionLabel(re), theme.TextCaption, false) + 2*pad
		if left+w > c.x+c.w-edge {
			return
		}
		r.drawReaction(re, theme.TextCaption, left, y, w, height, pad)
		r.hits = append(r.hits, hitBox{kind: hitReaction, index: i, back: c.back, x: left, y: y, w: w, h: height})
		left += w + gap
	}
}

// drawCellChoice draws the check mark on a picture of an album.
func (r *messageRow) drawCellChoice(chosen bool, c hitBox) {
	const disc, icon, edge = 24, 18, 6
	x, y := c.x+c.w-disc-edge, c.y+edge
	fill, name := theme.ColorMedia, "circle"
	ink := theme.ColorOnMedia
	if chosen {
		fill, name, ink = theme.ColorAccent, "check", theme.ColorOnAccent
	}
	r.rect(theme.Color(fill), disc/2, x, y, disc, disc)
	r.icon(name, ink, x+(disc-icon)/2, y+(disc-icon)/2, icon)
}

// fold draws nothing of a message, which another row shows.
func (r *messageRow) fold(m Message, width float32) {
	r.message, r.album, r.folded, r.moving = m, nil, true, nil
	r.begin()
	r.hits, r.bubble, r.height = r.hits[:0], hitBox{}, 0
	r.box.Resize(fyne.NewSize(width, 0))
}
