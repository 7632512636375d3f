package crypt

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/wire"
)

type hexBytes = reference.Hex

type keyPair struct {
	PrivateRaw hexBytes `json:"private_raw"`
	PublicRaw  hexBytes `json:"public_raw"`
	PublicDER  hexBytes `json:"public_der"`
}

type block struct {
	Plaintext, Key, Nonce, Block hexBytes
	SHA256                       hexBytes `json:"block_sha256"`
}

type box struct {
	Box    hexBytes
	Padded int `json:"padded_len"`
}

type boxes struct {
	AESGCM struct {
		AD, Ciphertext, IV16, Key, Plaintext, Tag hexBytes
		Padded                                    int `json:"padded_len"`
	} `json:"aes_gcm_padded"`
	Blocks struct {
		ToServer  []block  `json:"client_to_server"`
		ToClient  []block  `json:"server_to_client"`
		SessionID hexBytes `json:"session_id"`
	} `json:"block_encryption"`
	Authenticator struct {
		Authenticator, Data, Nonce hexBytes
	} `json:"cb_authenticator"`
	CBEncrypt []box    `json:"cb_encrypt"`
	CBNoPad   hexBytes `json:"cb_no_pad"`
	NonceOf   []struct {
		In, Nonce hexBytes
	} `json:"cb_nonce_of_short"`
	DHSecret hexBytes `json:"dh_secret"`
	HKDF     []struct {
		IKM, Info, Out, Salt hexBytes
		Len                  int
	} `json:"hkdf_sha512"`
	Message, Nonce hexBytes
	Reverse        hexBytes `json:"reverse_nonce"`
	SBEncrypt      []box    `json:"sb_encrypt"`
	SBKey          hexBytes `json:"sb_key"`
	SBNoPad        hexBytes `json:"sb_no_pad"`
	X25519A        keyPair  `json:"x25519_a"`
	X25519B        keyPair  `json:"x25519_b"`
	X448A          keyPair  `json:"x448_a"`
	X448B          keyPair  `json:"x448_b"`
	X448DH         hexBytes `json:"x448_dh"`
}

func vectors(t testing.TB) *boxes {
	t.Helper()
	v := new(boxes)
	reference.Read(t, "boxes.json.gz", v)
	return v
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) || len(want) == 0 {
		t.Errorf("%s: got %x, want %x", what, got, want)
	}
}

func TestKeysAndDH(t *testing.T) {
	v := vectors(t)
	a, b := X25519Private(v.X25519A.PrivateRaw), X25519Private(v.X25519B.PrivateRaw)
	pa, pb := a.Public(), b.Public()
	equal(t, "public", pa[:], v.X25519A.PublicRaw)
	equal(t, "DER", pa.DER(), v.X25519A.PublicDER)
	s1, err1 := a.DH(pb)
	s2, err2 := b.DH(pa)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	equal(t, "secret", s1[:], v.DHSecret)
	equal(t, "secret, other side", s2[:], v.DHSecret)

	c, d := X448Private(v.X448A.PrivateRaw), X448Private(v.X448B.PrivateRaw)
	pc, pd := c.Public(), d.Public()
	equal(t, "X448 DER", pc.DER(), v.X448A.PublicDER)
	s3, err1 := c.DH(pd)
	s4, err2 := d.DH(pc)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	equal(t, "X448 secret", s3[:], v.X448DH)
	equal(t, "X448 secret, other side", s4[:], v.X448DH)
}

func TestLowOrderKeys(t *testing.T) {
	a, b := X25519Private{1}, X448Private{1}
	if _, err := a.DH(X25519Public{}); !errors.Is(err, ErrLowOrder) {
		t.Error("X25519 with a zero key:", err)
	}
	if _, err := b.DH(X448Public{}); !errors.Is(err, ErrLowOrder) {
		t.Error("X448 with a zero key:", err)
	}
}

func TestParsePublic(t *testing.T) {
	ed, x, e448, x448 := Ed25519Public{1}, X25519Public{2}, Ed448Public{3}, X448Public{4}
	for _, k := range []PublicKey{ed, x, e448, x448} {
		got, err := ParsePublic(k.DER())
		if err != nil || got != k {
			t.Errorf("%T: got %T, %v", k, got, err)
		}
		for n := range k.DER() {
			if _, err := ParsePublic(k.DER()[:n]); err == nil {
				t.Errorf("%T cut to %d bytes parses", k, n)
			}
		}
		if _, err := ParsePublic(append(k.DER(), 0)); err == nil {
			t.Errorf("%T with a trailing byte parses", k)
		}
	}
	if _, err := ParseX25519(ed.DER()); !errors.Is(err, ErrKey) {
		t.Error("an Ed25519 key passes for X25519:", err)
	}
	if _, err := ParseAuthPublic(x448.DER()); !errors.Is(err, ErrKey) {
		t.Error("an X448 key passes for authorization:", err)
	}
}

