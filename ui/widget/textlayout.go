package widget

import (
	"math"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"fyne.io/fyne/v2"
	"github.com/clipperhouse/uax29/v2/graphemes"

	"github.com/sotto-chat/sotto/assets/emoji"
	"github.com/sotto-chat/sotto/ui/theme"
)

// Span gives a part of a text a style. Spans are sorted and do not overlap; offsets count bytes of the text.
type Span struct {
	Start, End                 int
	Bold, Italic, Mono, Strike bool
	Secret                     bool                // covered until the reader asks for it
	Link                       string              // what is handed to the link callback; empty for no link
	Lies                       bool                // the text of the link reads like another address than the one it leads to
	Color                      fyne.ThemeColorName // empty for the colour of the text
}

// Limits on the text of one message, so that no peer can make the window slow. What is cut off ends with dots; copying a message copies
// all of it.
const (
	maxTextLines = 400
	maxTextBytes = 64 << 10
)

// fragment is a piece of a line in one style and one direction.
type fragment struct {
	start, end int // bytes of the text
	text       string
	shown      string // the text as it is drawn, when that differs: signs beside right-to-left words change sides
	x, width   float32
	style      fyne.TextStyle
	rtl        bool
	emoji      bool          // all of it is emoji
	font       fyne.Resource // nil for the font of the theme
	level      uint8         // of embedding, odd where it reads from the right
	span       int           // index of its span, or -1
}

// textLine is one line of a laid out text. Fragments are in the order in which they stand, from the left.
type textLine struct {
	start, end int
	fragments  []fragment
	width      float32
	rtl        bool // the paragraph reads from the right
}

// textLayout is a text broken into lines.
type textLayout struct {
	text  string
	spans []Span // those that fit the text
	size  float32
	lines []textLine
	width float32 // of the widest line
}

// textBreaker breaks one text; it exists while layoutText runs.
type textBreaker struct {
	text  string
	spans []Span
	size  float32
	base  fyne.TextStyle
	width float32
	lines []textLine
	// fromRight says that the language of the text is written from the right, even if a name in another script begins it.
	fromRight bool

	paragraphStart int
	levels         []uint8 // of the bytes of the paragraph, or nil where all of it reads from the left
}

// layoutText breaks a text into lines of at most the given width: between words, inside words that are longer than a line,
// and at line feeds. A width of 0 or less means no limit.
func layoutText(text string, spans []Span, size float32, base fyne.TextStyle, width float32) textLayout {
	b := textBreaker{text: text, spans: spans, size: size, base: base, width: width}
	return b.layout()
}

// layoutLabel is layoutText for a text of the interface, which is in its language.
func layoutLabel(text string, spans []Span, size float32, base fyne.TextStyle, width float32) textLayout {
	b := textBreaker{text: text, spans: spans, size: size, base: base, width: width, fromRight: mirrored}
	return b.layout()
}

func (b *textBreaker) layout() textLayout {
	text := b.text
	cut := len(text) > maxTextBytes
	if cut {
		end := maxTextBytes
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	text = harmless(text)
	b.text, b.spans = text, validSpans(b.spans, len(text))
	for start := 0; start <= len(text) && len(b.lines) < maxTextLines; {
		end := len(text)
		if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
			end = start + i
		}
		b.paragraph(start, end)
		start = end + 1
		cut = cut || len(b.lines) == maxTextLines && (start <= len(text) || b.lines[maxTextLines-1].end < end)
	}
	if cut {
		b.dots()
	}
	l := textLayout{text: text, spans: b.spans, size: b.size, lines: b.lines}
	for _, line := range l.lines {
		l.width = max(l.width, line.width)
	}
	return l
}

// dots ends the text with a line that tells that there is more.
func (b *textBreaker) dots() {
	const more = "…"
	if len(b.lines) == maxTextLines {
		b.lines = b.lines[:maxTextLines-1]
	}
	at := 0
	if n := len(b.lines); n > 0 {
		at = b.lines[n-1].end
	}
	w := measureText(more, b.size, b.base)
	b.lines = append(b.lines, textLine{start: at, end: at, width: w,
		fragments: []fragment{{start: at, end: at, shown: more, width: w, style: b.base, span: -1}}})
}

