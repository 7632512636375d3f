package tls13

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

func newConnection(t testing.TB) (*Conn, *testSession) {
	return (&testServer{testIdentity: newIdentity(t, newEd25519), alpn: "smp/1"}).connect(t)
}

var (
	keyUpdate          = []byte{typeKeyUpdate, 0, 0, 1, 0}
	keyUpdateRequested = []byte{typeKeyUpdate, 0, 0, 1, 1}
	sessionTicket      = []byte{typeNewSessionTicket, 0, 0, 14, 0, 0, 0, 60, 1, 2, 3, 4, 0, 0, 1, 9, 0, 0}
)

// TestAfterHandshake sends a client records that it has to refuse, and says how.
func TestAfterHandshake(t *testing.T) {
	repeat := func(n int, f func(s *testSession)) func(s *testSession) {
		return func(s *testSession) {
			for range n {
				f(s)
			}
		}
	}
	handshakeRecord := func(m []byte) func(s *testSession) {
		return func(s *testSession) { s.send(recordHandshake, m) }
	}
	for _, c := range []struct {
		name   string
		server func(s *testSession)
		check  func(err error) bool
		alert  Alert // that the server has to receive
	}{
		{"close_notify", func(s *testSession) { s.send(recordAlert, []byte{1, 0}) }, is(io.EOF), 0},
		{"user_canceled and close_notify", func(s *testSession) {
			s.send(recordAlert, []byte{1, 90})
			s.send(recordAlert, []byte{1, 0})
		}, is(io.EOF), 0},
		{"end without close_notify", func(s *testSession) {}, is(ErrTruncated), 0},
		{"end within a record", func(s *testSession) { s.conn.Write([]byte{23, 3, 3, 1, 0, 1, 2, 3}) }, is(ErrTruncated), 0},
		{"alert", func(s *testSession) { s.send(recordAlert, []byte{2, 80}) }, isAlertError(80), 0},
		{"alert with the level of a warning", func(s *testSession) { s.send(recordAlert, []byte{1, 80}) }, isAlertError(80), 0},
		{"short alert", func(s *testSession) { s.send(recordAlert, []byte{1}) }, isProtocolError, alertDecodeError},
		{"close_notify in plain text", func(s *testSession) { s.conn.Write([]byte{21, 3, 3, 0, 2, 1, 0}) }, isProtocolError, alertUnexpectedMessage},
		{"change_cipher_spec", func(s *testSession) { s.conn.Write([]byte{20, 3, 3, 0, 1, 1}) }, isProtocolError, alertUnexpectedMessage},
		{"garbage", func(s *testSession) { s.conn.Write([]byte("SSH-2.0-OpenSSH\r\n")) }, isProtocolError, alertUnexpectedMessage},
		{"changed record", func(s *testSession) {
			s.conn.Write(flipLast(s.writer.appendRecord(nil, recordApplicationData, []byte("data"))))
		}, isProtocolError, alertBadRecordMAC},
		{"short record", func(s *testSession) { s.conn.Write([]byte{23, 3, 3, 0, 3, 1, 2, 3}) }, isProtocolError, alertBadRecordMAC},
		{"repeated record", func(s *testSession) {
			record := s.writer.appendRecord(nil, recordHandshake, sessionTicket)
			s.conn.Write(record)
			s.conn.Write(record)
		}, isProtocolError, alertBadRecordMAC},
		{"long record", func(s *testSession) { s.send(recordApplicationData, make([]byte, maxPlaintext+1)) }, isProtocolError, alertRecordOverflow},
		{"endless empty records", repeat(freeRecords+1, func(s *testSession) { s.send(recordApplicationData, nil) }), isProtocolError, alertUnexpectedMessage},
		{"endless key updates", repeat(freeRecords+1, func(s *testSession) {
			s.send(recordHandshake, keyUpdateRequested)
			s.writer.keys.update()
		}), isProtocolError, alertUnexpectedMessage},
		{"endless tickets", repeat(freeRecords+1, handshakeRecord(sessionTicket)), isProtocolError, alertUnexpectedMessage},
		{"endless tickets in a record", handshakeRecord(bytes.Repeat(sessionTicket, freeRecords+1)), isProtocolError, alertUnexpectedMessage},
		{"endless user_canceled", repeat(freeRecords+1, func(s *testSession) { s.send(recordAlert, []byte{1, 90}) }), isProtocolError, alertUnexpectedMessage},
		{"endless requests", repeat(maxRequests+1, handshakeRecord(certificateRequestMessage([]byte{1}))), isProtocolError, alertUnexpectedMessage},
		{"key update of an unknown kind", handshakeRecord([]byte{typeKeyUpdate, 0, 0, 1, 2}), isProtocolError, alertIllegalParameter},
		{"long key update", handshakeRecord([]byte{typeKeyUpdate, 0, 0, 2, 0, 0}), isProtocolError, alertDecodeError},
		{"key update with more in its record", handshakeRecord(append(bytes.Clone(keyUpdate), sessionTicket...)), isProtocolError, alertUnexpectedMessage},
		{"data within a message", func(s *testSession) {
			s.send(recordHandshake, sessionTicket[:5])
			s.send(recordApplicationData, []byte("data"))
		}, isProtocolError, alertUnexpectedMessage},
		{"hello", handshakeRecord([]byte{typeServerHello, 0, 0, 0}), isProtocolError, alertUnexpectedMessage},
		{"malformed request", handshakeRecord([]byte{typeCertificateRequest, 0, 0, 1, 5}), isProtocolError, alertDecodeError},
		{"oversized message", handshakeRecord([]byte{typeNewSessionTicket, 1, 0, 0}), isProtocolError, alertDecodeError},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, s := newConnection(t)
			c.server(s)
			if err := s.conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			var buf [100]byte
			n, err := conn.Read(buf[:])
			if n != 0 || !c.check(err) {
				t.Fatalf("read %d bytes and error %v", n, err)
			}
			if _, again := conn.Read(buf[:]); again != err {
				t.Errorf("second Read: %v, want %v", again, err)
			}
			if c.alert == 0 {
				return
			}
			if _, err := s.receive(); !isAlertError(c.alert)(err) {
				t.Errorf("server received %v, want alert %v", err, c.alert)
			}
			if _, err := conn.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write after the failure: %v", err)
			}
		})
	}
}

