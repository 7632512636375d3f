package tls13

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

type recordType uint8

const (
	recordChangeCipherSpec recordType = 20
	recordAlert            recordType = 21
	recordHandshake        recordType = 22
	recordApplicationData  recordType = 23
)

// Sizes of records (RFC 8446 §5).
const (
	recordHeader  = 5
	maxPlaintext  = 16384
	maxCiphertext = maxPlaintext + 256
)

// freeRecords is how many records without application data the server may send before it has
// sent any; one more is allowed for each maxPlaintext bytes of data. So neither empty records
// nor key updates nor session tickets can keep a client busy.
const freeRecords = 32

// recordReader reads and decrypts records.
type recordReader struct {
	raw        io.Reader
	buf        []byte // buf[start:end] has been read and not yet been used
	start, end int

	keys        trafficKeys
	established bool // the handshake is over

	idle     uint64 // records and messages without application data
	received uint64 // bytes of application data
}

func newRecordReader(raw io.Reader) recordReader {
	return recordReader{raw: raw, buf: make([]byte, recordHeader+maxCiphertext)}
}

// fill reads until n bytes are there, which fit into the buffer. What it has read before an error
// stays, so it can be repeated after a timeout.
func (r *recordReader) fill(n int) error {
	if r.start+n > len(r.buf) || r.start == r.end {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for r.end-r.start < n {
		m, err := r.raw.Read(r.buf[r.end:])
		r.end += m
		if err != nil && r.end-r.start < n {
			if errors.Is(err, io.EOF) {
				return ErrTruncated
			}
			return err
		}
	}
	return nil
}

// countIdle counts a record or message without application data.
func (r *recordReader) countIdle() error {
	r.idle++
	if r.idle > freeRecords+r.received/maxPlaintext {
		return unexpectedMessage("server sends records without data and without end")
	}
	return nil
}

// next returns the next record: alert, handshake or application data, never empty except for
// application data. Its content is valid until the next call.
func (r *recordReader) next() (recordType, []byte, error) {
	for {
		typ, content, err := r.read()
		if err != nil {
			return 0, nil, err
		}
		switch typ {
		case recordChangeCipherSpec:
			if err := r.countIdle(); err != nil {
				return 0, nil, err
			}
		case recordAlert:
			if len(content) != 2 {
				return 0, nil, malformed("alert")
			}
			return typ, content, nil
		case recordHandshake:
			if len(content) == 0 {
				return 0, nil, unexpectedMessage("empty handshake record")
			}
			return typ, content, nil
		case recordApplicationData:
			r.received += uint64(len(content))
			if len(content) == 0 {
				err = r.countIdle()
			}
			return typ, content, err
		}
	}
}

// read reads and decrypts one record.
func (r *recordReader) read() (recordType, []byte, error) {
	if err := r.fill(recordHeader); err != nil {
		return 0, nil, err
	}
	header := r.buf[r.start : r.start+recordHeader]
	typ := recordType(header[0])
	n := int(binary.BigEndian.Uint16(header[3:]))
	if typ < recordChangeCipherSpec || typ > recordApplicationData || header[1] != 3 {
		return 0, nil, unexpectedMessage("server does not speak TLS")
	}
	protected := r.keys.aead != nil && typ == recordApplicationData
	if limit := maxPlaintext; n > limit && (!protected || n > maxCiphertext) {
		return 0, nil, &ProtocolError{alertRecordOverflow, "record is too long"}
	}
	if err := r.fill(recordHeader + n); err != nil {
		return 0, nil, err
	}
	header = r.buf[r.start : r.start+recordHeader]
	content := r.buf[r.start+recordHeader : r.start+recordHeader+n]
	r.start += recordHeader + n

	switch {
	case protected:
		return r.open(header, content)
	case typ == recordChangeCipherSpec:
		// Sent by servers for the sake of middleboxes, with this content, until the handshake is
		// over (RFC 8446 §5).
		if r.established || n != 1 || content[0] != 1 {
			return 0, nil, unexpectedMessage("unexpected change_cipher_spec")
		}
		return typ, content, nil
	case r.keys.aead == nil && typ != recordApplicationData:
		return typ, content, nil
	case typ == recordAlert && !r.established:
		// From a server that fails before it has its keys. Nothing proves who sent it, but the
		// handshake can't go on without the server in any case.
		return typ, content, nil
	}
	return 0, nil, unexpectedMessage("unprotected record, or protected before the keys are known")
}

// open decrypts a record in place and returns its true type.
func (r *recordReader) open(header, ciphertext []byte) (recordType, []byte, error) {
	content, err := r.keys.aead.Open(ciphertext[:0], r.keys.next(), ciphertext, header)
	if err != nil {
		return 0, nil, &ProtocolError{alertBadRecordMAC, "record was changed on its way"}
	}
	if len(content) > maxPlaintext+1 {
		return 0, nil, &ProtocolError{alertRecordOverflow, "record is too long"}
	}
	i := len(content) - 1
	for i >= 0 && content[i] == 0 {
		i--
	}
	if i < 0 {
		return 0, nil, unexpectedMessage("record without a type")
	}
	typ := recordType(content[i])
	if typ < recordAlert || typ > recordApplicationData || typ == recordApplicationData && !r.established {
		return 0, nil, unexpectedMessage("unexpected type of record")
	}
	return typ, content[:i], nil
}

// recordWriter encrypts records.
type recordWriter struct {
	keys trafficKeys
	buf  []byte
}

// appendRecord appends a record with up to maxPlaintext bytes of content.
func (w *recordWriter) appendRecord(b []byte, typ recordType, content []byte) []byte {
	if w.keys.aead == nil {
		b = append(b, byte(typ), 3, 3, byte(len(content)>>8), byte(len(content)))
		return append(b, content...)
	}
	n := len(content) + 1 + w.keys.aead.Overhead()
	b = slices.Grow(b, recordHeader+n)
	start := len(b)
	b = append(b, byte(recordApplicationData), 3, 3, byte(n>>8), byte(n))
	b = append(append(b, content...), byte(typ))
	header, plaintext := b[start:start+recordHeader], b[start+recordHeader:]
	sealed := w.keys.aead.Seal(plaintext[:0], w.keys.next(), plaintext, header)
	return b[:start+recordHeader+len(sealed)]
}
