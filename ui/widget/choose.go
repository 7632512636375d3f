package widget

import "fyne.io/fyne/v2/canvas"

// SetChoosing starts or ends choosing several messages. While it lasts every message has a check mark, a tap anywhere on one
// changes it, Shift and a tap choose all up to there, Space changes the one with the keyboard, Ctrl+A chooses all that are
// known, and Escape ends it. Messages are told apart by their ID.
func (l *MessageList) SetChoosing(on bool) {
	if on == l.choosing {
		return
	}
	l.choosing = on
	clear(l.chosen)
	l.ClearSelection()
	l.dropRows()
	l.relayout()
	l.toldChosen()
}

// Choosing reports whether several messages are being chosen.
func (l *MessageList) Choosing() bool { return l.choosing }

// Chosen returns the IDs of the chosen messages, in the order of the rows.
func (l *MessageList) Chosen() []int64 {
	ids := make([]int64, 0, len(l.chosen))
	for i := 0; i < l.length && len(ids) < len(l.chosen); i++ {
		if id := l.source.At(i).ID; l.chosen[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// Choose chooses row i or not.
func (l *MessageList) Choose(i int, on bool) {
	if i < 0 || i >= l.length || !l.choosing {
		return
	}
	l.set(i, on)
	l.redraw(i)
	l.toldChosen()
}

func (l *MessageList) set(i int, on bool) {
	m := l.source.At(i)
	switch {
	case m.Kind == MessageService:
	case on:
		l.chosen[m.ID] = true
	default:
		delete(l.chosen, m.ID)
	}
}

// choose changes row i; with upTo also all rows between it and the one that was changed before.
func (l *MessageList) choose(i int, upTo bool) {
	if i < 0 || i >= l.length {
		return
	}
	from := l.current
	l.current = i
	if upTo && from >= 0 && from < l.length {
		l.chooseRange(min(from, i), max(from, i))
		return
	}
	l.redraw(from)
	l.Choose(i, !l.chosen[l.source.At(i).ID])
}

func (l *MessageList) chooseRange(from, to int) {
	for i := from; i <= to; i++ {
		l.set(i, true)
	}
	l.dropRows()
	l.relayout()
	l.toldChosen()
}

func (l *MessageList) toldChosen() {
	canvas.Refresh(l)
	if l.OnChosen != nil {
		l.OnChosen()
	}
}

// forgetMissing drops chosen messages that are gone.
func (l *MessageList) forgetMissing() {
	if len(l.chosen) == 0 {
		return
	}
	there := make(map[int64]bool, len(l.chosen))
	for i := range l.length {
		if id := l.source.At(i).ID; l.chosen[id] {
			there[id] = true
		}
	}
	if len(there) != len(l.chosen) {
		l.chosen = there
		l.toldChosen()
	}
}
