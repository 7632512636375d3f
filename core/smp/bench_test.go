package smp

import (
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
)

func benchmarkParse(b *testing.B, body []byte, parse func(Params, *Transmission) error) {
	p := Params{Version: 18, SessionID: make([]byte, 32)}
	tr := Transmission{Auth: make([]byte, 64), CorrID: make([]byte, 24), Entity: make([]byte, 24), Body: body}
	content := AppendBlock(nil, [][]byte{p.AppendTransmission(nil, &tr)})
	var list [][]byte
	var t Transmission
	var err error
	b.ReportAllocs()
	for b.Loop() {
		list, _ = SplitBlock(list[:0], content)
		if t, err = p.ParseTransmission(list[0]); err != nil {
			b.Fatal(err)
		}
		if err := parse(p, &t); err != nil {
			b.Fatal(err)
		}
	}
}

func parseCommand(p Params, t *Transmission) error {
	_, err := ParseCommand(p.Version, t.Body)
	return err
}

func BenchmarkParseSend(b *testing.B) {
	benchmarkParse(b, Send{Body: make([]byte, 16000)}.Append(nil, 18), parseCommand)
}

func BenchmarkParseAck(b *testing.B) {
	benchmarkParse(b, Ack{ID(make([]byte, IDSize))}.Append(nil, 18), parseCommand)
}

func BenchmarkParseMsg(b *testing.B) {
	benchmarkParse(b, Msg{ID(make([]byte, IDSize)), make([]byte, MsgBodySize)}.Append(nil, 18), func(p Params, t *Transmission) error {
		_, err := ParseMessage(p.Version, t.Body)
		return err
	})
}

func BenchmarkAppendMsg(b *testing.B) {
	p := Params{Version: 18}
	tr := Transmission{CorrID: make([]byte, 24), Entity: make([]byte, 24)}
	m := Msg{ID(make([]byte, IDSize)), make([]byte, MsgBodySize)}
	var body, out []byte
	b.ReportAllocs()
	for b.Loop() {
		body = m.Append(body[:0], p.Version)
		tr.Body = body
		out = p.AppendTransmission(out[:0], &tr)
	}
}

func BenchmarkAppendReceived(b *testing.B) {
	secret, m := crypt.Secret{1}, &Received{Time: time.Unix(1, 0), Body: make([]byte, 16000)}
	out := make([]byte, 0, MsgBodySize)
	b.SetBytes(MsgBodySize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendReceived(out, &secret, "message", m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ed, x, relayKey := crypt.Ed25519Private{1}, crypt.X25519Private{2}, crypt.X25519Private{3}
	relayPublic := relayKey.Public()
	p := Params{Version: 18, SessionID: make([]byte, 32)}
	for _, c := range []struct {
		name   string
		key    AuthKey
		public crypt.AuthPublic
	}{{"Ed25519", &ed, ed.Public()}, {"X25519", &x, x.Public()}, {"dummy", &ed, nil}} {
		tr := Transmission{CorrID: make([]byte, 24), Entity: make([]byte, 24), Body: []byte("SUB")}
		if err := tr.Authorize(p, c.key, &relayPublic); err != nil {
			b.Fatal(err)
		}
		signed := p.AppendSigned(nil, &tr)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tr.Verify(nil, signed, &relayKey, c.public)
			}
		})
	}
}
