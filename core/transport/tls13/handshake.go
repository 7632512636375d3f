package tls13

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/sotto-chat/sotto/core/crypt"
)

// handshake is the state of a handshake in progress.
type handshake struct {
	c      *Conn
	config *Config
	rand   io.Reader

	hello      clientHello
	x448       crypt.X448Private
	x25519     crypt.X25519Private
	transcript hash.Hash
	sentCCS    bool
}

// run goes through the whole handshake (RFC 8446 §2).
func (h *handshake) run() error {
	defer h.x448.Wipe()
	defer h.x25519.Wipe()
	h.transcript = sha256.New()
	server, err := h.exchangeHellos()
	if err != nil {
		return err
	}
	shared, err := h.sharedSecret(server)
	if err != nil {
		return err
	}
	secret := handshakeSecret(shared)
	defer clear(secret)
	clear(shared)
	transcript := h.transcript.Sum(nil)
	clientSecret := expandLabel(secret, "c hs traffic", transcript, sha256.Size)
	serverSecret := expandLabel(secret, "s hs traffic", transcript, sha256.Size)
	h.c.reader.keys.set(serverSecret)

	request, err := h.readServerFlight(serverSecret)
	if err != nil {
		return err
	}
	master := masterSecret(secret)
	defer clear(master)
	transcript = h.transcript.Sum(nil)
	if err := h.sendClientFlight(clientSecret, request); err != nil {
		return err
	}
	h.c.writer.keys.set(expandLabel(master, "c ap traffic", transcript, sha256.Size))
	h.c.reader.keys.set(expandLabel(master, "s ap traffic", transcript, sha256.Size))
	h.c.reader.established = true
	h.c.transcript = h.transcript
	return nil
}

// exchangeHellos sends the hello, and a second one if the server asks for it, and returns the
// ServerHello.
func (h *handshake) exchangeHellos() (*serverHello, error) {
	for _, b := range [][]byte{h.hello.random[:], h.hello.sessionID[:]} {
		if _, err := io.ReadFull(h.rand, b); err != nil {
			return nil, fmt.Errorf("reading randomness: %w", err)
		}
	}
	h.hello.alpn = h.config.ALPN
	if err := h.chooseShare(groupX448); err != nil {
		return nil, err
	}
	if err := h.sendHello(1); err != nil { // the first hello says TLS 1.0, for old middleboxes
		return nil, err
	}
	server, raw, err := h.readServerHello()
	if err != nil {
		return nil, err
	}
	if server.retry {
		if err := h.retry(server, raw); err != nil {
			return nil, err
		}
		if server, raw, err = h.readServerHello(); err != nil {
			return nil, err
		}
		if server.retry {
			return nil, unexpectedMessage("server asked twice for another hello")
		}
	}
	h.transcript.Write(raw)
	if server.group != h.hello.group {
		return nil, illegalParameter("server chose a group without a key share")
	}
	return server, nil
}

// chooseShare makes the key for a group and puts its public half into the hello.
func (h *handshake) chooseShare(group uint16) (err error) {
	h.hello.group = group
	if group == groupX448 {
		if h.x448, err = crypt.NewX448(h.rand); err != nil {
			return err
		}
		public := h.x448.Public()
		h.hello.share = public[:]
		return nil
	}
	if h.x25519, err = crypt.NewX25519(h.rand); err != nil {
		return err
	}
	public := h.x25519.Public()
	h.hello.share = public[:]
	return nil
}

func (h *handshake) sharedSecret(server *serverHello) ([]byte, error) {
	badShare := illegalParameter("key share of the server is not usable")
	switch {
	case server.group == groupX448 && len(server.share) == len(crypt.X448Public{}):
		secret, err := h.x448.DH(crypt.X448Public(server.share))
		if err != nil {
			return nil, badShare
		}
		return secret[:], nil
	case server.group == groupX25519 && len(server.share) == len(crypt.X25519Public{}):
		secret, err := h.x25519.DH(crypt.X25519Public(server.share))
		if err != nil {
			return nil, badShare
		}
		return secret[:], nil
	}
	return nil, badShare
}

// sendHello sends the hello in a record with the given minor version.
func (h *handshake) sendHello(minor byte) error {
	message := h.hello.marshal()
	h.transcript.Write(message)
	record := h.c.writer.appendRecord(nil, recordHandshake, message)
	record[2] = minor
	_, err := h.c.raw.Write(record)
	return err
}

// readServerHello returns the next ServerHello, also as it came.
func (h *handshake) readServerHello() (*serverHello, []byte, error) {
	raw, err := h.c.readMessage(typeServerHello)
	if err != nil {
		return nil, nil, err
	}
	server, err := parseServerHello(raw[messageHeader:])
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(server.sessionID, h.hello.sessionID[:]) || server.suite != suiteChaCha20Poly1305 {
		return nil, nil, illegalParameter("session id or cipher suite that was not offered")
	}
	return server, raw, h.c.checkBoundary()
}

