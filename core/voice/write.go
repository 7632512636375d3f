package voice

import "encoding/binary"

// samplesPerFrame is how many samples per channel a frame of AAC-LC holds (ISO/IEC 14496-3 §4.5.1.1).
const samplesPerFrame = 1024

// track is the one sound track of a file.
type track struct {
	config    []byte // AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1)
	timescale uint64 // units per second of start
	// movieTimescale is units per second of length.
	movieTimescale uint64
	// start is where the sound begins: coders put some silence before it. length is how long it is, 0 if the file doesn't tell.
	start, length uint64
	frames        [][]byte // when read
}

// header returns all of the file but the frames (ISO/IEC 14496-12 §4, §6.2.3; 14496-14 §5.6). The frames follow it in one chunk.
func (t *track) header(sizes []uint32, mediaSize int) []byte {
	var file boxes
	file.box("ftyp", func() { file.text("M4A ").u32(0).text("M4A mp42isom") })
	// The place of the frames depends on the size of the index, and the size doesn't depend on the place.
	var index boxes
	t.index(&index, sizes, 0)
	media := uint32(len(file) + len(index) + 8)
	t.index(&file, sizes, media)
	return *file.u32(uint32(8 + mediaSize)).text("mdat")
}

// index adds the index of the file. Times of making are 0.
func (t *track) index(b *boxes, sizes []uint32, media uint32) {
	matrix := []uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000}
	played := uint32(t.length)
	coded := uint32(len(sizes) * samplesPerFrame)
	b.box("moov", func() {
		b.box("mvhd", func() {
			b.u32(0, 0, 0, uint32(t.movieTimescale), played, 0x10000).u16(0x100, 0).u32(0, 0).u32(matrix...).u32(0, 0, 0, 0, 0, 0).u32(2)
		})
		b.box("trak", func() {
			const enabledInMovie = 3
			b.box("tkhd", func() {
				b.u32(enabledInMovie, 0, 0, 1, 0, played, 0, 0).u16(0, 0, 0x100, 0).u32(matrix...).u32(0, 0)
			})
			b.box("edts", func() {
				b.box("elst", func() { b.u32(0, 1, played, uint32(t.start), 0x10000) })
			})
			b.box("mdia", func() {
				const undetermined = 0x55c4 // language "und"
				b.box("mdhd", func() { b.u32(0, 0, 0, uint32(t.timescale), coded).u16(undetermined, 0) })
				b.box("hdlr", func() { b.u32(0, 0).text("soun").u32(0, 0, 0).text("\x00") })
				b.box("minf", func() {
					b.box("smhd", func() { b.u32(0, 0) })
					b.box("dinf", func() {
						b.box("dref", func() {
							const inThisFile = 1
							b.u32(0, 1)
							b.box("url ", func() { b.u32(inThisFile) })
						})
					})
					b.box("stbl", func() {
						b.box("stsd", func() {
							b.u32(0, 1)
							b.box("mp4a", func() {
								b.u32(0).u16(0, 1).u32(0, 0).u16(1, 16, 0, 0).u32(uint32(t.timescale) << 16)
								b.box("esds", func() { t.description(b) })
							})
						})
						b.box("stts", func() { b.u32(0, 1, uint32(len(sizes)), samplesPerFrame) })
						b.box("stsc", func() { b.u32(0, 1, 1, uint32(len(sizes)), 1) })
						b.box("stsz", func() { b.u32(0, 0, uint32(len(sizes))).u32(sizes...) })
						b.box("stco", func() { b.u32(0, 1, media) })
					})
				})
			})
		})
	})
}

// Tags of the descriptors in an esds box (ISO/IEC 14496-1 §7.2.2.1).
const (
	tagStream        = 3
	tagDecoderConfig = 4
	tagSpecificInfo  = 5
	tagSync          = 6
)

// aacObject is AAC as the type of what is described (ISO/IEC 14496-1 §7.2.6.6).
const aacObject = 0x40

// description adds the content of an esds box.
func (t *track) description(b *boxes) {
	config := len(t.config)
	const audio = 0x15 // the kind of the stream, with the bit that is always set
	b.u32(0)
	b.bytes(tagStream, byte(3+2+13+2+config+3), 0, 0, 0)
	b.bytes(tagDecoderConfig, byte(13+2+config), aacObject, audio, 0, 0x06, 0).u32(bitRate*2, bitRate)
	b.bytes(tagSpecificInfo, byte(config)).bytes(t.config...)
	b.bytes(tagSync, 1, 2)
}

// boxes builds a file of boxes.
type boxes []byte

// box adds a box with what fill adds.
func (b *boxes) box(name string, fill func()) {
	at := len(*b)
	b.u32(0).text(name)
	fill()
	binary.BigEndian.PutUint32((*b)[at:], uint32(len(*b)-at))
}

func (b *boxes) u32(values ...uint32) *boxes {
	for _, v := range values {
		*b = binary.BigEndian.AppendUint32(*b, v)
	}
	return b
}

func (b *boxes) u16(values ...uint16) *boxes {
	for _, v := range values {
		*b = binary.BigEndian.AppendUint16(*b, v)
	}
	return b
}

func (b *boxes) bytes(values ...byte) *boxes {
	*b = append(*b, values...)
	return b
}

func (b *boxes) text(s string) *boxes {
	*b = append(*b, s...)
	return b
}
