package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"github.com/sotto-chat/sotto/ui/theme"
)

// selection is the part of one message that is selected, in bytes of its text. It runs from where the pointer went down to where
// it is, in either direction.
type selection struct {
	row      int // or -1
	from, to int
	dragging bool
	start    fyne.Position // where the pointer went down, in the list
}

func (s *selection) bounds() (from, to int) { return min(s.from, s.to), max(s.from, s.to) }

// SelectedText returns what is selected, or "".
func (l *MessageList) SelectedText() string {
	if l.sel.row < 0 || l.sel.row >= l.length {
		return ""
	}
	text := l.source.At(l.sel.row).Text
	from, to := l.sel.bounds()
	return text[min(from, len(text)):min(to, len(text))]
}

// ClearSelection selects nothing.
func (l *MessageList) ClearSelection() {
	row := l.sel.row
	l.sel = selection{row: -1}
	l.redraw(row)
}

// rowAt returns the row at a position of the list and the position in it, or -1.
func (l *MessageList) rowAt(p fyne.Position) (int, fyne.Position) {
	for i, r := range l.rows {
		top := r.box.Position().Y
		if p.Y >= top && p.Y < top+r.height {
			return i, p.SubtractXY(0, top)
		}
	}
	return -1, p
}

func (l *MessageList) hitAt(p fyne.Position) (int, hitBox, fyne.Position) {
	i, at := l.rowAt(p)
	if i < 0 {
		return -1, hitBox{}, at
	}
	hit := l.rows[i].hit(at)
	return i - hit.back, hit, at
}

// MouseDown implements desktop.Mouseable.
func (l *MessageList) MouseDown(ev *desktop.MouseEvent) {
	if ev.Button != desktop.MouseButtonPrimary {
		return
	}
	if l.bar.hit(ev.Position) {
		l.pressed = true
		l.scrollToFraction(l.bar.fractionAt(ev.Position.Y))
		return
	}
	l.sel.start = ev.Position
	if l.buttons.buttonAt(ev.Position) >= 0 {
		return
	}
	l.ClearSelection()
	i, hit, at := l.hitAt(ev.Position)
	l.sel.start = ev.Position
	if hit.kind == hitText && !l.choosing {
		offset := l.rows[i].offsetAt(at)
		l.sel = selection{row: i, from: offset, to: offset, start: ev.Position}
	}
}

// MouseUp implements desktop.Mouseable. What was pressed and let go at the same place is tapped.
func (l *MessageList) MouseUp(ev *desktop.MouseEvent) {
	if l.pressed {
		l.pressed = false
		return
	}
	const slip = 4
	moved := ev.Position.Subtract(l.sel.start)
	if ev.Button != desktop.MouseButtonPrimary || l.sel.dragging || moved.X*moved.X+moved.Y*moved.Y > slip*slip {
		l.sel.dragging = false
		return
	}
	if n := l.buttons.buttonAt(ev.Position); n >= 0 {
		l.hoverTapped(n)
		return
	}
	i, hit, at := l.hitAt(ev.Position)
	switch {
	case i < 0:
	case l.choosing:
		l.choose(i, ev.Modifier&fyne.KeyModifierShift != 0)
	default:
		l.tapped(i, hit, at)
	}
}

func (l *MessageList) tapped(i int, hit hitBox, at fyne.Position) {
	call := func(f func(int)) {
		if f != nil {
			f(i)
		}
	}
	switch hit.kind {
	case hitText:
		switch span := l.rows[i].spanAt(at); {
		case span == nil:
		case span.Secret && l.uncover(i, span.Start):
		case span.Link != "" && l.OnLink != nil:
			l.OnLink(i, span.Link)
		}
	case hitQuote:
		call(l.OnQuote)
	case hitAttachment:
		call(l.OnAttachment)
	case hitWave:
		if l.OnSeek != nil {
			l.OnSeek(i, MirrorX(at.X-hit.x, 0, hit.w)/hit.w)
		}
	case hitSpeed:
		call(l.OnSpeed)
	case hitPreview:
		if p := l.rows[i].message.Preview; p != nil && p.Link != "" && l.OnLink != nil {
			l.OnLink(i, p.Link)
		}
	case hitReaction:
		if l.OnReaction != nil {
			l.OnReaction(i, hit.index)
		}
	case hitRetry:
		call(l.OnRetry)
	case hitAuthor:
		call(l.OnAuthor)
	}
}

// secret is a covered part of a message.
type secret struct {
	message int64
	start   int
}

// uncover shows a secret. It reports false if it is shown already.
func (l *MessageList) uncover(i, start int) bool {
	key := secret{l.rows[i].message.ID, start}
	if l.uncovered[key] {
		return false
	}
	l.uncovered[key] = true
	l.redraw(i)
	return true
}

