package smp

import (
	"bytes"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
)

func seed(f *testing.F, messages bool) {
	var v commandVectors
	reference.Read(f, "commands.json.gz", &v)
	list := v.Commands
	if messages {
		list = v.Messages
	}
	for _, c := range list {
		for _, e := range c.Encodings {
			f.Add(e.From, []byte(e.Hex))
			f.Add(e.To, []byte(e.Hex))
		}
	}
}

// stable checks that what was read is written so that it is read as the same again.
func stable(t *testing.T, version uint16, v appender, parse func(uint16, []byte) (appender, error)) {
	once := v.Append(nil, version)
	again, err := parse(version, once)
	if err != nil {
		t.Fatalf("%T is written as what can't be read: %v", v, err)
	}
	if twice := again.Append(nil, version); !bytes.Equal(once, twice) {
		t.Fatalf("%T changes from %x to %x", v, once, twice)
	}
}

func FuzzParseCommand(f *testing.F) {
	seed(f, false)
	f.Fuzz(func(t *testing.T, version uint16, b []byte) {
		if cmd, err := ParseCommand(version, b); err == nil {
			stable(t, version, cmd, func(v uint16, b []byte) (appender, error) { return ParseCommand(v, b) })
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	seed(f, true)
	f.Fuzz(func(t *testing.T, version uint16, b []byte) {
		if m, err := ParseMessage(version, b); err == nil {
			if e, ok := m.(*Error); ok {
				_ = e.Error()
			}
			stable(t, version, m, func(v uint16, b []byte) (appender, error) { return ParseMessage(v, b) })
		}
	})
}

func FuzzBlock(f *testing.F) {
	var v transmissionVectors
	reference.Read(f, "transmissions.json.gz", &v)
	for _, c := range v.Transmissions {
		for _, b := range c.BatchOf2 {
			f.Add(c.V, []byte(b.Content))
		}
	}
	f.Fuzz(func(t *testing.T, version uint16, content []byte) {
		list, err := SplitBlock(nil, content)
		if err != nil {
			return
		}
		if got := AppendBlock(nil, list); !bytes.Equal(got, content) {
			t.Fatalf("block %x is written as %x", content, got)
		}
		p := Params{Version: version, SessionID: v.SessionID}
		for _, b := range list {
			if tr, err := p.ParseTransmission(b); err == nil {
				if got := p.AppendTransmission(nil, &tr); !bytes.Equal(got, b) {
					t.Fatalf("transmission %x is written as %x", b, got)
				}
			}
		}
	})
}

func FuzzHello(f *testing.F) {
	var v recording
	reference.Read(f, "session.json.gz", &v)
	f.Add([]byte(v.Sessions[0].ServerHello))
	f.Add([]byte(v.Sessions[0].ClientHello))
	f.Add((&ServiceAnswer{Err: TransportBadAuth}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ParseServerHello(b); err == nil && !bytes.HasPrefix(b, h.Append(nil)) {
			t.Fatal("server hello differs")
		}
		if h, err := ParseClientHello(b); err == nil && !bytes.HasPrefix(b, h.Append(nil)) {
			t.Fatal("client hello differs")
		}
		if a, err := ParseServiceAnswer(b); err == nil && !bytes.HasPrefix(b, a.Append(nil)) {
			t.Fatal("service answer differs")
		}
	})
}

// FuzzLayers reads what stands inside boxes, too: the box is made here.
func FuzzLayers(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x65\x53\xf1\x00T hello"))
	f.Add([]byte("QUOTA \x00\x00\x00\x00\x65\x53\xf1\x00"))
	f.Add([]byte("_message"))
	f.Add([]byte("\x18012345678901234567890123\x00\x08"))
	f.Add((&Envelope{Version: 4, Key: &crypt.X25519Public{1}, Box: []byte("box")}).Append(nil))
	secret := crypt.Secret{1}
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseEnvelope(b); err == nil && !bytes.Equal(e.Append(nil), b) {
			t.Fatal("envelope differs")
		}
		box, err := secret.Box(crypt.Nonce{}, b, len(b)+2)
		if err != nil {
			return
		}
		_, _ = OpenMessage(&secret, Msg{"", box})
		_, _, _ = OpenNotification(&secret, NMsg{Meta: box})
		_, _ = (&Envelope{Box: box}).Open(&secret)
		_, _ = OpenForward(&secret, crypt.Nonce{}, box)
		plain := secret.BoxNoPad(crypt.Nonce{}, b)
		_, _ = OpenRelayForward(&secret, crypt.Nonce{}, plain)
		_, _, _ = OpenRelayAnswer(&secret, crypt.Nonce{}, plain)
	})
}