// retry answers a HelloRetryRequest: the same hello with another key share, with the server's
// cookie, or with both (RFC 8446 §4.1.4).
func (h *handshake) retry(request *serverHello, raw []byte) error {
	first := h.transcript.Sum(nil)
	h.transcript.Reset()
	h.transcript.Write([]byte{typeMessageHash, 0, 0, byte(len(first))})
	h.transcript.Write(first)
	h.transcript.Write(raw)
	switch {
	case request.group == groupX25519:
		if err := h.chooseShare(groupX25519); err != nil {
			return err
		}
	case request.group != 0 || request.cookie == nil:
		return illegalParameter("server asked for a group that was not offered, or for nothing new")
	}
	h.hello.cookie = request.cookie
	if err := h.sendCCS(); err != nil {
		return err
	}
	return h.sendHello(3)
}

// sendCCS sends change_cipher_spec for the sake of middleboxes, once and in a write of its own, as
// the reference client does.
func (h *handshake) sendCCS() error {
	if h.sentCCS {
		return nil
	}
	h.sentCCS = true
	_, err := h.c.raw.Write([]byte{byte(recordChangeCipherSpec), 3, 3, 0, 1, 1})
	return err
}

// readServerFlight reads what the server sends under the handshake keys and checks who it is. It
// returns the server's request of a client certificate, if there is one.
func (h *handshake) readServerFlight(serverSecret []byte) (request *certificateRequest, err error) {
	c := h.c
	raw, err := c.readMessage(typeEncryptedExtensions)
	if err != nil {
		return nil, err
	}
	if c.alpn, err = parseEncryptedExtensions(raw[messageHeader:], h.config.ALPN); err != nil {
		return nil, err
	}
	h.transcript.Write(raw)

	if raw, err = c.readMessage(typeCertificate, typeCertificateRequest); err != nil {
		return nil, err
	}
	if raw[0] == typeCertificateRequest {
		context, err := parseCertificateRequest(raw[messageHeader:])
		if err != nil {
			return nil, err
		}
		if len(context) != 0 {
			return nil, illegalParameter("CertificateRequest of the handshake has a context")
		}
		request = &certificateRequest{}
		h.transcript.Write(raw)
		if raw, err = c.readMessage(typeCertificate); err != nil {
			return nil, err
		}
	}
	if c.chain, err = parseCertificate(raw[messageHeader:]); err != nil {
		return nil, err
	}
	if c.serverKey, err = VerifyChain(c.chain, h.config.Fingerprint, h.config.Time()); err != nil {
		return nil, err
	}
	h.transcript.Write(raw)

	if raw, err = c.readMessage(typeCertificateVerify); err != nil {
		return nil, err
	}
	if err := h.checkCertificateVerify(raw[messageHeader:]); err != nil {
		return nil, err
	}
	h.transcript.Write(raw)

	if raw, err = c.readMessage(typeFinished); err != nil {
		return nil, err
	}
	if !hmac.Equal(raw[messageHeader:], finishedMAC(serverSecret, h.transcript.Sum(nil))) {
		return nil, &ProtocolError{alertDecryptError, "the server's Finished is wrong"}
	}
	h.transcript.Write(raw)
	return request, c.checkBoundary()
}

// checkCertificateVerify checks the server's signature of the transcript (RFC 8446 §4.4.3).
func (h *handshake) checkCertificateVerify(body []byte) error {
	scheme, signature, err := parseCertificateVerify(body)
	if err != nil {
		return err
	}
	var want uint16
	switch h.c.serverKey.(type) {
	case crypt.Ed25519Public:
		want = schemeEd25519
	case crypt.Ed448Public:
		want = schemeEd448
	}
	if scheme != want || want == 0 {
		return illegalParameter("signature scheme does not fit the server's key")
	}
	if !crypt.Verify(h.c.serverKey, signedTranscript(h.transcript.Sum(nil)), signature) {
		return &ProtocolError{alertDecryptError, "the server's signature is wrong"}
	}
	return nil
}

// signedTranscript is what the server signs.
func signedTranscript(transcript []byte) []byte {
	return slices.Concat(bytes.Repeat([]byte{' '}, 64), []byte("TLS 1.3, server CertificateVerify\x00"), transcript)
}

// sendClientFlight ends the client's part of the handshake. Alerts before it are in plain text, as
// the reference client's are.
func (h *handshake) sendClientFlight(clientSecret []byte, request *certificateRequest) error {
	if err := h.sendCCS(); err != nil {
		return err
	}
	w := &h.c.writer
	w.keys.set(clientSecret)
	var records []byte
	if request != nil {
		certificate := emptyCertificate(request.context)
		h.transcript.Write(certificate)
		records = w.appendRecord(records, recordHandshake, certificate)
	}
	h.c.finished = finishedMAC(clientSecret, h.transcript.Sum(nil))
	finished := marshalFinished(h.c.finished)
	h.transcript.Write(finished)
	_, err := h.c.raw.Write(w.appendRecord(records, recordHandshake, finished))
	return err
}
