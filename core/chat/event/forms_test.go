package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/wire"
)

const okJSON = `{"v":"1-8","event":"x.ok","params":{}}`

// frame returns a zstd frame with one uncompressed block; size < 0 leaves out the content size.
func frame(content string, size int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd}
	if size < 0 {
		b = append(b, 0x00, 0x38) // window of 128 KiB
	} else {
		b = binary.LittleEndian.AppendUint32(append(b, 0xa0), uint32(size)) // single segment, 4 bytes of size
	}
	h := uint32(len(content))<<3 | 1 // raw, last
	return append(append(b, byte(h), byte(h>>8), byte(h>>16)), content...)
}

func compressedBody(frames ...[]byte) []byte {
	b := []byte{formCompressed, byte(len(frames))}
	for _, f := range frames {
		b = wire.AppendLarge(append(b, partZstd), f)
	}
	return b
}

func TestZstdFrames(t *testing.T) {
	if m := one(t, string(compressedBody(frame(okJSON, len(okJSON))))); m.Event != (OK{}) {
		t.Errorf("%+v", m)
	}
	rle := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 1, 0}, 0x03, 0x00, 0x08, ' ') // 65536 spaces
	if b, err := decompress(rle); err != nil || len(b) != 65536 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for name, f := range map[string][]byte{
		"without content size": frame(okJSON, -1),
		"too long":             frame(okJSON, 65537),
		"longer than it says":  frame(okJSON, len(okJSON)-1),
		"shorter than it says": frame(okJSON, len(okJSON)+1),
		"two frames":           append(frame(okJSON, len(okJSON)), frame(okJSON, len(okJSON))...),
		"trailing bytes":       append(frame(okJSON, len(okJSON)), 'x'),
		"truncated":            frame(okJSON, len(okJSON))[:20],
		"skippable":            {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0},
		"empty":                {},
	} {
		msgs, errs := Parse(compressedBody(f))
		if len(msgs) != 0 || len(errs) != 1 {
			t.Errorf("%s: %d messages, %v", name, len(msgs), errs)
		}
	}
}

