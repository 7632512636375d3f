package smp_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// patience is how long a test waits for something that must happen.
const patience = time.Minute

// startRelay starts a relay on a loopback address.
func startRelay(t *testing.T) wire.Server {
	t.Helper()
	dir := t.TempDir()
	if _, err := relay.Init(dir, relay.Settings{}); err != nil {
		t.Fatal(err)
	}
	server, stop := serve(t, dir, "")
	t.Cleanup(stop)
	return server
}

// serve serves the relay in dir, at a new port if that is empty, until stop.
func serve(t *testing.T, dir, port string) (server wire.Server, stop func()) {
	t.Helper()
	listen := relay.ListenLoopback
	if port != "" {
		listen = func() (net.Listener, error) { return net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)) }
	}
	l, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	r, err := relay.Open(dir, relay.Config{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(context.Background(), l) }()
	server = r.Address("127.0.0.1")
	if _, server.Port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return server, func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, relay.ErrClosed) {
			t.Error(err)
		}
	}
}

func connect(t *testing.T, server wire.Server, version uint16) *smp.Client {
	t.Helper()
	config := smp.Config{
		Versions:       wire.VersionRange{Min: 6, Max: version},
		ConnectTimeout: patience,
		CommandTimeout: patience,
	}
	c, err := smp.Connect(context.Background(), config, server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestRelay lets two clients talk through a relay, in all versions.
func TestRelay(t *testing.T) {
	server := startRelay(t)
	for version := smp.Versions.Min; version <= smp.Versions.Max; version++ {
		talk(t, connect(t, server, version), connect(t, server, smp.Versions.Max))
	}
}

func talk(t *testing.T, recipient, sender *smp.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must := func(m smp.Message, err error) smp.Message {
		t.Helper()
		if err != nil {
			t.Fatalf("version %d: %v", recipient.Params().Version, err)
		}
		return m
	}
	rcvKey, err := crypt.NewEd25519(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sndKey, err := crypt.NewX25519(rand.Reader) // authenticators
	if err != nil {
		t.Fatal(err)
	}
	dh, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ids := must(recipient.Do(ctx, smp.Request{Key: &rcvKey, Command: smp.New{
		RcvAuth: rcvKey.Public(), RcvDH: dh.Public(), Subscribe: true, Mode: smp.ModeMessaging}})).(smp.IDs)
	must(recipient.Do(ctx, smp.Request{Entity: ids.RcvID, Key: &rcvKey, Command: smp.Key{Key: sndKey.Public()}}))
	must(sender.Do(ctx, smp.Request{Entity: ids.SndID, Key: &sndKey, Command: smp.Send{Body: []byte("first")}}))
	must(sender.Do(ctx, smp.Request{Entity: ids.SndID, Key: &sndKey, Command: smp.Send{Notify: true, Body: []byte("second")}}))
	secret, err := dh.DH(ids.ServerDH)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		select {
		case e := <-recipient.Events():
			msg, ok := e.Message.(smp.Msg)
			if !ok || e.Entity != ids.RcvID {
				t.Fatalf("event %T", e.Message)
			}
			got, err := smp.OpenMessage(&secret, msg)
			if err != nil || string(got.Body) != want || got.Notify != (want == "second") {
				t.Fatalf("version %d: message %+v, %v", recipient.Params().Version, got, err)
			}
			must(recipient.Do(ctx, smp.Request{Entity: ids.RcvID, Key: &rcvKey, Command: smp.Ack{MsgID: msg.ID}}))
		case <-ctx.Done():
			t.Fatal("no message")
		}
	}
	must(recipient.Do(ctx, smp.Request{Entity: ids.RcvID, Key: &rcvKey, Command: smp.Del{}}))
	if _, err := recipient.Do(ctx, smp.Request{Entity: ids.RcvID, Key: &rcvKey, Command: smp.Sub{}}); !errors.Is(err, smp.ErrAuth) {
		t.Errorf("SUB of a deleted queue: %v", err)
	}
}

func TestConnectFails(t *testing.T) {
	server := startRelay(t)
	other := server
	other.KeyHash[0] ^= 1
	onion := server
	onion.Hosts = []string{"abc.onion"}
	for _, c := range []struct {
		name   string
		server wire.Server
		config smp.Config
		want   func(error) bool
	}{
		{"another identity", other, smp.Config{}, kind(transport.KindIdentity)},
		{"onion without Tor", onion, smp.Config{}, kind(transport.KindOnion)},
		{"no path", server, smp.Config{Path: path(transport.Path{}, transport.ErrHost)}, is(transport.ErrHost)},
		{"version", server, smp.Config{Versions: wire.VersionRange{Min: 19, Max: 20}}, is(smp.ErrVersion)},
		{"dead proxy", server, smp.Config{Path: path(transport.Path{Host: "relay.example", Proxy: &transport.Proxy{Address: "127.0.0.1:1"}}, nil)}, kind(transport.KindProxy)},
	} {
		client, err := smp.Connect(context.Background(), c.config, c.server)
		if err == nil {
			client.Close()
		}
		if !c.want(err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func kind(k transport.Kind) func(error) bool {
	return func(err error) bool {
		var dial *transport.DialError
		return errors.As(err, &dial) && dial.Kind == k
	}
}

// TestSession keeps a session with a relay that is stopped and started again.
func TestSession(t *testing.T) {
	dir := t.TempDir()
	if _, err := relay.Init(dir, relay.Settings{}); err != nil {
		t.Fatal(err)
	}
	server, stop := serve(t, dir, "")
	s := smp.NewSession(smp.Config{}, server)
	defer s.Close()
	key, err := crypt.NewEd25519(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dh, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	next := func() smp.SessionEvent {
		select {
		case e := <-s.Events():
			return e
		case <-ctx.Done():
			t.Fatal("no event")
			return nil
		}
	}
	if up, ok := next().(smp.Up); !ok || up.Params.Version != smp.Versions.Max {
		t.Errorf("not up with the highest version: %v", up)
	}
	m, err := s.Do(ctx, smp.Request{Key: &key, Command: smp.New{RcvAuth: key.Public(), RcvDH: dh.Public(), Subscribe: true, Mode: smp.ModeMessaging}})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if _, ok := next().(smp.Down); !ok {
		t.Error("not down after the relay was stopped")
	}
	_, stop = serve(t, dir, server.Port)
	defer stop()
	s.Retry()
	for {
		switch e := next().(type) {
		case smp.Down, smp.Up:
			s.Retry()
			continue
		case smp.Subscribed:
			if e.Entity != m.(smp.IDs).RcvID || e.Err != nil {
				t.Errorf("subscribed: %v", e.Err)
			}
		default:
			t.Errorf("event %T", e)
		}
		return
	}
}

// path always answers the same.
func path(p transport.Path, err error) transport.PathFunc {
	return func(context.Context, wire.Server, string) (transport.Path, error) { return p, err }
}
