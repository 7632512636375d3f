// Package wire is the binary and textual encoding of the SMP, XFTP and agent
// protocols (encoding.md §1, §2 and §6).
//
// Values are written by appending to a byte slice and read by a [Reader],
// which keeps the first error so that a parser is a list of reads followed by
// one check:
//
//	b = wire.AppendShort(b, id)
//	b = wire.AppendUint16(b, version)
//
//	r := wire.NewReader(b)
//	id, version := r.Short(), r.Uint16()
//	if err := r.End(); err != nil { … }
//
// The package knows no keys, no network and no clock. Slices that a Reader
// returns share memory with its input.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of a Reader. They wrap nothing that was read: what a peer sent is not for logs.
var (
	ErrShort    = errors.New("wire: input ends too early")
	ErrTrailing = errors.New("wire: unexpected bytes after the end")
	ErrSyntax   = errors.New("wire: invalid value")
)

// MaxShort is the longest byte string with a one-byte length (encoding.md §1).
const MaxShort = 255

// AppendUint16 appends v as 2 bytes, big-endian.
func AppendUint16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }

// AppendUint32 appends v as 4 bytes, big-endian.
func AppendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// AppendInt64 appends v as 8 bytes, big-endian two's complement.
func AppendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// AppendBool appends 'T' or 'F'.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 'T')
	}
	return append(b, 'F')
}

// AppendShort appends s after its one-byte length. It panics if s is longer than
// MaxShort: lengths of what we send are checked where the value comes into being.
func AppendShort[T ~[]byte | ~string](b []byte, s T) []byte {
	if len(s) > MaxShort {
		panic(fmt.Sprintf("wire: short string of %d bytes", len(s)))
	}
	return append(append(b, byte(len(s))), s...)
}

// AppendLarge appends s after its two-byte length. It panics if s is longer than 65535 bytes.
func AppendLarge[T ~[]byte | ~string](b []byte, s T) []byte {
	if len(s) > 0xffff {
		panic(fmt.Sprintf("wire: large string of %d bytes", len(s)))
	}
	return append(AppendUint16(b, uint16(len(s))), s...)
}

// AppendLarges appends a list of up to 255 strings, each after its two-byte length.
func AppendLarges(b []byte, list [][]byte) []byte {
	b = append(b, byte(len(list)))
	for _, s := range list {
		b = AppendLarge(b, s)
	}
	return b
}

// AppendMaybe appends the mark of an optional value: '1' if it follows, '0' if it is absent.
func AppendMaybe(b []byte, present bool) []byte {
	if present {
		return append(b, '1')
	}
	return append(b, '0')
}

// A Reader reads values from the front of a byte slice. After the first error all
// reads return zero values and Err and End return that error.
type Reader struct {
	b   []byte
	err error
}

// NewReader returns a Reader of b, which must not change while values read from it are in use.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Fail records err as the Reader's error unless there is one already.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// Len returns the number of bytes that are left.
func (r *Reader) Len() int { return len(r.b) }

// End returns the first error, or ErrTrailing if anything is left.
func (r *Reader) End() error {
	if r.err == nil && len(r.b) > 0 {
		r.Fail(ErrTrailing)
	}
	return r.err
}

// Bytes reads n bytes.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.Fail(ErrShort)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// Peek returns the next byte without reading it, or 0 at the end.
func (r *Reader) Peek() byte {
	if len(r.b) == 0 {
		return 0
	}
	return r.b[0]
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if v := r.Bytes(1); v != nil {
		return v[0]
	}
	return 0
}

// Uint16 reads 2 bytes, big-endian.
func (r *Reader) Uint16() uint16 {
	if v := r.Bytes(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

// Uint32 reads 4 bytes, big-endian.
func (r *Reader) Uint32() uint32 {
	if v := r.Bytes(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// Int64 reads 8 bytes, big-endian two's complement.
func (r *Reader) Int64() int64 {
	if v := r.Bytes(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

// Bool reads 'T' or 'F'.
func (r *Reader) Bool() bool { return r.either('T', 'F') }

// Maybe reads the mark of an optional value and tells whether the value follows.
func (r *Reader) Maybe() bool { return r.either('1', '0') }

func (r *Reader) either(yes, no byte) bool {
	switch v := r.Byte(); {
	case r.err != nil:
		return false
	case v == yes:
		return true
	case v == no:
		return false
	}
	r.Fail(ErrSyntax)
	return false
}

// Short reads a byte string with a one-byte length.
func (r *Reader) Short() []byte { return r.Bytes(int(r.Byte())) }

// Large reads a byte string with a two-byte length.
func (r *Reader) Large() []byte { return r.Bytes(int(r.Uint16())) }

// List reads the count of a list.
func (r *Reader) List() int { return int(r.Byte()) }

// NonEmpty reads the count of a list that must have at least one item.
func (r *Reader) NonEmpty() int {
	n := r.List()
	if n == 0 {
		r.Fail(ErrSyntax)
	}
	return n
}

// Larges reads what AppendLarges wrote, of which there must be at least one.
func (r *Reader) Larges() (list [][]byte) {
	n := r.NonEmpty()
	for i := 0; i < n && r.err == nil; i++ {
		list = append(list, r.Large())
	}
	return list
}

// Tail reads all that is left.
func (r *Reader) Tail() []byte { return r.Bytes(len(r.b)) }

// Literal reads exactly the bytes of s.
func (r *Reader) Literal(s string) {
	if v := r.Bytes(len(s)); r.err == nil && string(v) != s {
		r.Fail(ErrSyntax)
	}
}
