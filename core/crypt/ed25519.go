package crypt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"math/big"
	"math/bits"
	"slices"
	"sync"

	fp "github.com/cloudflare/circl/math/fp25519"
)

// An Ed25519Cache verifies signatures of Ed25519 keys, those of keys that come again and again in
// half of the usual time, because it keeps multiples of them: 4 KiB for a key, and at most 4 MiB.
// It accepts what crypto/ed25519 accepts. What it rejects takes the same time whether or not the
// key is known to it, and Reject takes that time, too. The zero value is ready; it is safe for
// concurrent use.
type Ed25519Cache struct {
	slots [1024]struct {
		mu    sync.Mutex
		key   Ed25519Public
		seen  int // signatures that were verified since there was another key here
		table *ed25519Table
	}
}

// ed25519Often is how many signatures of a key must be verified in succession before multiples of
// it are worth their while.
const ed25519Often = 3

// Verify tells whether sig is key's signature of msg.
func (c *Ed25519Cache) Verify(key Ed25519Public, msg, sig []byte) bool {
	if len(sig) != ed25519.SignatureSize {
		return false
	}
	slot := &c.slots[binary.LittleEndian.Uint16(key[:])%uint16(len(c.slots))]
	slot.mu.Lock()
	var table *ed25519Table
	if slot.key == key {
		table = slot.table
	}
	slot.mu.Unlock()
	if table != nil {
		if table.verify(msg, sig) {
			return true
		}
		ed25519.Verify(key[:], msg, sig) // a rejection takes both ways
		return false
	}
	if !ed25519.Verify(key[:], msg, sig) {
		basePoint().verify(msg, sig)
		return false
	}
	slot.mu.Lock()
	if slot.key != key {
		slot.key, slot.seen, slot.table = key, 0, nil
	}
	slot.seen++
	often := slot.seen == ed25519Often
	slot.mu.Unlock()
	if often {
		if table, ok := newEd25519Table(key, 8); ok {
			slot.mu.Lock()
			if slot.key == key {
				slot.table = table
			}
			slot.mu.Unlock()
		}
	}
	return true
}

// Reject takes as long as a Verify that returns false.
func (*Ed25519Cache) Reject(msg, sig []byte) {
	if len(sig) == ed25519.SignatureSize {
		b := basePoint()
		ed25519.Verify(b.key[:], msg, sig)
		b.verify(msg, sig)
	}
}

// An ed25519Table has the odd multiples of P, 2^64 P, 2^128 P and 2^192 P for a point P, which
// make multiplication by a scalar need a quarter of the usual doublings. P is the negative of a
// key, or the base point.
type ed25519Table struct {
	key       Ed25519Public
	multiples [4][]cachedPoint
}

// ed25519Order is the order of the base point (RFC 8032 §5.1).
var ed25519Order = func() *big.Int {
	n, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	return n.Add(n, new(big.Int).Lsh(big.NewInt(1), 252))
}()

// basePoint returns the multiples of the base point.
var basePoint = sync.OnceValue(func() *ed25519Table {
	key := Ed25519Public(bytes.Repeat([]byte{0x66}, 32)) // y is 4/5
	key[0] = 0x58
	var p point
	p.decode(key)
	return p.table(key, 64)
})

// newEd25519Table makes the table of a key's negative. It is false for a key that doesn't have
// the one encoding that a point should have; there crypto/ed25519 decides.
func newEd25519Table(key Ed25519Public, odd int) (*ed25519Table, bool) {
	var p point
	if !p.decode(key) {
		return nil, false
	}
	fp.Neg(&p.x, &p.x)
	fp.Neg(&p.ta, &p.ta)
	return p.table(key, odd), true
}

// verify is the check of RFC 8032 §5.1.7 without the cofactor: R is [S]B - [h]A.
func (t *ed25519Table) verify(msg, sig []byte) bool {
	h := sha512.New()
	h.Write(sig[:32])
	h.Write(t.key[:])
	h.Write(msg)
	s := littleEndian(sig[32:])
	if s.Cmp(ed25519Order) >= 0 {
		return false
	}
	k := littleEndian(h.Sum(nil))
	k.Mod(k, ed25519Order)
	var digits [2][4][65]int8
	base := basePoint()
	for i, x := range [...]struct {
		scalar *big.Int
		table  *ed25519Table
	}{{s, base}, {k, t}} {
		var b [32]byte
		x.scalar.FillBytes(b[:])
		for j := range x.table.multiples {
			signedDigits(&digits[i][j], binary.BigEndian.Uint64(b[24-8*j:]), len(x.table.multiples[j]))
		}
	}
	var r point
	r.y[0], r.z[0], r.tb[0] = 1, 1, 1 // neutral
	for i := 64; i >= 0; i-- {
		if i < 64 {
			r.double()
		}
		for j := range 4 {
			r.addMultiple(base.multiples[j], digits[0][j][i])
			r.addMultiple(t.multiples[j], digits[1][j][i])
		}
	}
	got := r.encode()
	return bytes.Equal(got[:], sig[:32])
}

