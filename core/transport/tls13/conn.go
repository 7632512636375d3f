package tls13

import (
	"errors"
	"hash"
	"io"
	"net"
	"slices"
	"sync"
)

// readMessage returns the next handshake message with its header; it has to be of one of the types.
// Only during the handshake.
func (c *Conn) readMessage(types ...uint8) ([]byte, error) {
	for {
		message, err := c.messages.next()
		if err != nil {
			return nil, err
		}
		if message != nil {
			if !slices.Contains(types, message[0]) {
				return nil, unexpectedMessage("unexpected handshake message")
			}
			return message, nil
		}
		typ, content, err := c.reader.next()
		if err != nil {
			return nil, err
		}
		switch typ {
		case recordHandshake:
			c.messages.add(content)
		case recordAlert:
			return nil, &AlertError{Alert(content[1])}
		default:
			return nil, unexpectedMessage("application data in the handshake")
		}
	}
}

// checkBoundary checks that no handshake data was received beyond the last message: it would be
// protected by keys that are no longer in use.
func (c *Conn) checkBoundary() error {
	if len(c.messages.buf) > 0 {
		return unexpectedMessage("handshake message across a change of keys")
	}
	return nil
}

// messages takes handshake messages out of records.
type messages struct{ buf []byte }

func (m *messages) add(content []byte) { m.buf = append(m.buf, content...) }

// next returns the next message with its header, or nil if it is not complete.
func (m *messages) next() ([]byte, error) {
	if len(m.buf) < messageHeader {
		return nil, nil
	}
	n := messageHeader + int(m.buf[1])<<16 + int(m.buf[2])<<8 + int(m.buf[3])
	if n > maxMessage {
		return nil, &ProtocolError{alertDecodeError, "handshake message is too long"}
	}
	if len(m.buf) < n {
		return nil, nil
	}
	message := m.buf[:n:n]
	if m.buf = m.buf[n:]; len(m.buf) == 0 {
		m.buf = nil
	}
	return message, nil
}

// Read reads application data. It returns io.EOF after the server's close_notify and ErrTruncated
// if the connection ends without one.
func (c *Conn) Read(p []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if len(p) == 0 {
		return 0, c.readErr
	}
	for len(c.app) == 0 {
		if c.readErr != nil {
			return 0, c.readErr
		}
		if err := c.readData(); err != nil {
			return 0, c.failRead(err)
		}
	}
	n := copy(p, c.app)
	c.app = c.app[n:]
	return n, nil
}

// failRead makes err the error of all later reads, except for a deadline that has passed.
func (c *Conn) failRead(err error) error {
	if c.closed.Load() {
		err = net.ErrClosed
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	c.readErr = err
	if err != io.EOF && err != net.ErrClosed {
		c.abort(err)
	}
	return err
}

// readData reads one record.
func (c *Conn) readData() error {
	typ, content, err := c.reader.next()
	if err != nil {
		return err
	}
	if typ == recordApplicationData && len(c.messages.buf) > 0 {
		return unexpectedMessage("application data within a handshake message")
	}
	switch typ {
	case recordApplicationData:
		c.app = content
	case recordAlert:
		switch alert := Alert(content[1]); alert {
		case alertCloseNotify:
			return io.EOF
		case alertUserCanceled: // a close_notify follows
			return c.reader.countIdle()
		default:
			return &AlertError{alert}
		}
	case recordHandshake:
		c.messages.add(content)
		for {
			message, err := c.messages.next()
			if err != nil {
				return err
			}
			if message == nil {
				break
			}
			if err := c.handlePostHandshake(message); err != nil {
				return err
			}
		}
	}
	return nil
}

// handlePostHandshake handles a message that may come after the handshake (RFC 8446 §4.6).
func (c *Conn) handlePostHandshake(message []byte) error {
	if err := c.reader.countIdle(); err != nil {
		return err
	}
	body := message[messageHeader:]
	switch message[0] {
	case typeNewSessionTicket:
		return nil // sessions are not resumed
	case typeKeyUpdate:
		if len(body) != 1 {
			return malformed("KeyUpdate")
		}
		if body[0] > 1 {
			return illegalParameter("KeyUpdate of an unknown kind")
		}
		if err := c.checkBoundary(); err != nil {
			return err
		}
		c.reader.keys.update()
		if body[0] == 1 {
			c.replies.addKeyUpdate()
		}
		return nil
	case typeCertificateRequest:
		context, err := parseCertificateRequest(body)
		if err != nil {
			return err
		}
		return c.answerCertificateRequest(context, message)
	}
	return unexpectedMessage("unexpected message after the handshake")
}

// answerCertificateRequest prepares the answer to a request after the handshake, which is that
// there is no certificate.
func (c *Conn) answerCertificateRequest(context, message []byte) error {
	cloner, ok := c.transcript.(hash.Cloner)
	if !ok {
		return unexpectedMessage("CertificateRequest can't be answered")
	}
	transcript, err := cloner.Clone()
	if err != nil {
		return err
	}
	request := certificateRequest{context: context}
	transcript.Write(message)
	transcript.Write(emptyCertificate(context))
	request.transcript = transcript.Sum(nil)
	return c.replies.addRequest(request)
}

// certificateRequest is a request for the client's certificate.
type certificateRequest struct {
	context    []byte // empty in the handshake
	transcript []byte // only after the handshake: hash up to the empty Certificate
}

// maxRequests is how many CertificateRequests may wait for their answer.
const maxRequests = 8

// replies are answers to messages after the handshake. They are sent with the next application
// data, which is as early as TLS requires it; so Read never has to wait until it can write.
type replies struct {
	mu        sync.Mutex
	keyUpdate bool
	requests  []certificateRequest
}

func (r *replies) addKeyUpdate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keyUpdate = true
}

func (r *replies) addRequest(request certificateRequest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) == maxRequests {
		return unexpectedMessage("too many CertificateRequests")
	}
	r.requests = append(r.requests, request)
	return nil
}

// appendTo appends the records of all replies.
func (r *replies) appendTo(b []byte, w *recordWriter) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.requests {
		b = w.appendRecord(b, recordHandshake, emptyCertificate(request.context))
		b = w.appendRecord(b, recordHandshake, marshalFinished(finishedMAC(w.keys.secret, request.transcript)))
	}
	r.requests = nil
	if r.keyUpdate {
		b = w.appendRecord(b, recordHandshake, []byte{typeKeyUpdate, 0, 0, 1, 0})
		w.keys.update()
		r.keyUpdate = false
	}
	return b
}

// Write sends p as application data, 16384 bytes in a record and each record in a single write to
// the connection below.
func (c *Conn) Write(p []byte) (int, error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	written := 0
	for written < len(p) {
		if c.writeErr != nil {
			return written, c.writeErr
		}
		n := min(len(p)-written, maxPlaintext)
		b := c.replies.appendTo(c.writer.buf[:0], &c.writer)
		c.writer.buf = c.writer.appendRecord(b, recordApplicationData, p[written:written+n])
		if _, err := c.raw.Write(c.writer.buf); err != nil {
			if c.closed.Load() {
				err = net.ErrClosed
			}
			c.writeErr = err
			return written, err
		}
		written += n
	}
	return written, nil
}
