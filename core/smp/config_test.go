package smp

import (
	"testing"

	"github.com/sotto-chat/sotto/core/wire"
)

func TestConfigTarget(t *testing.T) {
	server := wire.Server{Scheme: wire.SMP, Hosts: []string{"relay.example"}}
	withPort := server
	withPort.Port = "1234"
	for _, c := range []struct {
		config     Config
		server     wire.Server
		port, alpn string
	}{
		{Config{}, server, "5223", "smp/1"},
		{Config{WebPort: true}, server, "443", "http/1.1"},
		{Config{WebPort: true}, withPort, "1234", "smp/1"},
	} {
		if port, alpn := c.config.target(c.server); port != c.port || alpn != c.alpn {
			t.Errorf("%s %s; want %s %s", port, alpn, c.port, c.alpn)
		}
	}
}
