package store

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"modernc.org/sqlite"
)

// The index for searching holds words: what stands between spaces and punctuation, in lower case and
// without accents. Scripts that put no spaces between words, and symbols such as emoji, have each
// character as a word, so that any part of such a text can be found.

// Limits of a query and of a word.
const (
	maxQueryWords = 32
	maxWord       = 64 // characters
)

// word is a word of a text: its folded form, and where it stands in the text, in bytes.
type word struct {
	folded     string
	start, end int
	single     bool // it is a character that is a word by itself
}

// letters are characters that have no decomposition to what they are taken for.
var letters = map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ł': "l", 'ħ': "h", 'ı': "i", 'þ': "th", 'ς': "σ"}

// singles are the scripts whose characters are words by themselves.
var singles = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo, unicode.Yi,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan}

// accents are the marks that are left out: of European letters, of Hebrew and Arabic vowels, and what
// selects a form of a symbol. In other scripts marks are vowels that make a difference.
var accents = &unicode.RangeTable{R16: []unicode.Range16{{0x300, 0x36f, 1}, {0x483, 0x487, 1}, {0x591, 0x5bd, 1}, {0x5bf, 0x5bf, 1}, {0x5c1, 0x5c2, 1},
	{0x5c4, 0x5c5, 1}, {0x5c7, 0x5c7, 1}, {0x610, 0x61a, 1}, {0x64b, 0x65f, 1}, {0x670, 0x670, 1}, {0x1ab0, 0x1aff, 1}, {0x1dc0, 0x1dff, 1},
	{0x20d0, 0x20ff, 1}, {0xfe00, 0xfe0f, 1}, {0xfe20, 0xfe2f, 1}}, R32: []unicode.Range32{{0xe0100, 0xe01ef, 1}}}

// The ways in which a character stands in a word.
const (
	charBreak  = iota // ends a word
	charNone          // is left out
	charLetter        // continues a word
	charMark          // continues a word, even one that is a single character
	charSingle        // is a word by itself
)

// fold returns what a character is in a word, and how it stands there.
func fold(r rune) (string, int) {
	if r < utf8.RuneSelf {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return asciiString[r : r+1], charLetter
		case r >= 'A' && r <= 'Z':
			return asciiString[r+32 : r+33], charLetter
		case unicode.IsSymbol(r):
			return asciiString[r : r+1], charSingle
		}
		return "", charBreak
	}
	switch {
	case unicode.Is(accents, r), unicode.Is(unicode.Cf, r):
		return "", charNone
	case unicode.IsMark(r):
		return string(r), charMark
	case unicode.Is(unicode.Hangul, r) && r >= 0xac00 && r <= 0xd7a3:
		return string(r), charSingle
	case r == utf8.RuneError:
		return "", charBreak
	}
	var b strings.Builder
	class := charBreak
	for _, d := range norm.NFKD.String(string(r)) {
		d = unicode.ToLower(d)
		switch other, ok := letters[d]; {
		case ok:
			b.WriteString(other)
			class = max(class, charLetter)
		case unicode.Is(accents, d):
		case unicode.IsLetter(d), unicode.IsNumber(d), unicode.IsSymbol(d), unicode.Is(unicode.Co, d):
			b.WriteRune(d)
			if unicode.IsSymbol(d) || unicode.In(d, singles...) {
				class = charSingle
			}
			class = max(class, charLetter)
		case unicode.IsMark(d):
			b.WriteRune(d)
		}
	}
	return b.String(), class
}

var asciiString = func() string {
	b := make([]byte, utf8.RuneSelf)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}()

