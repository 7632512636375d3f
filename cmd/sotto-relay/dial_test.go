package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/sotto-chat/sotto/core/relay"
)

func TestAllows(t *testing.T) {
	public, private := &outbound{}, &outbound{private: true}
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "193.0.0.1": true, "2600::1": true, "2a01:4f8::1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "0.1.2.3": false, "192.0.0.8": false, "198.18.0.1": false, "240.0.0.1": false,
		"192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false,
		"::1": false, "fc00::1": false, "fd12::1": false, "fe80::1": false, "fe80::1%eth0": false, "2600::1%eth0": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001::1": false,
		"2001:db8::1": false, "fec0::1": false,
	} {
		a := netip.MustParseAddr(addr)
		if got := public.allows(a); got != want {
			t.Errorf("%s: %t", addr, got)
		}
		if !private.allows(a) {
			t.Errorf("%s is not allowed where private ones are", addr)
		}
	}
	for _, addr := range []string{"0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"} {
		if public.allows(netip.MustParseAddr(addr)) {
			t.Errorf("%s is allowed", addr)
		}
	}
	for _, addr := range []string{"0.0.0.0", "::", "224.0.0.1", "ff02::1"} {
		if private.allows(netip.MustParseAddr(addr)) {
			t.Errorf("%s is allowed where private ones are", addr)
		}
	}
}

func TestOnlyLocal(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 5223} }
	for _, test := range []struct {
		addr  net.Addr
		hosts []string
		want  bool
	}{
		{at("127.0.0.1"), nil, true},
		{at("::1"), []string{"localhost", "127.0.0.1", "[::1]"}, true},
		{at("0.0.0.0"), nil, false},
		{at("::"), []string{"localhost"}, false},
		{at("192.168.1.1"), nil, false},
		{at("127.0.0.1"), []string{"relay.example"}, false},
		{at("127.0.0.1"), []string{"localhost", "abc.onion"}, false},
		{at("127.0.0.1"), []string{"10.0.0.1"}, false},
		{&net.UnixAddr{}, nil, false},
	} {
		if got := onlyLocal(test.addr, test.hosts); got != test.want {
			t.Errorf("%v with %v: %t", test.addr, test.hosts, got)
		}
	}
	o := &outbound{local: true}
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "8.8.8.8": true, "10.0.0.1": false, "192.168.1.1": false, "0.0.0.0": false,
	} {
		if got := o.allows(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
}

func TestResolve(t *testing.T) {
	asked := 0
	o := &outbound{lookup: func(_ context.Context, _, host string) ([]netip.Addr, error) {
		asked++
		return map[string][]netip.Addr{
			"mixed.example":   {netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("::1"), netip.MustParseAddr("2600::1")},
			"private.example": {netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("::ffff:127.0.0.1")},
		}[host], nil
	}}
	list, err := o.resolve(t.Context(), "mixed.example")
	if err != nil || len(list) != 2 || list[0].String() != "8.8.8.8" || list[1].String() != "2600::1" {
		t.Errorf("mixed: %v, %v", list, err)
	}
	// A name in the network of the operator is like one that there is not.
	var dns *net.DNSError
	if _, err := o.resolve(t.Context(), "private.example"); !errors.As(err, &dns) || errors.Is(err, relay.ErrForbiddenHost) {
		t.Errorf("private: %v", err)
	}
	if _, err := o.resolve(t.Context(), "nobody.example"); !errors.As(err, &dns) {
		t.Errorf("nobody: %v", err)
	}
	asked = 0
	for _, host := range []string{"127.0.0.1", "10.0.0.1", "::1", "[::1]", "fe80::1%lo"} {
		if _, err := o.resolve(t.Context(), host); !errors.Is(err, relay.ErrForbiddenHost) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := o.resolve(t.Context(), "Abc.Onion."); !errors.As(err, &dns) || asked > 0 {
		t.Errorf("onion: %v, asked %d times", err, asked)
	}
}
