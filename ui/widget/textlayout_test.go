package widget

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"fyne.io/fyne/v2"

	"github.com/sotto-chat/sotto/ui/theme"
)

func lines(l textLayout) []string {
	var out []string
	for _, line := range l.lines {
		var s string
		for _, f := range line.fragments {
			s += f.text
		}
		out = append(out, s)
	}
	return out
}

func TestLayoutText(t *testing.T) {
	newApp(t, theme.Light)
	w := func(s string) float32 { return textWidth(s, theme.TextBody, false) + 0.1 }
	for _, c := range []struct {
		text  string
		width float32
		want  []string
	}{
		{"", 100, []string{""}},
		{"one line", 1000, []string{"one line"}},
		{"one two three", w("one two"), []string{"one two", "three"}},
		{"one two   ", w("one two"), []string{"one two"}},
		{"a\n\n  b", 100, []string{"a", "", "  b"}},
		{"end\n", 100, []string{"end", ""}},
		{"abcdefghij", w("abcd"), []string{"abcd", "efgh", "ij"}},
		{"hi abcdefghij x", w("abcd"), []string{"hi", "abcd", "efgh", "ij x"}},
		{"x", 1, []string{"x"}},
		{"日本語日本語", w("日本語"), []string{"日本語", "日本語"}},
		{"日本語。日本語", w("日本語"), []string{"日本", "語。日", "本語"}},
		{"日本リレー", w("日本リレ"), []string{"日本リ", "レー"}},
		{"日本カット", w("日本カ"), []string{"日本", "カット"}},
	} {
		l := layoutText(c.text, nil, theme.TextBody, fyne.TextStyle{}, c.width)
		if got := lines(l); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%q in %v: %q, want %q", c.text, c.width, got, c.want)
		}
		if l.width > c.width && len(c.text) > 1 {
			t.Errorf("%q is %v wide, limit %v", c.text, l.width, c.width)
		}
	}
}

func TestLayoutRightToLeft(t *testing.T) {
	newApp(t, theme.Light)
	l := layoutText("שלום, how are you?", nil, theme.TextBody, fyne.TextStyle{}, 0)
	line := l.lines[0]
	if !line.rtl {
		t.Fatal("the paragraph does not read from the right")
	}
	var shown []string
	for _, f := range line.fragments {
		shown = append(shown, f.drawn())
	}
	if got := strings.Join(shown, "|"); got != "?|how are you| ,|שלום" {
		t.Errorf("from the left it shows %q", got)
	}
	last := line.fragments[len(line.fragments)-1]
	if got := l.offsetAt(0, line.width); got != 0 {
		t.Errorf("the right edge is byte %d", got)
	}
	if boxes := l.extent(0, 0, 2); len(boxes) != 1 || boxes[0][0]+boxes[0][1] < last.x+last.width-0.1 {
		t.Errorf("the first letter is at %v, want the right edge %v", boxes, last.x+last.width)
	}
	if latin := layoutText("hello שלום", nil, theme.TextBody, fyne.TextStyle{}, 0); latin.lines[0].rtl {
		t.Error("a paragraph that begins in Latin reads from the right")
	}
}

func TestOffsetsAndExtentsAgree(t *testing.T) {
	newApp(t, theme.Light)
	text := "The quick brown fox, bold and mono, jumps over é👍🏽 the dog"
	spans := []Span{{Start: 21, End: 25, Bold: true}, {Start: 30, End: 34, Mono: true}}
	l := layoutText(text, spans, theme.TextBody, fyne.TextStyle{}, 150)
	if len(l.lines) < 3 {
		t.Fatalf("%d lines", len(l.lines))
	}
	for n, line := range l.lines {
		for _, f := range line.fragments {
			for i := range f.text {
				boxes := l.extent(n, line.start, f.start+i)
				x := float32(0)
				if len(boxes) > 0 {
					x = boxes[len(boxes)-1][0] + boxes[len(boxes)-1][1]
				}
				got := l.offsetAt(n, x+0.01)
				if r, _ := utf8.DecodeRuneInString(text[f.start+i:]); r == '\u0301' || r >= 0x1F3FB && r <= 0x1F3FF {
					continue // inside a character
				}
				if got != f.start+i {
					t.Errorf("line %d: byte %d is at %v, where byte %d is", n, f.start+i, x, got)
				}
			}
		}
	}
}

