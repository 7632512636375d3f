package smp

import (
	"bytes"
	"errors"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/wire"
)

type hexBytes = reference.Hex

type commandVector struct {
	Name      string
	Since     uint16
	Encodings []struct {
		From, To uint16
		Hex      hexBytes
	}
}

type commandVectors struct{ Commands, Messages []commandVector }

func TestCommandVectors(t *testing.T) {
	var v commandVectors
	reference.Read(t, "commands.json.gz", &v)
	for _, c := range v.Commands {
		checkVector(t, c, func(version uint16, b []byte) (appender, error) { return ParseCommand(version, b) })
	}
	if len(v.Commands) < 30 {
		t.Errorf("only %d commands", len(v.Commands))
	}
}

func TestMessageVectors(t *testing.T) {
	var v commandVectors
	reference.Read(t, "commands.json.gz", &v)
	for _, c := range v.Messages {
		checkVector(t, c, func(version uint16, b []byte) (appender, error) { return ParseMessage(version, b) })
	}
	if len(v.Messages) < 50 {
		t.Errorf("only %d messages", len(v.Messages))
	}
}

type appender interface {
	Append(b []byte, version uint16) []byte
}

// checkVector reads the encoding of the newest version, which says the most, and expects it
// to give the encoding of all versions; and that every encoding is read and written as it is.
func checkVector(t *testing.T, v commandVector, parse func(uint16, []byte) (appender, error)) {
	last := v.Encodings[len(v.Encodings)-1]
	newest, err := parse(last.To, last.Hex)
	if err != nil {
		t.Errorf("%s: version %d: %v", v.Name, last.To, err)
		return
	}
	for _, e := range v.Encodings {
		for version := e.From; version <= e.To; version++ {
			if got := newest.Append(nil, version); !bytes.Equal(got, e.Hex) {
				t.Errorf("%s in version %d:\n%x, want\n%x", v.Name, version, got, e.Hex)
			}
			same, err := parse(version, e.Hex)
			if err != nil {
				t.Errorf("%s: version %d: %v", v.Name, version, err)
			} else if got := same.Append(nil, version); !bytes.Equal(got, e.Hex) {
				t.Errorf("%s read in version %d writes %x, want %x", v.Name, version, got, e.Hex)
			}
			for n := range e.Hex {
				got, err := parse(version, e.Hex[:n])
				if err == nil && bytes.Equal(got.Append(nil, version), e.Hex) {
					t.Errorf("%s cut to %d bytes reads as the whole", v.Name, n)
				}
			}
		}
	}
}

func TestParseCommandErrors(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", ErrUnknownCommand},
		{"sub", ErrUnknownCommand},
		{"SUB=", ErrUnknownCommand},
		{"OK", ErrUnknownCommand},
		{"MSG \x00", ErrUnknownCommand},
		{" SUB", ErrUnknownCommand},
		{"SUB ", ErrSyntax},
		{"SUB x", ErrSyntax},
		{"PING ", ErrSyntax},
		{"ACK", ErrSyntax},
		{"ACK ", ErrSyntax},
		{"ACK \x02a", ErrSyntax},
		{"ACK \x01ab", ErrSyntax},
		{"SEND", ErrSyntax},
		{"SEND T", ErrSyntax},
		{"SEND X body", ErrSyntax},
		{"RKEY \x00", ErrSyntax},
		{"KEY \x03abc", ErrSyntax},
		{"NEW ", ErrSyntax},
		{"PRXY \x00", ErrSyntax},
		{"RFWD", ErrSyntax},
	} {
		if _, err := ParseCommand(18, []byte(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.in, err, c.want)
		}
	}
	cmd, err := ParseCommand(18, []byte("SEND Treserved body of it"))
	if s, ok := cmd.(Send); err != nil || !ok || !s.Notify || string(s.Body) != "body of it" {
		t.Errorf("SEND with reserved flags: %v, %v", cmd, err)
	}
}

