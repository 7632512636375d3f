package ratchet

import (
	"bytes"
	"crypto/rand"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/wire"
)

type linkVector struct {
	Name, Text string
	Binary     hexBytes
}

func readLinks(t testing.TB) []linkVector {
	t.Helper()
	var links []linkVector
	reference.Read(t, "links.json.gz", &links)
	if len(links) == 0 {
		t.Fatal("no links")
	}
	return links
}

func TestLinkParams(t *testing.T) {
	for _, v := range readLinks(t) {
		p, err := ParseLinkParams(v.Text)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if got := p.String(); got != v.Text {
			t.Errorf("%s: text is %q, want %q", v.Name, got, v.Text)
		}
		if got := p.Append(nil); !bytes.Equal(got, v.Binary) {
			t.Errorf("%s: binary form is %x, want %x", v.Name, got, v.Binary)
		}
		in := wire.NewReader(v.Binary)
		read := ReadLinkParams(in)
		if err := in.End(); err != nil || !reflect.DeepEqual(read, p) {
			t.Errorf("%s: read with error %v, or differently from the text", v.Name, err)
		}
	}
}

func TestLinkParamsText(t *testing.T) {
	var key1, key2, offer string
	for _, v := range readLinks(t) {
		for param := range strings.SplitSeq(v.Text, "&") {
			if keys, ok := strings.CutPrefix(param, "x3dh="); ok {
				key1, key2, _ = strings.Cut(keys, ",")
			}
			if key, ok := strings.CutPrefix(param, "kem_key="); ok {
				offer = key
			}
		}
	}
	keys := key1 + "," + key2
	for _, text := range []string{
		"v=2-3&x3dh=" + keys,
		"x3dh=" + keys + "&v=3",
		"v=2-3&other&x3dh=" + strings.ReplaceAll(keys, "=", "") + "&more=1&",
		"v=2-3&x3dh=" + keys + "&kem_key=" + offer,
		"v=2-3&x3dh=" + keys + "&v=9-1&x3dh=,",
		"v=2&x3dh=" + keys + "&kem_key=broken&kem_ct=too", // not looked at before version 3
	} {
		p, err := ParseLinkParams(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if hasKey := strings.Contains(text, offer); (p.KEM != nil) != hasKey {
			t.Errorf("%q: the KEM key is there: %v", text, p.KEM != nil)
		}
	}
	x25519 := wire.EncodeBase64(crypt.X25519Public{1}.DER())
	for _, text := range []string{
		"", "&", "v=2-3", "x3dh=" + keys, "v=3-2&x3dh=" + keys, "v=x&x3dh=" + keys,
		"v=2-3&x3dh=" + key1, "v=2-3&x3dh=" + key1 + ",", "v=2-3&x3dh=," + key2, "v=2-3&x3dh=" + keys + "," + key1,
		"v=2-3&x3dh=" + key1 + "," + x25519, "v=2-3&x3dh=" + x25519 + "," + x25519,
		"v=2-3&x3dh=" + keys + "&kem_key=", "v=2-3&x3dh=" + keys + "&kem_key=AAAA", "v=2-3&x3dh=" + keys + "&kem_key=" + offer + "AAAA",
		"v=2-3&x3dh=" + keys + "&kem_ct=AAAA&kem_key=" + offer, "v=2-3&x3dh=" + keys + "&kem_ct=",
	} {
		if _, err := ParseLinkParams(text); !errors.Is(err, ErrParams) {
			t.Errorf("%q: error %v, want %v", text, err, ErrParams)
		}
	}
}

func TestParams(t *testing.T) {
	own, err := NewPrivateParams(rand.Reader, true)
	if err != nil {
		t.Fatal(err)
	}
	accepted := own.Params(3)
	accepted.KEM.Ciphertext = new(sntrup761.Ciphertext)
	without := own.Params(3)
	without.KEM = nil
	for _, p := range []Params{own.Params(2), own.Params(3), accepted, without} {
		b := p.Append(nil)
		in := wire.NewReader(append(b, "rest"...))
		if got := ReadParams(in); !reflect.DeepEqual(got, p) || string(in.Tail()) != "rest" {
			t.Errorf("version %d, KEM %v: not the same when it is read", p.Version, p.KEM != nil)
		}
		for n := range len(b) {
			in := wire.NewReader(b[:n])
			if ReadParams(in); in.Err() == nil {
				t.Errorf("no error with %d of %d bytes", n, len(b))
			}
		}
	}
	if p := own.Params(2); p.KEM != nil {
		t.Error("version 2 has a KEM key")
	}

	// A link can't accept, and nothing can have a mark that is not known or a length of its own.
	link := own.Link(Versions)
	keys := LinkParams{Versions: link.Versions, Key1: link.Key1, Key2: link.Key2}
	none := keys.Append(nil)
	start := none[:len(none)-1]
	for _, bad := range [][]byte{
		appendKEM(bytes.Clone(start), accepted.KEM),
		append(bytes.Clone(start), '2'),
		append(bytes.Clone(start), "1Q"...),
		wire.AppendLarge(append(bytes.Clone(start), "1P"...), make([]byte, 1157)),
		wire.AppendLarge(wire.AppendLarge(append(bytes.Clone(start), "1A"...), make([]byte, 1040)), make([]byte, 1158)),
	} {
		in := wire.NewReader(bad)
		if got := ReadLinkParams(in); in.Err() == nil || !reflect.DeepEqual(got, LinkParams{}) {
			t.Errorf("no error, or a value: %x", bad[len(start):min(len(bad), len(start)+10)])
		}
	}
}

func TestStoredValues(t *testing.T) {
	a, b := connect(t, handshake{joinerPQ: true, initiatorPQ: true, offer: true})
	own, err := NewPrivateParams(rand.Reader, true)
	if err != nil {
		t.Fatal(err)
	}
	key, err := a.NextKey(PQKeep, 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []interface {
		MarshalBinary() ([]byte, error)
		UnmarshalBinary([]byte) error
	}{a.Ratchet, b.Ratchet, own, key} {
		whole, err := v.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		newer := bytes.Clone(whole)
		newer[0]++
		for _, bad := range [][]byte{nil, whole[:1], whole[:len(whole)-1], append(bytes.Clone(whole), 0), newer} {
			if err := v.UnmarshalBinary(bad); !errors.Is(err, ErrState) {
				t.Errorf("%T: error %v, want %v", v, err, ErrState)
			}
		}
		if after, _ := v.MarshalBinary(); !bytes.Equal(after, whole) {
			t.Errorf("%T: changed by an error", v)
		}
	}
}

// Whatever a later version says after what is known of a header is not looked at.
func TestLaterHeader(t *testing.T) {
	key, err := crypt.NewX448(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := header{maxVersion: 4, public: key.Public(), previous: 2, number: 3}
	for version := uint16(MinVersion); version <= MaxVersion; version++ {
		b := h.append(nil, version)
		got, err := parseHeader(append(b, "more"...), version)
		if err != nil || *got != h {
			t.Errorf("version %d: %+v, %v", version, got, err)
		}
		if _, err := parseHeader(b[:len(b)-1], version); !errors.Is(err, ErrMessage) {
			t.Errorf("version %d, cut: %v", version, err)
		}
	}
}