func TestBoxes(t *testing.T) {
	v := vectors(t)
	dh, sb, nonce := Secret(v.DHSecret), Secret(v.SBKey), Nonce(v.Nonce)
	for what, c := range map[string]struct {
		key   Secret
		boxes []box
		plain hexBytes
	}{"crypto_box": {dh, v.CBEncrypt, v.CBNoPad}, "secret_box": {sb, v.SBEncrypt, v.SBNoPad}} {
		equal(t, what, c.key.BoxNoPad(nonce, v.Message), c.plain)
		for _, b := range c.boxes {
			got, err := c.key.Box(nonce, v.Message, b.Padded)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, what, got, b.Box)
			opened, err := c.key.Open(nonce, b.Box)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, what+" opened", opened, v.Message)
			got[len(got)/2] ^= 1
			if _, err := c.key.Open(nonce, got); !errors.Is(err, ErrBox) {
				t.Error("a changed box opens:", err)
			}
		}
	}
	if _, err := dh.Box(nonce, make([]byte, 99), 100); !errors.Is(err, wire.ErrPadded) {
		t.Error("99 bytes fit into 100 with their length:", err)
	}
	for _, n := range v.NonceOf {
		got := NonceOf(n.In)
		equal(t, "nonce", got[:], n.Nonce)
	}
	r := nonce.Reverse()
	equal(t, "reversed nonce", r[:], v.Reverse)
	if nonce != Nonce(v.Nonce) {
		t.Error("Reverse changes its receiver")
	}
}

func TestAuthenticator(t *testing.T) {
	v := vectors(t)
	a, b, nonce := X25519Private(v.X25519A.PrivateRaw), X25519Private(v.X25519B.PrivateRaw), Nonce(v.Nonce)
	got, err := a.Authenticator(b.Public(), nonce, v.Authenticator.Data)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "authenticator", got, v.Authenticator.Authenticator)
	if !b.VerifyAuthenticator(a.Public(), nonce, v.Authenticator.Data, got) {
		t.Error("authenticator does not verify")
	}
	if b.VerifyAuthenticator(a.Public(), nonce, []byte("other"), got) || b.VerifyAuthenticator(a.Public(), nonce, v.Authenticator.Data, got[:79]) {
		t.Error("a wrong authenticator verifies")
	}
}

func TestHKDF(t *testing.T) {
	for _, h := range vectors(t).HKDF {
		equal(t, "HKDF", HKDF(h.Salt, h.IKM, string(h.Info), h.Len), h.Out)
	}
}

func TestAEAD(t *testing.T) {
	v := vectors(t).AESGCM
	key, iv := Secret(v.Key), IV(v.IV16)
	tag, ct, err := key.SealAEAD(iv, v.AD, v.Plaintext, v.Padded)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "ciphertext", ct, v.Ciphertext)
	equal(t, "tag", tag[:], v.Tag)
	got, err := key.OpenAEAD(iv, v.AD, tag, ct)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "opened", got, v.Plaintext)
	tag[0] ^= 1
	if _, err := key.OpenAEAD(iv, v.AD, tag, ct); !errors.Is(err, ErrAEAD) {
		t.Error("a wrong tag authenticates:", err)
	}
}

func TestBlockChains(t *testing.T) {
	v := vectors(t).Blocks
	secret := Secret(vectors(t).DHSecret)
	for i, blocks := range [][]block{v.ToClient, v.ToServer} {
		toClient, toServer := NewBlockChains(v.SessionID, &secret)
		toClient2, toServer2 := NewBlockChains(v.SessionID, &secret)
		seal, open := []*BlockChain{toClient, toServer}[i], []*BlockChain{toClient2, toServer2}[i]
		for _, b := range blocks {
			got, err := seal.Seal(nil, b.Plaintext)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(got)
			equal(t, "block", sum[:], b.SHA256)
			plain, err := open.Open(got)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(plain, b.Plaintext) {
				t.Errorf("content: got %x, want %x", plain, b.Plaintext)
			}
		}
		// A block that does not open advances the chain too.
		bad, _ := seal.Seal(nil, []byte("lost"))
		bad[0] ^= 1
		if _, err := open.Open(bad); !errors.Is(err, ErrBox) {
			t.Error("a changed block opens:", err)
		}
		next, _ := seal.Seal(nil, []byte("next"))
		if plain, err := open.Open(next); err != nil || string(plain) != "next" {
			t.Error("after a bad block:", err)
		}
		if _, err := seal.Seal(nil, make([]byte, MaxBlockContent+1)); !errors.Is(err, wire.ErrPadded) {
			t.Error("too long a block:", err)
		}
	}
}