// validSpans drops spans that do not fit the text: they may come from a message that somebody else composed.
func validSpans(spans []Span, length int) []Span {
	ok, last := true, 0
	for _, s := range spans {
		if s.Start < last || s.End <= s.Start || s.End > length {
			ok = false
			break
		}
		last = s.End
	}
	if ok {
		return spans
	}
	valid := make([]Span, 0, len(spans))
	last = 0
	for _, s := range spans {
		s.Start, s.End = max(s.Start, last), min(s.End, length)
		if s.End > s.Start {
			valid = append(valid, s)
			last = s.End
		}
	}
	return valid
}

// runs calls f for every part of text[start:end] that has one style.
func (b *textBreaker) runs(start, end int, f func(start, end, span int)) {
	i := sort.Search(len(b.spans), func(i int) bool { return b.spans[i].End > start })
	for start < end {
		stop, span := end, -1
		if i < len(b.spans) {
			if s := b.spans[i]; s.Start <= start {
				stop, span = min(end, s.End), i
				i++
			} else {
				stop = min(end, s.Start)
			}
		}
		f(start, stop, span)
		start = stop
	}
}

func (b *textBreaker) style(span int) fyne.TextStyle {
	st := b.base
	if span >= 0 {
		s := b.spans[span]
		st.Bold = st.Bold || s.Bold
		st.Italic = st.Italic || s.Italic
		st.Monospace = st.Monospace || s.Mono
		st.Strikethrough = s.Strike
		st.Underline = s.Link != ""
	}
	return st
}

// measureStyle drops what does not change the width, to make better use of the toolkit's cache.
func measureStyle(st fyne.TextStyle) fyne.TextStyle {
	st.Underline, st.Strikethrough = false, false
	return st
}

func (b *textBreaker) measure(start, end int) float32 {
	if start >= end {
		return 0
	}
	if len(b.spans) == 0 {
		return measureText(b.text[start:end], b.size, b.base)
	}
	var w float32
	b.runs(start, end, func(start, end, span int) {
		w += measureText(b.text[start:end], b.size, measureStyle(b.style(span)))
	})
	return w
}

func (b *textBreaker) paragraph(start, end int) {
	mixed := hasRTL(b.text[start:end])
	rtl := readsFromRight(b.text[start:end]) || b.fromRight && mixed
	b.paragraphStart, b.levels = start, nil
	if mixed {
		b.levels = bidiLevels(b.text[start:end], rtl)
	}
	lineStart, lineWidth := start, float32(0)
	for pos := start; pos < end && len(b.lines) < maxTextLines; {
		word, next := nextBreak(b.text, pos, end)
		w := b.measureWord(pos, word)
		if b.width > 0 && lineWidth+w > b.width && pos > lineStart {
			b.emit(lineStart, pos, rtl)
			lineStart, lineWidth = pos, 0
		}
		for b.width > 0 && w > b.width && len(b.lines) < maxTextLines {
			cut := b.fit(pos, word)
			b.emit(lineStart, cut, rtl)
			pos, lineStart = cut, cut
			w = b.measureWord(pos, word)
		}
		lineWidth += w + b.measure(word, next)
		pos = next
	}
	if len(b.lines) < maxTextLines && (lineStart < end || start == end) {
		b.emit(lineStart, end, rtl)
	}
}

// maxWord is how many bytes of a word are measured: longer ones are broken anyway, and measuring all that is left of one for
// each line would take for ever.
const maxWord = 1024

func (b *textBreaker) measureWord(start, end int) float32 {
	if b.width > 0 && end-start > maxWord {
		return math.MaxFloat32
	}
	return b.measure(start, end)
}

// fit returns the end of the longest part of text[start:end] that fits on a line, at least one character.
func (b *textBreaker) fit(start, end int) int {
	var stops []int
	g := graphemes.FromString(b.text[start:end])
	for pos := start; g.Next() && len(stops) < maxWord/4; { // no line has more characters
		pos += len(g.Value())
		stops = append(stops, pos)
	}
	i := sort.Search(len(stops), func(i int) bool { return b.measure(start, stops[i]) > b.width })
	return stops[max(i-1, 0)]
}

// nextBreak returns the end of the word at pos and the end of the spaces behind it. Ideographs are words by themselves.
func nextBreak(text string, pos, end int) (word, next int) {
	word = pos
	for word < end {
		r, n := utf8.DecodeRuneInString(text[word:end])
		if r == ' ' || r == '\t' {
			break
		}
		word += n
		following, _ := utf8.DecodeRuneInString(text[word:end])
		if !closes(following) && (breaksAfter(r) || closes(r) || breaksAfter(following) && !unicode.IsPunct(r)) {
			break
		}
	}
	next = word
	for next < end && (text[next] == ' ' || text[next] == '\t') {
		next++
	}
	return word, next
}

