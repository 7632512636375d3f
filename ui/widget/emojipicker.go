package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/assets/emoji"
	"github.com/sotto-chat/sotto/ui/theme"
)

const (
	pickerColumns         = 9
	pickerCell    float32 = 36
	pickerEdge    float32 = 10
	pickerTabs    float32 = 38
	pickerHeading float32 = 26
	pickerFoot    float32 = 30
	pickerHeight  float32 = 7 * pickerCell // of the part that scrolls
)

// EmojiPicker is where an emoji is chosen: by group, by words, or from those that were used lately. Down goes from the field into the
// grid, the arrow keys move in it, Enter chooses; typing goes back to the field.
type EmojiPicker struct {
	fynewidget.BaseWidget

	search *SearchField
	grid   *emojiGrid
}

var _ fyne.Widget = (*EmojiPicker)(nil)

// NewEmojiPicker returns a picker. recent are shown first, the latest one at the beginning; keeping them is up to the caller. picked is
// called with every emoji that is chosen.
func NewEmojiPicker(recent []string, picked func(emoji string)) *EmojiPicker {
	p := &EmojiPicker{grid: newEmojiGrid(recent, picked)}
	p.search = NewSearchField(lang.L("Search emoji"), p.grid.filter)
	p.search.Entry.OnKey = func(ev *fyne.KeyEvent) bool {
		switch ev.Name {
		case fyne.KeyDown:
			p.focus(p.grid)
			return true
		case fyne.KeyReturn, fyne.KeyEnter:
			p.grid.choose(max(p.grid.hot, 0))
			return true
		}
		return false
	}
	p.grid.typed = func(r rune) {
		p.focus(p.search.Entry)
		p.search.Entry.TypedRune(r)
	}
	p.grid.leave = func() { p.focus(p.search.Entry) }
	p.ExtendBaseWidget(p)
	return p
}

// ShowEmojiPicker shows a picker near a position of the canvas, with the keyboard in its search field. It stays until the popup that
// is returned is closed.
func ShowEmojiPicker(c fyne.Canvas, at fyne.Position, recent []string, picked func(emoji string)) *Popup {
	p := NewEmojiPicker(recent, picked)
	popup := ShowPopup(c, p, at)
	c.Focus(p.search.Entry)
	return popup
}

func (p *EmojiPicker) focus(f fyne.Focusable) {
	if c := canvasOf(p); c != nil {
		c.Focus(f)
	}
}

// CreateRenderer implements fyne.Widget.
func (p *EmojiPicker) CreateRenderer() fyne.WidgetRenderer {
	return newRenderer(&renderer{
		widget:  p,
		objects: []fyne.CanvasObject{p.search, p.grid},
		minSize: func() fyne.Size {
			return fyne.NewSize(p.grid.MinSize().Width, p.search.MinSize().Height+2*pickerEdge+p.grid.MinSize().Height)
		},
		layout: func(size fyne.Size) {
			h := p.search.MinSize().Height
			place(p.search, pickerEdge, pickerEdge, size.Width-2*pickerEdge, h)
			place(p.grid, 0, h+2*pickerEdge, size.Width, size.Height-h-2*pickerEdge)
		},
		update: func() {},
	})
}

// pickerRow is a heading or a row of emoji.
type pickerRow struct {
	title string
	items []emoji.Emoji
	first int     // the number of the first item
	y     float32 // in the part that scrolls
}

func (r *pickerRow) height() float32 {
	if r.title != "" {
		return pickerHeading
	}
	return pickerCell
}

// emojiGrid has the tabs of the groups, the emoji below them, and the name of one at the foot. Only the visible rows are drawn.
type emojiGrid struct {
	fynewidget.BaseWidget
	painter

	recent []emoji.Emoji
	picked func(string)
	typed  func(rune)
	leave  func() // up, into the field

	rows    []pickerRow
	items   []emoji.Emoji
	tabs    []pickerTab
	query   bool
	offset  float32
	hot     int // the item under the pointer or with the keyboard, or -1
	hotTab  int
	focused bool
}

type pickerTab struct {
	icon string // an emoji
	name string
	y    float32 // where its group begins
}

var (
	_ fyne.Widget       = (*emojiGrid)(nil)
	_ fyne.Focusable    = (*emojiGrid)(nil)
	_ fyne.Tappable     = (*emojiGrid)(nil)
	_ fyne.Scrollable   = (*emojiGrid)(nil)
	_ desktop.Hoverable = (*emojiGrid)(nil)
)

