package voice

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// tone returns a sine of an amplitude from 0 to 1.
func tone(frequency, amplitude float64, rate int, d time.Duration) []int16 {
	samples := make([]int16, int(d.Seconds()*float64(rate)))
	for i := range samples {
		samples[i] = int16(amplitude * math.MaxInt16 * math.Sin(2*math.Pi*frequency*float64(i)/float64(rate)))
	}
	return samples
}

// amplitude returns how much of a frequency is in samples, 0 to 1.
func amplitude(samples []int16, frequency float64, rate int) float64 {
	var re, im float64
	for i, s := range samples {
		sin, cos := math.Sincos(2 * math.Pi * frequency * float64(i) / float64(rate))
		re, im = re+float64(s)*cos, im+float64(s)*sin
	}
	return 2 * math.Hypot(re, im) / float64(len(samples)) / math.MaxInt16
}

// encode makes a file in pieces of an odd size.
func encode(t testing.TB, samples []int16) []byte {
	t.Helper()
	var e Encoder
	for len(samples) > 0 {
		n := min(len(samples), 2205+7)
		if err := e.Write(samples[:n]); err != nil {
			t.Fatal(err)
		}
		samples = samples[n:]
	}
	var file bytes.Buffer
	if err := e.Finish(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func decode(file []byte) (Clip, error) {
	return Decode(context.Background(), bytes.NewReader(file))
}

func TestRoundTrip(t *testing.T) {
	for _, d := range []time.Duration{time.Millisecond, 20 * time.Millisecond, time.Second, 2500 * time.Millisecond} {
		in := tone(440, 0.5, Rate, d)
		clip, err := decode(encode(t, in))
		if err != nil {
			t.Fatalf("%v: %v", d, err)
		}
		if clip.Rate != Rate || len(clip.Samples) != len(in) {
			t.Errorf("%v: got %d samples at %d, want %d at %d", d, len(clip.Samples), clip.Rate, len(in), Rate)
		}
		if d < time.Second {
			continue
		}
		// The sound is where it was: its difference from what was recorded is far below it.
		var signal, noise float64
		for i, s := range in {
			signal += float64(s) * float64(s)
			n := float64(s) - float64(clip.Samples[i])
			noise += n * n
		}
		if db := 10 * math.Log10(signal/noise); db < 20 {
			t.Errorf("%v: the sound differs: %.1f dB", d, db)
		}
	}
}

func TestEncoderLimits(t *testing.T) {
	var e Encoder
	if err := e.Finish(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing: %v", err)
	}
	if err := e.Write(nil); err != nil {
		t.Error(err)
	}
	if err := e.Finish(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("no samples: %v", err)
	}
	// As if nearly all of the time had passed.
	e.samples = int(MaxDuration.Seconds())*Rate - 100
	if err := e.Write(make([]int16, 100)); err != nil {
		t.Error(err)
	}
	if err := e.Write(make([]int16, 1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	if e.Duration() != MaxDuration {
		t.Errorf("duration %v", e.Duration())
	}
	if err := e.Finish(io.Discard); err != nil {
		t.Errorf("finish after the limit: %v", err)
	}
	if err := e.Write(make([]int16, 1)); err == nil {
		t.Error("it can be written after it is finished")
	}

	e = Encoder{}
	if err := e.Write(make([]int16, 3000)); err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	if err := e.Finish(failing{full}); !errors.Is(err, full) {
		t.Errorf("write error: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestFilesOfOthers plays what other programs make; see testdata/README.
func TestFilesOfOthers(t *testing.T) {
	for name, rate := range map[string]int{
		"phone-16000-mono.m4a":     16000,
		"faststart-44100-mono.m4a": 44100,
		"stereo-48000.m4a":         48000,
		"quicktime-12000-mono.m4a": 12000,
		"withpicture.m4a":          16000,
	} {
		clip, err := decode(testfile(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if off := clip.Duration() - time.Second; clip.Rate != rate || off.Abs() > 2*time.Millisecond {
			t.Errorf("%s: %v at %d", name, clip.Duration(), clip.Rate)
		}
		if a := amplitude(clip.Samples, 440, rate); a < 0.15 {
			t.Errorf("%s: the tone has an amplitude of %.2f", name, a)
		}
	}
	for _, name := range []string{"alac.m4a", "fragmented.m4a"} {
		if _, err := decode(testfile(t, name)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testfile(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestBadFiles(t *testing.T) {
	good := testfile(t, "phone-16000-mono.m4a")
	clip, err := decode(good)
	if err != nil {
		t.Fatal(err)
	}
	// change returns the file with bytes put at a distance from the name of a box.
	change := func(box string, at int, values ...byte) []byte {
		file := bytes.Clone(good)
		copy(file[bytes.Index(file, []byte(box))+at:], values)
		return file
	}
	u32 := func(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"nothing", nil, ErrUnsupported},
		{"text", []byte("this is a text and not a voice message"), ErrUnsupported},
		{"no index", good[:bytes.Index(good, []byte("moov"))-4], ErrDamaged},
		{"too large", append(bytes.Clone(good), make([]byte, maxFile)...), ErrTooLong},
		{"too many frames", change("stsz", 12, u32(1<<31)...), ErrTooLong},
		{"more frames than sizes", change("stsz", 12, u32(uint32(maxFrames))...), ErrDamaged},
		{"frames of one size", change("stsz", 8, u32(1)...), ErrDamaged},
		{"no frames", change("stsz", 12, 0, 0, 0, 0), ErrEmpty},
		{"no sizes", change("stsz", 0, 'x'), ErrDamaged},
		{"no places", change("stco", 0, 'x'), ErrDamaged},
		{"no runs", change("stsc", 0, 'x'), ErrDamaged},
		{"places behind the end", change("stco", 12, u32(math.MaxUint32)...), ErrDamaged},
		{"no sound", change("soun", 0, 'v', 'i', 'd', 'e'), ErrUnsupported},
		{"another coding", change("mp4a", 0, 'a', 'c', '-', '3'), ErrUnsupported},
		{"encrypted", change("mp4a", 0, 'e', 'n', 'c', 'a'), ErrUnsupported},
		{"no description", change("esds", 0, 'x'), ErrDamaged},
		{"no table", change("stbl", 0, 'x'), ErrDamaged},
		{"a description without an end", change("esds", 9, 0xff, 0xff, 0xff, 0xff), ErrDamaged},
		{"zeros as frames", change("mdat", 4, make([]byte, 3000)...), ErrDamaged},
	} {
		if _, err := decode(c.file); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// What only orders the sound is passed over when it makes no sense.
	for _, file := range [][]byte{
		change("elst", 8, u32(math.MaxUint32)...), change("elst", 12, u32(math.MaxInt32)...), change("elst", 4, u32(9)...),
		change("mdhd", 16, 0, 0, 0, 0), change("mvhd", 16, 0, 0, 0, 0), change("elst", 0, 'x'),
	} {
		got, err := decode(file)
		if err != nil || got.Rate != clip.Rate || len(got.Samples) < len(clip.Samples) {
			t.Errorf("odd edit: %d samples, %v", len(got.Samples), err)
		}
	}
	// Nothing of it is read past a cut, wherever it is.
	for n := range good {
		if clip, err := decode(good[:n]); err == nil && len(clip.Samples) == 0 {
			t.Fatalf("cut at %d: no samples and no error", n)
		}
	}
}

// TestChunks finds frames in several chunks, with places of 64 bits.
func TestChunks(t *testing.T) {
	u64 := func(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
	// Two chunks, the first of two frames, the second of one.
	file := []byte("..aabbb....c")
	var table boxes
	table.box("stsz", func() { table.u32(0, 0, 3, 2, 3, 1) })
	table.box("stsc", func() { table.u32(0, 2, 1, 2, 1, 2, 1, 1) })
	table.box("co64", func() { table.u32(0, 2).bytes(u64(2)...).bytes(u64(11)...) })
	var tr track
	if err := tr.place(file, table); err != nil || string(bytes.Join(tr.frames, []byte(" "))) != "aa bbb c" {
		t.Errorf("%q: %v", tr.frames, err)
	}
	copy(table[len(table)-8:], u64(math.MaxUint64))
	if err := tr.place(file, table); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// withHints returns a file of AAC-LC as HE-AAC: each of its frames gets an element with some hints before its end.
func withHints(t testing.TB, name string, config []byte) []byte {
	t.Helper()
	tr := mustParse(t, testfile(t, name))
	random := rand.New(rand.NewPCG(1, 2))
	var sizes []uint32
	var frames []byte
	for i, f := range tr.frames {
		r := bitReader{data: f}
		// The end is the last three bits that are set.
		end := 8*len(f) - bits.TrailingZeros8(f[len(f)-1]) - 3
		var w bitWriter
		for range end {
			w.write(field{r.read(1), 1})
		}
		n := []int{3, 14, 15, 40}[i%4]
		w.write(field{elementFill, 3})
		if n < 15 {
			w.write(field{uint32(n), 4})
		} else {
			w.write(field{15, 4})
			w.write(field{uint32(n) - 14, 8})
		}
		w.write(field{extensionSBR + uint32(i%2), 4})
		for range 8*n - 4 {
			w.write(field{random.Uint32() & 1, 1})
		}
		if i%3 == 0 { // one that only fills
			w.write(field{elementFill<<4 | 1, 7})
			w.write(field{0, 8})
		}
		w.write(field{elementEnd, 3})
		sizes, frames = append(sizes, uint32(len(w.data))), append(frames, w.data...)
	}
	if config != nil {
		tr.config = config
	}
	return append(tr.header(sizes, len(frames)), frames...)
}

// TestHEAAC plays the core of HE-AAC as it sounded, however the hints are announced.
func TestHEAAC(t *testing.T) {
	const name, index16000, index32000 = "phone-16000-mono.m4a", 8, 5
	plain, err := decode(testfile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	config := func(fields ...field) []byte {
		var w bitWriter
		for _, f := range fields {
			w.write(f)
		}
		return w.data
	}
	for announced, config := range map[string][]byte{
		"not at all":   nil,
		"compatibly":   config(field{objectLC, 5}, field{index16000, 4}, field{1, 4}, field{0, 3}, field{0x2b7, 11}, field{objectSBR, 5}, field{1, 1}, field{index32000, 4}),
		"as HE-AAC":    config(field{objectSBR, 5}, field{index16000, 4}, field{1, 4}, field{index32000, 4}, field{objectLC, 5}, field{0, 3}),
		"as HE-AAC v2": config(field{objectPS, 5}, field{index16000, 4}, field{1, 4}, field{15, 4}, field{32000, 24}, field{objectLC, 5}, field{0, 3}),
	} {
		clip, err := decode(withHints(t, name, config))
		if err != nil || !equal(clip.Samples, plain.Samples) || clip.Rate != plain.Rate {
			t.Errorf("announced %s: %d samples at %d, not %d at %d: %v", announced, len(clip.Samples), clip.Rate, len(plain.Samples), plain.Rate, err)
		}
	}
	clip, err := decode(withHints(t, "stereo-48000.m4a", nil))
	if a := amplitude(clip.Samples, 440, 48000); err != nil || a < 0.15 {
		t.Errorf("two channels: the tone has an amplitude of %.2f: %v", a, err)
	}
	// What is no AAC-LC below is refused.
	other := config(field{objectSBR, 5}, field{index16000, 4}, field{1, 4}, field{index32000, 4}, field{22, 5}, field{0, 3})
	if _, err := decode(withHints(t, name, other)); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

func TestReadErrors(t *testing.T) {
	broken := errors.New("disk broken")
	if _, err := Decode(context.Background(), iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Decode(ctx, bytes.NewReader(testfile(t, "phone-16000-mono.m4a"))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestLongFile decodes the longest message, and refuses one that is far longer.
func TestLongFile(t *testing.T) {
	frame := bytes.Clone(mustParse(t, encode(t, make([]int16, 4*samplesPerFrame))).frames[2])
	long := func(d time.Duration) []byte {
		sizes := make([]uint32, int(d.Seconds()*Rate/samplesPerFrame))
		for i := range sizes {
			sizes[i] = uint32(len(frame))
		}
		h := track{config: []byte{0x12, 0x08}, timescale: Rate, movieTimescale: Rate}
		return append(h.header(sizes, len(sizes)*len(frame)), bytes.Repeat(frame, len(sizes))...)
	}
	clip, err := decode(long(MaxDuration + 2*time.Second))
	if err != nil || clip.Duration() < MaxDuration {
		t.Errorf("%v: %v", clip.Duration(), err)
	}
	if _, err := decode(long(maxPlayed + time.Second)); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
}

func mustParse(t testing.TB, file []byte) *track {
	t.Helper()
	tr, err := parse(file)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestFileName(t *testing.T) {
	if got := FileName(time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)); got != "voice_20260203_040506.m4a" {
		t.Error(got)
	}
}

func TestLoudness(t *testing.T) {
	if l := Level(nil); l != 0 {
		t.Error("nothing is loud", l)
	}
	if l := Level(make([]int16, 100)); l != 0 {
		t.Error("silence is loud", l)
	}
	last := byte(0)
	for _, a := range []float64{0.01, 0.05, 0.2} {
		l := Level(tone(200, a, Rate, time.Second))
		if l <= last {
			t.Errorf("amplitude %g has level %d after %d", a, l, last)
		}
		last = l
	}
	if l := Level(tone(200, 1, Rate, time.Second)); l != 255 {
		t.Error("the loudest tone has level", l)
	}
	w := Waveform(append(make([]int16, Rate), tone(200, 0.9, Rate, time.Second)...), 10)
	if want := []byte{0, 0, 0, 0, 0, 255, 255, 255, 255, 255}; !bytes.Equal(w, want) {
		t.Error(w)
	}
	if len(Waveform(nil, 5)) != 0 || len(Waveform(make([]int16, 3), 5)) != 3 || len(Waveform(make([]int16, 3), -1)) != 0 {
		t.Error("odd sizes")
	}
}

func TestStretcher(t *testing.T) {
	for _, rate := range []int{8000, 16000, 44100, 48000} {
		in := tone(220, 0.5, rate, 2*time.Second)
		for _, speed := range []float64{0.5, 1, 1.5, 2, 3} {
			t.Run(fmt.Sprint(rate, "/", speed), func(t *testing.T) {
				s := NewStretcher(Clip{Samples: in, Rate: rate})
				s.SetSpeed(speed)
				out := readAll(s, 333)
				if speed == 1 {
					if !equal(out, in) {
						t.Error("speed 1 changes the sound")
					}
					return
				}
				took, want := float64(len(out))/float64(rate), 2/speed
				if math.Abs(took-want) > 0.05 {
					t.Errorf("it takes %.3f s, want %.3f", took, want)
				}
				if a := amplitude(out, 220, rate); a < 0.35 {
					t.Errorf("the tone is at %.2f of 0.5", a)
				}
				if a := amplitude(out, 220*speed, rate); a > 0.05 {
					t.Errorf("the pitch moved: %.2f", a)
				}
			})
		}
	}
}

func TestStretcherMoves(t *testing.T) {
	in := tone(220, 0.5, Rate, time.Second)
	s := NewStretcher(Clip{Samples: in, Rate: Rate})
	s.Seek(Rate / 2)
	if out := readAll(s, 1000); !equal(out, in[Rate/2:]) {
		t.Error("seek")
	}
	if n := s.Read(make([]int16, 10)); n != 0 {
		t.Error("it goes on after the end", n)
	}
	s.Seek(-5)
	s.SetSpeed(100)
	if out := readAll(s, 1000); len(out) > Rate/2 || len(out) < Rate/4 {
		t.Error("speed is not limited", len(out))
	}
	s.Seek(len(in) + 5)
	if out := readAll(s, 1000); len(out) != 0 {
		t.Error("sound after the end")
	}
	s.Seek(0)
	s.SetSpeed(2)
	first := make([]int16, Rate/8)
	s.Read(first)
	s.SetSpeed(1)
	if rest := readAll(s, 1000); math.Abs(float64(len(rest)-Rate*3/4)) > Rate/20 {
		t.Error("speed changed on the way:", len(rest))
	}
	for _, c := range []Clip{{}, {Samples: in[:5], Rate: Rate}, {Samples: in[:500]}, {Samples: in[:100], Rate: 1}} {
		s := NewStretcher(c)
		s.SetSpeed(1.5)
		if out := readAll(s, 100); len(out) > len(c.Samples) {
			t.Errorf("%d samples became %d", len(c.Samples), len(out))
		}
	}
}

func readAll(s *Stretcher, size int) []int16 {
	var all []int16
	piece := make([]int16, size)
	for {
		n := s.Read(piece)
		if n == 0 {
			return all
		}
		all = append(all, piece[:n]...)
	}
}

func equal(a, b []int16) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.m4a")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		f.Add(testfile(f, filepath.Base(name)))
	}
	f.Add(withHints(f, "phone-16000-mono.m4a", nil))
	f.Add(encode(f, tone(300, 0.3, Rate, 100*time.Millisecond)))
	f.Add([]byte("\x00\x00\x00\x08ftyp\x00\x00\x00\x01moov\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, file []byte) {
		clip, err := decode(file)
		switch {
		case err == nil && (len(clip.Samples) == 0 || clip.Duration() > maxPlayed || clip.Rate > maxRate):
			t.Errorf("%d samples at %d", len(clip.Samples), clip.Rate)
		case err != nil && strings.Contains(err.Error(), "runtime error"):
			t.Errorf("panic: %v", err)
		}
	})
}

// speechLike returns sound with a pitch that moves, formants, noise and pauses.
func speechLike(d time.Duration) []int16 {
	samples := make([]int16, int(d.Seconds()*Rate))
	phase, seed := 0.0, uint32(1)
	for i := range samples {
		at := float64(i) / Rate
		phase += 2 * math.Pi * (120 + 30*math.Sin(3*at)) / Rate
		v := 0.0
		for h := 1.0; h < 20; h++ {
			v += math.Sin(phase*h) / h
		}
		seed = seed*1664525 + 1013904223
		v += float64(int32(seed)) / math.MaxInt32 * 0.3 * max(0, math.Sin(11*at))
		samples[i] = int16(6000 * v * max(0, math.Sin(5*at)))
	}
	return samples
}

func BenchmarkEncodeMinute(b *testing.B) {
	in := speechLike(time.Minute)
	size := 0
	for b.Loop() {
		size = len(encode(b, in))
	}
	b.ReportMetric(float64(size), "file-bytes")
}

func BenchmarkDecodeMinute(b *testing.B) {
	file := encode(b, speechLike(time.Minute))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(file); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStretchMinute(b *testing.B) {
	clip := Clip{Samples: speechLike(time.Minute), Rate: Rate}
	for b.Loop() {
		s := NewStretcher(clip)
		s.SetSpeed(1.5)
		piece := make([]int16, 4096)
		for s.Read(piece) > 0 {
		}
	}
}

func BenchmarkWaveformMinute(b *testing.B) {
	samples := speechLike(time.Minute)
	for b.Loop() {
		Waveform(samples, 80)
	}
}