// TestBudgetGrows sends more messages without data than are free, with data between them.
func TestBudgetGrows(t *testing.T) {
	conn, s := newConnection(t)
	const rounds = 3 * freeRecords
	go func() {
		block := make([]byte, maxPlaintext)
		for range rounds {
			s.send(recordHandshake, keyUpdate)
			s.writer.keys.update()
			s.send(recordApplicationData, block)
		}
	}()
	if _, err := io.CopyN(io.Discard, conn, rounds*maxPlaintext); err != nil {
		t.Fatal(err)
	}
}

// TestKeyUpdate updates the keys of both directions, several times before the client answers.
func TestKeyUpdate(t *testing.T) {
	conn, s := newConnection(t)
	var buf [1]byte
	for round := range 3 {
		for range 2 {
			s.send(recordHandshake, keyUpdateRequested)
			s.writer.keys.update()
		}
		s.send(recordApplicationData, []byte{byte(round)})
		if _, err := io.ReadFull(conn, buf[:]); err != nil || buf[0] != byte(round) {
			t.Fatalf("read %d, %v", buf[0], err)
		}
		if _, err := conn.Write(buf[:]); err != nil {
			t.Fatal(err)
		}
		if m, err := s.receive(); err != nil || !bytes.Equal(m, keyUpdate) {
			t.Fatalf("server received %x, %v; want a KeyUpdate", m, err)
		}
		s.reader.keys.update()
		if typ, content, err := s.reader.next(); err != nil || typ != recordApplicationData || !bytes.Equal(content, buf[:]) {
			t.Fatalf("server received %d %x, %v", typ, content, err)
		}
	}
}

// TestRequestAfterHandshake asks for a certificate after the handshake, as the hello permits.
func TestRequestAfterHandshake(t *testing.T) {
	conn, s := newConnection(t)
	request := certificateRequestMessage([]byte("context"))
	s.send(recordHandshake, request[:10])
	s.send(recordHandshake, request[10:])
	s.send(recordApplicationData, []byte{1})
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	s.transcript.Write(request)
	m, err := s.receive()
	if want := emptyCertificate([]byte("context")); err != nil || !bytes.Equal(m, want) {
		t.Fatalf("server received %x, %v; want %x", m, err, want)
	}
	s.transcript.Write(m)
	m, err = s.receive()
	if err != nil || m[0] != typeFinished || !hmac.Equal(m[4:], finishedMAC(s.reader.keys.secret, s.transcript.Sum(nil))) {
		t.Fatalf("server received %x, %v; want a Finished", m, err)
	}
}

func TestOneWritePerRecord(t *testing.T) {
	conn, s := newConnection(t)
	recorder := &recordingConn{Conn: conn.raw}
	conn.raw = recorder
	data := bytes.Repeat([]byte("0123456789abcdef"), 3*1024)
	go conn.Write(data)
	var got []byte
	for len(got) < len(data) {
		_, content, err := s.reader.next()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, content...)
	}
	if !bytes.Equal(got, data) {
		t.Error("other data arrived")
	}
	if len(recorder.writes) != 3 || len(recorder.writes[0]) != 5+maxPlaintext+17 {
		t.Errorf("%d writes, want 3", len(recorder.writes))
	}
	if n, err := conn.Write(nil); n != 0 || err != nil || len(recorder.writes) != 3 {
		t.Errorf("empty Write: %d, %v", n, err)
	}
}

