package video

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/sotto-chat/sotto/core/mp4"
)

func cleanFile(t testing.TB, file []byte) []byte {
	t.Helper()
	r, err := Clean(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil || len(whole) != len(file) {
		t.Fatalf("%d bytes of %d: %v", len(whole), len(file), err)
	}
	r, _ = Clean(bytes.NewReader(file), int64(len(file)))
	if slow, err := io.ReadAll(iotest.OneByteReader(r)); err != nil || !bytes.Equal(slow, whole) {
		t.Fatalf("byte by byte it is another: %v", err)
	}
	return whole
}

func TestClean(t *testing.T) {
	const secretChunk = "a position"
	located := testfile(t, "located.mov")
	box := func(name, content string) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), name...), content...)
	}
	for name, file := range map[string][]byte{
		"short.mp4":   testfile(t, "short.mp4"),
		"cover.mp4":   testfile(t, "cover.mp4"),
		"turned.mov":  testfile(t, "turned.mov"),
		"located.mov": located,
		"boxes":       slices.Concat(located, box("uuid", "16 bytes of name<x:xmp>secret title"), box("free", "secret title")),
		"no box":      append(bytes.Clone(located), "\xff\xff\xff\xffsecret title"...),
	} {
		got := cleanFile(t, file)
		for _, secret := range []string{"secret title", "tracktitle", "+52.5200", "iPhone", "Lavf", "xmp"} {
			if bytes.Contains(got, []byte(secret)) {
				t.Errorf("%s has still %q", name, secret)
			}
		}
		before, err := read(file)
		if err != nil {
			t.Fatal(err)
		}
		after, err := read(got)
		if err != nil || after.Duration != before.Duration || after.Size != before.Size || after.Cover != nil {
			t.Errorf("%s: %v for %v, cover %v: %v", name, after, before, after.Cover != nil, err)
		}
		movie, _ := index(bytes.NewReader(got), int64(len(got)))
		for track := range mp4.All(movie, "trak") {
			media, _ := mp4.Find(track, "mdia")
			head, _ := mp4.Find(media, "mdhd")
			if handler, _ := mp4.Find(media, "hdlr"); string(handler[8:12]) == "tmcd" || !bytes.Equal(head[4:12], make([]byte, 8)) {
				t.Errorf("%s: a track %q of %x", name, handler[8:12], head[4:12])
			}
		}
		if again := cleanFile(t, got); !bytes.Equal(again, got) {
			t.Errorf("%s: cleaned twice it is another", name)
		}
		// The pictures are as they were, and where they were.
		for track := range mp4.All(movie, "trak") {
			media, _ := mp4.Find(track, "mdia")
			info, _ := mp4.Find(media, "minf")
			table, _ := mp4.Find(info, "stbl")
			list := chunks(table, int64(len(file)))
			if len(list) == 0 {
				t.Errorf("%s: a track without samples", name)
			}
			for _, c := range list {
				if !bytes.Equal(got[c.at:c.at+c.size], file[c.at:c.at+c.size]) {
					t.Errorf("%s: the samples at %d were changed", name, c.at)
				}
			}
		}
	}
	// The samples of a track of positions go with it.
	at := bytes.Index(located, []byte("mdat")) + 4
	file := slices.Concat(located[:at], []byte(secretChunk), located[at+len(secretChunk):])
	offset, table := binary.BigEndian.AppendUint32(nil, uint32(at)), bytes.LastIndex(file, []byte("stco"))
	copy(file[table+12:], offset)                          // of the track of time codes, which is the last,
	sizes := bytes.LastIndex(file, []byte("stsz"))         // whose only sample
	binary.BigEndian.PutUint32(file[sizes+8:], uint32(10)) // is that
	if got := cleanFile(t, file); bytes.Contains(got, []byte(secretChunk)) {
		t.Error("the samples of a track of positions are there")
	}
}

func TestCleanBadFiles(t *testing.T) {
	good := testfile(t, "located.mov")
	for _, file := range [][]byte{nil, good[:20], good[:len(good)/2], append([]byte{0, 0, 0, 8}, "moov"...)} {
		if _, err := Clean(bytes.NewReader(file), int64(len(file))); !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes: %v", len(file), err)
		}
	}
	if _, err := Clean(brokenFile{io.ErrClosedPipe}, 1000); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a disk that fails: %v", err)
	}
	r, err := Clean(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	r.(*cleaned).file = bytes.NewReader(good[:100])
	if _, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that has become shorter: %v", err)
	}
}

func FuzzClean(f *testing.F) {
	f.Add(testfile(f, "located.mov"))
	f.Add(testfile(f, "short.mp4"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := Clean(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(file)) {
			t.Errorf("%d bytes of %d: %v", n, len(file), err)
		}
	})
}
