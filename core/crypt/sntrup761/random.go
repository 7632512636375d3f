package sntrup761

import (
	"encoding/binary"
	"io"
)

// randomSmall sets a to a random small polynomial. It reads 4p bytes.
func (w *workspace) randomSmall(a *poly, rand io.Reader) error {
	if err := w.randomList(rand); err != nil {
		return err
	}
	for i, x := range w.list {
		a[i] = int32((x&(1<<30-1))*3>>30) - 1
	}
	return nil
}

// randomShort sets a to a random short polynomial. It reads 4p bytes.
func (w *workspace) randomShort(a *poly, rand io.Reader) error {
	if err := w.randomList(rand); err != nil {
		return err
	}
	// The low two bits are the coefficient plus 1. Sorting by the other bits,
	// which are random, shuffles the coefficients.
	for i, x := range w.list {
		if i < shortWeight {
			w.list[i] = x &^ 1 // 0 or 2
		} else {
			w.list[i] = x&^3 | 1
		}
	}
	sort(w.list[:])
	for i, x := range w.list {
		a[i] = int32(x&3) - 1
	}
	return nil
}

// randomList sets w.list to random numbers.
func (w *workspace) randomList(rand io.Reader) error {
	if err := readRandom(rand, w.random[:]); err != nil {
		return err
	}
	for i := range w.list {
		w.list[i] = binary.LittleEndian.Uint32(w.random[4*i:])
	}
	return nil
}

// sort sorts x in ascending order with Batcher's merge exchange (Knuth, The Art
// of Computer Programming, volume 3, section 5.2.2, algorithm M), whose
// comparisons depend on nothing but the length of x.
func sort(x []uint32) {
	n := len(x)
	if n < 2 {
		return
	}
	top := 1
	for top < n-top {
		top *= 2
	}
	for p := top; p > 0; p /= 2 {
		for i := range n - p {
			if i&p == 0 {
				sortPair(&x[i], &x[i+p])
			}
		}
		for q := top; q > p; q /= 2 {
			for i := range n - q {
				if i&p == 0 {
					sortPair(&x[i+p], &x[i+q])
				}
			}
		}
	}
}

// sortPair exchanges a and b if b is less than a.
func sortPair(a, b *uint32) {
	less := uint32((uint64(*b) - uint64(*a)) >> 32) // All ones if b < a.
	t := less & (*a ^ *b)
	*a ^= t
	*b ^= t
}
