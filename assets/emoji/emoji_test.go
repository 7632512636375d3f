package emoji

import (
	"strings"
	"testing"
)

func TestEveryEmojiHasAPicture(t *testing.T) {
	all := All("en")
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
	for _, c := range []struct{ language, query, want string }{
		{"en", "rocket", "🚀"}, {"en", "THUMBS up", "👍️"}, {"en", "red heart", "❤️"}, {"en", "flag germ", "🇩🇪"}, {"en", ":fire:", "🔥"},
		{"en", "🚀", "🚀"}, {"en", "", ""}, {"en", " ", ""}, {"en", "qqqq", ""}, {"", "rocket", "🚀"}, {"eo", "rocket", "🚀"}, {"../table.tsv", "rocket", "🚀"},
		{"de", "rotes Herz", "❤️"}, {"de-AT", "Rakete", "🚀"}, {"de", "rocket", "🚀"}, {"DE", "geballte faust", "👊"},
		{"fr", "cœur rouge", "❤️"}, {"fr", "Coeur rouge", "❤️"}, {"fr", "fusee", "🚀"},
		{"es", "corazón rojo", "❤️"}, {"es-MX", "corazon rojo", "❤️"}, {"es", "cohete", "🚀"},
		{"ja", "赤いハート", "❤️"}, {"ja", "ろけっと", "🚀"}, {"ja", "ロケット", "🚀"},
		{"ar", "صاروخ", "🚀"}, {"ar", "صَاروخ", "🚀"}, {"ar", "علم ألمانيا", "🇩🇪"}, {"ar", "المانيا", "🇩🇪"},
	} {
		got := ""
		if found := Search(c.language, c.query); len(found) > 0 {
			got = found[0].Text
		}
		if key(got) != key(c.want) {
			t.Errorf("%s: %q finds %q, want %q", c.language, c.query, got, c.want)
		}
	}
	hearts := 0
	for _, e := range Search("de", "herz") {
		if strings.Contains(e.Name, "Herz") {
			hearts++
		}
	}
	if hearts < 10 {
		t.Errorf("%d hearts are found by their German name", hearts)
	}
	if n := len(Search("en", strings.Repeat("x ", 100_000))); n != 0 {
		t.Errorf("nonsense finds %d emoji", n)
	}
}

// Every language has names for the same emoji.
func TestNames(t *testing.T) {
	files, err := names.ReadDir("names")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d languages, %v", len(files), err)
	}
	english := All("en")
	for _, f := range files {
		language := strings.TrimSuffix(f.Name(), ".zst")
		list, same := All(language), 0
		if len(list) != len(english) {
			t.Fatalf("%s has %d emoji, want %d", language, len(list), len(english))
		}
		for i, e := range list {
			if e.Text != english[i].Text || e.Group != english[i].Group || e.Name == "" {
				t.Fatalf("%s: %q is called %q", language, e.Text, e.Name)
			}
			if e.Name == english[i].Name {
				same++
			}
		}
		if same > len(list)/10 {
			t.Errorf("%s: %d names are English", language, same)
		}
	}
}

// Names that are broken leave the English ones.
func TestBrokenNames(t *testing.T) {
	for _, packed := range [][]byte{nil, {1, 2, 3}, []byte(strings.Repeat("\x28\xb5\x2f\xfd", 100))} {
		if list := read(packed); len(list) != len(All("en")) || list[0].Name != All("en")[0].Name {
			t.Errorf("%d emoji with %d bytes", len(list), len(packed))
		}
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
		Search("en", "smile")
	}
}
