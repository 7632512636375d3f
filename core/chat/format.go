package chat

import (
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sotto-chat/sotto/core/agent"
)

// Style is how a part of a text is shown.
type Style string

// The styles of the network's markdown (chat-protocol.md §5).
const (
	StyleBold    Style = "bold"
	StyleItalic  Style = "italic"
	StyleStrike  Style = "strike"
	StyleMono    Style = "mono"
	StyleSecret  Style = "secret" // hidden until somebody asks to see it
	StyleRed     Style = "red"
	StyleGreen   Style = "green"
	StyleBlue    Style = "blue"
	StyleYellow  Style = "yellow"
	StyleCyan    Style = "cyan"
	StyleMagenta Style = "magenta"
	StyleLink    Style = "link"    // see Link
	StyleContact Style = "contact" // a link of the network, see Link
)

// Span is a part of a text that is not shown as plain text.
type Span struct {
	Start, End int // the part of the text that it is, in bytes, with the signs that make it one
	// ShownStart and ShownEnd are what is to be shown of it: the part without those signs. Of a text with a target
	// it is the text.
	ShownStart, ShownEnd int
	Style                Style
	Link                 string // where it leads: http, https, mailto, tel or simplex, for StyleLink and StyleContact
	LinkLies             bool   // the text looks like a link to somewhere else than where it leads
}

// Limits of formatting.
const (
	maxFormat = 1 << 16 // bytes; what comes after is plain text
	maxSpans  = 2000
)

// Format finds the network's markdown in a text: the same as other programs do. Spans don't overlap. A part with
// formatting has none within it, and none goes over the end of a line.
func Format(text string) []Span {
	var spans []Span
	rest := cut(text, maxFormat)
	at := 0
	for len(rest) > 0 && len(spans) < maxSpans {
		line, after, _ := strings.Cut(rest, "\n")
		p := &formatter{text: line, offset: at}
		p.line()
		spans = append(spans, p.spans...)
		at += len(rest) - len(after)
		rest = after
	}
	return spans[:min(len(spans), maxSpans)]
}

// formatter reads a line. What begins at the beginning of a word, or after another part, can be a part.
type formatter struct {
	text   string
	pos    int // of what was not read yet
	offset int // of the line
	spans  []Span

	// Where a sign stands that was looked for in vain: it need not be looked for again.
	missing [utf8.RuneSelf]bool
}

func (f *formatter) add(length, shownStart, shownEnd int, s Span) {
	s.Start, s.End = f.offset+f.pos, f.offset+f.pos+length
	s.ShownStart, s.ShownEnd = f.offset+f.pos+shownStart, f.offset+f.pos+shownEnd
	f.spans = append(f.spans, s)
	f.pos += length
}

func (f *formatter) line() {
	for f.pos < len(f.text) && len(f.spans) <= maxSpans {
		switch c := f.text[f.pos]; c {
		case ' ':
			f.pos += len(f.text[f.pos:]) - len(strings.TrimLeft(f.text[f.pos:], " "))
		case '*':
			f.marked(c, StyleBold)
		case '_':
			f.marked(c, StyleItalic)
		case '~':
			f.marked(c, StyleStrike)
		case '`':
			f.marked(c, StyleMono)
		case '#':
			f.secret()
		case '!':
			if !f.colored() {
				f.word()
			}
		case '[':
			if !f.titled() {
				f.word()
			}
		default:
			if c != '+' && (c < '0' || c > '9') || !f.phone() {
				f.word()
			}
		}
	}
}

// index finds a sign after some bytes of what was not read yet.
func (f *formatter) index(sign byte, skip int) int {
	if f.missing[sign] {
		return -1
	}
	i := strings.IndexByte(f.text[f.pos+skip:], sign)
	if i < 0 {
		f.missing[sign] = true
		return -1
	}
	return i + skip
}

// fits tells whether a text may stand between signs.
func fits(s string) bool { return s != "" && s[0] != ' ' && s[len(s)-1] != ' ' }

// marked reads what stands between two signs. Without the second one the rest of the line is plain text.
func (f *formatter) marked(sign byte, style Style) {
	end := f.index(sign, 1)
	switch {
	case end < 0:
		f.pos = len(f.text)
	case !fits(f.text[f.pos+1 : f.pos+end]):
		f.pos += end + 1
	default:
		f.add(end+1, 1, end, Span{Style: style})
	}
}

// secret reads what stands between signs of which there may be several: but for one they belong to it.
func (f *formatter) secret() {
	s := f.text[f.pos:]
	before := len(s) - len(strings.TrimLeft(s, "#"))
	end := f.index('#', before)
	if end < 0 {
		f.pos = len(f.text)
		return
	}
	after := len(s[end:]) - len(strings.TrimLeft(s[end:], "#"))
	if !fits(s[before:end]) {
		f.pos += end + after
		return
	}
	f.add(end+after, 1, end+after-1, Span{Style: StyleSecret})
}

var colors = map[string]Style{"1": StyleRed, "2": StyleGreen, "3": StyleBlue, "4": StyleYellow, "5": StyleCyan, "6": StyleMagenta}

func init() {
	for _, s := range []Style{StyleRed, StyleGreen, StyleBlue, StyleYellow, StyleCyan, StyleMagenta} {
		colors[string(s)], colors[string(s[:1])] = s, s
	}
}

// colored reads a text with a colour: !1 text!
func (f *formatter) colored() bool {
	s := f.text[f.pos+1:]
	space := strings.IndexByte(cut(s, len("magenta")+1), ' ')
	if space < 0 {
		return false
	}
	style, ok := colors[s[:space]]
	if !ok {
		return false
	}
	start := 1 + space + 1
	end := f.index('!', start)
	if end < 0 || !fits(f.text[f.pos+start:f.pos+end]) {
		return false
	}
	f.add(end+1, start, end, Span{Style: style})
	return true
}

