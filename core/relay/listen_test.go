package relay

import (
	"net"
	"testing"
)

func TestListenLoopback(t *testing.T) {
	seen := make(map[int]bool)
	for range 20 {
		l := must(ListenLoopback())
		defer l.Close()
		at := l.Addr().(*net.TCPAddr)
		if !at.IP.IsLoopback() || at.Port < 20000 || at.Port >= 30000 || seen[at.Port] {
			t.Errorf("listening at %v", at)
		}
		seen[at.Port] = true
	}
}
