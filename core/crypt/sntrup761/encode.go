package sntrup761

// encodeSmall writes a small polynomial, four coefficients to a byte.
func encodeSmall(out []byte, a *poly) {
	clear(out)
	for i, c := range a {
		out[i/4] |= byte(c+1) << (i % 4 * 2)
	}
}

// decodeSmall reads what encodeSmall wrote. Other bytes give coefficients of at
// most 2.
func decodeSmall(a *poly, in []byte) {
	for i := range a {
		a[i] = int32(in[i/4]>>(i%4*2)&3) - 1
	}
}

const (
	maxQ       = (q - 1) / 2 // The greatest coefficient modulo q.
	roundedLen = (q + 2) / 3 // How many multiples of 3 are from -maxQ to maxQ.
	oneThird   = 1<<15/3 + 1 // (x*oneThird)>>15 is x/3 for multiples of 3 up to q.
	limit      = 1 << 14     // Moduli from here on give off bytes; see shrink.
)

// encodeQ writes a polynomial modulo q in 1158 bytes.
func (w *workspace) encodeQ(out []byte, a *poly) {
	for i, c := range a {
		w.digits[i] = uint16(c + maxQ)
	}
	encode(out, w.digits[:], q)
}

// decodeQ reads what encodeQ wrote. Other bytes give some polynomial modulo q.
func (w *workspace) decodeQ(a *poly, in []byte) {
	decode(w.digits[:], in, q, q)
	for i, d := range w.digits {
		a[i] = int32(d) - maxQ
	}
}

// encodeRounded writes a polynomial modulo q, whose coefficients are multiples
// of 3, in 1007 bytes.
func (w *workspace) encodeRounded(out []byte, a *poly) {
	for i, c := range a {
		w.digits[i] = uint16((c + maxQ) * oneThird >> 15)
	}
	encode(out, w.digits[:], roundedLen)
}

// decodeRounded reads what encodeRounded wrote. Other bytes give some
// polynomial of that kind.
func (w *workspace) decodeRounded(a *poly, in []byte) {
	decode(w.digits[:], in, roundedLen, roundedLen)
	for i, d := range w.digits {
		a[i] = 3*int32(d) - maxQ
	}
}

// Digits are encoded in pairs, as "NTRU Prime: round 3" defines: d0 below m0
// and d1 below m1 make d0 + m0*d1 below m0*m1, which gives off low bytes until
// what is left is below limit. The results are the digits of the next round,
// half as many, until one is left, which gives off all its bytes. In each round
// all digits have the same modulus, apart from the last digit.

// shrink returns how many bytes a digit below m gives off so that the rest is
// below end, and what the rest is below.
func shrink(m, end uint32) (size int, rest uint32) {
	for m >= end {
		m = (m + 255) >> 8
		size++
	}
	return size, m
}

// encode writes the digits, which are below m. It overwrites them.
func encode(out []byte, digits []uint16, m uint32) {
	last := m
	for len(digits) > 1 {
		pairs := len(digits) / 2
		size, next := shrink(m*m, limit)
		lastSize, lastNext := size, last
		if len(digits)%2 == 0 {
			lastSize, lastNext = shrink(m*last, limit)
		}
		for i := range pairs {
			d := uint32(digits[2*i]) + m*uint32(digits[2*i+1])
			if i == pairs-1 {
				size = lastSize
			}
			for range size {
				out[0] = byte(d)
				out = out[1:]
				d >>= 8
			}
			digits[i] = uint16(d)
		}
		if len(digits)%2 == 1 {
			digits[pairs] = digits[2*pairs]
		}
		digits = digits[:(len(digits)+1)/2]
		m, last = next, lastNext
	}
	size, _ := shrink(last, 2)
	for i := range size {
		out[i] = byte(digits[0] >> (8 * i))
	}
}

// decode reads digits that are below m, the last one below last. What encode
// cannot have written gives some digits in these ranges. The time it takes may
// depend on the digits: it reads nothing but public keys and ciphertexts.
func decode(digits []uint16, in []byte, m, last uint32) {
	if len(digits) == 1 {
		size, _ := shrink(last, 2)
		d := uint32(0)
		for i := range size {
			d |= uint32(in[i]) << (8 * i)
		}
		digits[0] = uint16(d % last)
		return
	}

	pairs := len(digits) / 2
	size, next := shrink(m*m, limit)
	lastSize, lastNext, lastM := size, last, m
	if len(digits)%2 == 0 {
		lastSize, lastNext = shrink(m*last, limit)
		lastM = last
	}
	// The upper half of digits takes the digits of the next round. None of
	// them is overwritten before it is used.
	upper := digits[pairs:]
	decode(upper, in[(pairs-1)*size+lastSize:], next, lastNext)
	for i := range pairs {
		d1M := m
		if i == pairs-1 {
			size, d1M = lastSize, lastM
		}
		d := uint32(upper[i])
		for j := size - 1; j >= 0; j-- {
			d = d<<8 | uint32(in[j])
		}
		in = in[size:]
		digits[2*i] = uint16(d % m)
		digits[2*i+1] = uint16(d / m % d1M)
	}
}
