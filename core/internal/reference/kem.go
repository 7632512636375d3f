package reference

import "encoding/binary"

// KEMDraw is how many random bytes core/crypt/sntrup761 draws at once for a polynomial: four for each coefficient.
const KEMDraw = 4 * kemSize

// KEMEncoded is the size of an encoded polynomial, and of the rejection secret of a key.
const KEMEncoded = 191

const kemSize = 761 // coefficients of a polynomial

// KEMKeyDraws returns the random bytes of which core/crypt/sntrup761 makes a recorded key, in the order in which it draws them.
// recorded are g, f and the rejection secret of the key, as they are encoded.
func KEMKeyDraws(recorded []byte) [][]byte {
	return [][]byte{smallDraw(recorded[:KEMEncoded]), KEMInputDraw(recorded[KEMEncoded : 2*KEMEncoded]), recorded[2*KEMEncoded:]}
}

// KEMInputDraw returns the random bytes of which core/crypt/sntrup761 makes a recorded polynomial of an encapsulation, which it
// does by sorting: the first 286 numbers are for the coefficients that are not zero.
func KEMInputDraw(recorded []byte) (b []byte) {
	var zero []uint32
	for i, c := range coefficients(recorded) {
		if x := uint32(i)<<2 | c; c == 1 {
			zero = append(zero, x)
		} else {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
	}
	for _, x := range zero {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// smallDraw returns the random numbers of which a small polynomial is made one by one.
func smallDraw(encoded []byte) (b []byte) {
	for _, c := range coefficients(encoded) {
		b = binary.LittleEndian.AppendUint32(b, c<<30/3+1)
	}
	return b
}

// coefficients decodes a polynomial; each is the coefficient plus 1.
func coefficients(encoded []byte) []uint32 {
	c := make([]uint32, kemSize)
	for i := range c {
		c[i] = uint32(encoded[i/4] >> (i % 4 * 2) & 3)
	}
	return c
}
