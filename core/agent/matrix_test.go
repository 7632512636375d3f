package agent

import (
	"fmt"
	"testing"

	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// generation is what programs of a time speak.
type generation struct {
	name                        string
	agent, client, ratchet, smp wire.VersionRange
}

func upTo(low, high uint16) wire.VersionRange { return wire.VersionRange{Min: low, Max: high} }

var generations = []generation{
	{"agent 2", upTo(2, 2), upTo(1, 1), upTo(2, 2), upTo(6, 6)},
	{"agent 3", upTo(2, 3), upTo(1, 2), upTo(2, 2), upTo(6, 7)},
	{"agent 4", upTo(2, 4), upTo(1, 2), upTo(2, 2), upTo(6, 8)},
	{"agent 5", upTo(2, 5), upTo(1, 3), upTo(2, 3), upTo(6, 9)},
	{"agent 6", upTo(2, 6), upTo(1, 3), upTo(2, 3), upTo(6, 11)},
	{"agent 7", upTo(2, 7), upTo(1, 4), upTo(2, 3), upTo(6, 18)},
}

// TestVersionMatrix has each generation make a link, and an address, for each other one.
func TestVersionMatrix(t *testing.T) {
	r := newRelay(t)
	for i, maker := range generations {
		for j, opener := range generations {
			for _, pq := range []bool{true, false} {
				if !pq && (i+j)%2 == 1 {
					continue // half of them are enough for what hardly depends on the other side
				}
				if newest := len(generations) - 1; testing.Short() && i != j && i != newest && j != newest {
					continue
				}
				t.Run(fmt.Sprintf("%s to %s, pq %v", maker.name, opener.name, pq), func(t *testing.T) {
					t.Parallel()
					talk(t, newGeneration(t, "maker", r, maker, pq), newGeneration(t, "opener", r, opener, pq))
				})
			}
		}
	}
}

// Who has no short links yet makes none, even if the relay would keep them: what they lead to could not be opened.
func TestNoShortLinks(t *testing.T) {
	r := newRelay(t)
	for _, client := range []uint16{1, 3} {
		t.Run(fmt.Sprint("client ", client), func(t *testing.T) {
			newest := generations[len(generations)-1]
			old := newest
			old.client.Max = client
			talk(t, newGeneration(t, "maker", r, old, true), newGeneration(t, "opener", r, newest, true))
		})
	}
}

// New keys have a version that the other side knows.
func TestResyncWithOlder(t *testing.T) {
	r := newRelay(t)
	newest := generations[len(generations)-1]
	old := newest
	old.ratchet.Max = 2
	alice, bob := newGeneration(t, "alice", r, newest, true), newGeneration(t, "bob", r, old, true)
	atAlice, link, _ := alice.invite()
	atBob := bob.join(link)
	exchange(t, alice, bob, atAlice, atBob)
	for _, p := range []struct {
		*party
		connection int64
	}{{alice, atAlice}, {bob, atBob}} {
		for _, p := range []*party{alice, bob} {
			p.mu.Lock()
			p.sync = nil
			p.mu.Unlock()
		}
		p.resync(p.connection)
		alice.wait("the new ratchet", alice.synced)
		bob.wait("the new ratchet", bob.synced)
		exchange(t, alice, bob, atAlice, atBob)
	}
}

// TestPQTakenUp has a connection become post-quantum that was made by programs, or with settings, that were not.
func TestPQTakenUp(t *testing.T) {
	r := newRelay(t)
	newest := generations[len(generations)-1]
	for _, before := range []struct {
		generation
		pq bool
	}{{newest, false}, {generations[2], true}} {
		t.Run(before.name, func(t *testing.T) {
			t.Parallel()
			alice, bob := newGeneration(t, "alice", r, before.generation, before.pq), newGeneration(t, "bob", r, before.generation, before.pq)
			atAlice, link, _ := alice.invite()
			atBob := bob.join(link)
			exchange(t, alice, bob, atAlice, atBob)
			if alice.pq(atAlice) != [2]bool{} || bob.pq(atBob) != [2]bool{} {
				t.Fatal("it was post-quantum at once")
			}
			update := func(p *party) {
				p.versions, p.smp, p.noPQ = Versions{newest.agent, newest.client, newest.ratchet}, newest.smp, false
				p.restart()
			}
			update(alice)
			exchange(t, alice, bob, atAlice, atBob)
			update(bob)
			for range 3 { // a turn each for the versions, the keys and the secrets
				exchange(t, alice, bob, atAlice, atBob)
			}
			if got := [2][2]bool{alice.pq(atAlice), bob.pq(atBob)}; got != [2][2]bool{{true, true}, {true, true}} {
				t.Errorf("what they send and receive is post-quantum: %v", got)
			}
		})
	}
}

// pq tells whether what is sent and received on a connection is post-quantum.
func (p *party) pq(connection int64) [2]bool {
	p.t.Helper()
	r := new(ratchet.Ratchet)
	err := p.db.View(p.t.Context(), func(tx *store.Tx) error {
		c, err := tx.Connection(connection)
		if err != nil {
			return err
		}
		return r.UnmarshalBinary(c.Ratchet)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return [2]bool{r.SendPQ(), r.ReceivePQ()}
}

func newGeneration(t *testing.T, name string, r *testRelay, g generation, pq bool) *party {
	p := newParty(t, name, r.server)
	p.versions, p.smp, p.noPQ = Versions{g.agent, g.client, g.ratchet}, g.smp, !pq
	p.restart()
	return p
}

func talk(t *testing.T, maker, opener *party) {
	atMaker, link, short := maker.invite()
	if (short != nil) != (maker.smp.Max >= 15 && maker.versions.Client.Max >= shortLinkVersion) {
		t.Error("short link:", short != nil)
	}
	parsed, _, err := ParseLink(link.String())
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, maker, opener, atMaker, opener.join(*parsed))

	var made Invitation
	if _, err := maker.MakeAddress(t.Context(), nil, func(_ *store.Tx, _ int64, i Invitation) error {
		made = i
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if parsed, _, err = ParseLink(made.Full.String()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*party{maker, opener} {
		p.mu.Lock()
		p.state = ""
		p.mu.Unlock()
	}
	atOpener := opener.join(*parsed)
	maker.wait("the request", func() bool { return len(maker.requests) == 1 })
	if atMaker, err = maker.Accept(t.Context(), maker.requests[0], []byte("maker"), func(*store.Tx, int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	exchange(t, maker, opener, atMaker, atOpener)
}

// exchange has two parties that are being connected write to each other.
func exchange(t *testing.T, a, b *party, atA, atB int64) {
	t.Helper()
	for _, p := range []*party{a, b} {
		p.wait("the connection", func() bool { return p.state == StateConnected })
		p.mu.Lock()
		p.bodies, p.receipts = nil, map[int64]bool{}
		p.mu.Unlock()
	}
	receipts := min(a.versions.Agent.Max, b.versions.Agent.Max) >= receiptVersion
	for turn := range 3 { // turns of the ratchet take post-quantum keys up
		text := fmt.Sprint("turn ", turn)
		a.write(atA, text)
		b.wait("a message", func() bool { return len(b.bodies) == turn+1 && b.bodies[turn] == text })
		b.write(atB, text)
		a.wait("a message", func() bool { return len(a.bodies) == turn+1 && a.bodies[turn] == text })
	}
	if receipts {
		a.wait("receipts", func() bool { return len(a.receipts) == 3 })
		b.wait("receipts", func() bool { return len(b.receipts) == 3 })
	}
	for _, p := range []*party{a, b} {
		p.mu.Lock()
		if len(p.problems) > 0 || !receipts && len(p.receipts) > 0 {
			t.Error(p.name, p.problems, p.receipts)
		}
		p.mu.Unlock()
	}
}
