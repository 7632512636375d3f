package xftp

//lint:file-ignore SA1019 net/http can't speak HTTP/2 over a TLS connection that is not its own

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http2"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/transport/tls13"
)

// A link is the connection with a relay: HTTP/2 over TLS.
type link struct {
	http      *http2.ClientConn
	close     func() error
	drop      func() error // close without sending what waits to be sent
	host      string
	alpn      string
	sessionID []byte          // the client's Finished of TLS
	leaf      crypt.PublicKey // of the relay's certificate in TLS
}

// maxHeaders bounds the header of an answer, which has nothing but the status (xftp.md §1).
const maxHeaders = 16 << 10

func newHTTPTransport() *http2.Transport {
	return &http2.Transport{DisableCompression: true, MaxHeaderListSize: maxHeaders}
}

// newLink takes a connection over.
func newLink(conn *tls13.Conn, host string) (*link, error) {
	h, err := newHTTPTransport().NewClientConn(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("xftp: starting HTTP/2: %w", err)
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	return &link{h, conn.Close, conn.Drop, host, conn.ALPN(), conn.ClientFinished(), conn.ServerKey()}, nil
}

// post sends a request and returns the body of the answer, which may come before all of the request
// was sent.
func (l *link) post(ctx context.Context, body io.Reader) (io.ReadCloser, error) {
	req := &http.Request{
		Method: http.MethodPost,
		URL:    &url.URL{Scheme: "https", Host: l.host, Path: "/"},
		Header: http.Header{"User-Agent": nil}, // no header is needed, and none is sent
		Host:   l.host,
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(body), -1
	}
	resp, err := l.http.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, &closedError{err}
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: an HTTP status other than 200", ErrProtocol)
	}
	return resp.Body, nil
}

// usable tells whether another request may be sent.
func (l *link) usable() bool { return l.http.CanTakeNewRequest() }
