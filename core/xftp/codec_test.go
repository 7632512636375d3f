package xftp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

type hexBytes = reference.Hex

type keyVector struct {
	Private hexBytes `json:"private_raw"`
	DER     hexBytes `json:"private_der"`
	Public  hexBytes `json:"public_raw"`
}

type fileVector struct {
	Content hexBytes
	Digests []hexBytes `json:"chunk_digests_sha256_of_64kb"`
	First   hexBytes   `json:"enc_first64"`
	Last    hexBytes   `json:"enc_last64"`
	SHA256  hexBytes   `json:"enc_sha256"`
	SHA512  hexBytes   `json:"enc_sha512(file digest)"`
	Size    int64      `json:"enc_size"`
	Length  int64      `json:"size_with_header"`
}

type vectors struct {
	Sizes []struct {
		Chunks []uint32
		Single *uint32
		Size   int64
	} `json:"chunk_sizes"`
	Handshake struct {
		Hex hexBytes
		V   uint16
	} `json:"client_handshake"`
	Hello    []hexBytes `json:"client_hello"`
	Commands []struct {
		Hex  hexBytes
		Name string
	}
	Download struct {
		Chunk, Encrypted, Nonce hexBytes
		Recipient               keyVector `json:"rcv_dh"`
		Server                  keyVector `json:"srv_dh"`
	} `json:"download_chunk_encryption"`
	Descriptions []struct{ Name, YAML string } `json:"file_descriptions"`
	SenderYAML   string                        `json:"sender_yaml"`
	URI          []string
	File         struct {
		Header, Key, Nonce hexBytes
		Large, Small       fileVector
	} `json:"file_encryption"`
	Responses     []struct{ Hex hexBytes }
	Transmissions struct {
		CorrID hexBytes `json:"corr_id"`
		Key    keyVector
		List   []struct {
			Block   hexBytes `json:"block_sha256"`
			Content hexBytes `json:"signed_content_before_padding"`
		}
		SessionID hexBytes `json:"session_id"`
	}
}

func loadVectors(t testing.TB) (v vectors) {
	t.Helper()
	reference.Read(t, "vectors.json.gz", &v)
	return v
}

func TestCommandVectors(t *testing.T) {
	v := loadVectors(t)
	for _, c := range v.Commands {
		cmd, err := ParseCommand(3, c.Hex)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if got := cmd.Append(nil, 3); !bytes.Equal(got, c.Hex) {
			t.Errorf("%s: %x, want %x", c.Name, got, c.Hex)
		}
		for n := range c.Hex {
			if got, err := ParseCommand(3, c.Hex[:n]); err == nil && bytes.Equal(got.Append(nil, 3), c.Hex) {
				t.Errorf("%s cut to %d bytes reads as the whole", c.Name, n)
			}
		}
	}
	if len(v.Commands) != 8 {
		t.Errorf("%d commands", len(v.Commands))
	}
}

func TestMessageVectors(t *testing.T) {
	v := loadVectors(t)
	for _, r := range v.Responses {
		m, err := ParseMessage(3, r.Hex)
		if err != nil {
			t.Errorf("%.20q: %v", r.Hex, err)
			continue
		}
		if got := m.Append(nil, 3); !bytes.Equal(got, r.Hex) {
			t.Errorf("%x, want %x", got, r.Hex)
		}
	}
	if len(v.Responses) != 17 {
		t.Errorf("%d responses", len(v.Responses))
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", ErrUnknownCommand}, {"fput", ErrUnknownCommand}, {"OK", ErrUnknownCommand}, {" FPUT", ErrUnknownCommand},
		{"SUB", ErrUnknownCommand}, {"FPUT ", ErrSyntax}, {"FDEL x", ErrSyntax}, {"FACK ", ErrSyntax}, {"PING ", ErrSyntax},
		{"FNEW", ErrSyntax}, {"FNEW ", ErrSyntax}, {"FADD \x00", ErrSyntax}, {"FADD \x01", ErrSyntax}, {"FGET ", ErrSyntax},
		{"FGET \x03abc", ErrSyntax},
	} {
		if _, err := ParseCommand(3, []byte(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.in, err, c.want)
		}
	}
	for _, in := range []string{"", "FPUT", "OK ", "PONG x", "SIDS", "SIDS ", "SIDS \x01a\x00", "RIDS \x00", "FILE ", "ERR", "ERR ",
		"ERR NONE", "ERR AUTH ", "ERR SIZE x", "ERR CMD", "ERR CMD X", "ERR BLOCKED", "ERR BLOCKED reason=", "ERR NO_MSG",
		"ERR PROXY NO_SESSION", "ERR STORE x"} {
		if m, err := ParseMessage(3, []byte(in)); err == nil {
			t.Errorf("%q is read as %#v", in, m)
		}
	}
	key := crypt.Ed25519Private{1}
	noRecipient := FNew{Sender: key.Public(), Size: 1 << 16, Digest: make([]byte, 32)}
	if _, err := ParseCommand(3, noRecipient.Append(nil, 3)); !errors.Is(err, ErrSyntax) {
		t.Errorf("FNEW without a recipient: %v", err)
	}
}