func newEmojiGrid(recent []string, picked func(string)) *emojiGrid {
	g := &emojiGrid{painter: newPainter(), picked: picked, hot: -1, hotTab: -1}
	names := make(map[string]emoji.Emoji)
	if len(recent) > 0 {
		for _, e := range emoji.All(language()) {
			names[e.Text] = e
		}
	}
	for _, s := range recent[:min(len(recent), 3*pickerColumns)] {
		if e, ok := names[s]; ok {
			g.recent = append(g.recent, e)
		} else if emoji.Is(s) {
			g.recent = append(g.recent, emoji.Emoji{Text: s, Name: s})
		}
	}
	g.ExtendBaseWidget(g)
	g.filter("")
	return g
}

// language is that of the window, in which emoji are searched.
func language() string { return lang.SystemLocale().LanguageString() }

// groupLook returns the emoji on the tab of a group and its name.
func groupLook(group emoji.Group) (icon, name string) {
	switch group {
	case emoji.Smileys:
		return "😀", lang.L("Smileys")
	case emoji.People:
		return "👋", lang.L("People")
	case emoji.Nature:
		return "🌿", lang.L("Animals and nature")
	case emoji.Food:
		return "🍎", lang.L("Food and drink")
	case emoji.Travel:
		return "✈️", lang.L("Travel and places")
	case emoji.Activities:
		return "⚽", lang.L("Activities")
	case emoji.Objects:
		return "💡", lang.L("Objects")
	case emoji.Symbols:
		return "❤️", lang.L("Symbols")
	default:
		return "🏁", lang.L("Flags")
	}
}

// filter shows what is found, or all groups for an empty query.
func (g *emojiGrid) filter(query string) {
	g.rows, g.items, g.tabs = nil, nil, nil
	g.offset, g.hot, g.query = 0, -1, !isBlank(query)
	y := float32(0)
	add := func(title string, items []emoji.Emoji) {
		if title != "" {
			g.rows = append(g.rows, pickerRow{title: title, y: y})
			y += pickerHeading
		}
		for len(items) > 0 {
			n := min(pickerColumns, len(items))
			g.rows = append(g.rows, pickerRow{items: items[:n], first: len(g.items), y: y})
			g.items = append(g.items, items[:n]...)
			items = items[n:]
			y += pickerCell
		}
	}
	if g.query {
		add("", emoji.Search(language(), query))
		if len(g.items) > 0 {
			g.hot = 0
		}
		g.Refresh()
		return
	}
	if len(g.recent) > 0 {
		g.tabs = append(g.tabs, pickerTab{icon: "🕒", name: lang.L("Used lately"), y: y})
		add(lang.L("Used lately"), g.recent)
	}
	all := emoji.All(language())
	for _, group := range emoji.Groups() {
		icon, name := groupLook(group)
		g.tabs = append(g.tabs, pickerTab{icon: icon, name: name, y: y})
		var items []emoji.Emoji
		for _, e := range all {
			if e.Group == group {
				items = append(items, e)
			}
		}
		add(name, items)
	}
	g.Refresh()
}

// end is the largest offset.
func (g *emojiGrid) end() float32 {
	if len(g.rows) == 0 {
		return 0
	}
	last := &g.rows[len(g.rows)-1]
	return max(0, last.y+last.height()-pickerHeight)
}

func (g *emojiGrid) scrollTo(y float32) {
	g.offset = max(0, min(y, g.end()))
	g.Refresh()
}

func (g *emojiGrid) width() float32 { return pickerColumns*pickerCell + 2*pickerEdge }

