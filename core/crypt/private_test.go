package crypt

import (
	"bytes"
	"errors"
	"testing"
)

func TestParseAuthPrivate(t *testing.T) {
	for _, k := range []AuthPrivate{&Ed25519Private{1}, &Ed448Private{2}, &X25519Private{3}} {
		der := k.DER()
		same, err := ParseAuthPrivate(der)
		if err != nil || !bytes.Equal(same.DER(), der) {
			t.Errorf("%T: %v", k, err)
		}
		for n := range der {
			if _, err := ParseAuthPrivate(der[:n]); !errors.Is(err, ErrKey) {
				t.Errorf("%T cut to %d bytes: %v", k, n, err)
			}
		}
		if _, err := ParseAuthPrivate(append(der, 0)); !errors.Is(err, ErrKey) {
			t.Errorf("%T with a byte more: %v", k, err)
		}
		same.Wipe()
		if bytes.Equal(same.DER(), der) {
			t.Errorf("%T is not wiped", k)
		}
	}
	x448 := X448Private{4}
	public := x448.Public()
	if _, err := ParseAuthPrivate(public.DER()); !errors.Is(err, ErrKey) {
		t.Errorf("a public key: %v", err)
	}
}
