package crypt

import (
	"encoding/binary"
	"math/bits"

	"golang.org/x/sys/cpu"

	//lint:ignore SA1019 for processors without AVX2, and short messages
	"golang.org/x/crypto/poly1305"
)

// polyBlocks8 takes n times eight blocks of msg into four sums, with AVX2. powers are r^8 and r^4.
//
//go:noescape
func polyBlocks8(sums *[5][4]uint64, powers *[2][9][4]uint64, msg *byte, n int)

// polyBlocks16 takes n times sixteen blocks of msg into eight sums, with AVX-512 IFMA. powers are r^16 and r^8.
//
//go:noescape
func polyBlocks16(sums *[3][8]uint64, powers *[2][5]uint64, msg *byte, n int)

// What the processor can do beside AVX2; tests change it.
var hasIFMA = cpu.X86.HasAVX512F && cpu.X86.HasAVX512IFMA

// Bytes that the vectors take at once, and from how many on they are worth it.
const (
	polyBatch8, polyMin8   = 8 * 16, 4 * polyBatch8
	polyBatch16, polyMin16 = 16 * 16, 4 * polyBatch16
)

// polySum returns the Poly1305 tag of msg. It does what poly1305.Sum does, and with AVX2 twice and with
// AVX-512 four times as fast: a relay makes and checks six tags of 16 KiB for each message that it passes on.
func polySum(msg []byte, key *[32]byte) (tag [poly1305.TagSize]byte) {
	if !hasAVX2 || len(msg) < polyMin8 {
		poly1305.Sum(&tag, msg, key)
		return tag
	}
	// The clamped r, see RFC 8439 §2.5.1.
	r := polyOf(binary.LittleEndian.Uint64(key[:])&0x0ffffffc0fffffff, binary.LittleEndian.Uint64(key[8:])&0x0ffffffc0ffffffc)
	var h polyNumber
	if hasIFMA && len(msg) >= polyMin16 {
		n := len(msg) / polyBatch16
		h = polySum16(&msg[0], n, r)
		msg = msg[n*polyBatch16:]
	} else {
		n := len(msg) / polyBatch8
		h = polySum8(&msg[0], n, r)
		msg = msg[n*polyBatch8:]
	}
	for ; len(msg) >= 16; msg = msg[16:] {
		block := polyOf(binary.LittleEndian.Uint64(msg), binary.LittleEndian.Uint64(msg[8:]))
		block[2] |= 1 << 40
		h = h.plus(block).times(r)
	}
	if len(msg) > 0 {
		var rest [16]byte
		rest[copy(rest[:], msg)] = 1
		h = h.plus(polyOf(binary.LittleEndian.Uint64(rest[:]), binary.LittleEndian.Uint64(rest[8:]))).times(r)
	}
	lo, hi := h.mod()
	lo, carry := bits.Add64(lo, binary.LittleEndian.Uint64(key[16:]), 0)
	hi, _ = bits.Add64(hi, binary.LittleEndian.Uint64(key[24:]), carry)
	binary.LittleEndian.PutUint64(tag[:], lo)
	binary.LittleEndian.PutUint64(tag[8:], hi)
	return tag
}

// polySum8 returns the sum of n times eight blocks.
func polySum8(msg *byte, n int, r polyNumber) (h polyNumber) {
	r2 := r.times(r)
	r3 := r2.times(r)
	r4 := r2.times(r2)
	var powers [2][9][4]uint64
	for n, p := range [2]polyNumber{r4.times(r4), r4} {
		for i, limb := range p.limbs26() {
			for lane := range 4 {
				powers[n][i][lane] = limb
				if i > 0 {
					powers[n][4+i][lane] = 5 * limb
				}
			}
		}
	}
	var sums [5][4]uint64
	polyBlocks8(&sums, &powers, msg, n)
	for lane, p := range [4]polyNumber{r4, r2, r3, r} { // the second sum is of each third block
		sum := polyOf26(sums[0][lane], sums[1][lane], sums[2][lane], sums[3][lane], sums[4][lane])
		h = h.plus(sum.times(p))
	}
	clear(powers[:])
	clear(sums[:])
	return h
}