// Dragged implements fyne.Draggable: it moves the scroll bar or selects text.
func (l *MessageList) Dragged(ev *fyne.DragEvent) {
	if l.pressed {
		l.scrollToFraction(l.bar.fractionAt(ev.Position.Y))
		return
	}
	r, ok := l.rows[l.sel.row]
	if !ok {
		return
	}
	if !l.sel.dragging {
		l.sel.dragging = true
		l.takeFocus()
	}
	to := r.offsetAt(ev.Position.SubtractXY(0, r.box.Position().Y))
	if to != l.sel.to {
		l.sel.to = to
		l.redraw(l.sel.row)
	}
}

// DragEnd implements fyne.Draggable.
func (l *MessageList) DragEnd() {
	l.pressed = false
	l.sel.dragging = false
}

// DoubleTapped implements fyne.DoubleTappable: it selects the word.
func (l *MessageList) DoubleTapped(ev *fyne.PointEvent) {
	i, hit, at := l.hitAt(ev.Position)
	if hit.kind != hitText || l.choosing {
		return
	}
	old := l.sel.row
	r := l.rows[i]
	l.sel = selection{row: i, start: ev.Position}
	l.sel.from, l.sel.to = wordAt(r.text.text, r.offsetAt(at))
	if old != i {
		l.redraw(old)
	}
	l.takeFocus()
	l.redraw(i)
}

// TappedSecondary implements fyne.SecondaryTappable.
func (l *MessageList) TappedSecondary(ev *fyne.PointEvent) {
	if i, hit, _ := l.hitAt(ev.Position); hit.kind != hitNothing && l.OnMenu != nil {
		l.OnMenu(i, ev.AbsolutePosition)
	}
}

func (l *MessageList) takeFocus() {
	if c := canvasOf(l); c != nil {
		c.Focus(l)
	}
}

// MouseIn implements desktop.Hoverable.
func (l *MessageList) MouseIn(ev *desktop.MouseEvent) { l.MouseMoved(ev) }

// MouseMoved implements desktop.Hoverable.
func (l *MessageList) MouseMoved(ev *desktop.MouseEvent) {
	touched()
	if active := l.bar.hit(ev.Position); active != l.bar.active || !l.bar.inside {
		l.bar.active, l.bar.inside = active, true
		l.placeBar()
	}
	if n := l.buttons.buttonAt(ev.Position); n >= 0 {
		l.linked, l.inText = true, false
		l.hoverButton(n)
		return
	}
	l.hoverButton(-1)
	i, hit, at := l.hitAt(ev.Position)
	if hit.kind == hitNothing && !l.besideBubble(i, at) {
		i = -1
	}
	l.inText = hit.kind == hitText && !l.choosing
	l.linked = hit.kind > hitText || l.choosing && i >= 0
	var target string
	if l.inText {
		if s := l.rows[i].spanAt(at); s != nil && (s.Link != "" || s.Secret && !l.uncovered[secret{l.rows[i].message.ID, s.Start}]) {
			l.linked, target = true, s.Link
		}
	} else if hit.kind == hitPreview && l.rows[i].message.Preview != nil {
		target = l.rows[i].message.Preview.Link
	}
	l.showTarget(target, ev.Position)
	l.setHovered(i)
}

// besideBubble reports whether a position is at the height of a bubble, where its buttons are.
func (l *MessageList) besideBubble(i int, at fyne.Position) bool {
	r, ok := l.rows[i]
	return ok && at.Y >= r.bubble.y && at.Y < r.bubble.y+r.bubble.h && r.message.Kind != MessageService
}

// showTarget shows where a link leads to, whatever its text says.
func (l *MessageList) showTarget(link string, at fyne.Position) {
	const long = 90 // characters
	if r := []rune(link[:min(len(link), 8*long)]); len(r) > long {
		link = string(r[:long]) + "…"
	}
	if link == l.hint.text {
		return
	}
	l.hint.hide()
	l.hint.text = link
	l.hint.at, l.hint.size = at.AddXY(-1, -lineHeight(theme.TextBody)/2), fyne.NewSize(2, lineHeight(theme.TextBody))
	l.hint.show()
}

// MouseOut implements desktop.Hoverable.
func (l *MessageList) MouseOut() {
	l.linked, l.inText = false, false
	l.bar.active, l.bar.inside = false, false
	l.placeBar()
	l.hoverButton(-1)
	l.showTarget("", fyne.Position{})
	l.setHovered(-1)
}

