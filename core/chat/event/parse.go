package event

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core/wire"
)

// Limits of a received body. They are far above what clients send: a compressed body
// has one part, a batch of a group's history about a hundred messages.
const (
	maxParts    = 8
	maxMessages = 1024
	maxDepth    = 64
)

// The first byte of a body tells its form (chat-protocol.md §3).
const (
	formJSON       = '{'
	formArray      = '['
	formBatch      = '='
	formCompressed = 'X'
	formRelayed    = '>'
	formSigned     = '/'
	formChunk      = 'F'

	partPlain = '0'
	partZstd  = '1'
)

// Parse reads the body of an A_MSG or connection info in any form of chat-protocol.md
// §3: a JSON message or array, a batch, compressed, relayed, signed or a file chunk. It
// returns the messages that are good, in their order, and one error for each element
// that is not; both may be empty only if the body is an empty array. Signed and FileChunk
// share memory with body.
func Parse(body []byte) ([]Message, []error) {
	var p parser
	if len(body) > maxDecompressed {
		p.fail(fmt.Errorf("%w: size of a body", ErrLimit))
	} else {
		p.body(body)
	}
	return p.msgs, p.errs
}

type parser struct {
	msgs []Message
	errs []error
}

// full tells that no more elements will be read.
func (p *parser) full() bool { return len(p.msgs)+len(p.errs) > maxMessages }

func (p *parser) fail(err error) { p.add(Message{}, err) }

func (p *parser) add(m Message, err error) {
	switch {
	case p.full():
	case len(p.msgs)+len(p.errs) == maxMessages:
		p.errs = append(p.errs, fmt.Errorf("%w: messages in a body", ErrLimit))
	case err != nil:
		p.errs = append(p.errs, err)
	default:
		p.msgs = append(p.msgs, m)
	}
}

func (p *parser) body(b []byte) {
	if len(b) > 0 && b[0] == formCompressed {
		p.compressed(b[1:])
		return
	}
	p.uncompressed(b)
}

func (p *parser) uncompressed(b []byte) {
	switch {
	case len(b) > 0 && b[0] == formArray:
		p.array(b)
	case len(b) > 0 && b[0] == formBatch:
		p.batch(b[1:])
	default:
		p.add(parseElement(b))
	}
}

func (p *parser) compressed(b []byte) {
	r := wire.NewReader(b)
	n := r.NonEmpty()
	if n > maxParts {
		p.fail(fmt.Errorf("%w: parts of a compressed body", ErrLimit))
		return
	}
	for range n {
		var part []byte
		var err error
		switch r.Byte() {
		case partPlain:
			part = r.Short()
		case partZstd:
			if frame := r.Large(); r.Err() == nil {
				part, err = decompress(frame)
			}
		default:
			r.Fail(wire.ErrSyntax)
		}
		if r.Err() != nil {
			break
		}
		if err != nil {
			p.fail(err)
			continue
		}
		p.uncompressed(part)
	}
	if r.End() != nil {
		p.fail(fmt.Errorf("%w: damaged compressed body", ErrForm))
	}
}

func (p *parser) array(b []byte) {
	var elements []json.RawMessage
	if err := checkDepth(b); err != nil {
		p.fail(err)
		return
	}
	if err := unmarshal(b, &elements); err != nil {
		p.fail(err)
		return
	}
	for _, e := range elements {
		if p.full() {
			return
		}
		p.add(parseJSON(e))
	}
}

func (p *parser) batch(b []byte) {
	r := wire.NewReader(b)
	for range r.NonEmpty() {
		if e := r.Large(); r.Err() == nil {
			p.add(parseElement(e))
		}
	}
	if r.End() != nil {
		p.fail(fmt.Errorf("%w: damaged batch", ErrForm))
	}
}

// parseElement reads the forms that hold one message.
func parseElement(b []byte) (Message, error) {
	if len(b) == 0 {
		return Message{}, fmt.Errorf("%w: it is empty", ErrForm)
	}
	switch b[0] {
	case formRelayed:
		return parseRelayed(b[1:])
	case formChunk:
		return parseChunk(b[1:])
	}
	return parseOriginal(b)
}

// parseOriginal reads the forms that a relay may forward.
func parseOriginal(b []byte) (Message, error) {
	switch {
	case len(b) > 0 && b[0] == formJSON:
		return parseJSON(b)
	case len(b) > 0 && b[0] == formSigned:
		return parseSigned(b[1:])
	}
	return Message{}, ErrForm
}

func parseJSON(b []byte) (Message, error) {
	var m Message
	if !isObject(b) {
		return Message{}, fmt.Errorf("%w: not an object", ErrJSON)
	}
	if err := checkDepth(b); err != nil {
		return Message{}, err
	}
	if err := unmarshal(b, &m); err != nil {
		return Message{}, err
	}
	return m, nil
}

func parseRelayed(b []byte) (Message, error) {
	var relay Relay
	r := wire.NewReader(b)
	switch r.Byte() {
	case 'M':
		relay.MemberID, relay.MemberName = ID(r.Short()), string(r.Short())
		if relay.MemberID == "" {
			r.Fail(wire.ErrSyntax)
		}
	case 'C':
	default:
		r.Fail(wire.ErrSyntax)
	}
	relay.Time = time.Unix(r.Int64(), 0).UTC()
	original := r.Tail()
	if r.Err() != nil {
		return Message{}, fmt.Errorf("%w: damaged relayed element", ErrForm)
	}
	m, err := parseOriginal(original)
	m.Relay = &relay
	return m, err
}

func parseSigned(b []byte) (Message, error) {
	var s Signed
	r := wire.NewReader(b)
	r.Literal("G")
	for range r.NonEmpty() {
		r.Literal("M")
		sig := r.Short()
		if r.Err() == nil && len(sig) != 64 {
			r.Fail(wire.ErrSyntax)
		}
		s.Signatures = append(s.Signatures, sig)
	}
	s.JSON = r.Tail()
	if r.Err() != nil {
		return Message{}, fmt.Errorf("%w: damaged signed element", ErrForm)
	}
	m, err := parseJSON(s.JSON)
	m.Signed = &s
	return m, err
}

func parseChunk(b []byte) (Message, error) {
	r := wire.NewReader(b)
	m := Message{Versions: wire.VersionRange{Min: 1, Max: 1}, ID: ID(r.Short())}
	m.Event = FileChunk{MsgID: ID(r.Short()), Number: r.Byte(), Data: r.Tail()}
	if r.Err() != nil {
		return Message{}, fmt.Errorf("%w: damaged file chunk", ErrForm)
	}
	return m, nil
}

// checkDepth bounds the nesting of JSON before it is parsed. It counts brackets outside
// of strings and leaves the rest of the syntax to the parser.
func checkDepth(b []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: depth of JSON", ErrLimit)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