func TestEllipsize(t *testing.T) {
	newApp(t, theme.Light)
	long := strings.Repeat("word ", 1000)
	for _, width := range []float32{0, 10, 50, 200} {
		got := ellipsize(long, theme.TextSmall, fyne.TextStyle{}, width)
		if !strings.HasSuffix(got, "…") {
			t.Errorf("%v: %q", width, got)
		}
		if w := textWidth(got, theme.TextSmall, false); w > width && got != "…" {
			t.Errorf("%q is %v wide, limit %v", got, w, width)
		}
	}
	if got := ellipsize("a\nb", theme.TextSmall, fyne.TextStyle{}, 100); got != "a b" {
		t.Errorf("a line feed gives %q", got)
	}
}

func TestEmojiOnly(t *testing.T) {
	for text, want := range map[string]bool{
		"👍": true, "👩‍👩‍👧🎉": true, "❤️": true, "🇩🇪": true, "👍👍👍": true,
		"": false, "👍👍👍👍": false, "hi 👍": false, "123": false, "👍\n": false,
	} {
		if got := emojiOnly(text); got != want {
			t.Errorf("emojiOnly(%q) = %v", text, got)
		}
	}
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{
		"": "?", "  ": "?", "bob": "B", "Reading circle": "RC", "a b c": "AC", "éva": "É", "👩‍🚀 x": "X", "🚀": "?", "(Anna)": "A", "\u202eevil": "E", "שרה כהן": "שכ",
	} {
		if got := initials(name); got != want {
			t.Errorf("initials(%q) = %q, want %q", name, got, want)
		}
	}
}

// stands returns the words of a line as they stand from the left.
func stands(l textLayout, line int) string {
	var b strings.Builder
	for _, f := range l.lines[line].fragments {
		if f.rtl && f.shown == "" {
			b.WriteString(mirror(f.text))
			continue
		}
		b.WriteString(f.drawn())
	}
	return b.String()
}

// TestLinesStandInTheOrderOfTheirDirections has capital letters for those that are written from the right, as the Unicode Standard
// Annex #9 does.
func TestLinesStandInTheOrderOfTheirDirections(t *testing.T) {
	hebrew := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' {
				return r - 'A' + 'א'
			}
			return r
		}, s)
	}
	for text, want := range map[string]string{
		"abc":                 "abc",
		"ABC":                 "CBA",
		"abc DEF ghi":         "abc FED ghi",
		"ABC def GHI":         "IHG def CBA",
		"abc DEF GHI jkl":     "abc IHG FED jkl",
		"ABC def ghi JKL":     "LKJ def ghi CBA",
		"car is THE CAR in x": "car is RAC EHT in x",
		"A 12 B":              "B 12 A",
		"abc D 12 E fgh":      "abc E 12 D fgh",
		"A 1,234.5 B":         "B 1,234.5 A",
		"A-12:30.":            ".12:30-A",
		"A (b) C?":            "?C (b) A",
		"abc (DEF) ghi":       "abc (FED) ghi",
		"ABC 50% DEF":         "FED 50% CBA",
		"he said A, B!":       "he said B ,A!",
		"\u202eabc":           "\u2060abc",
		"A \u2066b\u2069 C":   "C \u2060b\u2060 A",
	} {
		l := layoutText(hebrew(text), nil, 14, fyne.TextStyle{}, 0)
		got, want := strings.ReplaceAll(stands(l, 0), "\u2060", ""), strings.ReplaceAll(hebrew(want), "\u2060", "")
		if got != want {
			t.Errorf("%q stands as %q, want %q", text, got, want)
		}
	}
	// A style in the middle of a right-to-left sentence does not change the order of its words.
	styled := layoutText("אבג דהו זחט", []Span{{Start: 7, End: 13, Bold: true}}, 14, fyne.TextStyle{}, 0)
	if got := stands(styled, 0); got != mirror("אבג דהו זחט") {
		t.Errorf("a bold word stands as %q", got)
	}
}

func TestHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "",
		"plain \n\t text é ü":                    "plain \n\t text é ü",
		"a\u202eb":                               "a\u2060b",
		"a\u061cb":                               "a\u00adb",
		"\x00\x07\x1b":                           "   ",
		"e\u0301\u0302\u0303":                    "e\u0301\u0302\u0303",
		"e\u0301\u0302\u0303\u0304\u20d0x\u0301": "e\u0301\u0302\u0303\u00ad\u2060x\u0301",
		"1\ufe0f\u20e3":                          "1\ufe0f\u20e3",
		"हिन्दी ไทย שָׁלוֹם": "हिन्दी ไทย שָׁלוֹם",
	} {
		got := harmless(text)
		if got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
		if len(got) != len(text) {
			t.Errorf("%q changed its length", text)
		}
	}
	if w := fyne.MeasureText("a\u2060b\u00adc", 14, fyne.TextStyle{}).Width; w > fyne.MeasureText("abc", 14, fyne.TextStyle{}).Width+0.1 {
		t.Error("what shows nothing takes room")
	}
}

func TestLongTextsEndWithDots(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		dots bool
	}{
		"short":      {"a\nb", false},
		"just fits":  {strings.Repeat("a\n", maxTextLines-1) + "b", false},
		"many lines": {strings.Repeat("a\n", maxTextLines) + "b", true},
		"one line":   {strings.Repeat("word ", 20_000), true},
		"bytes":      {strings.Repeat("é", maxTextBytes), true},
	} {
		l := layoutText(c.text, nil, 14, fyne.TextStyle{}, 100)
		last := l.lines[len(l.lines)-1]
		dots := len(last.fragments) == 1 && last.fragments[0].drawn() == "…"
		if dots != c.dots || len(l.lines) > maxTextLines {
			t.Errorf("%s: %d lines, dots %v", name, len(l.lines), dots)
		}
		if dots && l.offsetAt(len(l.lines)-1, 5) != last.start {
			t.Errorf("%s: the dots are part of the text", name)
		}
	}
}

func TestEmojiInTexts(t *testing.T) {
	const text = "go 🚀🚀 now"
	l := layoutText(text, nil, 14, fyne.TextStyle{}, 0)
	fragments := l.lines[0].fragments
	if len(fragments) != 3 || !fragments[1].emoji || fragments[1].text != "🚀🚀" {
		t.Fatalf("the fragments are %+v", fragments)
	}
	if w := measureText(text, 14, fyne.TextStyle{}); w < l.width-0.1 || w > l.width+0.1 {
		t.Errorf("measured %v, laid out %v", w, l.width)
	}
	box := l.extent(0, 3, 7)
	if len(box) != 1 || box[0][1] != emojiAdvance(14) {
		t.Errorf("one rocket is at %v", box)
	}
	if o := l.offsetAt(0, box[0][0]+box[0][1]+2); o != 7 {
		t.Errorf("between the rockets is byte %d", o)
	}
	if img := drawEmoji("🚀👍", 40, 20); img.Bounds().Dx() != 40 {
		t.Error("the picture has the wrong size")
	}
}

func FuzzHarmless(f *testing.F) {
	f.Add("a\u202e\u0301\u0302\u0303\u0304\xff\xc2")
	f.Fuzz(func(t *testing.T, text string) {
		got := harmless(text)
		if len(got) != len(text) || utf8.ValidString(text) != utf8.ValidString(got) {
			t.Fatalf("%q became %q", text, got)
		}
		for _, r := range got {
			if isInvisible(r) {
				t.Fatalf("%q still has %U", text, r)
			}
		}
		if harmless(got) != got {
			t.Fatalf("%q changes twice", text)
		}
	})
}

func FuzzLayoutText(f *testing.F) {
	newApp(f, theme.Light)
	f.Add("hello world", 0, 5, 3, 9, 60)
	f.Add("שלום (abc) 12\n\tx", 2, 4, 4, 30, 20)
	f.Add("\xff\xfe👩‍👩‍👧\u202e", -1, 2, 1, 1, 1)
	f.Fuzz(func(t *testing.T, text string, a, b, c, d, width int) {
		if len(text) > 2000 {
			return
		}
		l := layoutText(text, []Span{{Start: a, End: b, Bold: true}, {Start: c, End: d, Link: "x"}}, 14, fyne.TextStyle{}, float32(width%500))
		last := 0
		for n, line := range l.lines {
			if line.start < last || line.end < line.start || line.end > len(text) {
				t.Fatalf("line %d is bytes %d to %d of %d", n, line.start, line.end, len(text))
			}
			last = line.end
			for _, x := range []float32{-1, 0, line.width / 2, line.width + 5} {
				if o := l.offsetAt(n, x); o < line.start || o > line.end {
					t.Fatalf("line %d: offset %d is outside of %d to %d", n, o, line.start, line.end)
				}
			}
			l.extent(n, line.start, line.end)
		}
	})
}
