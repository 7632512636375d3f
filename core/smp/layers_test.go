package smp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
)

func wantSum(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if sum := sha256.Sum256(got); !bytes.Equal(sum[:], want) {
		t.Errorf("%s (%d bytes) is not the recorded one", what, len(got))
	}
}

func TestReceivedVectors(t *testing.T) {
	var v struct {
		Secret      hexBytes `json:"dh_secret"`
		MsgID       hexBytes `json:"msg_id"`
		TS          int64
		Body        hexBytes
		EncSHA256   hexBytes `json:"enc_sha256"`
		QuotaSHA256 hexBytes `json:"quota_sha256"`
		Envelopes   []struct {
			Message   hexBytes `json:"client_message"`
			SHA256    hexBytes `json:"envelope_sha256"`
			Nonce     hexBytes
			HeaderKey hexBytes `json:"pub_header_key"`
		} `json:"client_envelopes"`
	}
	reference.Read(t, "layers.json.gz", &v)
	secret, id := crypt.Secret(v.Secret), ID(v.MsgID)
	for _, c := range []struct {
		m   Received
		sum []byte
	}{
		{Received{Time: time.Unix(v.TS, 0).UTC(), Notify: true, Body: v.Body}, v.EncSHA256},
		{Received{Time: time.Unix(v.TS, 0).UTC(), Quota: true}, v.QuotaSHA256},
	} {
		body, err := AppendReceived(nil, &secret, id, &c.m)
		if err != nil || len(body) != MsgBodySize {
			t.Fatalf("%d bytes, %v", len(body), err)
		}
		wantSum(t, "body", body, c.sum)
		got, err := OpenMessage(&secret, Msg{id, body})
		if err != nil || got.Quota != c.m.Quota || !got.Time.Equal(c.m.Time) || got.Notify != c.m.Notify || !bytes.Equal(got.Body, c.m.Body) {
			t.Errorf("opened %+v, %v", got, err)
		}
		body[100] ^= 1
		if _, err := OpenMessage(&secret, Msg{id, body}); !errors.Is(err, crypt.ErrBox) {
			t.Errorf("changed body: %v", err)
		}
	}
	if _, err := AppendReceived(nil, &secret, id, &Received{Body: make([]byte, 16095)}); !errors.Is(err, ErrLarge) {
		t.Errorf("long body: %v", err)
	}
	for _, c := range v.Envelopes {
		e := &Envelope{Version: 4, Nonce: crypt.NonceOf(c.Nonce)}
		if len(c.HeaderKey) > 0 {
			k, err := crypt.ParseX25519(c.HeaderKey)
			if err != nil {
				t.Fatal(err)
			}
			e.Key = &k
		}
		m := &ClientMessage{Body: c.Message[1:]}
		if c.Message[0] == 'K' {
			k, err := crypt.ParseAuthPublic(c.Message[2:46])
			if err != nil {
				t.Fatal(err)
			}
			m = &ClientMessage{SenderKey: k, Body: c.Message[46:]}
		}
		if err := e.Seal(&secret, m); err != nil {
			t.Fatal(err)
		}
		b := e.Append(nil)
		wantSum(t, "envelope", b, c.SHA256)
		parsed, err := ParseEnvelope(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsed.Open(&secret)
		if err != nil || got.SenderKey != m.SenderKey || !bytes.Equal(got.Body, m.Body) {
			t.Errorf("envelope opens to %+v, %v", got, err)
		}
	}
}

func TestNotification(t *testing.T) {
	secret, nonce, at := crypt.Secret{1}, crypt.Nonce{2}, time.Unix(1700000000, 0).UTC()
	meta, err := SealNotification(&secret, nonce, "message", at)
	if err != nil || len(meta) != 144 {
		t.Fatalf("%d bytes, %v", len(meta), err)
	}
	id, got, err := OpenNotification(&secret, NMsg{nonce, meta})
	if err != nil || id != "message" || !got.Equal(at) {
		t.Errorf("%q at %v, %v", id, got, err)
	}
	if _, _, err := OpenNotification(&secret, NMsg{crypt.Nonce{}, meta}); !errors.Is(err, crypt.ErrBox) {
		t.Errorf("another nonce: %v", err)
	}
}

type recording struct {
	Sessions []struct {
		SessionID, Secret, RelayPrivate, ClientPublic hexBytes
		Version                                       uint16
		ServerHello, ClientHello                      hexBytes
		Blocks                                        []struct {
			Sent          bool
			SHA256        hexBytes
			Transmissions []struct{ Auth, CorrID, EntityID, Command, AuthKey hexBytes }
		}
	}
	Messages []struct{ MsgID, Secret, E2ESecret, AgentSHA256, RcvBodySHA256 hexBytes }
	Proxy    struct {
		Version                                       uint16
		RelaySession, Key, Secret, Nonce, Inner, PKey hexBytes
		KeyPrivate, BoxSHA256                         hexBytes
		RelaySecret, RelayNonce, RelayBoxSHA256       hexBytes
		RelayAnswerSHA256, Answer, AnswerSHA256       hexBytes
	}
}

// TestRecordedSessions replays two sessions of the reference: hellos, chain keys, blocks,
// transmissions, commands and messages.
func TestRecordedSessions(t *testing.T) {
	var v recording
	reference.Read(t, "session.json.gz", &v)
	bodies := make(map[ID][]byte)
	for _, s := range v.Sessions {
		server, err := ParseServerHello(s.ServerHello)
		if err != nil || !bytes.Equal(server.SessionID, s.SessionID) || server.Versions != Versions || len(server.Chain) != 2 {
			t.Fatalf("server hello: %+v, %v", server, err)
		}
		client, err := ParseClientHello(s.ClientHello)
		if err != nil || client.Version != s.Version || crypt.Fingerprint(server.Chain[1]) != client.KeyHash ||
			!bytes.Equal(client.Key[:], s.ClientPublic) {
			t.Fatalf("client hello: %+v, %v", client, err)
		}
		if !bytes.Equal(server.Append(nil), s.ServerHello) || !bytes.Equal(client.Append(nil), s.ClientHello) {
			t.Error("hellos differ when written again")
		}
		relayKey := crypt.X25519Private(s.RelayPrivate)
		secret, err := relayKey.DH(*client.Key)
		if err != nil || !bytes.Equal(secret[:], s.Secret) {
			t.Fatalf("secret: %v", err)
		}
		down, up := crypt.NewBlockChains(s.SessionID, &secret)
		p := Params{s.Version, s.SessionID}
		for i, b := range s.Blocks {
			chain := down
			if b.Sent {
				chain = up
			}
			var list [][]byte
			for _, r := range b.Transmissions {
				tr := Transmission{Auth: r.Auth, CorrID: r.CorrID, Entity: r.EntityID, Body: r.Command}
				list = append(list, p.AppendTransmission(nil, &tr))
				if len(r.AuthKey) > 0 {
					key := crypt.Ed25519Private(r.AuthKey)
					if !tr.Verify(nil, p.AppendSigned(nil, &tr), &relayKey, key.Public()) {
						t.Errorf("block %d: authorization does not verify", i)
					}
				}
				var again []byte
				if b.Sent {
					cmd, err := ParseCommand(s.Version, r.Command)
					if err != nil {
						t.Fatalf("block %d: %v", i, err)
					}
					if err := CheckCredentials(cmd, &tr); err != nil {
						t.Errorf("block %d: %T: %v", i, cmd, err)
					}
					again = cmd.Append(nil, s.Version)
				} else {
					m, err := ParseMessage(s.Version, r.Command)
					if err != nil {
						t.Fatalf("block %d: %v", i, err)
					}
					if msg, ok := m.(Msg); ok {
						bodies[msg.ID] = msg.Body
					}
					again = m.Append(nil, s.Version)
				}
				if !bytes.Equal(again, r.Command) {
					t.Errorf("block %d: %.8q differs when written again", i, r.Command)
				}
			}
			block, err := chain.Seal(nil, AppendBlock(nil, list))
			if err != nil {
				t.Fatal(err)
			}
			if len(b.SHA256) > 0 {
				wantSum(t, "block", block, b.SHA256)
			}
		}
	}
	for _, m := range v.Messages {
		secret, e2e := crypt.Secret(m.Secret), crypt.Secret(m.E2ESecret)
		received, err := OpenMessage(&secret, Msg{ID(m.MsgID), bodies[ID(m.MsgID)]})
		if err != nil {
			t.Fatal(err)
		}
		envelope, err := ParseEnvelope(received.Body)
		if err != nil {
			t.Fatal(err)
		}
		message, err := envelope.Open(&e2e)
		if err != nil {
			t.Fatal(err)
		}
		wantSum(t, "agent envelope", message.Body, m.AgentSHA256)
	}
	if len(v.Messages) == 0 {
		t.Error("no messages")
	}
}

// TestRecordedProxy replays an SKEY through a proxy in all four layers.
func TestRecordedProxy(t *testing.T) {
	var v recording
	reference.Read(t, "session.json.gz", &v)
	r := v.Proxy
	m, err := ParseMessage(18, r.PKey)
	pkey, ok := m.(PKey)
	if err != nil || !ok || !bytes.Equal(pkey.SessionID, r.RelaySession) || pkey.Versions != ProxyVersions {
		t.Fatalf("PKEY: %+v, %v", m, err)
	}
	list, err := SplitBlock(nil, r.Inner)
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	p := Params{r.Version, r.RelaySession}
	tr, err := p.ParseTransmission(list[0])
	if err != nil {
		t.Fatal(err)
	}
	key := crypt.Ed25519Private(r.KeyPrivate)
	if !tr.Verify(nil, p.AppendSigned(nil, &tr), nil, key.Public()) {
		t.Error("the inner command does not verify")
	}
	secret, nonce := crypt.Secret(r.Secret), crypt.NonceOf(r.Nonce)
	box, err := SealForward(&secret, nonce, list[0])
	if err != nil {
		t.Fatal(err)
	}
	wantSum(t, "PFWD", box, r.BoxSHA256)
	relaySecret, relayNonce := crypt.Secret(r.RelaySecret), crypt.NonceOf(r.RelayNonce)
	relayBox := SealRelayForward(&relaySecret, relayNonce, &Forwarded{r.Nonce, Pfwd{r.Version, crypt.X25519Public(r.Key), box}})
	wantSum(t, "RFWD", relayBox, r.RelayBoxSHA256)
	f, err := OpenRelayForward(&relaySecret, relayNonce, relayBox)
	if err != nil || !bytes.Equal(f.CorrID, r.Nonce) || !bytes.Equal(f.Box, box) {
		t.Fatalf("RFWD opens to %+v, %v", f, err)
	}
	if content, err := OpenForward(&secret, nonce, f.Box); err != nil || !bytes.Equal(content, r.Inner) {
		t.Errorf("PFWD opens to %x, %v", content, err)
	}
	if list, err = SplitBlock(nil, r.Answer); err != nil {
		t.Fatal(err)
	}
	answer, err := SealForward(&secret, nonce.Reverse(), list[0])
	if err != nil {
		t.Fatal(err)
	}
	wantSum(t, "PRES", answer, r.AnswerSHA256)
	relayAnswer := SealRelayAnswer(&relaySecret, relayNonce.Reverse(), r.Nonce, answer)
	wantSum(t, "RRES", relayAnswer, r.RelayAnswerSHA256)
	corrID, got, err := OpenRelayAnswer(&relaySecret, relayNonce.Reverse(), relayAnswer)
	if err != nil || !bytes.Equal(corrID, r.Nonce) || !bytes.Equal(got, answer) {
		t.Errorf("RRES: %v", err)
	}
}
