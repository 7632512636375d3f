package transport

import "testing"

func TestIsNear(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "[::1]": true, "10.1.2.3": true, "172.16.0.1": true, "192.168.178.2": true, "169.254.1.1": true,
		"fe80::1": true, "fd00::1": true, "::ffff:10.0.0.1": true, "100.64.0.1": true, "192.0.2.1": true, "2001:db8::1": true,
		"localhost": true, "relay": true, "Relay.LOCAL": true, "relay.local.": true, "relay.home.arpa": true, "a.b.internal": true, "relay.test": true,
		"8.8.8.8": false, "172.32.0.1": false, "2606:4700::1111": false, "::ffff:8.8.8.8": false, "64:ff9b::808:808": false, "0.0.0.0": false,
		"relay.example.org": false, "notlocal.org": false, "relaylocal.org": false, "local.relay.org": false, "": false, ".": false,
		"abcdefghijklmnop.onion": false, "abcdefghijklmnop.onion.": false,
		"relay-1": true, "relay_1": true, "134744072": false, "0x08080808": false, "010002004010": false, "0X8080808": false, "8.8": false,
		"0x8.0x8.0x8.0x8": false, "relay\u3002example\uff0eorg": false, "relay\uff61org": false, "\uff18": false, "-relay": false,
	} {
		if got := IsNear(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}