// Frames carry their content size whatever their length.
func TestCompress(t *testing.T) {
	for _, n := range []int{1, 100, 255, 256, 1000, 15602, 65536} {
		content := []byte(noise(n))
		f := compress(content)
		b, err := decompress(f)
		if err != nil || !bytes.Equal(b, content) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestForms(t *testing.T) {
	at := time.Unix(1767323045, 0).UTC()
	sig := bytes.Repeat([]byte{7}, 64)
	stamp := string(wire.AppendInt64(nil, at.Unix()))
	signed := "/G\x01M\x40" + string(sig) + okJSON
	versions := wire.VersionRange{Min: 1, Max: 8}
	ok := Message{Versions: versions, Event: OK{}}
	okSigned := Message{Versions: versions, Event: OK{}, Signed: &Signed{Signatures: [][]byte{sig}, JSON: []byte(okJSON)}}
	member := &Relay{MemberID: "id", MemberName: "bob", Time: at}
	chunk := Message{Versions: wire.VersionRange{Min: 1, Max: 1}, Event: FileChunk{MsgID: "id", Number: 2, Data: []byte("data")}}
	large := func(s string) string { return string(wire.AppendLarge(nil, s)) }
	for name, c := range map[string]struct {
		body string
		want []Message
	}{
		"array":          {"[" + okJSON + "," + okJSON + "]", []Message{ok, ok}},
		"empty array":    {"[]", nil},
		"batch":          {"=\x02" + large(okJSON) + large(signed), []Message{ok, okSigned}},
		"plain part":     {"X\x01" + "0" + string(wire.AppendShort(nil, okJSON)), []Message{ok}},
		"several parts":  {string(compressedBody(compress([]byte("["+okJSON+"]")), compress([]byte("=\x01"+large(okJSON))))), []Message{ok, ok}},
		"relayed":        {">M\x02id\x03bob" + stamp + okJSON, []Message{{Versions: versions, Event: OK{}, Relay: member}}},
		"relayed signed": {">C" + stamp + signed, []Message{{Versions: versions, Event: OK{}, Relay: &Relay{Time: at}, Signed: okSigned.Signed}}},
		"signed":         {signed, []Message{okSigned}},
		"chunk":          {"F\x00\x02id\x02data", []Message{chunk}},
	} {
		msgs, errs := Parse([]byte(c.body))
		if len(errs) > 0 || !reflect.DeepEqual(msgs, c.want) {
			t.Errorf("%s: %+v, errors %v", name, msgs, errs)
		}
	}
}

// Bad elements don't cost the good ones.
func TestPartlyBad(t *testing.T) {
	large := func(s string) string { return string(wire.AppendLarge(nil, s)) }
	for name, body := range map[string]string{
		"array":           "[" + okJSON + `,5,{"event":"no","params":{}},` + okJSON + "]",
		"batch":           "=\x04" + large(okJSON) + large("[]") + large("") + large(okJSON),
		"truncated batch": "=\x09" + large(okJSON) + large("no") + large(okJSON) + "\xff",
		"parts":           string(compressedBody(compress([]byte(okJSON)), frame(okJSON, -1), compress([]byte("X")), compress([]byte(okJSON)))),
	} {
		msgs, errs := Parse([]byte(body))
		if len(msgs) != 2 || len(errs) != 2 {
			t.Errorf("%s: %d messages, errors %v", name, len(msgs), errs)
		}
	}
}

func TestTooManyMessages(t *testing.T) {
	const small = `{"event":"x.a","params":{}}`
	msgs, errs := Parse([]byte("[" + strings.Repeat(small+",", maxMessages+10) + small + "]"))
	if len(msgs) != maxMessages || len(errs) != 1 || !errors.Is(errs[0], ErrLimit) {
		t.Errorf("%d messages, %d errors", len(msgs), len(errs))
	}
	msgs, errs = Parse([]byte("[" + strings.Repeat("1,", maxMessages+10) + "1]"))
	if len(msgs) != 0 || len(errs) != maxMessages+1 {
		t.Errorf("%d messages, %d errors", len(msgs), len(errs))
	}
}

func FuzzParse(f *testing.F) {
	for i, rec := range recordings(f) {
		if i%5 == 0 || rec.Form != "json" {
			f.Add(rec.body())
		}
	}
	for _, s := range []string{
		"", "[]", "[1," + okJSON + "]", "=\x02\x00\x01{\x00\x00", "X\x01" + "0\x02{}", "F\x00\x02id\x02data",
		">M\x02id\x03bob\x00\x00\x00\x00\x00\x00\x00\x01" + okJSON, "/G\x01M\x40" + strings.Repeat("s", 64) + okJSON,
		newMsg(`{` + text + `,"forward":{},"mentions":{"a":{"memberId":"AA=="}},"parent":null,"scope":{"a":1}}`),
		newMsg(`{` + text + `,"quote":{` + text + `,"msgRef":{"sentAt":"0000-01-01T00:00:00+01:00"}}}`),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		msgs, errs := Parse(body)
		if len(msgs)+len(errs) > maxMessages+1 {
			t.Fatalf("%d messages, %d errors", len(msgs), len(errs))
		}
		for _, m := range msgs {
			WantsReceipt(m.Event)
			Notifies(m.Event)
			if _, chunk := m.Event.(FileChunk); chunk {
				continue
			}
			// What was read can be written, and from then on stays the same.
			m.Relay, m.Signed = nil, nil
			first, err := marshal(m)
			if err != nil {
				t.Fatalf("%s: %v", m.Event.Name(), err)
			}
			again, errs := Parse(first)
			if len(errs) > 0 || len(again) != 1 {
				if len(first) > maxDecompressed {
					continue // escapes have made it longer
				}
				t.Fatalf("%s: %d messages, errors %v", first, len(again), errs)
			}
			second, err := marshal(again[0])
			if err != nil || !bytes.Equal(first, second) {
				t.Fatalf("%s, then %s, %v", first, second, err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	long, err := Encode(sized(b, 15000), MessageLimits(8, true))
	if err != nil {
		b.Fatal(err)
	}
	plain, err := Encode(sized(b, 15000), MessageLimits(8, false))
	if err != nil {
		b.Fatal(err)
	}
	short, err := Encode(sized(b, 200), MessageLimits(8, false))
	if err != nil {
		b.Fatal(err)
	}
	batch := []byte("[" + strings.TrimSuffix(strings.Repeat(string(short)+",", 50), ",") + "]")
	for _, c := range []struct {
		name string
		body []byte
	}{{"text200", short}, {"text15000", plain}, {"compressed15000", long}, {"array50", batch}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, errs := Parse(c.body); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{200, 13380, 15000} {
		m := sized(b, n)
		b.Run(fmt.Sprintf("text%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Encode(m, MessageLimits(16, true)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