// echo sends back what it receives until it fails.
func echo(s *testSession) {
	for {
		typ, content, err := s.reader.next()
		if err != nil || typ != recordApplicationData {
			return
		}
		if s.send(recordApplicationData, content) != nil {
			return
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	conn, s := newConnection(t)
	const writers, rounds, size = 4, 50, 5000
	var wg sync.WaitGroup
	wg.Go(func() { echo(s) })
	for i := range writers {
		wg.Go(func() {
			block := bytes.Repeat([]byte{byte(i)}, size)
			for range rounds {
				if _, err := conn.Write(block); err != nil {
					t.Error(err)
				}
			}
		})
	}
	counts := make([]int, writers)
	block := make([]byte, size)
	for range writers * rounds {
		if _, err := io.ReadFull(conn, block); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(block, bytes.Repeat(block[:1], size)) {
			t.Fatal("writes were mixed")
		}
		counts[block[0]]++
	}
	for i, n := range counts {
		if n != rounds {
			t.Errorf("%d blocks of writer %d, want %d", n, i, rounds)
		}
	}
	conn.Close()
	wg.Wait()
}

func TestReadDeadline(t *testing.T) {
	conn, s := newConnection(t)
	record := s.writer.appendRecord(nil, recordApplicationData, []byte("data"))
	s.conn.Write(record[:10])
	buf := make([]byte, 4)
	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	for range 2 {
		if _, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Read with a deadline: %v", err)
		}
	}
	conn.SetDeadline(time.Time{})
	s.conn.Write(record[10:])
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "data" {
		t.Fatalf("read %q, %v after the deadline", buf, err)
	}
}

func TestWriteDeadline(t *testing.T) {
	conn, _ := newConnection(t)
	conn.SetWriteDeadline(time.Now().Add(time.Millisecond))
	var err error
	for err == nil { // until the buffers of the system are full
		_, err = conn.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Write with a deadline: %v", err)
	}
	conn.SetWriteDeadline(time.Time{})
	if _, again := conn.Write([]byte{1}); again != err {
		t.Errorf("Write after part of a record: %v, want %v", again, err)
	}
}

func TestCloseUnblocks(t *testing.T) {
	conn, _ := newConnection(t)
	errs := make(chan error, 2)
	var started sync.WaitGroup
	started.Add(2)
	go func() {
		started.Done()
		_, err := conn.Read(make([]byte, 1))
		errs <- err
	}()
	go func() {
		started.Done()
		var err error
		for err == nil {
			_, err = conn.Write(make([]byte, 1<<20))
		}
		errs <- err
	}()
	started.Wait()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := conn.Write(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}

func TestCloseNotifiesAndWipes(t *testing.T) {
	conn, s := newConnection(t)
	in, out := conn.reader.keys.secret, conn.writer.keys.secret
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.receive(); !isAlertError(alertCloseNotify)(err) {
		t.Errorf("server received %v, want close_notify", err)
	}
	if zero := make([]byte, sha256.Size); !bytes.Equal(in, zero) || !bytes.Equal(out, zero) {
		t.Error("secrets are not wiped")
	}
}

func TestErrorTexts(t *testing.T) {
	for _, err := range []error{
		&VersionError{version12, false}, &VersionError{version12, true}, ErrUnknownIdentity, ErrTruncated,
		&AlertError{200}, &AlertError{40}, unfit(1, "has expired"), malformed("Certificate"),
	} {
		if text := fmt.Sprint(err); len(text) < 20 {
			t.Errorf("%T: %q", err, text)
		}
	}
}

var _ net.Conn = (*Conn)(nil)

func BenchmarkHandshake(b *testing.B) {
	for _, kind := range []struct {
		name   string
		newKey func(testing.TB) testKey
	}{{"Ed25519", newEd25519}, {"Ed448", newEd448}} {
		b.Run(kind.name, func(b *testing.B) {
			srv := &testServer{testIdentity: newIdentity(b, kind.newKey), alpn: "smp/1"}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					srv.handshake(conn)
					conn.Close()
				}
			}()
			for b.Loop() {
				raw, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				c, err := Client(b.Context(), raw, srv.config())
				if err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	conn, s := newConnection(b)
	block := make([]byte, maxPlaintext)
	go func() {
		for s.send(recordApplicationData, block) == nil {
		}
	}()
	buf := make([]byte, maxPlaintext)
	b.SetBytes(maxPlaintext)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	conn, s := newConnection(b)
	go io.Copy(io.Discard, s.conn)
	block := make([]byte, maxPlaintext)
	b.SetBytes(maxPlaintext)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(block); err != nil {
			b.Fatal(err)
		}
	}
}