// words divides a text into its words.
func words(text string) []word {
	var list []word
	var b strings.Builder
	open := false // the last word of the list goes on
	characters := 0
	finish := func() {
		if open {
			list[len(list)-1].folded = b.String()
			b.Reset()
			open = false
		}
	}
	for i, r := range text {
		s, class := fold(r)
		end := i + utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, n := utf8.DecodeRuneInString(text[i:])
			end = i + n
		}
		switch class {
		case charBreak:
			finish()
			continue
		case charNone:
			continue
		case charSingle:
			finish()
		case charLetter:
			if open && list[len(list)-1].single {
				finish()
			}
		}
		if !open {
			list = append(list, word{start: i, single: class == charSingle})
			open, characters = true, 0
		}
		if characters++; characters <= maxWord {
			b.WriteString(s)
		}
		list[len(list)-1].end = end
	}
	finish()
	return list
}

// searchWords is a text as the index takes it: its words with spaces between them.
func searchWords(text string) string {
	var b strings.Builder
	for i, w := range words(text) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.folded)
	}
	return b.String()
}

// The migration that makes the index fills it with what is there already.
func init() {
	sqlite.MustRegisterDeterministicScalarFunction("search_words", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		text, _ := args[0].(string)
		return searchWords(text), nil
	})
}

// Query is what is searched for: all of its parts, which are separated by spaces in what was typed. The
// last word of each may be the beginning of a longer one.
type Query struct{ parts [][]word }

// ParseQuery reads what was typed. Without a word in it nothing is found.
func ParseQuery(text string) Query {
	var q Query
	n := 0
	for _, part := range strings.Fields(text) {
		list := words(part)
		if n += len(list); n > maxQueryWords {
			break
		}
		if len(list) > 0 {
			q.parts = append(q.parts, list)
		}
	}
	return q
}

// Empty tells that there is nothing to search for.
func (q Query) Empty() bool { return len(q.parts) == 0 }

// match is the query as FTS5 takes it, for the messages of one contact unless that is 0.
func (q Query) match(contact int64) string {
	var b strings.Builder
	if contact != 0 {
		b.WriteString(`contact : "` + strconv.FormatInt(contact, 10) + `" AND `)
	}
	b.WriteString("text : (")
	for i, part := range q.parts {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteByte('"')
		for j, w := range part {
			if j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(strings.ReplaceAll(w.folded, `"`, `""`))
		}
		b.WriteByte('"')
		if !part[len(part)-1].single {
			b.WriteByte('*')
		}
	}
	b.WriteByte(')')
	return b.String()
}

// Ranges returns where the query stands in a text, in bytes and in the order of the text. Ranges don't overlap.
func (q Query) Ranges(text string) [][2]int {
	list := words(text)
	var ranges [][2]int
	for i := range list {
		end := -1
		for _, part := range q.parts {
			if e := matchEnd(text, list[i:], part); e > end {
				end = e
			}
		}
		switch n := len(ranges); {
		case end < 0:
		case n > 0 && ranges[n-1][1] > list[i].start:
			ranges[n-1][1] = max(ranges[n-1][1], end)
		default:
			ranges = append(ranges, [2]int{list[i].start, end})
		}
	}
	return ranges
}

// matchEnd returns where a part of a query ends in a text, if the words begin with it, and -1 if not.
func matchEnd(text string, list, part []word) int {
	if len(list) < len(part) {
		return -1
	}
	last := len(part) - 1
	for i, w := range part[:last] {
		if list[i].folded != w.folded {
			return -1
		}
	}
	w, p := list[last], part[last]
	switch {
	case w.folded == p.folded:
		return w.end
	case p.single || !strings.HasPrefix(w.folded, p.folded):
		return -1
	}
	n := 0
	for i, r := range text[w.start:w.end] {
		if n >= len(p.folded) {
			return w.start + i
		}
		s, _ := fold(r)
		n += len(s)
	}
	return w.end
}