// breaksAfter tells the scripts that are written without spaces.
func breaksAfter(r rune) bool {
	return r >= 0x2E80 && (unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hiragana, r) || unicode.Is(unicode.Katakana, r))
}

// closes reports whether r is a mark of Chinese or Japanese that no line begins with, or the small second half of a Japanese sound.
func closes(r rune) bool {
	return r >= 0x2E80 && strings.ContainsRune("、。，．・：；？！％）」』】〉》〕々ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ", r)
}

// emit adds the line text[start:end], without the spaces at its end.
func (b *textBreaker) emit(start, end int, rtl bool) {
	line := textLine{start: start, end: end, rtl: rtl}
	trimmed := start + len(strings.TrimRight(b.text[start:end], " \t\r"))
	var parts []fragment
	b.runs(start, trimmed, func(start, end, span int) {
		for _, p := range b.directions(start, end, b.style(span)) {
			p.span = span
			p.width = measureText(p.text, b.size, measureStyle(p.style))
			parts = append(parts, p)
		}
	})
	reorder(parts)
	for i := range parts {
		parts[i].x = line.width
		line.width += parts[i].width
	}
	line.fragments = parts
	b.lines = append(b.lines, line)
}

// directions splits text[start:end], which has one style, where the direction of writing changes.
func (b *textBreaker) directions(start, end int, style fyne.TextStyle) []fragment {
	if start >= end {
		return nil
	}
	var parts []fragment
	if b.levels == nil {
		return withEmoji(parts, fragment{start: start, end: end, text: b.text[start:end], style: style})
	}
	for start < end {
		level := b.levels[start-b.paragraphStart]
		stop := start + 1
		for stop < end && b.levels[stop-b.paragraphStart] == level {
			stop++
		}
		if level%2 == 0 {
			parts = withEmoji(parts, fragment{start: start, end: stop, text: b.text[start:stop], style: style, level: level})
		} else {
			parts = rtlFragments(parts, b.text[start:stop], start, style, level)
		}
		start = stop
	}
	return parts
}

// withEmoji appends a fragment, split into emoji and text in one font each.
func withEmoji(parts []fragment, f fragment) []fragment {
	for f.text != "" {
		from, to := emoji.Next(f.text)
		for at := 0; at < from; {
			n, font := theme.FontRun(f.text[at:from], f.style.Bold)
			part := f
			part.text, part.start, part.end, part.font = f.text[at:at+n], f.start+at, f.start+at+n, font
			parts = append(parts, part)
			at += n
		}
		if to > from {
			part := f
			part.text, part.start, part.end, part.emoji = f.text[from:to], f.start+from, f.start+to, true
			parts = append(parts, part)
		}
		f.text, f.start = f.text[to:], f.start+to
	}
	return parts
}

// rtlFragments appends a right-to-left run, split into words and what is between them. The toolkit draws words of one script from
// the right but puts them, and the signs between them, side by side as if they were read from the left.
func rtlFragments(parts []fragment, s string, start int, style fyne.TextStyle, level uint8) []fragment {
	inWord := func(r rune) bool { return isRTL(r) || unicode.IsMark(r) || r == '\u200c' || r == '\u200d' }
	for s != "" {
		end := strings.IndexFunc(s, func(r rune) bool { return !inWord(r) })
		if end < 0 {
			end = len(s)
		}
		if end > 0 {
			_, font := theme.FontRun(s, style.Bold)
			parts = append(parts, fragment{start: start, end: start + end, text: s[:end], style: style, font: font, rtl: true, level: level})
			s, start = s[end:], start+end
		}
		end = strings.IndexFunc(s, isRTL)
		if end < 0 {
			end = len(s)
		}
		if end > 0 {
			from := len(parts)
			parts = withEmoji(parts, fragment{start: start, end: start + end, text: s[:end], style: style, level: level})
			for i := range parts[from:] {
				if f := &parts[from+i]; !f.emoji {
					f.rtl, f.shown = true, mirror(f.text)
				}
			}
			s, start = s[end:], start+end
		}
	}
	return parts
}

// mirror turns signs around, brackets too.
func mirror(s string) string {
	var parts []string
	for g := graphemes.FromString(bracketPairs.Replace(s)); g.Next(); {
		parts = append(parts, g.Value())
	}
	slices.Reverse(parts)
	return strings.Join(parts, "")
}

