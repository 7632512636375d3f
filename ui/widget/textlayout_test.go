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
		"": "?", "  ": "?", "bob": "B", "Reading circle": "RC", "a b c": "AC", "éva": "É", "👩‍🚀 x": "👩‍🚀X",
	} {
		if got := initials(name); got != want {
			t.Errorf("initials(%q) = %q, want %q", name, got, want)
		}
	}
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