// titled reads a link with a text: [text](link).
func (f *formatter) titled() bool {
	s := f.text[f.pos:]
	mid := f.index(']', 1)
	if mid <= 1 || !strings.HasPrefix(s[mid:], "](") {
		return false
	}
	length := strings.IndexByte(s[mid+2:], ')')
	if length <= 0 {
		return false
	}
	title, link := s[1:mid], s[mid+2:mid+2+length]
	style := StyleLink
	if isContactLink(link) {
		style = StyleContact
	} else if !isWebLink(link) {
		return false
	}
	f.add(mid+2+length+1, 1, mid, Span{Style: style, Link: link, LinkLies: lies(title, link)})
	return true
}

// lies tells whether the title of a link may be taken for a link to somewhere else. Other programs show such a link
// as plain text.
func lies(title, link string) bool {
	punctuation := strings.ContainsFunc(title, func(r rune) bool {
		return unicode.IsPunct(r) && r != '-' && r != '_' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	})
	return punctuation && title != link && "https://"+title != link
}

// Lengths of phone numbers, in characters, with what separates their parts.
const minPhone, maxPhone = 7, 22

// phone reads a phone number: +44 (0) 7777 777-777.
func (f *formatter) phone() bool {
	s := f.text[f.pos:]
	digits := func(at int) int {
		n := at
		for n < len(s) && s[n] >= '0' && s[n] <= '9' && n <= maxPhone {
			n++
		}
		return n - at
	}
	separator := func(at int) int {
		if at < len(s) && (s[at] == ' ' || s[at] == '-' || s[at] == '.') {
			return 1
		}
		return 0
	}
	n := 0
	if s[0] == '+' {
		if d := digits(1); d > 0 {
			n = 1 + d
		}
	}
	if sep := separator(n); n+sep < len(s) && s[n+sep] == '(' {
		if d := digits(n + sep + 1); d > 0 && n+sep+1+d < len(s) && s[n+sep+1+d] == ')' {
			n += sep + d + 2
		}
	}
	for n <= maxPhone {
		sep := separator(n)
		d := digits(n + sep)
		if d == 0 {
			break
		}
		n += sep + d
	}
	if n < minPhone || n > maxPhone {
		return false
	}
	number := strings.Map(func(r rune) rune {
		if r == '+' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s[:n])
	f.add(n, 0, n, Span{Style: StyleLink, Link: "tel:" + number})
	return true
}

// word reads what is up to the next space: plain text, a link, or an address.
func (f *formatter) word() {
	word := f.text[f.pos:]
	if i := strings.IndexByte(word, ' '); i >= 0 {
		word = word[:i]
	}
	end := len(word)
	text := strings.TrimRightFunc(word, func(r rune) bool { return r != '/' && r != ')' && unicode.IsPunct(r) })
	n := len(text)
	switch {
	case len(word) > maxLinkLength || n == 0:
	case hasAnyPrefix(word, "http://", "https://", "simplex:/") && utf8.RuneCountInString(word) >= 10:
		switch {
		// Links of the network may end with what is punctuation elsewhere.
		case isContactLink(word):
			f.add(end, 0, end, Span{Style: StyleContact, Link: word})
			return
		case isContactLink(text):
			f.add(n, 0, n, Span{Style: StyleContact, Link: text})
			f.pos += end - n
			return
		case isWebLink(text):
			f.add(n, 0, n, Span{Style: StyleLink, Link: text})
			f.pos += end - n
			return
		}
	case isDomain(text):
		f.add(n, 0, n, Span{Style: StyleLink, Link: "https://" + text})
		f.pos += end - n
		return
	case isEmail(text):
		f.add(n, 0, n, Span{Style: StyleLink, Link: "mailto:" + text})
		f.pos += end - n
		return
	}
	f.pos += end
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// maxLinkLength is the longest link, in bytes.
const maxLinkLength = 4096

// isContactLink tells whether a text is a link of the network, in full or short form.
func isContactLink(s string) bool {
	if len(s) > maxLinkLength || !hasAnyPrefix(s, "simplex:/", "https://", "http://") || !strings.Contains(s, "#") {
		return false
	}
	_, _, err := agent.ParseLink(s)
	return err == nil
}

// isWebLink tells whether a text is a link that a browser opens, with a host that has a dot in its name.
func isWebLink(s string) bool {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(s, "http://"); !ok {
			return false
		}
	}
	if len(s) > maxLinkLength || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }) ||
		strings.ContainsAny(s, "\"<>\\^`{|}") {
		return false
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		if strings.Trim(host[i+1:], "0123456789") != "" {
			return false
		}
		host = host[:i]
	}
	return len(host) > 2 && strings.Contains(strings.Trim(host, "."), ".")
}

// isDomain tells whether a word is likely to be a domain, though it may be none, or one may look otherwise.
func isDomain(s string) bool {
	parts := strings.Split(s, ".")
	switch len(parts) {
	case 3:
		if n := utf8.RuneCountInString(parts[0]); n < 3 || n > 8 {
			return false
		}
		if strings.ContainsFunc(parts[0], func(r rune) bool { return r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			return false
		}
		parts = parts[1:]
	case 2:
	default:
		return false
	}
	letters := func(s string, least, most int) bool {
		return len(s) >= least && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') })
	}
	return letters(parts[0], 1, 24) && letters(parts[1], 2, 8)
}

// isEmail tells whether a word is an email address.
func isEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || len(s) > 254 || !strings.Contains(s[at:], ".") {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == ""
}
