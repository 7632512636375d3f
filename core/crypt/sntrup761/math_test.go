package sntrup761

import (
	mathrand "math/rand/v2"
	"slices"
	"testing"
)

// randomPoly returns a polynomial with coefficients from -greatest to greatest.
func randomPoly(r *mathrand.Rand, greatest int32) *poly {
	a := new(poly)
	for i := range a {
		a[i] = r.Int32N(2*greatest+1) - greatest
	}
	return a
}

func filledPoly(c int32) *poly {
	a := new(poly)
	for i := range a {
		a[i] = c
	}
	return a
}

func TestReduce(t *testing.T) {
	check := func(x int32) {
		t.Helper()
		if got := modQ(x); got < -maxQ || got > maxQ || (x-got)%q != 0 {
			t.Fatalf("modQ(%d) = %d", x, got)
		}
		if got := mod3(x); got < -1 || got > 1 || (x-got)%3 != 0 {
			t.Fatalf("mod3(%d) = %d", x, got)
		}
	}
	const greatest = 1<<30 - 1
	for x := int32(0); x <= 1<<22; x++ {
		check(x)
		check(-x)
	}
	// Where rounding changes is where an inexact quotient shows, most of all
	// far from 0.
	for x := int32(greatest); x > greatest-1<<22; x-- {
		check(x)
		check(-x)
	}
	for x := int64(maxQ); x < greatest; x += q {
		check(int32(x))
		check(int32(x + 1))
		check(int32(-x))
		check(int32(-x - 1))
	}
}

func TestMasks(t *testing.T) {
	for _, x := range []int32{-1 << 31, -5, -1, 0, 1, 5, 1<<31 - 1} {
		if got := nonZeroMask(x) == -1; got != (x != 0) || !got && nonZeroMask(x) != 0 {
			t.Errorf("nonZeroMask(%d) = %d", x, nonZeroMask(x))
		}
		if got := negativeMask(x) == -1; got != (x < 0) || !got && negativeMask(x) != 0 {
			t.Errorf("negativeMask(%d) = %d", x, negativeMask(x))
		}
	}
}

func TestRound(t *testing.T) {
	for c := int32(-maxQ); c <= maxQ; c++ {
		a := filledPoly(c)
		a.round()
		if got := a[p-1]; got%3 != 0 || got < c-1 || got > c+1 {
			t.Errorf("%d is rounded to %d", c, got)
		}
	}
}

// slowMul returns a*b modulo m, computed in the plainest way.
func slowMul(a, b *poly, m int64) *poly {
	var c [2*p - 1]int64
	for i, x := range a {
		for j, y := range b {
			c[i+j] += int64(x) * int64(y)
		}
	}
	for i := 2*p - 2; i >= p; i-- {
		c[i-p] += c[i]
		c[i-p+1] += c[i]
	}
	out := new(poly)
	for i := range out {
		r := c[i] % m
		if r > m/2 {
			r -= m
		} else if r < -m/2 {
			r += m
		}
		out[i] = int32(r)
	}
	return out
}

func TestMul(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	var w product
	got := new(poly)
	check := func(a, small *poly) {
		t.Helper()
		if w.mulQ(got, a, small); *got != *slowMul(a, small, q) {
			t.Error("mulQ is wrong")
		}
		if w.mulQ(got, small, a); *got != *slowMul(a, small, q) {
			t.Error("mulQ is wrong with the factors exchanged")
		}
		three := new(poly)
		for i := range a {
			three[i] = mod3(a[i])
		}
		if w.mul3(got, three, small); *got != *slowMul(three, small, 3) {
			t.Error("mul3 is wrong")
		}
	}
	for range 10 {
		check(randomPoly(r, maxQ), randomPoly(r, 1))
	}
	// The greatest coefficients there can be.
	for _, c := range []int32{-1, 1} {
		check(filledPoly(maxQ), filledPoly(c))
		check(filledPoly(-maxQ), filledPoly(c))
	}
	check(filledPoly(maxQ), filledPoly(2)) // From a damaged secret key.
	check(new(poly), new(poly))
}

func TestInvertQ(t *testing.T) {
	for a := int32(-maxQ); a <= maxQ; a++ {
		if got := modQ(a * invertedQ(a)); a != 0 && got != 1 {
			t.Errorf("%d * 1/%d = %d", a, a, got)
		}
	}
}

