package transport

import (
	"bytes"
	"io"
	"testing"
)

// FuzzProxy is a proxy that answers arbitrary bytes.
func FuzzProxy(f *testing.F) {
	f.Add([]byte{5, 2, 1, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80}, "relay.example")
	f.Add([]byte{5, 2, 1, 0, 5, 0, 0, 3, 1, 'a', 0, 80}, "::1")
	f.Add([]byte{5, 2, 1, 0, 5, 0xf0, 0, 1}, "1.2.3.4")
	f.Add([]byte{5, 2, 1, 1}, "")
	f.Fuzz(func(t *testing.T, answers []byte, host string) {
		if len(host) > 255 {
			return
		}
		in := bytes.NewReader(answers)
		p := Proxy{User: "user", Password: "password"}
		err := p.handshake(struct {
			io.Reader
			io.Writer
		}{in, io.Discard}, host, 443)
		if used := len(answers) - in.Len(); err == nil && !bytes.HasPrefix(answers, []byte{5, 2}) || used > 4+4+1+255+2 {
			t.Errorf("connected after %d bytes: %x", used, answers)
		}
	})
}
