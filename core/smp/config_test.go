package smp

import (
	"testing"

	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

func TestConfigTarget(t *testing.T) {
	onion := wire.Server{Scheme: wire.SMP, Hosts: []string{"relay.example", "abc.onion"}}
	port := onion
	port.Port = "1234"
	socks := transport.Dialer{Proxy: &transport.Proxy{Address: "127.0.0.1:9050"}}
	for _, c := range []struct {
		config           Config
		server           wire.Server
		host, port, alpn string
	}{
		{Config{}, onion, "relay.example", "5223", "smp/1"},
		{Config{Dialer: socks}, onion, "abc.onion", "5223", "smp/1"},
		{Config{WebPort: true}, onion, "relay.example", "443", "http/1.1"},
		{Config{WebPort: true, HostMode: HostOnion}, port, "abc.onion", "1234", "smp/1"},
	} {
		host, port, alpn, err := c.config.target(c.server)
		if err != nil || host != c.host || port != c.port || alpn != c.alpn {
			t.Errorf("%s:%s %s, %v; want %s:%s %s", host, port, alpn, err, c.host, c.port, c.alpn)
		}
	}
}

// TestIsolation looks for a user name that two relays or two profiles share.
func TestIsolation(t *testing.T) {
	base := &transport.Proxy{Address: "127.0.0.1:9050", User: "user", Password: "password"}
	seen := make(map[string]bool)
	for _, isolation := range []string{"profile one", "profile two"} {
		for _, host := range []string{"one.example", "two.example"} {
			c := Config{Dialer: transport.Dialer{Proxy: base}, Isolation: isolation}
			p := c.dialer(wire.Server{Scheme: wire.SMP, Hosts: []string{host}}).Proxy
			if p.Address != base.Address || p.User == "user" || p.Password != "" || seen[p.User] {
				t.Errorf("proxy %+v", p)
			}
			seen[p.User] = true
		}
	}
	if base.User != "user" || base.Password != "password" {
		t.Error("the caller's proxy was changed")
	}
	if p := (Config{Dialer: transport.Dialer{Proxy: base}}).dialer(wire.Server{}).Proxy; *p != *base {
		t.Errorf("without isolation: %+v", p)
	}
}