func (g *emojiGrid) draw() {
	g.begin()
	g.whole = g.width()
	for i := range g.rows {
		r := &g.rows[i]
		y := r.y - g.offset
		if y <= -r.height() || y >= pickerHeight {
			continue
		}
		y += pickerTabs
		if r.title != "" {
			g.text(r.title, theme.TextCaption, fyne.TextStyle{Bold: true}, theme.Color(theme.ColorSecondary), pickerEdge+4, y, 200, pickerHeading)
			continue
		}
		for k, e := range r.items {
			x := pickerEdge + float32(k)*pickerCell
			if r.first+k == g.hot {
				box := g.rect(theme.Color(theme.ColorSelected), 8, x+1, y+1, pickerCell-2, pickerCell-2)
				if g.focused {
					box.StrokeColor, box.StrokeWidth = theme.Color(theme.ColorAccent), theme.FocusWidth
					box.Refresh()
				}
			}
			g.emoji(e.Text, 20, x, y, pickerCell, pickerCell)
		}
	}
	// Rows that are only partly in sight are covered by what is above and below them.
	y := pickerTabs + pickerHeight
	g.rect(theme.Color(theme.ColorPanel), 0, 1, 0, g.width()-2, pickerTabs) // inside of the border of the popup
	foot := g.rect(theme.Color(theme.ColorPanel), 0, 1, y, g.width()-2, pickerFoot-1)
	foot.BottomLeftCornerRadius, foot.BottomRightCornerRadius = theme.BubbleRadius, theme.BubbleRadius
	g.drawTabs()
	g.rect(theme.Color(theme.ColorLine), 0, 0, y, g.width(), 1)
	switch {
	case g.hot >= 0 && g.hot < len(g.items):
		e := g.items[g.hot]
		g.emoji(e.Text, 16, pickerEdge, y, 28, pickerFoot)
		name := ellipsize(e.Name, theme.TextSmall, fyne.TextStyle{}, g.width()-60)
		g.text(name, theme.TextSmall, fyne.TextStyle{}, theme.Color(theme.ColorSecondary), pickerEdge+34, y, g.width()-60, pickerFoot)
	case g.query && len(g.items) == 0:
		none := lang.L("No emoji has that name.")
		w := textWidth(none, theme.TextSmall, false)
		g.text(none, theme.TextSmall, fyne.TextStyle{}, theme.Color(theme.ColorSecondary), (g.width()-w)/2, pickerTabs+pickerHeight/2-20, w, 20)
	}
	canvas.Refresh(g)
}

func (g *emojiGrid) drawTabs() {
	if len(g.tabs) == 0 {
		found := lang.L("Found")
		g.text(found, theme.TextCaption, fyne.TextStyle{Bold: true}, theme.Color(theme.ColorSecondary), pickerEdge+4, 0, 200, pickerTabs-4)
		return
	}
	w := (g.width() - 2*pickerEdge) / float32(len(g.tabs))
	current := 0
	for i, t := range g.tabs {
		if g.offset >= t.y-1 {
			current = i
		}
	}
	for i, t := range g.tabs {
		x := pickerEdge + float32(i)*w
		if i == g.hotTab {
			g.rect(theme.Color(theme.ColorHover), 8, x, 0, w, pickerTabs-6)
		}
		g.emoji(t.icon, 15, x, 0, w, pickerTabs-6)
		if i == current {
			g.rect(theme.Color(theme.ColorAccent), 1.5, x+w/2-10, pickerTabs-6, 20, 3)
		}
	}
	g.rect(theme.Color(theme.ColorLine), 0, 0, pickerTabs-2, g.width(), 1)
}

// at returns the tab and the item at a position, or -1.
func (g *emojiGrid) at(p fyne.Position) (tab, item int) {
	x := MirrorX(p.X, 0, g.width()) - pickerEdge
	if x < 0 || x >= pickerColumns*pickerCell {
		return -1, -1
	}
	if p.Y < pickerTabs-2 {
		if len(g.tabs) == 0 {
			return -1, -1
		}
		return min(int(x/(pickerColumns*pickerCell)*float32(len(g.tabs))), len(g.tabs)-1), -1
	}
	y := p.Y - pickerTabs
	if y < 0 || y >= pickerHeight {
		return -1, -1
	}
	for i := range g.rows {
		r := &g.rows[i]
		if top := r.y - g.offset; y >= max(top, 0) && y < top+r.height() {
			if k := int(x / pickerCell); k < len(r.items) {
				return -1, r.first + k
			}
		}
	}
	return -1, -1
}

func (g *emojiGrid) choose(item int) {
	if item >= 0 && item < len(g.items) && g.picked != nil {
		g.picked(g.items[item].Text)
	}
}

