package front

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"net"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// errFinished tells that the client's Finished message could not be read.
var errFinished = errors.New("front: the handshake shows no session id")

// maxFlight bounds what a client may send before the end of the TLS handshake. A usual
// client hello and Finished have less than 1 KiB.
const maxFlight = 64 << 10

// A recorder is the connection under that of TLS. It lets the relay read the client's Finished
// message, whose content is the id of the session (smp-transport.md §3). crypto/tls doesn't
// give it for TLS 1.3, so it is read again: what the client sends during the handshake is kept,
// and decrypted with the secret that crypto/tls hands to a key log. All of that is forgotten
// when the handshake is over.
type recorder struct {
	net.Conn
	recording bool
	received  []byte
	secret    []byte // the client's handshake traffic secret

	// After LimitReads a read ends where the record of a block does: what crypto/tls has of the
	// next one would make it keep a larger buffer for as long as the connection lasts.
	record int // size of a block's record
	left   int // until its end
}

// Sizes of what TLS adds to a record.
const (
	recordOverhead12 = 5 + 16     // header, tag
	recordOverhead13 = 5 + 1 + 16 // header, content type, tag
)

// Read is only called by the handshake's goroutine until SessionID was called.
func (c *recorder) Read(p []byte) (int, error) {
	if c.record > 0 && len(p) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	if c.left -= n; c.left <= 0 {
		c.left = c.record
	}
	if c.recording {
		if len(c.received)+n > maxFlight {
			return 0, errFinished
		}
		c.received = append(c.received, p[:n]...)
	}
	return n, err
}

// keyLog is the key log of one connection. It never leaves the process.
type keyLog struct{ conn *recorder }

// Write takes a line of a key log.
func (k *keyLog) Write(line []byte) (int, error) {
	if s := HandshakeSecret(string(line)); s != nil {
		k.conn.secret = s
	}
	return len(line), nil
}

// HandshakeSecret returns the client's handshake traffic secret if it stands in this line of
// a key log: label, client random and secret in hex.
func HandshakeSecret(line string) []byte {
	f := strings.Fields(line)
	if len(f) != 3 || f[0] != "CLIENT_HANDSHAKE_TRAFFIC_SECRET" {
		return nil
	}
	secret, _ := hex.DecodeString(f[2])
	return secret
}

// TLS makes the TLS side of a client's connection. base is not changed.
func TLS(nc net.Conn, base *tls.Config) *tls.Conn {
	r := &recorder{Conn: nc, recording: true}
	config := base.Clone()
	config.KeyLogWriter = &keyLog{r}
	return tls.Server(r, config)
}

// SessionID returns the client's Finished message of a connection that TLS made. It must be
// called once, after the handshake and before anything is read.
func SessionID(conn *tls.Conn) ([]byte, error) {
	c := conn.NetConn().(*recorder)
	defer func() {
		clear(c.secret)
		c.recording, c.received, c.secret = false, nil, nil
	}()
	state := conn.ConnectionState()
	if state.Version == tls.VersionTLS12 {
		if len(state.TLSUnique) == 0 {
			return nil, errFinished
		}
		return bytes.Clone(state.TLSUnique), nil
	}
	return ReadFinished(state.CipherSuite, c.secret, c.received)
}

// LimitReads tells that the client sends records of one size, so that an idle connection
// holds no more memory than it must.
func LimitReads(conn *tls.Conn, size int) {
	c := conn.NetConn().(*recorder)
	c.record = size + recordOverhead13
	if conn.ConnectionState().Version == tls.VersionTLS12 {
		c.record = size + recordOverhead12
	}
	c.left = c.record
}

// ReadFinished finds the client's Finished in the TLS 1.3 records that it sent (RFC 8446
// §5.2 and §7.3). Records before the change of keys are in the clear and passed over.
func ReadFinished(suite uint16, secret, records []byte) ([]byte, error) {
	aead, iv, err := handshakeKeys(suite, secret)
	if err != nil {
		return nil, err
	}
	const headerSize, applicationData, handshake, finished = 5, 23, 22, 20
	var messages []byte
	for seq := uint64(0); len(records) >= headerSize; {
		n := headerSize + int(binary.BigEndian.Uint16(records[3:]))
		if len(records) < n {
			break
		}
		header, body := records[:headerSize], records[headerSize:n]
		records = records[n:]
		if header[0] != applicationData {
			continue
		}
		nonce := bytes.Clone(iv)
		tail := nonce[len(nonce)-8:]
		binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^seq)
		seq++
		plain, err := aead.Open(nil, nonce, body, header)
		if err != nil {
			return nil, errFinished
		}
		plain = bytes.TrimRight(plain, "\x00")
		if len(plain) == 0 || plain[len(plain)-1] != handshake {
			return nil, errFinished
		}
		messages = append(messages, plain[:len(plain)-1]...)
		for len(messages) >= 4 {
			n := 4 + int(messages[1])<<16 + int(messages[2])<<8 + int(messages[3])
			if len(messages) < n {
				break
			}
			if messages[0] == finished {
				return bytes.Clone(messages[4:n]), nil
			}
			messages = messages[n:]
		}
	}
	return nil, errFinished
}

func handshakeKeys(suite uint16, secret []byte) (aead cipher.AEAD, iv []byte, err error) {
	newHash, keySize := sha256.New, 32
	newAEAD := newGCM
	switch suite {
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		newAEAD = chacha20poly1305.New
	case tls.TLS_AES_128_GCM_SHA256:
		keySize = 16
	case tls.TLS_AES_256_GCM_SHA384:
		newHash = sha512.New384
	default:
		return nil, nil, errFinished
	}
	key, err1 := expandLabel(newHash, secret, "key", keySize)
	iv, err2 := expandLabel(newHash, secret, "iv", 12)
	if err1 != nil || err2 != nil {
		return nil, nil, errFinished
	}
	defer clear(key)
	aead, err = newAEAD(key)
	return aead, iv, err
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446 §7.1).
func expandLabel(h func() hash.Hash, secret []byte, label string, n int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(append(info, byte(len(label))), label...), 0)
	return hkdf.Expand(h, secret, string(info), n)
}