var bracketPairs = strings.NewReplacer("(", ")", ")", "(", "[", "]", "]", "[", "{", "}", "}", "{", "<", ">", ">", "<", "«", "»", "»", "«")

// drawn returns what is drawn for the fragment.
func (f *fragment) drawn() string {
	if f.shown != "" {
		return f.shown
	}
	return f.text
}

func hasRTL(s string) bool {
	for _, r := range s {
		if isRTL(r) {
			return true
		}
	}
	return false
}

// isRTL reports whether r is a letter of a script that is written from the right.
func isRTL(r rune) bool {
	return r >= 0x0590 && (r <= 0x08FF || r >= 0xFB1D && r <= 0xFDFF || r >= 0xFE70 && r <= 0xFEFC || r >= 0x10800 && r <= 0x10FFF) &&
		unicode.IsLetter(r)
}

// readsFromRight follows the first letter of a paragraph (Unicode Standard Annex #9, rules P2 and P3).
func readsFromRight(s string) bool {
	for _, r := range s {
		if isRTL(r) {
			return true
		}
		if unicode.IsLetter(r) {
			return false
		}
	}
	return false
}

// offsetAt returns the byte offset of the text that is nearest to x on a line.
func (l *textLayout) offsetAt(line int, x float32) int {
	ln := l.lines[line]
	if len(ln.fragments) == 0 {
		return ln.start
	}
	f := ln.fragments[0]
	for _, c := range ln.fragments {
		if x >= c.x {
			f = c
		}
	}
	at := x - f.x
	if f.rtl {
		at = f.width - at
	}
	var stops []int
	g := graphemes.FromString(f.text)
	for pos := 0; g.Next(); {
		stops = append(stops, pos)
		pos += len(g.Value())
	}
	stops = append(stops, len(f.text))
	width := func(i int) float32 {
		return measureText(f.text[:stops[i]], l.size, measureStyle(f.style))
	}
	i := sort.Search(len(stops), func(i int) bool { return width(i) >= at })
	switch {
	case i == len(stops):
		return f.end
	case i > 0 && at-width(i-1) < width(i)-at:
		i--
	}
	return f.start + stops[i]
}

// extent returns where text[start:end] stands on a line: the left edge and the width of each fragment that it touches.
func (l *textLayout) extent(line, start, end int) [][2]float32 {
	var boxes [][2]float32
	for _, f := range l.lines[line].fragments {
		s, e := max(start, f.start), min(end, f.end)
		if s >= e {
			continue
		}
		st := measureStyle(f.style)
		a := measureText(f.text[:s-f.start], l.size, st)
		z := measureText(f.text[:e-f.start], l.size, st)
		if f.rtl {
			a, z = f.width-z, f.width-a
		}
		boxes = append(boxes, [2]float32{f.x + a, z - a})
	}
	return boxes
}

// ellipsize shortens s to the given width.
func ellipsize(s string, size float32, style fyne.TextStyle, width float32) string {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = strings.Join(strings.Fields(s[:min(len(s), 512)]), " ")
	}
	if len(s) > 512 { // no row shows more
		s = strings.ToValidUTF8(s[:512], "") + "…"
	}
	s = harmless(s)
	if measureText(s, size, style) <= width {
		return s
	}
	var stops []int
	g := graphemes.FromString(s)
	for pos := 0; g.Next(); {
		stops = append(stops, pos)
		pos += len(g.Value())
	}
	i := sort.Search(len(stops), func(i int) bool {
		return measureText(s[:stops[i]]+"…", size, style) > width
	})
	if i <= 1 {
		return "…"
	}
	return strings.TrimRight(s[:stops[i-1]], " ") + "…"
}

// wordAt returns the word around a byte offset of text.
func wordAt(text string, offset int) (start, end int) {
	isWord := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_' || r == '\''
	}
	start, end = offset, offset
	for start > 0 {
		r, n := utf8.DecodeLastRuneInString(text[:start])
		if !isWord(r) {
			break
		}
		start -= n
	}
	for end < len(text) {
		r, n := utf8.DecodeRuneInString(text[end:])
		if !isWord(r) {
			break
		}
		end += n
	}
	return start, end
}

// emojiOnly reports whether a text is one to three emoji and nothing else.
func emojiOnly(text string) bool {
	const long = 128 // bytes: more than three emoji
	if text == "" || len(text) > long {
		return false
	}
	from, to := emoji.Next(text)
	return from == 0 && to == len(text) && graphemeCount(text) <= 3
}