func (l *MessageList) setHovered(i int) {
	if i == l.hovered {
		return
	}
	l.hovered = i
	l.playAgain(i)
	l.placeHoverBar()
	if l.OnHover != nil {
		pos, size, ok := l.BubbleBox(i)
		if !ok {
			i = -1
		}
		l.OnHover(i, pos, size)
	}
}

// Cursor implements desktop.Cursorable.
func (l *MessageList) Cursor() desktop.Cursor {
	switch {
	case l.linked:
		return desktop.PointerCursor
	case l.inText:
		return desktop.TextCursor
	default:
		return desktop.DefaultCursor
	}
}

// Scrolled implements fyne.Scrollable.
func (l *MessageList) Scrolled(ev *fyne.ScrollEvent) {
	touched()
	l.ScrollBy(ev.Scrolled.DY)
}

// FocusGained implements fyne.Focusable.
func (l *MessageList) FocusGained() {
	l.focused = true
	if l.sel.row < 0 && (l.current < l.top || l.current > l.last) {
		l.current = l.last
	}
	l.redraw(l.current)
}

// FocusLost implements fyne.Focusable.
func (l *MessageList) FocusLost() {
	l.focused = false
	l.redraw(l.current)
}

// TypedRune implements fyne.Focusable.
func (l *MessageList) TypedRune(r rune) {
	if l.OnTyped != nil && r != ' ' {
		l.OnTyped(r)
	}
}

// TypedKey implements fyne.Focusable. Up and Down walk through the messages, Enter opens the menu of one.
func (l *MessageList) TypedKey(ev *fyne.KeyEvent) {
	touched()
	switch ev.Name {
	case fyne.KeyUp:
		l.step(-1)
	case fyne.KeyDown:
		l.step(1)
	case fyne.KeyPageUp:
		l.ScrollBy(l.Size().Height - keyStep)
	case fyne.KeySpace:
		if l.choosing {
			l.choose(l.current, false)
			return
		}
		l.ScrollBy(keyStep - l.Size().Height)
	case fyne.KeyPageDown:
		l.ScrollBy(keyStep - l.Size().Height)
	case fyne.KeyHome:
		l.atEnd, l.top, l.y = false, 0, listEdge
		l.relayout()
	case fyne.KeyEnd:
		l.ScrollToEnd()
	case fyne.KeyReturn, fyne.KeyEnter:
		if l.choosing {
			l.choose(l.current, false)
			return
		}
		l.menuAtCurrent()
	case desktop.KeyMenu:
		l.menuAtCurrent()
	case fyne.KeyEscape:
		if l.choosing {
			l.SetChoosing(false)
			return
		}
		l.ClearSelection()
		if l.OnEscape != nil {
			l.OnEscape()
		}
	}
}

// step gives the keyboard to the next message in a direction and brings it into sight.
func (l *MessageList) step(by int) {
	old := l.current
	l.current = max(0, min(l.current+by, l.length-1))
	if old < l.top || old > l.last { // it was scrolled away
		l.current = max(l.last, 0)
	}
	l.ClearSelection()
	l.redraw(old)
	_, ok := l.rows[l.current]
	switch {
	case l.length == 0:
		return
	case !ok && l.current < l.top:
		l.ScrollBy(listEdge - l.y + 1)
	case !ok:
		l.ScrollBy(-l.row(l.current).height)
	}
	if r, _ := l.holder(l.current); r != nil {
		l.redraw(l.current)
		top := r.box.Position().Y
		if top < 0 {
			l.ScrollBy(min(-top+listEdge, l.Size().Height/2))
		} else if over := top + r.height + listEdge - l.Size().Height; over > 0 {
			l.ScrollBy(-min(over, l.Size().Height/2))
		}
	}
}

func (l *MessageList) menuAtCurrent() {
	if pos, size, ok := l.BubbleBox(l.current); ok && l.OnMenu != nil {
		origin := fyne.CurrentApp().Driver().AbsolutePositionForObject(l)
		l.OnMenu(l.current, origin.Add(pos).AddXY(size.Width/2, min(size.Height/2, 24)))
	}
}

// TypedShortcut implements fyne.Shortcutable: it copies the selection, or the message that has the keyboard.
func (l *MessageList) TypedShortcut(s fyne.Shortcut) {
	if _, ok := s.(*fyne.ShortcutSelectAll); ok && l.choosing {
		l.chooseRange(0, l.length-1)
		return
	}
	if _, ok := s.(*fyne.ShortcutCopy); !ok {
		forwardShortcut(canvasOf(l), s)
		return
	}
	text := l.SelectedText()
	if text == "" && l.current >= 0 && l.current < l.length {
		text = l.source.At(l.current).Text
	}
	if text != "" {
		Copy(fyne.CurrentApp().Clipboard(), text)
	}
}
