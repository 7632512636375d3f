package widget

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// bidiLevels returns the embedding level of every byte of a paragraph, after the rules for implicit directions of the Unicode
// Standard Annex #9 (W1 to W7, N1, N2, I1, I2). The toolkit shapes right-to-left words well but puts the parts of a line that
// mixes directions side by side in the order of the text, so lines are ordered here.
//
// Explicit embeddings, overrides and isolates have no effect: they are what attacks with reversed file names and links are made of.
func bidiLevels(s string, rtl bool) []uint8 {
	base := uint8(0)
	strong := bidi.L // of the paragraph
	if rtl {
		base, strong = 1, bidi.R
	}
	levels := make([]uint8, len(s))
	var at []int // the bytes at which characters start that take part
	var classes []bidi.Class
	for i, r := range s {
		p, _ := bidi.LookupRune(r)
		c := p.Class()
		switch c {
		case bidi.BN, bidi.LRO, bidi.RLO, bidi.LRE, bidi.RLE, bidi.PDF, bidi.LRI, bidi.RLI, bidi.FSI, bidi.PDI, bidi.Control:
			continue
		}
		at = append(at, i)
		classes = append(classes, c)
	}
	resolveWeak(classes, strong)
	resolveNeutral(classes, strong)
	level := base
	next := 0
	for i := range levels {
		if next < len(at) && at[next] == i {
			level = base
			switch c := classes[next]; {
			case base == 0 && c == bidi.R, base == 1 && c != bidi.R:
				level = base + 1
			case c == bidi.EN || c == bidi.AN:
				level = 2
			}
			next++
		}
		levels[i] = level
	}
	return levels
}

// resolveWeak applies the rules W1 to W7.
func resolveWeak(c []bidi.Class, strong bidi.Class) {
	previous, last := strong, strong // the class before, and the last of L, R and AL
	for i := range c {
		if c[i] == bidi.NSM { // W1
			c[i] = previous
		}
		previous = c[i]
		switch c[i] {
		case bidi.L, bidi.R, bidi.AL:
			last = c[i]
		case bidi.EN: // W2
			if last == bidi.AL {
				c[i] = bidi.AN
			}
		}
	}
	for i := range c {
		if c[i] == bidi.AL { // W3
			c[i] = bidi.R
		}
	}
	for i := 1; i+1 < len(c); i++ { // W4
		if c[i-1] == c[i+1] && (c[i] == bidi.CS && (c[i-1] == bidi.EN || c[i-1] == bidi.AN) || c[i] == bidi.ES && c[i-1] == bidi.EN) {
			c[i] = c[i-1]
		}
	}
	for i := 0; i < len(c); { // W5, W6
		from := i
		for i < len(c) && c[i] == bidi.ET {
			i++
		}
		if i > from {
			to := bidi.ON
			if from > 0 && c[from-1] == bidi.EN || i < len(c) && c[i] == bidi.EN {
				to = bidi.EN
			}
			for k := from; k < i; k++ {
				c[k] = to
			}
			continue
		}
		if c[i] == bidi.ES || c[i] == bidi.CS {
			c[i] = bidi.ON
		}
		i++
	}
	last = strong
	for i := range c { // W7
		switch c[i] {
		case bidi.L, bidi.R:
			last = c[i]
		case bidi.EN:
			if last == bidi.L {
				c[i] = bidi.L
			}
		}
	}
}

// resolveNeutral applies the rules N1 and N2: signs between words of one direction take it over, others that of the paragraph.
func resolveNeutral(c []bidi.Class, strong bidi.Class) {
	side := func(c bidi.Class) bidi.Class { // numbers count as right-to-left
		if c == bidi.EN || c == bidi.AN {
			return bidi.R
		}
		return c
	}
	neutral := func(c bidi.Class) bool { return c != bidi.L && c != bidi.R && c != bidi.EN && c != bidi.AN }
	for i := 0; i < len(c); i++ {
		if !neutral(c[i]) {
			continue
		}
		from := i
		for i < len(c) && neutral(c[i]) {
			i++
		}
		before, after := strong, strong
		if from > 0 {
			before = side(c[from-1])
		}
		if i < len(c) {
			after = side(c[i])
		}
		to := strong
		if before == after {
			to = before
		}
		for k := from; k < i; k++ {
			c[k] = to
		}
	}
}

// reorder puts the parts of a line into the order in which they stand from the left (rule L2).
func reorder(parts []fragment) {
	highest := uint8(0)
	for _, p := range parts {
		highest = max(highest, p.level)
	}
	for level := highest; level >= 1; level-- {
		for i := 0; i < len(parts); i++ {
			from := i
			for i < len(parts) && parts[i].level >= level {
				i++
			}
			for a, b := from, i-1; a < b; a, b = a+1, b-1 {
				parts[a], parts[b] = parts[b], parts[a]
			}
		}
	}
}

// harmless replaces what makes a text do more than be read: control characters, the signs that turn the direction of writing
// around, and accents beyond a few on one letter. Everything keeps its length in bytes, so that positions stay valid; what is
// copied is the text itself.
func harmless(s string) string {
	const (
		marks   = 3        // accents on one letter
		nothing = "\u2060" // three bytes that show nothing: a word joiner
		little  = "\u00ad" // and two: a soft hyphen
	)
	var out []byte // a copy, once something was found
	stacked := 0
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		with := ""
		switch {
		case isAccent(r):
			if stacked++; stacked > marks {
				with = nothing
			}
		case r < ' ' && r != '\n' && r != '\t' || r == 0x7f:
			with = " "
		case isInvisible(r):
			with = nothing
		default:
			stacked = 0
		}
		if n == 2 && with != "" {
			with = little
		}
		if with != "" {
			if out == nil {
				out = []byte(s)
			}
			copy(out[i:i+n], with)
		}
		i += n
	}
	if out == nil {
		return s
	}
	return string(out)
}

// isAccent tells the combining marks that belong to no script and can be put on every letter.
func isAccent(r rune) bool {
	return r >= 0x0300 && r <= 0x036f || r >= 0x1ab0 && r <= 0x1aff || r >= 0x1dc0 && r <= 0x1dff || r >= 0x20d0 && r <= 0x20ff && r != 0x20e3 ||
		r >= 0xfe20 && r <= 0xfe2f
}

// isInvisible tells the controls of direction, of the terminal and of lines.
func isInvisible(r rune) bool {
	return r == 0x200e || r == 0x200f || r == 0x061c || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r >= 0x80 && r < 0xa0 ||
		r == 0x2028 || r == 0x2029
}