func littleEndian(b []byte) *big.Int {
	b = bytes.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// signedDigits sets d to the digits of k, the sum of d[i] << i. They are odd or 0 and below
// 2*odd, which is a power of two, in magnitude; between two of them there are zeros.
func signedDigits(d *[65]int8, k uint64, odd int) {
	window := uint64(4 * odd)
	width := bits.TrailingZeros64(window)
	carry := uint64(0)
	for i := 0; i <= 64; {
		rest := k>>i + carry
		if rest%2 == 0 {
			i++
			continue
		}
		carry = 0
		digit := int64(rest % window)
		if digit >= int64(window/2) {
			digit -= int64(window)
			carry = 1
		}
		d[i] = int8(digit)
		i += width
	}
}

// A point of the curve -x² + y² = 1 + dx²y² in extended coordinates; ta·tb is T (RFC 8032 §5.1.4).
type point struct{ x, y, z, ta, tb fp.Elt }

// A cachedPoint is a point as an addition needs it: Y+X, Y-X, 2dT and 2Z.
type cachedPoint struct{ sum, difference, t2d, z2 fp.Elt }

// edwardsD is d, -121665/121666.
var edwardsD = func() (d fp.Elt) {
	n := fp.Elt{0x41, 0xdb, 0x01} // 121665
	m := fp.Elt{0x42, 0xdb, 0x01}
	fp.Inv(&d, &m)
	fp.Mul(&d, &d, &n)
	fp.Neg(&d, &d)
	return d
}()

// decode sets p to the point that key encodes. It is false for an encoding that is not the
// shortest one.
func (p *point) decode(key Ed25519Public) bool {
	y := fp.Elt(key)
	sign := y[31] >> 7
	y[31] &= 0x7f
	reduced := y
	if fp.Modp(&reduced); reduced != y {
		return false
	}
	*p = point{y: y, z: fp.Elt{1}, tb: y}
	var u, v fp.Elt
	fp.Sqr(&u, &y)
	fp.Mul(&v, &u, &edwardsD)
	fp.Sub(&u, &u, &p.z)
	fp.Add(&v, &v, &p.z)
	if !fp.InvSqrt(&p.x, &u, &v) || fp.IsZero(&p.x) {
		return false
	}
	fp.Modp(&p.x)
	if p.x[0]&1 != sign {
		fp.Neg(&p.x, &p.x)
	}
	p.ta = p.x
	return true
}

// encode returns the encoding of p.
func (p *point) encode() Ed25519Public {
	var inverse, x, y fp.Elt
	fp.Inv(&inverse, &p.z)
	fp.Mul(&x, &p.x, &inverse)
	fp.Mul(&y, &p.y, &inverse)
	fp.Modp(&x)
	fp.Modp(&y)
	y[31] |= x[0] << 7
	return Ed25519Public(y)
}

// table makes the table of p, with as many odd multiples of each power as odd says.
func (p point) table(key Ed25519Public, odd int) *ed25519Table {
	t := &ed25519Table{key: key}
	for i := range t.multiples {
		list := make([]cachedPoint, odd)
		list[0] = p.cached()
		twice := p
		twice.double()
		step := twice.cached()
		next := p
		for j := 1; j < odd; j++ {
			next.add(&step)
			list[j] = next.cached()
		}
		t.multiples[i] = list
		for range 64 {
			p.double()
		}
	}
	return t
}

func (p *point) cached() (c cachedPoint) {
	fp.Add(&c.sum, &p.y, &p.x)
	fp.Sub(&c.difference, &p.y, &p.x)
	fp.Mul(&c.t2d, &p.ta, &p.tb)
	fp.Mul(&c.t2d, &c.t2d, &edwardsD)
	fp.Add(&c.t2d, &c.t2d, &c.t2d)
	fp.Add(&c.z2, &p.z, &p.z)
	return c
}

// double sets p to 2p (RFC 8032 §5.1.4 with both signs changed).
func (p *point) double() {
	var a, b, c, e, f, g, h fp.Elt
	fp.Sqr(&a, &p.x)
	fp.Sqr(&b, &p.y)
	fp.Sqr(&c, &p.z)
	fp.Add(&c, &c, &c)
	fp.Add(&h, &a, &b)
	fp.Add(&e, &p.x, &p.y)
	fp.Sqr(&e, &e)
	fp.Sub(&e, &e, &h)
	fp.Sub(&g, &b, &a)
	fp.Sub(&f, &c, &g)
	p.finish(&e, &f, &g, &h)
}

// addMultiple adds digit times the point whose odd multiples are in list.
func (p *point) addMultiple(list []cachedPoint, digit int8) {
	switch {
	case digit > 0:
		p.add(&list[digit/2])
	case digit < 0:
		p.subtract(&list[-digit/2])
	}
}

func (p *point) add(q *cachedPoint) { p.combine(&q.sum, &q.difference, q, false) }

// subtract adds the negative of q: its X and T have the other sign.
func (p *point) subtract(q *cachedPoint) { p.combine(&q.difference, &q.sum, q, true) }

func (p *point) combine(sum, difference *fp.Elt, q *cachedPoint, negative bool) {
	var a, b, c, d, e, f, g, h fp.Elt
	fp.Sub(&a, &p.y, &p.x)
	fp.Mul(&a, &a, difference)
	fp.Add(&b, &p.y, &p.x)
	fp.Mul(&b, &b, sum)
	fp.Mul(&c, &p.ta, &p.tb)
	fp.Mul(&c, &c, &q.t2d)
	fp.Mul(&d, &p.z, &q.z2)
	fp.Sub(&e, &b, &a)
	fp.Add(&h, &b, &a)
	fp.Sub(&f, &d, &c)
	fp.Add(&g, &d, &c)
	if negative {
		f, g = g, f
	}
	p.finish(&e, &f, &g, &h)
}

// finish sets the coordinates from the products that both formulas end with.
func (p *point) finish(e, f, g, h *fp.Elt) {
	fp.Mul(&p.x, e, f)
	fp.Mul(&p.y, g, h)
	fp.Mul(&p.z, f, g)
	p.ta, p.tb = *e, *h
}