// The signed key of encoding.md §5.
func TestSignedKey(t *testing.T) {
	var signer Ed25519Private
	for i := range signer {
		signer[i] = byte(i)
	}
	var session X25519Private
	for i := range session {
		session[i] = byte(0x65 + i)
	}
	want, _ := hex.DecodeString("3078302c302a300506032b656e0321005714769d116bf76436ae74bc793d2c30ad1903c59ac5273805c7e2698b410c36" +
		"300506032b6570034100941c784a5966fd12acefffc997ca17da5be4daa9be2874a1c1bc818b4e6b48f66a0d658a3394ee1af9ef9442fc5219d037e7567a0003d900ebc8345cf8a8d600")
	got := AppendSignedKey(nil, session.Public(), &signer)
	equal(t, "signed key", got, want)
	key, err := OpenSignedKey(got, signer.Public())
	if err != nil || key != PublicKey(session.Public()) {
		t.Fatal(key, err)
	}
	for i := range got {
		bad := bytes.Clone(got)
		bad[i] ^= 0x11
		if _, err := OpenSignedKey(bad, signer.Public()); err == nil {
			t.Errorf("byte %d changed: verifies", i)
		}
	}
}

func TestSignatures(t *testing.T) {
	k, err := NewEd25519(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k448 := Ed448Private{1, 2, 3}
	msg := []byte("message")
	if !Verify(k.Public(), msg, k.Sign(msg)) || !Verify(k448.Public(), msg, k448.Sign(msg)) {
		t.Error("a signature does not verify")
	}
	if Verify(k.Public(), msg, k448.Sign(msg)) || Verify(k448.Public(), msg, k.Sign(msg)) || Verify(k.Public(), []byte("m"), k.Sign(msg)) ||
		Verify(X25519Public{9}, msg, k.Sign(msg)) {
		t.Error("a wrong signature verifies")
	}
	again, err := ParseEd25519Private(k.DER())
	if err != nil || again != k {
		t.Error("PKCS #8:", err)
	}
	k.Wipe()
	if k != (Ed25519Private{}) {
		t.Error("Wipe leaves something")
	}
}

func FuzzOpenSignedKey(f *testing.F) {
	signer, key := Ed25519Private{1}, X25519Private{2}
	f.Add(AppendSignedKey(nil, key.Public(), &signer))
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := OpenSignedKey(b, signer.Public()); err == nil && !bytes.Equal(AppendSignedKey(nil, k, &signer), b) {
			t.Error("a signed key of another form verifies")
		}
	})
}

func BenchmarkBlock(b *testing.B) {
	secret := Secret{1}
	c, _ := NewBlockChains([]byte("session"), &secret)
	content, dst := make([]byte, MaxBlockContent), make([]byte, 0, BlockSize)
	b.SetBytes(BlockSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Seal(dst, content); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkX448(b *testing.B) {
	k, p := X448Private{1}, X448Private{2}
	pub := p.Public()
	for b.Loop() {
		if _, err := k.DH(pub); err != nil {
			b.Fatal(err)
		}
	}
}

// TestBlockKeys checks the keys of blocks against HKDF, of which they are an own form.
func TestBlockKeys(t *testing.T) {
	c := &BlockChain{Secret{1, 2, 3}}
	for range 10 {
		want := HKDF(nil, c.ck[:], "SimpleXSbChain", 88)
		key, nonce := c.next()
		equal(t, "chain key", c.ck[:], want[:32])
		equal(t, "key", key[:], want[32:64])
		equal(t, "nonce", nonce[:], want[64:])
	}
}

// TestOpenInPlace checks it against Open, and that a block that does not open is left alone.
func TestOpenInPlace(t *testing.T) {
	secret := Secret{7}
	seal, _ := NewBlockChains([]byte("session"), &secret)
	a, _ := NewBlockChains([]byte("session"), &secret)
	b, _ := NewBlockChains([]byte("session"), &secret)
	for i, content := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("y"), 31), bytes.Repeat([]byte("z"), MaxBlockContent)} {
		block, err := seal.Seal([]byte("before"), content)
		if err != nil || string(block[:6]) != "before" {
			t.Fatal(err)
		}
		block = block[6:]
		before := bytes.Clone(block)
		bad := bytes.Clone(block)
		bad[100+i] ^= 1
		badBefore := bytes.Clone(bad)
		ck := b.ck
		if _, err := b.OpenInPlace(bad); !errors.Is(err, ErrBox) || !bytes.Equal(bad, badBefore) {
			t.Error("a changed block opens, or was changed:", err)
		}
		b.ck = ck
		opened, err := a.Open(block)
		if err != nil || !bytes.Equal(opened, content) || !bytes.Equal(block, before) {
			t.Error("Open:", err)
		}
		opened, err = b.OpenInPlace(block)
		if err != nil || !bytes.Equal(opened, content) {
			t.Error("OpenInPlace:", err)
		}
	}
}