// polySum16 returns the sum of n times sixteen blocks.
func polySum16(msg *byte, n int, r polyNumber) (h polyNumber) {
	r2 := r.times(r)
	r3 := r2.times(r)
	r4 := r2.times(r2)
	r8 := r4.times(r4)
	r16 := r8.times(r8)
	powers := [2][5]uint64{
		{r16[0], r16[1], r16[2], 20 * r16[1], 20 * r16[2]}, // 2^132 is 20
		{r8[0], r8[1], r8[2], 20 * r8[1], 20 * r8[2]},
	}
	var sums [3][8]uint64
	polyBlocks16(&sums, &powers, msg, n)
	// The second sum is of each fifth block.
	for lane, p := range [8]polyNumber{r8, r4, r4.times(r3), r3, r4.times(r2), r2, r4.times(r), r} {
		h = h.plus(polyNumber{sums[0][lane], sums[1][lane], sums[2][lane]}.times(p))
	}
	clear(powers[:])
	clear(sums[:])
	return h
}

// A polyNumber is a number modulo 2^130-5 in limbs of 44, 44 and 42 bits, the lowest first. They may be some bits longer.
type polyNumber [3]uint64

const mask26, mask42, mask44 = 1<<26 - 1, 1<<42 - 1, 1<<44 - 1

func polyOf(lo, hi uint64) polyNumber {
	return polyNumber{lo & mask44, (lo>>44 | hi<<20) & mask44, hi >> 24}
}

// polyOf26 makes a number of limbs of 26 bits, which may be some bits longer.
func polyOf26(l0, l1, l2, l3, l4 uint64) polyNumber {
	return polyNumber{l0 + l1<<26&mask44, l1>>18 + l2<<8 + l3<<34&mask44, l3>>10 + l4<<16}
}

// limbs26 returns limbs of 26 bits; the fourth one may be a little longer.
func (a polyNumber) limbs26() [5]uint64 {
	return [5]uint64{a[0] & mask26, a[0]>>26 | a[1]<<18&mask26, a[1] >> 8 & mask26, a[1]>>34 + a[2]<<10&mask26, a[2] >> 16}
}

func (a polyNumber) plus(b polyNumber) polyNumber {
	return polyNumber{a[0] + b[0], a[1] + b[1], a[2] + b[2]}
}

// times multiplies numbers whose limbs are shorter than 50 and 46 bits. Of the product only the second limb may be
// longer than it should be, by less than 2^19.
func (a polyNumber) times(b polyNumber) polyNumber {
	s1, s2 := 20*b[1], 20*b[2] // 2^132 is 20
	hi0, lo0 := polyAdd3(a[0], b[0], a[1], s2, a[2], s1)
	hi1, lo1 := polyAdd3(a[0], b[1], a[1], b[0], a[2], s2)
	hi2, lo2 := polyAdd3(a[0], b[2], a[1], b[1], a[2], b[0])
	lo1, carry := bits.Add64(lo1, hi0<<20|lo0>>44, 0)
	hi1 += carry
	lo2, carry = bits.Add64(lo2, hi1<<20|lo1>>44, 0)
	hi2 += carry
	l0 := lo0&mask44 + 5*(hi2<<22|lo2>>42) // 2^130 is 5
	return polyNumber{l0 & mask44, lo1&mask44 + l0>>44, lo2 & mask42}
}

// polyAdd3 returns a*b + c*d + e*f.
func polyAdd3(a, b, c, d, e, f uint64) (hi, lo uint64) {
	hi, lo = bits.Mul64(a, b)
	h, l := bits.Mul64(c, d)
	lo, carry := bits.Add64(lo, l, 0)
	hi += h + carry
	h, l = bits.Mul64(e, f)
	lo, carry = bits.Add64(lo, l, 0)
	hi += h + carry
	return hi, lo
}

// mod returns the lower 128 bits of the one number that is less than 2^130-5.
func (a polyNumber) mod() (lo, hi uint64) {
	for range 2 { // all limbs have their length then
		a[1] += a[0] >> 44
		a[2] += a[1] >> 44
		a[0] = a[0]&mask44 + 5*(a[2]>>42)
		a[1] &= mask44
		a[2] &= mask42
	}
	less := a // minus 2^130-5
	less[0] += 5
	less[1] += less[0] >> 44
	less[2] += less[1] >> 44
	positive := -(less[2] >> 42) // all bits or none
	less[0] &= mask44
	less[1] &= mask44
	for i := range a {
		a[i] ^= positive & (a[i] ^ less[i])
	}
	return a[0] | a[1]<<44, a[1]>>20 | a[2]<<24
}
