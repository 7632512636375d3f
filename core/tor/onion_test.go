package tor

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base32"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestOnionKey(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, 32)
	key, err := NewOnionKey(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	address := key.Address()
	decoded, err := base32.StdEncoding.DecodeString(strings.ToUpper(strings.TrimSuffix(address, ".onion")))
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	if err != nil || len(address) != 62 || !bytes.Equal(decoded[:32], public) || decoded[34] != 3 {
		t.Errorf("address %s, %v", address, err)
	}
	kept := key.Bytes()
	again, err := ParseOnionKey(kept)
	if err != nil || len(kept) != OnionKeySize || again.Address() != address {
		t.Errorf("parsed %v, %v", again, err)
	}
	key.Wipe()
	if key.expanded != [64]byte{} {
		t.Error("the key was not wiped")
	}
	for _, b := range [][]byte{nil, kept[:95], append(kept, 0), kept[32:], bytes.Repeat([]byte{0}, 96), append(kept[:32:32], bytes.Repeat([]byte{255}, 64)...)} {
		if _, err := ParseOnionKey(b); !errors.Is(err, ErrOnionKey) {
			t.Errorf("%x: %v", b, err)
		}
	}
	if _, err := NewOnionKey(bytes.NewReader(seed[1:])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a key without enough randomness: %v", err)
	}
}

// FuzzParseOnionKey reads arbitrary bytes as a key.
func FuzzParseOnionKey(f *testing.F) {
	key, err := NewOnionKey(bytes.NewReader(make([]byte, 32)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.Bytes())
	f.Add([]byte(onionKeyHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		if key, err := ParseOnionKey(b); err == nil && (!bytes.Equal(key.Bytes(), b) || len(key.Address()) != 62) {
			t.Errorf("%x was read as another key", b)
		}
	})
}

func TestOnionErrors(t *testing.T) {
	x, _ := newTor(t, Config{Paused: true}, quick)
	key := newKey(t, x)
	target := func(s string) map[uint16]string { return map[uint16]string{1: "127.0.0.1:1", 2: s} }
	many := map[uint16]string{}
	for i := range uint16(maxOnionPorts + 1) {
		many[i+1] = "127.0.0.1:1"
	}
	for _, o := range []Onion{
		{Ports: target("127.0.0.1:2")},
		{Key: key},
		{Key: key, Ports: many},
		{Key: key, Ports: map[uint16]string{0: "127.0.0.1:1"}},
		{Key: key, Ports: target("")},
		{Key: key, Ports: target("192.0.2.1:1")}, // would send what arrives through Tor past it
		{Key: key, Ports: target("127.0.0.1:0")},
		{Key: key, Ports: target("localhost")},
		{Key: key, Ports: target("/tmp/a b")},
		{Key: key, Ports: target("/tmp/a\r\nSIGNAL HALT")},
		{Key: key, Ports: target("127.0.0.1:1 Flags=Detach")},
	} {
		if _, err := x.PublishOnion(context.Background(), o); !errors.Is(err, ErrOnionTarget) && !errors.Is(err, ErrOnionKey) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	without, _ := newTor(t, Config{Existing: &Existing{Socks: closedPort(t).String()}}, quick)
	if _, err := without.PublishOnion(context.Background(), Onion{Key: key, Ports: target("127.0.0.1:1")}); !errors.Is(err, ErrNoControl) {
		t.Errorf("published without control: %v", err)
	}
}
