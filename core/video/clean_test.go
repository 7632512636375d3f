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
		"subtitles":   bytes.Replace(located, []byte("mhlrtmcd"), []byte("mhlrtext"), 1),
		"two indexes": slices.Concat(located, box("moov", "secret title")),
		"no box":      append(bytes.Clone(located), "\xff\xff\xff\xffsecret title"...),
	} {
		got := cleanFile(t, file)
		// The last ones are in all files: the names of a track's handler, of its data's, and of its encoder.
		for _, secret := range []string{"secret title", "tracktitle", "+52.5200", "iPhone", "Lavf", "xmp", "VideoHandler", "DataHandler", "Lavc59.37.100 mpeg4", "FFMP"} {
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
			if handler, _ := mp4.Find(media, "hdlr"); string(handler[8:12]) != "vide" && string(handler[8:12]) != "soun" || !bytes.Equal(head[4:12], make([]byte, 8)) {
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
			list, _ := chunks(table, int64(len(file)))
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
}

// TestCleanSamples takes out what is among the samples of sound and pictures, be it of another track or of none.
func TestCleanSamples(t *testing.T) {
	located := testfile(t, "located.mov")
	const secret = "a position"
	// It stands behind the other samples.
	at := bytes.Index(located, []byte("mdat"))
	end := at - 4 + int(binary.BigEndian.Uint32(located[at-4:]))
	between := slices.Concat(located[:end], []byte(secret), located[end:])
	binary.BigEndian.PutUint32(between[at-4:], uint32(end+len(secret)-at+4))
	// The last track, that of time codes, has a single sample.
	track := bytes.Clone(between)
	binary.BigEndian.PutUint32(track[bytes.LastIndex(track, []byte("stco"))+12:], uint32(end))
	binary.BigEndian.PutUint32(track[bytes.LastIndex(track, []byte("stsz"))+8:], uint32(len(secret)))
	// renamed has the last box of a name called something else.
	renamed := func(file []byte, from, to string) []byte {
		file = bytes.Clone(file)
		copy(file[bytes.LastIndex(file, []byte(from)):], to)
		return file
	}
	first := func(file []byte, from, to string) []byte { return bytes.Replace(file, []byte(from), []byte(to), 1) }
	for name, c := range map[string]struct {
		file []byte
		gone bool
	}{
		"of no track":                   {between, true},
		"of a track":                    {track, true},
		"of no track, with fragments":   {renamed(between, "udta", "mvex"), false},
		"of a track, with fragments":    {renamed(track, "udta", "mvex"), true},
		"of no track, others not told":  {first(between, "stsz", "stz2"), false},
		"of a track, others not told":   {first(track, "stsz", "stz2"), true},
		"of no track, with other parts": {first(between, "stss", "saio"), false},
	} {
		got := cleanFile(t, c.file)
		if bytes.Contains(got, []byte(secret)) == c.gone {
			t.Errorf("%s: it is gone: %v", name, !c.gone)
		}
	}
}

func TestCleanBadFiles(t *testing.T) {
	good, indexFirst := testfile(t, "located.mov"), testfile(t, "cover.mp4")
	for _, file := range [][]byte{nil, good[:20], good[:len(good)/2], append([]byte{0, 0, 0, 8}, "moov"...),
		indexFirst[:len(indexFirst)-1], // else nothing would be left that is played
		slices.Concat(indexFirst[:32], bytes.Repeat([]byte{0, 0, 0, 8, 'f', 'r', 'e', 'e'}, maxBoxes+2), indexFirst[32:]),
	} {
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

// What a table of samples says of itself is not believed.
func TestChunks(t *testing.T) {
	box := func(name string, numbers ...uint32) (b []byte) {
		b = append(binary.BigEndian.AppendUint32(nil, uint32(8+4*len(numbers))), name...)
		for _, n := range numbers {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	const most = 1<<32 - 1
	for name, c := range map[string]struct {
		table []byte
		want  []change
	}{
		"equal":   {slices.Concat(box("stsz", 0, 10, 4), box("stsc", 0, 1, 1, 2, 1), box("stco", 0, 2, 5, 40)), []change{{at: 5, size: 20}, {at: 40, size: 20}}},
		"endless": {slices.Concat(box("stsz", 0, most, most), box("stsc", 0, 1, 1, most, 1), box("stco", 0, 2, 5, 200)), []change{{at: 5, size: 95}}},
		"few":     {slices.Concat(box("stsz", 0, 0, 2, 7, most), box("stsc", 0, 1, 1, 9, 1), box("co64", 0, 2, 0, 5, most, most)), []change{{at: 5, size: 95}}},
		"none":    {slices.Concat(box("stsz", 0, 1, 1), box("stsc", 0, 0), box("stco", 0, 1, 5)), nil},
	} {
		got, equal := chunks(c.table, 100)
		if equal != (name == "equal" || name == "endless") || !slices.EqualFunc(got, c.want, func(a, b change) bool { return a.at == b.at && a.size == b.size }) {
			t.Errorf("%s: %v", name, got)
		}
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