func TestInvert(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(3, 4))
	var w inverse
	one := &poly{1}
	x := &poly{0, 1}
	check := func(a *poly) {
		t.Helper()
		inverted, three := new(poly), new(poly)
		for i := range a {
			three[i] = 3 * a[i]
		}
		if w.invert3f(inverted, a); *slowMul(inverted, three, q) != *one {
			t.Error("invert3f is wrong")
		}
		if !w.invert3(inverted, a) {
			t.Fatal("invert3 finds no inverse")
		}
		if *slowMul(inverted, a, 3) != *one {
			t.Error("invert3 is wrong")
		}
	}
	for range 10 {
		check(randomPoly(r, 1))
	}
	check(one)
	check(x)
	check(&poly{p - 1: -1})
	if w.invert3(new(poly), new(poly)) {
		t.Error("invert3 finds an inverse of 0")
	}
}

func TestBits3(t *testing.T) {
	for a := int32(-1); a <= 1; a++ {
		for b := int32(-1); b <= 1; b++ {
			for c := int32(-1); c <= 1; c++ {
				for _, i := range []int{0, 63, 64, p} {
					var x, y bits3
					x.set(i, a)
					y.set(i, b)
					x.addMul(&y, c)
					if got := x.at(i); got != mod3(a+b*c) {
						t.Errorf("%d + %d*%d = %d", a, b, c, got)
					}
				}
			}
		}
	}
}

func TestSort(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(5, 6))
	for n := range 100 {
		checkSort(t, r, n)
	}
	for range 20 {
		checkSort(t, r, p)
	}
}

func checkSort(t *testing.T, r *mathrand.Rand, n int) {
	t.Helper()
	x := make([]uint32, n)
	for i := range x {
		x[i] = r.Uint32() >> r.UintN(32) // Equal ones too.
	}
	want := slices.Sorted(slices.Values(x))
	if sort(x); !slices.Equal(x, want) {
		t.Errorf("%d numbers are not sorted", n)
	}
}

// TestShort checks that a short polynomial has its weight, and that each
// coefficient takes each value.
func TestShort(t *testing.T) {
	w := newWorkspace()
	defer w.release()
	random := &seededReader{seed: "short"}
	var seen [p][3]bool
	a := new(poly)
	for range 200 {
		if err := w.randomShort(a, random); err != nil {
			t.Fatal(err)
		}
		weight := 0
		for i, c := range a {
			seen[i][c+1] = true
			if c != 0 {
				weight++
			}
		}
		if weight != shortWeight {
			t.Fatalf("a short polynomial has %d coefficients that are not 0", weight)
		}
	}
	for i := range seen {
		if seen[i] != [3]bool{true, true, true} {
			t.Errorf("coefficient %d has not taken all values", i)
		}
	}
}

func TestEncode(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(7, 8))
	w := newWorkspace()
	defer w.release()
	polys := []*poly{new(poly), filledPoly(maxQ), filledPoly(-maxQ)}
	for range 20 {
		polys = append(polys, randomPoly(r, maxQ))
	}
	got := new(poly)
	for _, a := range polys {
		var pk PublicKey
		w.encodeQ(pk[:], a)
		if w.decodeQ(got, pk[:]); *got != *a {
			t.Error("a polynomial modulo q is decoded to another one")
		}
		a.round()
		var rounded [roundedSize]byte
		w.encodeRounded(rounded[:], a)
		if w.decodeRounded(got, rounded[:]); *got != *a {
			t.Error("a rounded polynomial is decoded to another one")
		}
		for i := range a {
			a[i] = mod3(a[i] / 3)
		}
		var small [smallSize]byte
		encodeSmall(small[:], a)
		if decodeSmall(got, small[:]); *got != *a {
			t.Error("a small polynomial is decoded to another one")
		}
	}
}

// TestDecodeAnything checks that whatever is decoded is in range.
func TestDecodeAnything(t *testing.T) {
	r := mathrand.NewChaCha8([32]byte{9})
	w := newWorkspace()
	defer w.release()
	a := new(poly)
	for i := range 200 {
		var b PublicKey
		if i == 0 {
			for j := range b {
				b[j] = 0xff
			}
		} else {
			r.Read(b[:])
		}
		w.decodeQ(a, b[:])
		if slices.Min(a[:]) < -maxQ || slices.Max(a[:]) > maxQ {
			t.Fatal("decodeQ leaves the range")
		}
		w.decodeRounded(a, b[:roundedSize])
		if slices.Min(a[:]) < -maxQ || slices.Max(a[:]) > maxQ {
			t.Fatal("decodeRounded leaves the range")
		}
		for _, c := range a {
			if c%3 != 0 {
				t.Fatal("decodeRounded gives a coefficient that is not a multiple of 3")
			}
		}
	}
}

func TestReleaseErases(t *testing.T) {
	w := newWorkspace()
	defer w.release()
	if err := w.randomShort(&w.polys[0], &seededReader{seed: "erase"}); err != nil {
		t.Fatal(err)
	}
	if *w == (workspace{}) {
		t.Fatal("the workspace was not used")
	}
	w.erase()
	if *w != (workspace{}) {
		t.Error("something is left")
	}
}
