package crypt

import "testing"

// lesser runs f as on processors that can do less than this one.
func lesser(f func(name string)) {
	has2, has512, hasI := hasAVX2, hasAVX512, hasIFMA
	defer func() { hasAVX2, hasAVX512, hasIFMA = has2, has512, hasI }()
	hasAVX512, hasIFMA = false, false
	f("AVX2")
	hasAVX2 = false
	f("general")
}

// TestProcessors runs the tests for processors that can do less than this one, too.
func TestProcessors(t *testing.T) {
	lesser(func(name string) {
		t.Run("Salsa "+name, TestSalsa)
		t.Run("Poly "+name, TestPoly)
		t.Run("PolyModulus "+name, TestPolyModulus)
	})
}

func BenchmarkProcessors(b *testing.B) {
	lesser(func(name string) {
		b.Run("Salsa "+name, BenchmarkSalsa)
		b.Run("Poly "+name, BenchmarkPoly)
	})
}
