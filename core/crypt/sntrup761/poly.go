package sntrup761

// The parameter set sntrup761 ("NTRU Prime: round 3").
const (
	p           = 761  // Polynomials are modulo x^p - x - 1.
	q           = 4591 // Coefficients of public keys are modulo q.
	shortWeight = 286  // A short polynomial has this many coefficients that are not 0.
)

// A poly is a polynomial modulo x^p - x - 1, the coefficient of x^0 first.
// What its coefficients are depends on the use:
//
//   - modulo q: -2295 to 2295;
//   - modulo 3, also called small: -1 to 1.
type poly [p]int32

// modQ returns the number from -2295 to 2295 that is congruent to x modulo q.
// The absolute value of x must be below 2^30.
func modQ(x int32) int32 {
	// The rounded quotient is exact: the factor is off by at most 1/2, which
	// shifts the quotient by less than 2^-15, and x/q is at least 1/2q away
	// from where rounding changes, as q is odd.
	const shift = 44
	const factor = (1<<shift + q/2) / q
	return x - q*int32((int64(x)*factor+1<<(shift-1))>>shift)
}

// mod3 returns the number from -1 to 1 that is congruent to x modulo 3.
// The absolute value of x must be below 2^30.
func mod3(x int32) int32 {
	// Exact as in modQ: off by less than 1/12, and x/3 is 1/6 away.
	const shift = 32
	const factor = (1<<shift + 1) / 3
	return x - 3*int32((int64(x)*factor+1<<(shift-1))>>shift)
}

// nonZeroMask returns -1 if x is not 0, and 0 if it is.
func nonZeroMask(x int32) int32 {
	return (x | -x) >> 31
}

// negativeMask returns -1 if x is negative, and 0 if it is not.
func negativeMask(x int32) int32 {
	return x >> 31
}

// round makes every coefficient, which is modulo q, the nearest multiple of 3.
func (a *poly) round() {
	for i := range a {
		a[i] -= mod3(a[i])
	}
}

// mulQ sets out to a*b modulo q. One of a and b must be small.
func (w *product) mulQ(out, a, b *poly) {
	w.mul(out, a, b)
	for i := range out {
		out[i] = modQ(out[i])
	}
}

// mul3 sets out to a*b modulo 3. Both must be small.
func (w *product) mul3(out, a, b *poly) {
	w.mul(out, a, b)
	for i := range out {
		out[i] = mod3(out[i])
	}
}

const (
	paddedSize     = 768 // p, rounded up to what karatsuba can halve.
	schoolbookSize = 24  // Where halving again is not faster; paddedSize over a power of 2.
)

// A product is the working memory of a multiplication.
type product struct {
	a, b [paddedSize]int32
	out  [2 * paddedSize]int32
	tmp  [4 * paddedSize]int32
}

// mul sets out to a*b without reducing the coefficients. All arithmetic wraps
// around at 2^32, which does no harm as long as the coefficients of the result
// fit: they are below 3*p*2295*2 when one factor is small and the other is
// modulo q.
func (w *product) mul(out, a, b *poly) {
	copy(w.a[:], a[:])
	copy(w.b[:], b[:])
	karatsuba(w.out[:], w.a[:], w.b[:], w.tmp[:])
	c := w.out[:2*p-1]
	for i := len(c) - 1; i >= p; i-- { // x^i = x^(i-p+1) + x^(i-p)
		c[i-p+1] += c[i]
		c[i-p] += c[i]
	}
	copy(out[:], c)
}

// karatsuba sets out to the product of a and b, which have the same length n.
// out has the length 2n, tmp at least 4n.
func karatsuba(out, a, b, tmp []int32) {
	n := len(a)
	if n <= schoolbookSize {
		schoolbook((*[2 * schoolbookSize]int32)(out), (*[schoolbookSize]int32)(a), (*[schoolbookSize]int32)(b))
		return
	}
	h := n / 2
	low, high := out[:n], out[n:2*n]
	karatsuba(low, a[:h], b[:h], tmp)
	karatsuba(high, a[h:], b[h:], tmp)

	sumA, sumB, middle, rest := tmp[:h], tmp[h:n], tmp[n:2*n], tmp[2*n:]
	for i := range sumA {
		sumA[i] = a[i] + a[h+i]
		sumB[i] = b[i] + b[h+i]
	}
	karatsuba(middle, sumA, sumB, rest)
	for i := range middle {
		middle[i] -= low[i] + high[i]
	}
	for i, m := range middle {
		out[h+i] += m
	}
}

// schoolbook sets out to the product of a and b.
func schoolbook(out *[2 * schoolbookSize]int32, a, b *[schoolbookSize]int32) {
	clear(out[:])
	for i, x := range a {
		row := out[i:][:schoolbookSize]
		for j, y := range b {
			row[j] += x * y
		}
	}
}
