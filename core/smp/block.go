package smp

import (
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// batchSize bounds the transmissions of a block with their lengths. It leaves room for
// block encryption whether or not that is used (smp-transport.md §6).
const batchSize = crypt.MaxBlockContent - 1

// MaxTransmission is the size of the longest transmission that fits a block.
const MaxTransmission = batchSize - 2

// maxBatch is the largest count of transmissions in a block.
const maxBatch = 255

// Batch splits transmissions into the groups of one block each, in order. As in the
// reference it is the first block that is not full (smp-transport.md §6). A transmission
// that doesn't fit alone is ErrLarge.
func Batch(transmissions [][]byte) ([][][]byte, error) {
	var groups [][][]byte
	end, size := len(transmissions), 0
	for i := len(transmissions) - 1; i >= 0; i-- {
		n := len(transmissions[i]) + 2
		if n > batchSize {
			return nil, fmt.Errorf("transmission of %d bytes: %w", n-2, ErrLarge)
		}
		if size+n > batchSize || end-i > maxBatch {
			groups = append(groups, transmissions[i+1:end])
			end, size = i+1, 0
		}
		size += n
	}
	if end > 0 {
		groups = append(groups, transmissions[:end])
	}
	for i, j := 0, len(groups)-1; i < j; i, j = i+1, j-1 {
		groups[i], groups[j] = groups[j], groups[i]
	}
	return groups, nil
}

// AppendBlock appends the content of the block that holds a group that Batch made.
func AppendBlock(b []byte, group [][]byte) []byte {
	b = append(b, byte(len(group)))
	for _, t := range group {
		b = wire.AppendLarge(b, t)
	}
	return b
}

// SplitBlock appends the transmissions in the content of a block to dst; they share
// memory with it. The error is ErrBlock.
func SplitBlock(dst [][]byte, content []byte) ([][]byte, error) {
	r := wire.NewReader(content)
	n := r.NonEmpty()
	list := dst
	for i := 0; i < n && r.Err() == nil; i++ {
		list = append(list, r.Large())
	}
	if r.End() != nil {
		return dst, ErrBlock
	}
	return list, nil
}
