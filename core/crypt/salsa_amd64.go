package crypt

import (
	"encoding/binary"

	"golang.org/x/sys/cpu"

	//lint:ignore SA1019 for processors without AVX2, and less than 512 bytes
	"golang.org/x/crypto/salsa20/salsa"
)

// salsaBlocks8 and salsaBlocks16 encrypt as many blocks of the cipher in place, with AVX2 and
// AVX-512. words are those of the cipher's state, each for all blocks.
//
//go:noescape
func salsaBlocks8(dst *[8 * 64]byte, words *[16][16]uint32)

//go:noescape
func salsaBlocks16(dst *[16 * 64]byte, words *[16][16]uint32)

// What the processor can do; tests change it.
var hasAVX2, hasAVX512 = cpu.X86.HasAVX2, cpu.X86.HasAVX512F

// xorSalsa encrypts b in place with Salsa20, whose first block has the number in the last half
// of counter. It does what salsa.XORKeyStream does, two to four times as fast: a relay and the
// transfer of files spend most of their time here.
func xorSalsa(b []byte, counter *[16]byte, key *[32]byte) {
	const batch8, batch16 = 8 * 64, 16 * 64
	if !hasAVX2 || len(b) < batch8 {
		salsa.XORKeyStream(b, b, counter, key)
		return
	}
	number := binary.LittleEndian.Uint64(counter[8:])
	var words [16][16]uint32
	set := func(i int, word []byte) {
		w := binary.LittleEndian.Uint32(word)
		for lane := range words[i] {
			words[i][lane] = w
		}
	}
	for i := range 4 {
		set(5*i, salsa.Sigma[4*i:])
		set(1+i, key[4*i:])
		set(11+i, key[16+4*i:])
	}
	set(6, counter[:])
	set(7, counter[4:])
	next := func(blocks uint64) {
		for lane := range words[8] {
			n := number + uint64(lane)
			words[8][lane], words[9][lane] = uint32(n), uint32(n>>32)
		}
		number += blocks
	}
	batch := batch8
	if hasAVX512 {
		batch = batch16
	}
	encrypt := func(b []byte) {
		next(uint64(batch / 64))
		if hasAVX512 {
			salsaBlocks16((*[batch16]byte)(b), &words)
		} else {
			salsaBlocks8((*[batch8]byte)(b), &words)
		}
	}
	for ; len(b) >= batch; b = b[batch:] {
		encrypt(b)
	}
	if len(b) > 0 {
		var last [batch16]byte
		copy(last[:], b)
		encrypt(last[:])
		copy(b, last[:])
		clear(last[:])
	}
	clear(words[:])
}