func TestParseMessageErrors(t *testing.T) {
	for _, in := range []string{"", "SUB", "OK ", "PONG x", "END ", "ERR", "ERR ", "ERR NONE", "ERR AUTH ", "ERR AUTH x",
		"ERR CMD", "ERR CMD X", "ERR BLOCKED", "ERR BLOCKED reason=", "ERR BLOCKED reason=,notice={}", "ERR BLOCKED reason=spam,notice=", "ERR PROXY",
		"ERR PROXY NO_SESSION ", "ERR PROXY PROTOCOL", "ERR PROXY PROTOCOL X", "ERR PROXY BROKER", "ERR PROXY BROKER TIMEOUT x",
		"ERR PROXY BROKER TRANSPORT X", "ERR PROXY BROKER RESPONSE \x05abc", "MSG \x05abc", "INFO {", "PKEY \x00\x00\x09\x00\x08"} {
		if m, err := ParseMessage(18, []byte(in)); err == nil {
			t.Errorf("%q is read as %#v", in, m)
		}
	}
	deep := bytes.Repeat([]byte("PROXY PROTOCOL "), 1000)
	if _, err := ParseMessage(18, append(append([]byte("ERR "), deep...), "AUTH"...)); !errors.Is(err, ErrSyntax) {
		t.Errorf("nested errors: %v", err)
	}
	m, err := ParseMessage(18, []byte("ERR PROXY BROKER NETWORK UNKNOWNCA"))
	var e *Error
	if err != nil || !errors.As(m.(*Error), &e) || e.Proxy.Broker.Kind != BrokerNetwork {
		t.Errorf("network error with a detail: %v, %v", m, err)
	}
	m, err = ParseMessage(18, []byte("ERR CMD NO_QUEUE"))
	if err != nil || !errors.Is(m.(*Error), ErrNoEntity) || errors.Is(m.(*Error), ErrNoAuth) {
		t.Errorf("NO_QUEUE: %v, %v", m, err)
	}
}

func TestErrorByVersion(t *testing.T) {
	ttl := int64(60)
	inner := &Error{Kind: KindBlocked, Blocking: Blocking{BlockedContent, &Notice{&ttl}}}
	e := &Error{Kind: KindProxy, Proxy: &ProxyError{Kind: ProxyProtocol, Relay: inner}}
	for version, want := range map[uint16]string{
		11: "ERR PROXY PROTOCOL AUTH",
		12: "ERR PROXY PROTOCOL BLOCKED reason=content",
		18: `ERR PROXY PROTOCOL BLOCKED reason=content,notice={"ttl":60}`,
	} {
		if got := string(e.Append(nil, version)); got != want {
			t.Errorf("version %d: %s, want %s", version, got, want)
		}
	}
	if got := (SOK{}).Append(nil, 15); string(got) != "OK" {
		t.Errorf("SOK in version 15 is %s", got)
	}
	if errors.Is(ErrAuth, ErrQuota) || !errors.Is(inner, ErrBlocked) {
		t.Error("errors.Is mixes kinds up")
	}
}

func TestCheckCredentials(t *testing.T) {
	for _, c := range []struct {
		cmd          Command
		auth, entity bool
		want         error
	}{
		{New{}, true, false, nil}, {New{}, false, false, ErrNoAuth}, {New{}, true, true, ErrHasAuth},
		{Sub{}, true, true, nil}, {Sub{}, false, true, ErrNoAuth}, {Sub{}, true, false, ErrNoAuth},
		{Send{}, false, true, nil}, {Send{}, true, true, nil}, {Send{}, true, false, ErrNoEntity},
		{LGet{}, false, true, nil}, {LGet{}, true, true, ErrHasAuth}, {LGet{}, false, false, ErrNoEntity},
		{Ping{}, false, false, nil}, {Ping{}, true, false, ErrHasAuth}, {Prxy{}, false, true, ErrHasAuth},
		{Pfwd{}, false, true, nil}, {Pfwd{}, true, true, ErrHasAuth}, {Rfwd{}, false, false, nil},
	} {
		var tr Transmission
		if c.auth {
			tr.Auth = make([]byte, 64)
		}
		if c.entity {
			tr.Entity = []byte("entity")
		}
		if err := CheckCredentials(c.cmd, &tr); err != c.want {
			t.Errorf("%T with auth %v, entity %v: %v, want %v", c.cmd, c.auth, c.entity, err, c.want)
		}
	}
}

