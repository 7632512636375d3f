package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
)

// sequence is n bytes that count up from first, as in the inputs of smp-commands.md §11.
func sequence(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func unhex(s string) []byte { return must(hex.DecodeString(s)) }

func wantSHA256(t *testing.T, what string, b []byte, want string) {
	t.Helper()
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want {
		t.Errorf("%s (%d bytes) has another hash than in the document", what, len(b))
	}
}

// TestExamples feeds the worked examples of smp-commands.md §11 to a relay with the keys
// that they were made with.
func TestExamples(t *testing.T) {
	now := relaytest.NewClock(time.Unix(1700000000, 0))
	s := startRelay(t, Config{Now: now.Now})
	a, b, proxyKey := crypt.X25519Private(sequence(0x01, 32)), crypt.X25519Private(sequence(0x65, 32)), crypt.X25519Private(sequence(0x21, 32))
	c := offline(s.Relay, 18)
	c.params.SessionID = sequence(0xa0, 32)
	c.key, c.hasKey = b, true
	forward := must(b.DH(proxyKey.Public()))
	c.forward = &forward
	corrID := sequence(0x40, 24)
	execute := func(transmission []byte) outgoing {
		t.Helper()
		c.waiting = nil
		c.executeBlock(smp.AppendBlock(nil, [][]byte{transmission}))
		if len(c.waiting) != 1 {
			t.Fatalf("%d answers", len(c.waiting))
		}
		return c.waiting[0]
	}

	seed := crypt.Ed25519Private(sequence(0, 32))
	command := append([]byte("NEW "), 0x2c)
	command = append(append(command, seed.Public().DER()...), 0x2c)
	command = append(append(command, a.Public().DER()...), "0S1M00"...)
	transmission := append([]byte{0x40}, unhex("c653c450bfb1b11c9a955ea17e633408cae60a70c5baa16f204c089f6e6574e80c511fe58ad4af0f4f82c23854f84982053fdb15e36e5e9680e9a1dc268ffe0a")...)
	transmission = append(append(append(transmission, '0', 24), corrID...), 0)
	transmission = append(transmission, command...)
	wantSHA256(t, "NEW", transmission, "9fdc74be47685a2bf104fed76ddf0a4d961bfbd6a8e894f2e886d52d56855923")
	if _, ok := execute(transmission).message.(smp.IDs); !ok {
		t.Error("the example of NEW is refused")
	}

	// A queue with the ids of the examples, secured with the key a.
	q := &queue{first: firstNumber(now.Now())}
	q.next = q.first
	q.rcv, q.snd = newKey(), key(sequence(0xc0, 24))
	q.rcvKeys, q.sndKey, q.mode = []crypt.AuthPublic{seed.Public()}, a.Public(), smp.ModeMessaging
	q.secret = must(a.DH(b.Public()))
	stored := must(s.store.create(q, nil))
	if err := stored.wait(); err != nil {
		t.Fatal(err)
	}

	authenticator := unhex("cc405de10f2d5f51b39c9a4ef230dd20140d736bbf884736ab9f5b38dfd25573f817918541cb6052146d9a44ca06bf3aa8a33c7f359b1509de15e6feedd892257e8de1bd5fb496c7a97efaecf15fc768")
	send := append(append([]byte{0x50}, authenticator...), '0', 24)
	send = append(append(append(send, corrID...), 24), q.snd[:]...)
	send = append(send, "SEND T hello"...)
	if _, ok := execute(send).message.(smp.OK); !ok {
		t.Error("the example of SEND is refused")
	}

	// The same SEND through a proxy, and its answer.
	secret := must(a.DH(b.Public()))
	box := must(smp.SealForward(&secret, crypt.NonceOf(corrID), send))
	wantSHA256(t, "the box of PFWD", box, "a045e8bf09329267b8c4bbfbf3dae75ffa12d68d43d4235eb97298b44145e63f")
	m := sequence(0x60, 24)
	f := smp.Forwarded{CorrID: corrID, Pfwd: smp.Pfwd{Version: 17, Key: a.Public(), Box: box}}
	rfwd := smp.Rfwd{Box: smp.SealRelayForward(&forward, crypt.NonceOf(m), &f)}
	wantSHA256(t, "the box of RFWD", rfwd.Box, "a1264b94ed0467159218a32510f117af9887c58c2139b03289f0f92ea5a7fec6")
	outer := smp.Transmission{CorrID: m, Body: rfwd.Append(nil, 18)}
	answer, ok := execute(c.params.AppendTransmission(nil, &outer)).message.(smp.RRes)
	if !ok {
		t.Fatal("the example of RFWD is refused")
	}
	wantSHA256(t, "RRES", answer.Box, "4fc92d34d8b3930fa3b6e2fafdf9ffdc4aed2fd525ada9997138ab700df301a0")

	// The body of MSG.
	st := s.stripe(q.rcv)
	st.mu.Lock()
	kept := must(st.queue(q.rcv))
	first := kept.first
	// Both SENDs are in the queue; the example's message takes the place behind them.
	must(s.store.add(kept, &message{id: key(sequence(0x80, 24)), time: 1700000000, body: []byte("hello")}))
	if n := kept.next - first; n != 3 {
		t.Errorf("%d messages in the queue", n)
	}
	if err := s.store.removeFirst(kept, 2); err != nil {
		t.Error(err)
	}
	sub := st.subscribe(c, kept)
	st.offer(sub, kept)
	st.mu.Unlock()
	msg, _, err := s.take(sub, new([crypt.BlockSize]byte))
	if err != nil || msg.ID != smp.ID(sequence(0x80, 24)) {
		t.Fatalf("message: %v", err)
	}
	wantSHA256(t, "MSG", msg.Body, "5183b3ee8187c6c431ac4b6ef76ccafda45652478c40d86b25838b780f88cf23")
}
