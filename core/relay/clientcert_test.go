package relay

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
)

// TestUnasked has services come whose certificates crypto/tls does not know, as those with Ed448 are.
func TestUnasked(t *testing.T) {
	known := makeCertificates(t, 2, time.Now().AddDate(1, 0, 0)).tls
	// The client finds no algorithm in common with the relay.
	noAlgorithm := known
	noAlgorithm.SupportedSignatureAlgorithms = []tls.SignatureScheme{tls.PSSWithSHA256}
	// The relay gets a certificate whose key is of a kind that it doesn't know: Ed448 by its name.
	otherKey := known
	leaf := bytes.Replace(known.Certificate[0], []byte{6, 3, 0x2b, 0x65, 0x70, 3, 0x21}, []byte{6, 3, 0x2b, 0x65, 0x71, 3, 0x21}, 1)
	otherKey.Certificate = [][]byte{leaf, known.Certificate[1]}
	for name, certificate := range map[string]tls.Certificate{"no common algorithm": noAlgorithm, "another key": otherKey} {
		t.Run(name, func(t *testing.T) {
			now := relaytest.NewClock(time.Now())
			s := startRelay(t, Config{Now: now.Now})
			// connect tells whether the client was asked for its certificate and the connection is of use.
			connect := func() (asked, works bool) {
				t.Helper()
				config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"smp/1"}}
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					asked = true
					return &certificate, nil
				}
				conn, err := tls.Dial("tcp", s.addr, config)
				if err == nil {
					defer conn.Close()
					conn.SetReadDeadline(time.Now().Add(patience))
					_, err = conn.Read(make([]byte, 1))
				}
				return asked, err == nil
			}
			for step, want := range []bool{true, false, false} {
				// The relay notices a failure when the connection is over for it.
				if asked, works := connect(); asked != want || works == want {
					t.Fatalf("connection %d: asked %t, works %t", step, asked, works)
				}
				if step == 0 {
					s.waitForConnections(t, 0)
				}
			}
			now.Advance(unaskedTime)
			if asked, works := connect(); !asked || works {
				t.Errorf("later: asked %t, works %t", asked, works)
			}
		})
	}

	// Other failures change nothing.
	s := startRelay(t, Config{})
	if _, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"other"}}); err == nil {
		t.Error("another protocol is accepted")
	}
	if _, err := tls.Dial("tcp", s.addr, &tls.Config{NextProtos: []string{"smp/1"}}); err == nil {
		t.Error("a certificate of nobody is accepted")
	}
	s.waitForConnections(t, 0)
	if len(s.unasked.until) > 0 {
		t.Error("a client is not asked that has not failed because of its certificate")
	}
}

// TestUnaskedBound checks that it is bounded what is remembered.
func TestUnaskedBound(t *testing.T) {
	var u unasked
	now := time.Unix(1700000000, 0)
	for i := range 2 * maxUnasked {
		u.add(netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i/256, i%256)), now)
	}
	last := netip.MustParseAddr("10.1.0.0")
	u.add(last, now)
	if len(u.until) != maxUnasked || !u.has(last, now) || u.has(last, now.Add(unaskedTime)) {
		t.Errorf("%d are remembered", len(u.until))
	}
	u.add(netip.MustParseAddr("10.1.0.1"), now.Add(unaskedTime))
	if len(u.until) != 1 {
		t.Errorf("%d are remembered after their time", len(u.until)-1)
	}
}