// show moves to an item and brings it into sight.
func (g *emojiGrid) show(item int) {
	g.hot = item
	for i := range g.rows {
		r := &g.rows[i]
		if r.title != "" || item < r.first || item >= r.first+len(r.items) {
			continue
		}
		top := r.y
		if i > 0 && g.rows[i-1].title != "" {
			top = g.rows[i-1].y
		}
		switch {
		case top < g.offset:
			g.offset = top
		case r.y+pickerCell > g.offset+pickerHeight:
			g.offset = r.y + pickerCell - pickerHeight
		}
	}
	g.Refresh()
}

// rowOf returns the number of the row that an item is in.
func (g *emojiGrid) rowOf(item int) int {
	for i := range g.rows {
		if r := &g.rows[i]; r.title == "" && item >= r.first && item < r.first+len(r.items) {
			return i
		}
	}
	return -1
}

// vertical moves up or down by rows, over headings.
func (g *emojiGrid) vertical(by int) {
	at := g.rowOf(g.hot)
	if at < 0 {
		return
	}
	column := g.hot - g.rows[at].first
	for i := at + by; i >= 0 && i < len(g.rows); i += by {
		if r := &g.rows[i]; r.title == "" {
			g.show(r.first + min(column, len(r.items)-1))
			return
		}
	}
	if by < 0 {
		g.leave()
	}
}

// Tapped implements fyne.Tappable.
func (g *emojiGrid) Tapped(ev *fyne.PointEvent) {
	tab, item := g.at(ev.Position)
	if tab >= 0 {
		g.scrollTo(g.tabs[tab].y)
		return
	}
	g.choose(item)
}

// Scrolled implements fyne.Scrollable.
func (g *emojiGrid) Scrolled(ev *fyne.ScrollEvent) { g.scrollTo(g.offset - ev.Scrolled.DY) }

// MouseIn implements desktop.Hoverable.
func (g *emojiGrid) MouseIn(ev *desktop.MouseEvent) { g.MouseMoved(ev) }

// MouseMoved implements desktop.Hoverable.
func (g *emojiGrid) MouseMoved(ev *desktop.MouseEvent) {
	tab, item := g.at(ev.Position)
	if tab != g.hotTab || item >= 0 && item != g.hot {
		g.hotTab = tab
		if item >= 0 {
			g.hot = item
		}
		g.Refresh()
	}
}

// MouseOut implements desktop.Hoverable.
func (g *emojiGrid) MouseOut() {
	g.hotTab = -1
	g.Refresh()
}

// FocusGained implements fyne.Focusable.
func (g *emojiGrid) FocusGained() {
	g.focused = true
	if g.hot < 0 && len(g.items) > 0 {
		g.hot = 0
	}
	g.Refresh()
}

// FocusLost implements fyne.Focusable.
func (g *emojiGrid) FocusLost() {
	g.focused = false
	g.Refresh()
}

// TypedRune implements fyne.Focusable.
func (g *emojiGrid) TypedRune(r rune) {
	if r != ' ' {
		g.typed(r)
	}
}

// TypedKey implements fyne.Focusable.
func (g *emojiGrid) TypedKey(ev *fyne.KeyEvent) {
	n := len(g.items)
	switch MirrorKey(ev.Name) {
	case fyne.KeyEscape:
		Escape(g)
	case fyne.KeyReturn, fyne.KeyEnter, fyne.KeySpace:
		g.choose(g.hot)
	case fyne.KeyLeft:
		g.show(max(g.hot-1, 0))
	case fyne.KeyRight:
		g.show(min(g.hot+1, n-1))
	case fyne.KeyUp:
		g.vertical(-1)
	case fyne.KeyDown:
		g.vertical(1)
	case fyne.KeyHome:
		g.show(0)
	case fyne.KeyEnd:
		g.show(n - 1)
	case fyne.KeyPageDown, fyne.KeyPageUp:
		for range 6 {
			if ev.Name == fyne.KeyPageDown {
				g.vertical(1)
			} else if g.rowOf(g.hot) > 1 {
				g.vertical(-1)
			}
		}
	}
}

// CreateRenderer implements fyne.Widget.
func (g *emojiGrid) CreateRenderer() fyne.WidgetRenderer {
	return newRenderer(&renderer{
		widget:  g,
		objects: []fyne.CanvasObject{g.box},
		minSize: func() fyne.Size { return fyne.NewSize(g.width(), pickerTabs+pickerHeight+pickerFoot) },
		layout:  func(fyne.Size) {},
		update:  g.draw,
	})
}
