package emoji

import (
	"strings"
	"testing"
)

func TestEveryEmojiHasAPicture(t *testing.T) {
	all := All()
	if len(all) < 1800 {
		t.Fatalf("there are %d emoji only", len(all))
	}
	groups := map[Group]int{}
	for _, e := range all {
		groups[e.Group]++
		if e.Name == "" {
			t.Errorf("%q has no name", e.Text)
		}
		if !Is(e.Text) {
			t.Errorf("%q (%s) is not known as an emoji", e.Text, e.Name)
		}
		img := Draw(e.Text, 20)
		if img == nil {
			t.Fatalf("%q (%s) has no picture", e.Text, e.Name)
		}
		seen := false
		for y := range 20 {
			for x := range 20 {
				_, _, _, a := img.At(x, y).RGBA()
				seen = seen || a > 0x8000
			}
		}
		if !seen {
			t.Errorf("the picture of %q (%s) is empty", e.Text, e.Name)
		}
	}
	for _, g := range Groups() {
		if groups[g] == 0 {
			t.Errorf("group %d is empty", g)
		}
	}
}

func TestIs(t *testing.T) {
	for s, want := range map[string]bool{
		"😀": true, "👍🏽": true, "👩‍👩‍👧": true, "🇩🇪": true, "1️⃣": true, "❤️": true, "❤": true, "🥹": true, "©️": true, "🏴󠁧󠁢󠁥󠁮󠁧󠁿": true, "⌚": true, "⏳": true,
		"1": false, "a": false, "": false, "©": false, "↔": false, "漢": false, "€": false, "…": false, "❤︎": false, "\xff": false, "🇩": false, "—": false,
	} {
		if got := Is(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestNext(t *testing.T) {
	for s, want := range map[string][2]int{
		"": {0, 0}, "plain 12 text…": {16, 16}, "a 😀👍🏽 b": {2, 14}, "😀": {0, 4}, "日本語": {9, 9},
	} {
		if a, b := Next(s); a != want[0] || b != want[1] {
			t.Errorf("%q: %d, %d", s, a, b)
		}
	}
}

func TestSearch(t *testing.T) {
	first := func(query string) string {
		found := Search(query)
		if len(found) == 0 {
			return ""
		}
		return found[0].Text
	}
	for query, want := range map[string]string{"rocket": "🚀", "THUMBS up": "👍️", "red heart": "❤️", "flag germ": "🇩🇪", ":fire:": "🔥", "🚀": "🚀", "": "", " ": "", "qqqq": ""} {
		if got := first(query); key(got) != key(want) {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
	}
	if n := len(Search(strings.Repeat("x ", 100_000))); n != 0 {
		t.Errorf("nonsense finds %d emoji", n)
	}
}

func TestDrawRefuses(t *testing.T) {
	if Draw("x", 20) != nil || Draw("😀", 0) != nil || Draw("😀", 1<<20) != nil {
		t.Error("something was drawn")
	}
}

func BenchmarkDrawFirst(b *testing.B) {
	l := open()
	for b.Loop() {
		clear(l.whole)
		clear(l.scaled)
		Draw("😀", 20)
	}
}

func BenchmarkSearch(b *testing.B) {
	for b.Loop() {
		Search("smile")
	}
}
