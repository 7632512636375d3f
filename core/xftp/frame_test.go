package xftp

//lint:file-ignore SA1019 the client's end of HTTP/2 over a pipe

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sotto-chat/sotto/core/crypt"
)

// The end of a request is in the frame of its last bytes. A relay answers a block as soon as it has it, so a client that ends its
// request in a frame of its own may be answered before that; it would reset the request then, which relays take for an error
// of the connection (xftp.md §1).
func TestEndOfRequest(t *testing.T) {
	for name, body := range map[string]struct {
		send func(ctx context.Context, c *Client) error
		size int
	}{
		"handshake": {func(ctx context.Context, c *Client) error {
			_, err := c.hello(ctx, make([]byte, BlockSize))
			return err
		}, BlockSize},
		"command": {func(ctx context.Context, c *Client) error { return c.Ping(ctx) }, BlockSize},
		"chunk": {func(ctx context.Context, c *Client) error {
			return c.Put(ctx, "id", &crypt.Ed25519Private{1}, bytes.NewReader(make([]byte, 65536)), 65536, nil)
		}, BlockSize + 65536},
	} {
		a, b := net.Pipe()
		frames := make(chan []http2.FrameHeader)
		go func() {
			defer b.Close()
			frames <- dataFrames(b, body.size)
		}()
		cc, err := newHTTPTransport().NewClientConn(a)
		if err != nil {
			t.Fatal(err)
		}
		c := &Client{link: &link{http: cc, close: a.Close, drop: a.Close, host: "a.example"}, config: Config{}.withDefaults(), turn: make(chan struct{}, 1)}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			body.send(t.Context(), c) // it is never answered
		}()
		list := <-frames
		<-sent
		a.Close()
		if len(list) == 0 || list[len(list)-1].Length == 0 || !list[len(list)-1].Flags.Has(http2.FlagDataEndStream) {
			t.Errorf("%s: frames %v", name, list)
		}
	}
}

// dataFrames reads DATA frames of a client until they have some number of bytes.
func dataFrames(conn net.Conn, size int) (list []http2.FrameHeader) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return nil
	}
	framer := http2.NewFramer(conn, conn)
	go func() { // a pipe has no room
		framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		framer.WriteWindowUpdate(0, 1<<20)
	}()
	for size > 0 {
		f, err := framer.ReadFrame()
		if err != nil {
			return list
		}
		if h := f.Header(); h.Type == http2.FrameData {
			list = append(list, h)
			size -= int(h.Length)
		}
	}
	return list
}
