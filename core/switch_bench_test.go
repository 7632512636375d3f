package core

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/sotto-chat/sotto/store"
)

// BenchmarkSwitch switches between two profiles that have many messages, as a click does: the profile is in use,
// its list of contacts and the end of one conversation are read. SOTTO_BENCH_MESSAGES says how many messages each has.
func BenchmarkSwitch(b *testing.B) {
	messages := 20_000
	if text := os.Getenv("SOTTO_BENCH_MESSAGES"); text != "" {
		var err error
		if messages, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	c, err := Open(b.Context(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	const contacts = 50
	var profiles []*Profile
	for _, name := range []string{"Alice", "Bob"} {
		p, err := c.CreateProfile(b.Context(), NewProfile{Name: name})
		if err != nil {
			b.Fatal(err)
		}
		err = p.db.Update(b.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
				INSERT INTO contacts (id, state, name, avatar, created, active, unread) SELECT i, 'connected', 'Contact ' || i, i, i, i, 3 FROM n`, contacts)
			return err
		})
		for first := 1; err == nil && first <= messages; first += 20_000 {
			err = p.db.Update(b.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(`WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i+1 FROM n WHERE i < ?)
					INSERT INTO items (id, contact, own, kind, text, state, time, created, changed)
					SELECT i, 1 + i % ?, i % 2, 'text', 'message number ' || i || ' of some length, as people write them', 'received', i, i, i FROM n`,
					first, min(first+19_999, messages), contacts)
				return err
			})
		}
		if err != nil {
			b.Fatal(err)
		}
		profiles = append(profiles, p)
	}
	i := 0
	b.Run(fmt.Sprintf("%d", messages), func(b *testing.B) {
		for b.Loop() {
			i++
			if err := c.Use(profiles[i%2].ID()); err != nil {
				b.Fatal(err)
			}
			p := c.Current()
			list, err := p.Contacts(b.Context())
			if err != nil || len(list) != contacts {
				b.Fatal(len(list), err)
			}
			items, err := p.History(b.Context(), list[0].ID, 0, 100)
			if err != nil || len(items) == 0 {
				b.Fatal(len(items), err)
			}
		}
	})
}