func TestErrorByVersion(t *testing.T) {
	ttl := int64(60)
	e := &Error{Kind: KindBlocked, Blocking: smp.Blocking{Reason: smp.BlockedContent, Notice: &smp.Notice{TTL: &ttl}}}
	for version, want := range map[uint16]string{1: "ERR AUTH", 2: "ERR AUTH", 3: `ERR BLOCKED reason=content,notice={"ttl":60}`} {
		if got := string(e.Append(nil, version)); got != want {
			t.Errorf("version %d: %s, want %s", version, got, want)
		}
	}
	m, err := ParseMessage(3, e.Append(nil, 3))
	if got, ok := m.(*Error); err != nil || !ok || !errors.Is(got, ErrBlocked) || *got.Blocking.Notice.TTL != 60 {
		t.Errorf("%v, %v", m, err)
	}
	if errors.Is(ErrAuth, ErrQuota) || !errors.Is(ErrSyntax, &Error{Kind: KindCommand}) || errors.Is(ErrSyntax, ErrNoAuth) {
		t.Error("errors.Is mixes kinds up")
	}
}

func TestCheckCredentials(t *testing.T) {
	for _, c := range []struct {
		cmd          Command
		auth, entity bool
		want         error
	}{
		{FNew{}, true, false, nil}, {FNew{}, false, false, ErrNoAuth}, {FNew{}, true, true, ErrHasAuth},
		{FPut{}, true, true, nil}, {FPut{}, true, false, ErrNoAuth}, {FGet{}, false, true, ErrNoAuth},
		{FAdd{}, true, true, nil}, {FDel{}, true, true, nil}, {FAck{}, false, false, ErrNoAuth},
		{Ping{}, false, false, nil}, {Ping{}, true, false, ErrHasAuth}, {Ping{}, false, true, ErrHasAuth},
	} {
		var tr smp.Transmission
		if c.auth {
			tr.Auth = []byte{1}
		}
		if c.entity {
			tr.Entity = []byte{1}
		}
		if err := CheckCredentials(c.cmd, &tr); c.want == nil && err != nil || !errors.Is(err, c.want) {
			t.Errorf("%T with authorization %t and entity %t: %v", c.cmd, c.auth, c.entity, err)
		}
	}
}