type transmissionVectors struct {
	SessionID        hexBytes `json:"session_id"`
	ServiceCertHash  hexBytes `json:"service_cert_hash"`
	Ed, X            keyVector
	ServerDH         keyVector `json:"server_dh"`
	ServiceKey       keyVector `json:"service_key"`
	ClientHandshakes []struct {
		Hex   hexBytes
		Proxy bool
		V     uint16
	} `json:"client_handshakes"`
	Transmissions []struct {
		Name     string
		V        uint16
		CorrID   hexBytes `json:"corr_id"`
		EntityID hexBytes `json:"entity_id"`
		Encoded  hexBytes
		ForAuth  hexBytes `json:"for_auth"`
		BatchOf2 []struct {
			Content hexBytes
			Count   int
		} `json:"batch_of_2"`
	}
}

type keyVector struct {
	Private hexBytes `json:"private_raw"`
	Public  hexBytes `json:"public_der"`
}

func TestTransmissionVectors(t *testing.T) {
	var v transmissionVectors
	reference.Read(t, "transmissions.json.gz", &v)
	ed, x, relayKey := crypt.Ed25519Private(v.Ed.Private), crypt.X25519Private(v.X.Private), crypt.X25519Private(v.ServerDH.Private)
	service := crypt.Ed25519Private(v.ServiceKey.Private)
	relayPublic := relayKey.Public()
	for _, c := range v.Transmissions {
		p := Params{Version: c.V, SessionID: v.SessionID}
		tr, err := p.ParseTransmission(c.Encoded)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if !bytes.Equal(tr.CorrID, c.CorrID) || !bytes.Equal(tr.Entity, c.EntityID) {
			t.Errorf("%s: ids differ", c.Name)
		}
		signed := p.AppendSigned(nil, &tr)
		if !bytes.Equal(signed, c.ForAuth) {
			t.Errorf("%s in version %d: signed bytes differ", c.Name, c.V)
		}
		if got := p.AppendTransmission(nil, &tr); !bytes.Equal(got, c.Encoded) {
			t.Errorf("%s in version %d: %x, want %x", c.Name, c.V, got, c.Encoded)
		}
		if len(tr.ServiceSig) > 0 {
			if !crypt.Verify(service.Public(), signed, tr.ServiceSig) {
				t.Errorf("%s: service signature", c.Name)
			}
			signed = append(bytes.Clone(v.ServiceCertHash), signed...)
		}
		if len(tr.Auth) > 0 && !tr.Verify(nil, signed, &relayKey, x.Public(), ed.Public()) {
			t.Errorf("%s in version %d does not verify", c.Name, c.V)
		}
		if len(tr.Auth) > 0 && len(tr.ServiceSig) == 0 {
			again := Transmission{CorrID: c.CorrID, Entity: c.EntityID, Body: tr.Body}
			var key AuthKey = &ed
			if len(tr.Auth) == crypt.AuthenticatorSize {
				key = &x
			}
			if err := again.Authorize(p, key, &relayPublic); err != nil || !bytes.Equal(again.Auth, tr.Auth) {
				t.Errorf("%s: authorization differs, %v", c.Name, err)
			}
		}
		for _, batch := range c.BatchOf2 {
			list, err := SplitBlock(nil, batch.Content)
			if err != nil || len(list) != batch.Count || !bytes.Equal(list[0], c.Encoded) {
				t.Errorf("%s: batch: %v", c.Name, err)
			}
			if got := AppendBlock(nil, list); !bytes.Equal(got, batch.Content) {
				t.Errorf("%s: batch differs", c.Name)
			}
		}
	}
	for _, h := range v.ClientHandshakes {
		hello, err := ParseClientHello(h.Hex)
		if err != nil || hello.Version != h.V || hello.Proxy != h.Proxy || (hello.Key != nil) != (h.V >= 7) {
			t.Errorf("client hello of version %d: %+v, %v", h.V, hello, err)
		} else if got := hello.Append(nil); !bytes.Equal(got, h.Hex) {
			t.Errorf("client hello of version %d: %x, want %x", h.V, got, h.Hex)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	var v transmissionVectors
	reference.Read(t, "transmissions.json.gz", &v)
	ed, x, relayKey := crypt.Ed25519Private(v.Ed.Private), crypt.X25519Private(v.X.Private), crypt.X25519Private(v.ServerDH.Private)
	relayPublic := relayKey.Public()
	p := Params{Version: 18, SessionID: v.SessionID}
	for _, key := range []AuthKey{&ed, &x, &crypt.Ed448Private{7}} {
		tr := Transmission{CorrID: bytes.Repeat([]byte{1}, 24), Entity: []byte("entity"), Body: []byte("SUB")}
		if err := tr.Authorize(p, key, &relayPublic); err != nil {
			t.Fatal(err)
		}
		signed := p.AppendSigned(nil, &tr)
		if tr.Verify(nil, signed, &relayKey) || tr.Verify(nil, signed, &relayKey, crypt.Ed25519Public{}, crypt.X25519Public{}) {
			t.Errorf("%T: verified without the key", key)
		}
		all := []crypt.AuthPublic{ed.Public(), x.Public(), (&crypt.Ed448Private{7}).Public()}
		if !tr.Verify(nil, signed, &relayKey, all...) {
			t.Errorf("%T: not verified", key)
		}
		signed[len(signed)-1] ^= 1
		if tr.Verify(nil, signed, &relayKey, all...) {
			t.Errorf("%T: verified another command", key)
		}
	}
	tr := Transmission{Body: []byte("SUB")}
	if err := tr.Authorize(p, &x, nil); !errors.Is(err, ErrNoRelayKey) {
		t.Errorf("authenticator without the relay's key: %v", err)
	}
	if err := tr.Authorize(p, &crypt.X448Private{}, nil); !errors.Is(err, crypt.ErrKey) {
		t.Errorf("authorization with X448: %v", err)
	}
}

func TestParseTransmissionErrors(t *testing.T) {
	session := bytes.Repeat([]byte{9}, 32)
	tr := Transmission{CorrID: []byte("corr"), Entity: []byte("entity"), Body: []byte("SUB")}
	old, other := Params{6, session}, Params{6, []byte("other")}
	if got, err := old.ParseTransmission(other.AppendTransmission(nil, &tr)); err != ErrSession || string(got.CorrID) != "corr" || got.Entity != nil {
		t.Errorf("another session: %+v, %v", got, err)
	}
	bad := tr
	bad.Auth = make([]byte, 63)
	for version := uint16(6); version <= 18; version++ {
		p := Params{version, session}
		if got, err := p.ParseTransmission(p.AppendTransmission(nil, &bad)); err != ErrBlock || string(got.CorrID) != "corr" {
			t.Errorf("version %d, authorization of 63 bytes: %+v, %v", version, got, err)
		}
		b := p.AppendTransmission(nil, &tr)
		for n := range len(b) - len(tr.Body) {
			if got, err := p.ParseTransmission(b[:n]); err != ErrBlock || got.CorrID != nil {
				t.Errorf("version %d, cut to %d: %+v, %v", version, n, got, err)
			}
		}
	}
	signed := tr
	signed.Auth, signed.ServiceSig = make([]byte, 64), make([]byte, 63)
	p := Params{18, session}
	if _, err := p.ParseTransmission(p.AppendTransmission(nil, &signed)); err != ErrBlock {
		t.Errorf("service signature of 63 bytes: %v", err)
	}
}

func TestBatch(t *testing.T) {
	subs := func(n int, p Params) (list [][]byte) {
		tr := Transmission{Auth: make([]byte, 64), CorrID: make([]byte, 24), Entity: make([]byte, 24), Body: []byte("SUB")}
		for range n {
			list = append(list, p.AppendTransmission(nil, &tr))
		}
		return list
	}
	session := make([]byte, 32)
	end := Transmission{Entity: make([]byte, 24), Body: []byte("END")}
	var ends [][]byte
	for range 300 {
		ends = append(ends, Params{18, session}.AppendTransmission(nil, &end))
	}
	large := make([]byte, MaxTransmission)
	for _, c := range []struct {
		name string
		list [][]byte
		want []int
	}{
		{"nothing", nil, nil},
		{"300 SUB, 18", subs(300, Params{18, session}), []int{30, 135, 135}},
		{"137 SUB, 7", subs(137, Params{7, session}), []int{1, 136}},
		{"107 SUB, 6", subs(107, Params{6, session}), []int{1, 106}},
		{"300 END", ends, []int{45, 255}},
		{"largest", [][]byte{{1}, large, {2}}, []int{1, 1, 1}},
	} {
		groups, err := Batch(c.list)
		if err != nil || len(groups) != len(c.want) {
			t.Errorf("%s: %d blocks, %v", c.name, len(groups), err)
			continue
		}
		var all [][]byte
		for i, g := range groups {
			if len(g) != c.want[i] {
				t.Errorf("%s: block %d has %d, want %d", c.name, i, len(g), c.want[i])
			}
			content := AppendBlock(nil, g)
			if len(content) > crypt.MaxBlockContent {
				t.Errorf("%s: block of %d bytes", c.name, len(content))
			}
			if all, err = SplitBlock(all, content); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if !bytes.Equal(bytes.Join(all, nil), bytes.Join(c.list, nil)) {
			t.Errorf("%s: order changed", c.name)
		}
	}
	if _, err := Batch([][]byte{append(large, 0)}); !errors.Is(err, ErrLarge) {
		t.Errorf("too large: %v", err)
	}
	for _, content := range []string{"", "\x00", "\x01", "\x01\x00\x02a", "\x01\x00\x01ab", "\x02\x00\x01a"} {
		if list, err := SplitBlock(nil, []byte(content)); err != ErrBlock || list != nil {
			t.Errorf("%q: %q, %v", content, list, err)
		}
	}
}

func TestHelloErrors(t *testing.T) {
	key := crypt.X25519Public{1}
	server := &ServerHello{Versions: Versions, SessionID: make([]byte, 32), Chain: [][]byte{{1}, {2, 3}}, SignedKey: []byte("key")}
	client := &ClientHello{Version: 18, KeyHash: wire.KeyHash{2}, Key: &key,
		Service: &ServiceHello{Role: RoleNotifier, Chain: [][]byte{{1}}, SignedKey: []byte("key")}}
	sb, cb := server.Append(nil), client.Append(nil)
	if got, err := ParseServerHello(append(sb, "later"...)); err != nil || !bytes.Equal(got.Append(nil), sb) {
		t.Errorf("server hello with more: %v", err)
	}
	if got, err := ParseClientHello(append(cb, "later"...)); err != nil || !bytes.Equal(got.Append(nil), cb) {
		t.Errorf("client hello with more: %v", err)
	}
	for n := range sb {
		if _, err := ParseServerHello(sb[:n]); err != TransportParse {
			t.Errorf("server hello cut to %d: %v", n, err)
		}
	}
	for n := range cb {
		if _, err := ParseClientHello(cb[:n]); err != TransportParse {
			t.Errorf("client hello cut to %d: %v", n, err)
		}
	}
	client.Key, client.Service = nil, nil
	if got, err := ParseClientHello(client.Append(nil)); err != nil || got.Key != nil {
		t.Errorf("client hello without a key: %+v, %v", got, err)
	}
	client.Service = &ServiceHello{Role: 'X', Chain: [][]byte{{1}}}
	if _, err := ParseClientHello(client.Append(nil)); err != TransportParse {
		t.Errorf("unknown role: %v", err)
	}
	for _, a := range []ServiceAnswer{{ServiceID: "service"}, {Err: TransportBadService}} {
		if got, err := ParseServiceAnswer(a.Append(nil)); err != nil || *got != a {
			t.Errorf("service answer: %+v, %v", got, err)
		}
	}
}
