package crypt

import "testing"

// TestSalsaProcessors runs the test for processors that can do less than this one, too.
func TestSalsaProcessors(t *testing.T) {
	has2, has512 := hasAVX2, hasAVX512
	defer func() { hasAVX2, hasAVX512 = has2, has512 }()
	hasAVX512 = false
	t.Run("AVX2", TestSalsa)
	hasAVX2 = false
	t.Run("general", TestSalsa)
}

func BenchmarkSalsaAVX2(b *testing.B) {
	has512 := hasAVX512
	defer func() { hasAVX512 = has512 }()
	hasAVX512 = false
	BenchmarkSalsa(b)
}
