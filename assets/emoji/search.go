package emoji

import (
	"embed"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/unicode/norm"
)

// table has a line for each emoji: its group, itself, its English name, and English words.
//
//go:embed table.tsv
var table string

// names has a file for each other language, compressed with Zstandard, with a line for each line of the table: a name and words.
//
//go:embed names/*.zst
var names embed.FS

// Group is one of the nine groups of the Unicode standard that one chooses from.
type Group int

const (
	Smileys    Group = 0
	People     Group = 1
	Nature     Group = 3
	Food       Group = 4
	Travel     Group = 5
	Activities Group = 6
	Objects    Group = 7
	Symbols    Group = 8
	Flags      Group = 9
)

// Groups lists the groups in the order of the standard.
func Groups() []Group {
	return []Group{Smileys, People, Nature, Food, Travel, Activities, Objects, Symbols, Flags}
}

// Emoji is one emoji, in the neutral skin tone.
type Emoji struct {
	Text  string
	Group Group
	Name  string // in the language that was asked for

	name  string // as it is searched
	alias string // the English name, likewise
	words string // more that describe it, as they are searched; the English ones too
}

var lists struct {
	sync.Mutex
	byLanguage map[string][]Emoji
}

// All lists the emoji in the order of the standard, with names in a language given by its BCP 47 tag, or English ones if there are no
// others. The slice must not be changed.
func All(language string) []Emoji {
	language, _, _ = strings.Cut(language, "-")
	language = strings.ToLower(language)
	lists.Lock()
	defer lists.Unlock()
	if list, ok := lists.byLanguage[language]; ok {
		return list
	}
	packed, err := names.ReadFile("names/" + language + ".zst")
	if err != nil {
		if list, ok := lists.byLanguage[""]; ok {
			return list
		}
		language = ""
	}
	list := read(packed)
	if lists.byLanguage == nil {
		lists.byLanguage = make(map[string][]Emoji)
	}
	lists.byLanguage[language] = list
	return list
}

// read returns the emoji with the names in a file, if it is not empty.
func read(packed []byte) []Emoji {
	var other []string
	if len(packed) > 0 {
		if dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20)); err == nil {
			text, _ := dec.DecodeAll(packed, nil) // what is broken leaves the English names
			other = strings.Split(string(text), "\n")
			dec.Close()
		}
	}
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	all := make([]Emoji, 0, len(lines))
	for i, line := range lines {
		f := strings.SplitN(line, "\t", 4)
		if len(f) != 4 || len(f[0]) != 1 {
			continue
		}
		e := Emoji{Text: f[1], Group: Group(f[0][0] - '0'), Name: f[2], words: f[3]}
		if i < len(other) {
			if name, words, _ := strings.Cut(other[i], "\t"); name != "" {
				e.Name, e.words = name, words+" "+f[2]+" "+f[3]
			}
		}
		e.name, e.alias, e.words = fold(e.Name), fold(f[2]), fold(e.words)
		all = append(all, e)
	}
	return all
}

// fold leaves of a text what somebody in a hurry types: small letters without accents, ligatures and points, and one kind of kana.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFC.String(s) {
		switch {
		case r == ':':
		case r == 'œ', r == 'Œ':
			b.WriteString("oe")
		case r == 'æ', r == 'Æ':
			b.WriteString("ae")
		case r == 'ß':
			b.WriteString("ss")
		case r == 'أ', r == 'إ', r == 'آ':
			b.WriteRune('ا')
		case r == 'ـ' || r >= 0x64b && r <= 0x652: // what stretches an Arabic word, and its vowels
		case r >= 'ァ' && r <= 'ヶ':
			b.WriteRune(r - 'ァ' + 'ぁ')
		case r >= 0xc0 && r < 0x250:
			base, _ := firstRune(norm.NFD.String(string(r)))
			b.WriteRune(unicode.ToLower(base))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

func firstRune(s string) (rune, bool) {
	for _, r := range s {
		return r, true
	}
	return 0, false
}

// Search returns the emoji for which every word of the query is the beginning of a word that describes them in a language, or in English;
// those whose name is the query come first, then those whose name begins with it or has all of it. In scripts without spaces a word
// may stand anywhere. An emoji finds itself. An empty query finds nothing.
func Search(language, query string) []Emoji {
	const long = 100 // bytes
	if len(query) > long {
		return nil
	}
	words := strings.FieldsFunc(fold(query), func(r rune) bool { return r == '_' || unicode.IsSpace(r) })
	if len(words) == 0 {
		return nil
	}
	whole := strings.Join(words, " ")
	matches := func(text string) bool {
		for _, w := range words {
			if !strings.HasPrefix(text, w) && !strings.Contains(text, " "+w) && !(spaceless(w) && strings.Contains(text, w)) {
				return false
			}
		}
		return true
	}
	var found [4][]Emoji
	for _, e := range All(language) {
		switch {
		case key(e.Text) == key(query) || e.name == whole:
			found[0] = append(found[0], e)
		case strings.HasPrefix(e.name, whole) || e.alias == whole:
			found[1] = append(found[1], e)
		case matches(e.name):
			found[2] = append(found[2], e)
		case matches(e.name + " " + e.words):
			found[3] = append(found[3], e)
		}
	}
	return slices.Concat(found[:]...)
}

// spaceless tells whether a word is of a script that has no spaces between words.
func spaceless(word string) bool {
	for _, r := range word {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) {
			return true
		}
	}
	return false
}