// index puts an item into the index for searching, in place of what is there of it.
func (tx *Tx) index(i *Item, isNew bool) error {
	if !isNew {
		if _, err := tx.Exec(`DELETE FROM search WHERE rowid = ?`, i.ID); err != nil {
			return fmt.Errorf("store: indexing an item: %w", err)
		}
	}
	text := searchWords(i.Words)
	if text == "" {
		return nil
	}
	if _, err := tx.Exec(`INSERT INTO search (rowid, contact, text) VALUES (?, ?, ?)`, i.ID, strconv.FormatInt(i.Contact, 10), text); err != nil {
		return fmt.Errorf("store: indexing an item: %w", err)
	}
	return nil
}

// MaxSecure is how many items can be deleted with nothing of their words being left in the index, which takes some milliseconds for
// each. If there are more in one call of DeleteItems, their words are only marked, and go when the index is merged.
const MaxSecure = 20

const (
	settingMerge = "search merge" // there is something for MergeIndex to do
	mergePages   = "64"           // in one call
)

// DeleteItems deletes items. What quotes them is for the caller to change, and if there are many, MergeIndex is
// to be called until it is done.
func (tx *Tx) DeleteItems(ids []int64) error {
	many := len(ids) > MaxSecure
	if many {
		if _, err := tx.Exec(`INSERT INTO search (search, rank) VALUES ('secure-delete', 0)`); err != nil {
			return fmt.Errorf("store: deleting items: %w", err)
		}
	}
	for _, id := range ids {
		if _, err := tx.Exec(`DELETE FROM items WHERE id = ?`, id); err != nil {
			return fmt.Errorf("store: deleting items: %w", err)
		}
	}
	if !many {
		return nil
	}
	// An index that is one part already would not be merged, whatever is marked in it: a row that is no item makes another part.
	for _, q := range []string{`INSERT INTO search (search, rank) VALUES ('secure-delete', 1)`, `INSERT OR REPLACE INTO search (rowid, contact, text) VALUES (0, '', 'x')`} {
		if _, err := tx.Exec(q); err != nil {
			return fmt.Errorf("store: deleting items: %w", err)
		}
	}
	return tx.SetSetting(settingMerge, []byte("new"))
}

// MergeIndex does a part of what is left to do after many items were deleted. It tells whether that was the last one.
func (tx *Tx) MergeIndex() (done bool, err error) {
	state, err := tx.Setting(settingMerge)
	if err != nil || state == nil {
		return true, err
	}
	pages := mergePages
	if string(state) == "new" {
		pages = "-" + pages // all of the index is to be merged
	}
	var before, after int64
	if err := tx.QueryRow(`SELECT total_changes()`).Scan(&before); err != nil {
		return false, fmt.Errorf("store: merging the index: %w", err)
	}
	if _, err := tx.Exec(`INSERT INTO search (search, rank) VALUES ('merge', CAST(? AS INTEGER))`, pages); err != nil {
		return false, fmt.Errorf("store: merging the index: %w", err)
	}
	if err := tx.QueryRow(`SELECT total_changes()`).Scan(&after); err != nil {
		return false, fmt.Errorf("store: merging the index: %w", err)
	}
	switch {
	case string(state) == "new":
		return false, tx.SetSetting(settingMerge, []byte("merging"))
	case after-before >= 2: // the statement itself counts as a change
		return false, nil
	}
	if _, err := tx.Exec(`DELETE FROM search WHERE rowid = 0`); err != nil {
		return false, fmt.Errorf("store: merging the index: %w", err)
	}
	return true, tx.SetSetting(settingMerge, nil)
}

// SearchItems returns the newest items that a query finds, with ids below before: those of a contact, or of
// all with contact 0.
func (tx *Tx) SearchItems(q Query, contact, before int64, limit int) ([]*Item, error) {
	if q.Empty() {
		return nil, nil
	}
	return collect(tx, "items", scanItem, `SELECT `+prefixed("i", itemColumns)+` FROM search JOIN items i ON i.id = search.rowid
		WHERE search MATCH ? AND search.rowid < ? ORDER BY search.rowid DESC LIMIT ?`, q.match(contact), before, limit)
}
