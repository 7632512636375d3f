package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vocabulary are made-up words with the frequencies of words in a language.
func vocabulary(random *rand.Rand) (words []string, pick func() string) {
	syllables := []string{"ka", "to", "mi", "ren", "sol", "ve", "ba", "dun", "li", "pra", "shi", "on", "est", "ur", "qua"}
	for range 30_000 {
		var b strings.Builder
		for range 1 + random.IntN(4) {
			b.WriteString(syllables[random.IntN(len(syllables))])
		}
		words = append(words, b.String())
	}
	zipf := rand.NewZipf(random, 1.2, 8, uint64(len(words)-1))
	return words, func() string { return words[zipf.Uint64()] }
}

// fill stores messages of 100 contacts, of which the first has a share by itself.
func fill(b *testing.B, db *DB, messages, ofFirst int) (first int64) {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	_, pick := vocabulary(random)
	var contacts []int64
	err := db.Update(b.Context(), func(tx *Tx) error {
		for range 100 {
			c := &Contact{State: "connected", Avatar: 1}
			if err := tx.InsertContact(c); err != nil {
				return err
			}
			contacts = append(contacts, c.ID)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	const batch = 10_000
	for n := 0; n < messages; n += batch {
		err := db.Update(b.Context(), func(tx *Tx) error {
			for k := n; k < min(n+batch, messages); k++ {
				var text strings.Builder
				for range 3 + random.IntN(15) {
					text.WriteString(pick())
					text.WriteByte(' ')
				}
				if k%1000 == 0 {
					text.WriteString("rarely 東京タワー")
				}
				contact := contacts[0]
				if k%(messages/ofFirst) != 0 {
					contact = contacts[1+random.IntN(99)]
				}
				i := &Item{Contact: contact, Own: k%2 == 0, Shared: fmt.Appendf(nil, "%016d", k), Kind: "text", Text: text.String(), Words: text.String(), State: "received",
					Time: time.UnixMilli(1_700_000_000_000 + int64(k)*1000)}
				if err := tx.InsertItem(i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return contacts[0]
}

// BenchmarkMillion measures what people wait for in a database of a million messages, or of as many as SOTTO_MESSAGES says.
// It takes minutes to make it, so that it is made once for all of them.
func BenchmarkMillion(b *testing.B) {
	messages := 1_000_000
	if s := os.Getenv("SOTTO_MESSAGES"); s != "" {
		var err error
		if messages, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	db, err := Create(b.Context(), filepath.Join(b.TempDir(), "p"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	begin := time.Now()
	first := fill(b, db, messages, messages/10)
	b.Logf("made in %v", time.Since(begin).Round(time.Second))
	view := func(name string, f func(tx *Tx) (int, error)) {
		b.Run(name, func(b *testing.B) {
			found := 0
			for b.Loop() {
				err := db.View(b.Context(), func(tx *Tx) (err error) {
					found, err = f(tx)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(found), "items")
		})
	}
	var newest int64
	view("page", func(tx *Tx) (int, error) {
		list, err := tx.ItemsBefore(first, math.MaxInt64, 100)
		if len(list) > 0 {
			newest = list[0].ID
		}
		return len(list), err
	})
	view("page in the middle", func(tx *Tx) (int, error) {
		list, err := tx.ItemsBefore(first, newest/2, 100)
		return len(list), err
	})
	view("contacts", func(tx *Tx) (int, error) {
		if _, err := tx.Contacts(); err != nil {
			return 0, err
		}
		list, err := tx.LastItems()
		return len(list), err
	})
	view("date", func(tx *Tx) (int, error) {
		_, err := tx.ItemAt(first, time.UnixMilli(1_700_000_000_000+500_000_000))
		return 1, err
	})
	for _, q := range []string{"k", "ka", "kat", "kato", "katomi", "ka to mi", "rarely", "東京", "京タ", "nothing", "sol ve nothing"} {
		query := ParseQuery(q)
		for name, contact := range map[string]int64{"all": 0, "one": first} {
			view("search "+name+" "+q, func(tx *Tx) (int, error) {
				list, err := tx.SearchItems(query, contact, math.MaxInt64, 50)
				return len(list), err
			})
		}
	}
	b.Run("new message", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			err := db.Update(b.Context(), func(tx *Tx) error {
				text := fmt.Sprintf("a new message with number %d in it", n)
				return tx.InsertItem(&Item{Contact: first, Shared: fmt.Appendf(nil, "new %d", n), Kind: "text", Text: text, Words: text, State: "received", Time: time.Now()})
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	remove := func(b *testing.B, n int) {
		err := db.Update(b.Context(), func(tx *Tx) error {
			list, err := tx.ItemsBefore(first, math.MaxInt64, n)
			if err != nil {
				return err
			}
			var ids []int64
			for _, i := range list {
				ids = append(ids, i.ID)
			}
			return tx.DeleteItems(ids)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, n := range []int{1, 10, 250} {
		b.Run(fmt.Sprint("delete ", n), func(b *testing.B) {
			for b.Loop() {
				remove(b, n)
			}
		})
	}
	b.Run("merge after deleting", func(b *testing.B) {
		steps := 0
		for b.Loop() {
			remove(b, 250)
			for done := false; !done; steps++ {
				err := db.Update(b.Context(), func(tx *Tx) (err error) {
					done, err = tx.MergeIndex()
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(steps)/float64(b.N), "steps")
	})
}
