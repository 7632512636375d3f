package xftp

import (
	"slices"
)

// ChunkSizes are the sizes of chunks that relays accept, in bytes, in ascending order (xftp.md §4).
var ChunkSizes = [...]uint32{64 << 10, 256 << 10, 1 << 20, 4 << 20}

// SplitSize returns the sizes of the chunks for a payload of n > 0 bytes: the file, its header, its
// length and the tag (xftp.md §5).
func SplitSize(n int64) []uint32 {
	small, big := ChunkSizes[0], ChunkSizes[1]
	switch {
	case n > threeQuarters(ChunkSizes[3]):
		small, big = ChunkSizes[2], ChunkSizes[3]
	case n > threeQuarters(ChunkSizes[2]):
		small, big = ChunkSizes[1], ChunkSizes[2]
	}
	sizes := slices.Repeat([]uint32{big}, int(n/int64(big)))
	switch rest := n % int64(big); {
	case rest > threeQuarters(big):
		sizes = append(sizes, big)
	default:
		count := (rest + int64(small) - 1) / int64(small)
		sizes = append(sizes, slices.Repeat([]uint32{small}, int(count))...)
	}
	return sizes
}

func threeQuarters(size uint32) int64 { return int64(size) / 4 * 3 }

// SingleSize returns the size of the one chunk of a redirect's payload of n bytes; ok is false if
// it is too long (xftp.md §5).
func SingleSize(n int64) (size uint32, ok bool) {
	for _, size := range ChunkSizes {
		if n <= int64(size) {
			return size, true
		}
	}
	return 0, false
}
