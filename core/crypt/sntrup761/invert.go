package sntrup761

// Inverses are computed with the division steps of "Fast constant-time gcd
// computation and modular inversion" (Bernstein, Yang; 2019). f starts as
// x^p - x - 1 and g as the polynomial to invert, both with their coefficients
// in reverse; v and r follow what happens to them. After 2p-1 steps f is a
// constant, and v is the inverse times this constant, in reverse.
const divisionSteps = 2*p - 1

// An inverse is the working memory of the inversions.
type inverse struct {
	f, g, v, r     [p + 1]int32
	f3, g3, v3, r3 bits3
}

// invert3f sets out to 1/(3a) modulo q. The polynomial a must be small and not
// 0; it has an inverse then, as x^p - x - 1 is irreducible modulo q.
func (w *inverse) invert3f(out, a *poly) {
	f, g, v, r := &w.f, &w.g, &w.v, &w.r
	*w = inverse{}
	f[0], f[p-1], f[p] = 1, -1, -1
	for i, c := range a {
		g[p-1-i] = c
	}
	r[0] = invertedQ(3)

	delta := int32(1)
	for step := range divisionSteps {
		swap := negativeMask(-delta) & nonZeroMask(g[0])
		delta ^= swap & (delta ^ -delta)
		delta++
		// The new g is f[0]*g - g[0]*f, of the swapped ones if they are swapped.
		cg := (f[0] ^ swap) - swap
		cf := (-g[0] ^ swap) - swap

		// Each step divides g by x, so that the highest coefficients cannot
		// come down to 0 in the steps that are left.
		n := min(p, divisionSteps-step)
		fs, gs := f[:n+1], g[:n+1]
		fs[0] ^= swap & (fs[0] ^ gs[0])
		for i := 1; i < len(fs) && i < len(gs); i++ {
			fi, gi := fs[i], gs[i]
			fs[i] = fi ^ swap&(fi^gi)
			gs[i-1] = modQ(cg*gi + cf*fi)
		}
		gs[n] = 0

		// Each step multiplies v by x, so that the highest coefficients are
		// still 0. Those above p-1 are not part of the result.
		n = min(p-1, step+1)
		vs, rs := v[:n+1], r[:n+1]
		for i := n; i > 0; i-- {
			vi, ri := vs[i-1], rs[i]
			vs[i] = vi ^ swap&(vi^ri)
			rs[i] = modQ(cg*ri + cf*vi)
		}
		vs[0] = swap & rs[0]
		rs[0] = modQ(cg * rs[0])
	}

	scale := invertedQ(f[0])
	for i := range out {
		out[i] = modQ(scale * v[p-1-i])
	}
}

// invertedQ returns 1/a modulo q, or 0 if a is 0: a to the power of q-2.
func invertedQ(a int32) int32 {
	result, square := int32(1), a
	for e := q - 2; e > 0; e >>= 1 {
		if e&1 == 1 {
			result = modQ(result * square)
		}
		square = modQ(square * square)
	}
	return result
}

// invert3 sets out to 1/a modulo 3 and reports whether there is such an
// inverse. The polynomial a must be small.
func (w *inverse) invert3(out, a *poly) bool {
	f, g, v, r := &w.f3, &w.g3, &w.v3, &w.r3
	*w = inverse{}
	f.set(0, 1)
	f.set(p-1, -1)
	f.set(p, -1)
	for i, c := range a {
		g.set(p-1-i, c)
	}
	r.set(0, 1)

	delta := int32(1)
	for range divisionSteps {
		f0, g0 := f.at(0), g.at(0)
		swap := negativeMask(-delta) & nonZeroMask(g0)
		delta ^= swap & (delta ^ -delta)
		delta++
		// f[0] is 1 or -1, so that f[0]*g - g[0]*f is g - f[0]*g[0]*f up to
		// the sign, which the scaling at the end makes good.
		c := -f0 * g0

		v.mulX()
		f.swap(g, swap)
		v.swap(r, swap)
		g.addMul(f, c)
		r.addMul(v, c)
		g.divX()
	}

	scale := f.at(0)
	for i := range out {
		out[i] = scale * v.at(p-1-i)
	}
	return delta == 0
}

// A bits3 is a polynomial modulo 3 with room for p+1 coefficients, 64 in a
// word: plus has the bits of those that are 1, minus of those that are -1.
type bits3 struct {
	plus, minus [(p + 64) / 64]uint64
}

// at returns the coefficient of x^i.
func (a *bits3) at(i int) int32 {
	return int32(a.plus[i/64]>>(i%64)&1) - int32(a.minus[i/64]>>(i%64)&1)
}

// set makes c the coefficient of x^i, which must have been 0.
func (a *bits3) set(i int, c int32) {
	a.plus[i/64] |= uint64(c&1&^negativeMask(c)) << (i % 64)
	a.minus[i/64] |= uint64(c&1&negativeMask(c)) << (i % 64)
}

// mulX multiplies a by x.
func (a *bits3) mulX() {
	for i := len(a.plus) - 1; i > 0; i-- {
		a.plus[i] = a.plus[i]<<1 | a.plus[i-1]>>63
		a.minus[i] = a.minus[i]<<1 | a.minus[i-1]>>63
	}
	a.plus[0] <<= 1
	a.minus[0] <<= 1
}

// divX divides a by x; the coefficient of x^0 is lost.
func (a *bits3) divX() {
	last := len(a.plus) - 1
	for i := range last {
		a.plus[i] = a.plus[i]>>1 | a.plus[i+1]<<63
		a.minus[i] = a.minus[i]>>1 | a.minus[i+1]<<63
	}
	a.plus[last] >>= 1
	a.minus[last] >>= 1
}

// swap exchanges a and b if mask is -1, and does nothing if it is 0.
func (a *bits3) swap(b *bits3, mask int32) {
	m := uint64(int64(mask))
	for i := range a.plus {
		t := m & (a.plus[i] ^ b.plus[i])
		a.plus[i] ^= t
		b.plus[i] ^= t
		t = m & (a.minus[i] ^ b.minus[i])
		a.minus[i] ^= t
		b.minus[i] ^= t
	}
}

// addMul adds b*c to a, where c is -1, 0 or 1.
func (a *bits3) addMul(b *bits3, c int32) {
	same := uint64(int64(negativeMask(-c)))
	opposite := uint64(int64(negativeMask(c)))
	for i := range a.plus {
		ap, am := a.plus[i], a.minus[i]
		bp := b.plus[i]&same | b.minus[i]&opposite
		bm := b.minus[i]&same | b.plus[i]&opposite
		aZero, bZero := ^(ap | am), ^(bp | bm)
		a.plus[i] = ap&bZero | bp&aZero | am&bm
		a.minus[i] = am&bZero | bm&aZero | ap&bp
	}
}
