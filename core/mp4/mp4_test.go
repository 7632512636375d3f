package mp4

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

func box(size uint32, name, content string) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, size), name...), content...)
}

func TestFind(t *testing.T) {
	file := slices.Concat(box(8+3, "one ", "abc"), box(1, "wide", "\x00\x00\x00\x00\x00\x00\x00\x13xyz"), box(8+1, "one ", "d"), box(0, "last", "to the end"))
	for name, want := range map[string]string{"one ": "abc", "wide": "xyz", "last": "to the end"} {
		if got, ok := Find(file, name); !ok || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	var all []string
	for content := range All(file, "one ") {
		all = append(all, string(content))
	}
	if !slices.Equal(all, []string{"abc", "d"}) {
		t.Errorf("%q", all)
	}
	if _, ok := Find(file, "none"); ok {
		t.Error("what is not there was found")
	}
	for _, size := range []uint32{2, 7, 1 << 31} {
		if got, ok := Find(box(size, "bad ", "abc"), "bad "); ok {
			t.Errorf("a box of %d bytes: %q", size, got)
		}
	}
	for n := range file {
		Find(file[:n], "last")
	}
}

func TestTime(t *testing.T) {
	short := slices.Concat(make([]byte, 12), []byte{0, 0, 3, 0xe8, 0, 0, 0x13, 0x88})
	wide := slices.Concat([]byte{1}, make([]byte, 19), []byte{0, 0, 3, 0xe8, 0, 0, 0, 0, 0, 0, 0x13, 0x88})
	for _, head := range [][]byte{short, wide} {
		if scale, duration := Time(head); scale != 1000 || duration != 5000 {
			t.Errorf("%d, %d", scale, duration)
		}
		for n := range head {
			if scale, duration := Time(head[:n]); scale != 0 || duration != 0 {
				t.Errorf("cut at %d: %d, %d", n, scale, duration)
			}
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add(box(8, "moov", ""))
	f.Add(box(1, "moov", "\x00\x00\x00\x00\x00\x00\x00\x10"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for content := range All(data, "moov") {
			if !bytes.Contains(data, content) {
				t.Error("it is not in the file")
			}
			Time(content)
		}
	})
}