func TestTransmissionVectors(t *testing.T) {
	v := loadVectors(t).Transmissions
	p := Params{Version: 3, SessionID: v.SessionID}
	key := crypt.Ed25519Private(v.Key.Private)
	for _, c := range v.List {
		block, err := wire.AppendPadded(nil, c.Content, BlockSize)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(block); !bytes.Equal(sum[:], c.Block) {
			t.Fatal("the vector is read wrongly")
		}
		tr, err := p.ParseBlock(block)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tr.CorrID, v.CorrID) || !tr.Verify(nil, p.AppendSigned(nil, &tr), nil, key.Public()) {
			t.Error("the transmission is not authorized")
		}
		cmd, err := ParseCommand(3, tr.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckCredentials(cmd, &tr); err != nil {
			t.Error(err)
		}
		same := smp.Transmission{CorrID: tr.CorrID, Entity: tr.Entity, Body: cmd.Append(nil, 3)}
		if err := p.Authorize(&same, &key, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := p.AppendBlock(nil, &same); err != nil || !bytes.Equal(got, block) {
			t.Errorf("%T: another block, %v", cmd, err)
		}
	}
	if len(v.List) != 3 {
		t.Errorf("%d transmissions", len(v.List))
	}
}

// The example of xftp.md §8.
func TestWorkedExample(t *testing.T) {
	var session, digest [32]byte
	var key crypt.Ed25519Private
	for i := range 32 {
		session[i], digest[i], key[i] = byte(0xa0+i), byte(i), byte(i)
	}
	p := Params{Version: 3, SessionID: session[:]}
	cmd := FNew{Sender: key.Public(), Size: 65536, Digest: digest[:], Recipients: []crypt.AuthPublic{key.Public()}}
	tr := smp.Transmission{Body: cmd.Append(nil, 3)}
	if err := p.Authorize(&tr, &key, nil); err != nil {
		t.Fatal(err)
	}
	block, err := p.AppendBlock(nil, &tr)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := wire.Unpad(block)
	sum := sha256.Sum256(content[3:])
	if got := hex.EncodeToString(sum[:]); len(content) != 3+234 || got != "75a6c180902af5ac91e5027c00818066052f43a3004fe335d284829965204a34" {
		t.Errorf("%d bytes with hash %s", len(content), got)
	}
}

func TestParseBlockErrors(t *testing.T) {
	p := Params{Version: 3, SessionID: bytes.Repeat([]byte{1}, 32)}
	tr := smp.Transmission{CorrID: []byte("correlation"), Body: []byte("PING")}
	good, err := p.AppendBlock(nil, &tr)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := wire.Unpad(good)
	block := func(content ...byte) []byte {
		b, err := wire.AppendPadded(nil, content, BlockSize)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"empty":            nil,
		"short":            good[:BlockSize-1],
		"long":             append(bytes.Clone(good), 0),
		"no transmission":  block(0),
		"two":              block(append(append([]byte{2}, content[1:]...), content[1:]...)...),
		"trailing":         block(append(bytes.Clone(content), 0)...),
		"length":           append([]byte{0xff, 0xff}, good[2:]...),
		"truncated":        block(content[:20]...),
		"authorization":    block(append([]byte{1, 0, 5, 3}, "abcd"...)...),
		"nothing but zero": make([]byte, BlockSize),
	} {
		if _, err := p.ParseBlock(b); !errors.Is(err, ErrBlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := Params{Version: 3, SessionID: bytes.Repeat([]byte{2}, 32)}
	if got, err := other.ParseBlock(good); !errors.Is(err, ErrSession) || string(got.CorrID) != "correlation" {
		t.Errorf("another session: %q, %v", got.CorrID, err)
	}
	if got, err := p.ParseBlock(good); err != nil || string(got.Body) != "PING" {
		t.Errorf("%q, %v", got.Body, err)
	}
	tr.Body = make([]byte, BlockSize)
	if _, err := p.AppendBlock(nil, &tr); !errors.Is(err, wire.ErrPadded) {
		t.Errorf("too long: %v", err)
	}
	tr.Body = make([]byte, 70000)
	if _, err := p.AppendBlock(nil, &tr); !errors.Is(err, wire.ErrPadded) {
		t.Errorf("much too long: %v", err)
	}
}

// A description may hold keys of all algorithms (encoding.md §3).
func TestAuthorizations(t *testing.T) {
	p := Params{Version: 3, SessionID: bytes.Repeat([]byte{1}, 32)}
	relay, peer := crypt.X25519Private{1}, crypt.X25519Private{2}
	public := relay.Public()
	ed448, ed25519 := crypt.Ed448Private{3}, crypt.Ed25519Private{4}
	for _, c := range []struct {
		key    smp.AuthKey
		public crypt.AuthPublic
	}{{&ed25519, ed25519.Public()}, {&ed448, ed448.Public()}, {&peer, peer.Public()}} {
		tr := smp.Transmission{CorrID: bytes.Repeat([]byte{9}, 24), Entity: []byte("entity"), Body: []byte("FPUT")}
		if err := p.Authorize(&tr, c.key, &public); err != nil {
			t.Fatal(err)
		}
		block, err := p.AppendBlock(nil, &tr)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.ParseBlock(block)
		if err != nil || !got.Verify(nil, p.AppendSigned(nil, &got), &relay, c.public) {
			t.Errorf("%T: %v", c.key, err)
		}
	}
}

func TestHandshakeVectors(t *testing.T) {
	v := loadVectors(t)
	h, err := ParseClientHello(pad(t, v.Handshake.Hex))
	if err != nil || h.Version != v.Handshake.V {
		t.Fatalf("%v, %v", h, err)
	}
	if !bytes.Equal(h.AppendBlock(nil), pad(t, v.Handshake.Hex)) {
		t.Error("another client hello")
	}
	for _, c := range v.Hello {
		w, err := ParseWebHello(pad(t, c))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(w.AppendBlock(nil), pad(t, c)) {
			t.Errorf("another web hello: %x", c)
		}
	}
}

func pad(t testing.TB, content []byte) []byte {
	t.Helper()
	b, err := wire.AppendPadded(nil, content, BlockSize)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHelloErrors(t *testing.T) {
	for _, e := range []*Error{ErrHandshake, ErrSession} {
		if _, err := ParseServerHello(AppendHandshakeError(nil, e)); !errors.Is(err, e) {
			t.Errorf("server hello: %v, want %v", err, e)
		}
		if err := ParseHandshakeAnswer(AppendHandshakeError(nil, e)); !errors.Is(err, e) {
			t.Errorf("answer: %v, want %v", err, e)
		}
	}
	if err := ParseHandshakeAnswer(nil); err != nil {
		t.Error(err)
	}
	for _, b := range [][]byte{{1}, pad(t, nil), pad(t, []byte("WHAT")), make([]byte, BlockSize+1)} {
		if err := ParseHandshakeAnswer(b); !errors.Is(err, ErrBlock) {
			t.Errorf("%.10q: %v", b, err)
		}
	}
	hello := ServerHello{Versions: Versions, SessionID: make([]byte, 32), Chain: [][]byte{{1}, {2}}, SignedKey: []byte{3}}
	block, err := hello.AppendBlock(nil)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := wire.Unpad(block)
	for n := range len(content) - 1 { // the last byte is the empty proof
		if _, err := ParseServerHello(pad(t, content[:n])); !errors.Is(err, ErrHandshake) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	for _, c := range [][]byte{content, content[:len(content)-1], append(bytes.Clone(content), "more"...)} {
		got, err := ParseServerHello(pad(t, c))
		if err != nil || got.Versions != Versions || len(got.Chain) != 2 || len(got.Proof) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	}
	for _, c := range []string{"", "\x00\x03", "\x00\x03\x1f" + strings.Repeat("a", 31), "\x00\x03\x20abc"} {
		if _, err := ParseClientHello(pad(t, []byte(c))); !errors.Is(err, ErrHandshake) {
			t.Errorf("%q: %v", c, err)
		}
	}
	for _, c := range []string{"", "2", "1", "1\x05short", "1\x20abc"} {
		if _, err := ParseWebHello(pad(t, []byte(c))); !errors.Is(err, ErrHandshake) {
			t.Errorf("%q: %v", c, err)
		}
	}
	if h, err := ParseWebHello(nil); err != nil || h.Challenge != nil {
		t.Errorf("empty: %v, %v", h, err)
	}
	hello.Chain = [][]byte{make([]byte, BlockSize)}
	if _, err := hello.AppendBlock(nil); !errors.Is(err, wire.ErrPadded) {
		t.Errorf("too long: %v", err)
	}
}

func TestChunkSizes(t *testing.T) {
	for _, c := range loadVectors(t).Sizes {
		if got := SplitSize(c.Size); !slices.Equal(got, c.Chunks) {
			t.Errorf("%d bytes: %v, want %v", c.Size, got, c.Chunks)
		}
		size, ok := SingleSize(c.Size)
		if ok != (c.Single != nil) || ok && size != *c.Single {
			t.Errorf("%d bytes: single %d %t", c.Size, size, ok)
		}
	}
	const k, m = 1 << 10, 1 << 20
	for n, want := range map[int64][]uint32{ // xftp.md §5
		1: {64 * k}, 768 * k: {256 * k, 256 * k, 256 * k}, 768*k + 1: {m}, 3 * m: {m, m, m}, 3*m + 1: {4 * m},
		7 * m: {4 * m, m, m, m}, 7*m + 1: {4 * m, 4 * m}, 9 * m: {4 * m, 4 * m, m},
	} {
		if got := SplitSize(n); !slices.Equal(got, want) {
			t.Errorf("%d bytes: %v, want %v", n, got, want)
		}
	}
}

func TestDownloadVector(t *testing.T) {
	v := loadVectors(t).Download
	server := crypt.X25519Private(v.Server.Private)
	secret, err := server.DH(crypt.X25519Public(v.Recipient.Public))
	if err != nil {
		t.Fatal(err)
	}
	key := secret.BoxKey()
	s := key.Stream(crypt.NonceOf(v.Nonce))
	chunk := bytes.Clone(v.Chunk)
	s.Seal(chunk)
	if got := s.AppendTag(chunk); !bytes.Equal(got, v.Encrypted) {
		t.Errorf("%x, want %x", got, v.Encrypted)
	}
}

func TestNewID(t *testing.T) {
	id, err := NewID(bytes.NewReader(make([]byte, IDSize)))
	if err != nil || len(id) != IDSize {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := NewID(bytes.NewReader(nil)); err == nil {
		t.Error("an id without randomness")
	}
}
