package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"alice", "алиса", "John Doe", "J. D'oe", "a#b@c", "👨‍👩‍👧", strings.Repeat("é", MaxDisplayName)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if c := CleanName(name); c != name {
			t.Errorf("%q is cleaned to %q", name, c)
		}
	}
	for name, clean := range map[string]string{
		"": "", " ": "", " a": "a", "a ": "a", "#a": "a", "@a": "a", "# @a": "a", "a\nb": "a b", "a\x00b": "ab", "a\u202eb": "ab",
		"a\u2066b": "ab", "a\u0085": "a", "Ali\u200bce": "Alice", "\ufeffAlice\u00ad": "Alice",
		"\u3164\u2800": "", "\u200d\u200d": "", "\u200d@a": "a", "\xff": "", strings.Repeat("é", MaxDisplayName+1): strings.Repeat("é", MaxDisplayName),
	} {
		if err := CheckName(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		if c := CleanName(name); c != clean {
			t.Errorf("%q is cleaned to %q", name, c)
		}
	}
}

func TestEffective(t *testing.T) {
	const both, contact, me, nobody = "both", "contact", "me", "nobody"
	pref := func(f Feature, a Allow) *Preferences {
		p := &Preference{Allow: a}
		switch f {
		case FeatureVoice:
			return &Preferences{Voice: p}
		case FeatureFullDelete:
			return &Preferences{FullDelete: p}
		case FeatureReactions:
			return &Preferences{Reactions: p}
		case FeatureFiles:
			return &Preferences{Files: p}
		case FeatureCalls:
			return &Preferences{Calls: p}
		}
		return &Preferences{TimedMessages: p}
	}
	who := func(f Feature, mine, theirs *Preferences) string {
		switch m, c := Effective(f, mine, theirs); {
		case m && c:
			return both
		case m:
			return me
		case c:
			return contact
		}
		return nobody
	}
	// The table of chat-protocol.md §7.
	table := map[[2]Allow]string{
		{Always, Always}: both, {Always, Yes}: both, {Always, No}: contact,
		{Yes, Always}: both, {Yes, Yes}: both, {Yes, No}: nobody,
		{No, Always}: me, {No, Yes}: nobody, {No, No}: nobody,
		{"future", Always}: me, {Always, "future"}: contact, {Yes, "future"}: nobody,
	}
	for _, f := range []Feature{FeatureVoice, FeatureFullDelete, FeatureReactions, FeatureFiles, FeatureCalls, FeatureTimedMessages} {
		for c, want := range table {
			if f == FeatureTimedMessages && want != both {
				want = nobody
			}
			if got := who(f, pref(f, c[0]), pref(f, c[1])); got != want {
				t.Errorf("%s %v: %s, want %s", f, c, got, want)
			}
		}
	}
	for f, want := range map[Feature]string{FeatureTimedMessages: both, FeatureFullDelete: nobody, FeatureReactions: both,
		FeatureVoice: both, FeatureFiles: both, FeatureCalls: both, "future": nobody} {
		if got := who(f, nil, new(Preferences)); got != want {
			t.Errorf("default of %s: %s, want %s", f, got, want)
		}
	}
	timed := &Preferences{TimedMessages: &Preference{Allow: Yes, TTL: 60}}
	if n := MessageTTL(timed, nil); n != 60 {
		t.Errorf("ttl %d", n)
	}
	if n := MessageTTL(timed, pref(FeatureTimedMessages, No)); n != 0 {
		t.Errorf("ttl %d", n)
	}
	if n := MessageTTL(nil, timed); n != 0 {
		t.Errorf("ttl %d", n)
	}
}

func TestLinkData(t *testing.T) {
	msg := Text("welcome")
	big := Profile{DisplayName: "a", Image: "data:image/jpg;base64," + strings.Repeat("Zm9v", 3000)}
	for name, c := range map[string]struct {
		d    LinkData
		want string // "X" if compressed
	}{
		"profile": {LinkData{Profile: &Profile{DisplayName: "a"}}, `{"profile":{"displayName":"a","fullName":""},"business":false}`},
		"address": {LinkData{Profile: &Profile{DisplayName: "a"}, Message: &msg, Business: true},
			`{"profile":{"displayName":"a","fullName":""},"message":{"type":"text","text":"welcome"},"business":true}`},
		"group": {LinkData{GroupProfile: &GroupProfile{DisplayName: "g", Preferences: json.RawMessage(`{}`)}, PublicGroup: json.RawMessage(`{"publicMemberCount":3}`)},
			`{"groupProfile":{"displayName":"g","fullName":"","groupPreferences":{}},"publicGroupData":{"publicMemberCount":3}}`},
		"relay":      {LinkData{RelayProfile: json.RawMessage(`{"a":1}`)}, `{"relayProfile":{"a":1}}`},
		"compressed": {LinkData{Profile: &big}, "X"},
	} {
		b, err := EncodeLinkData(c.d)
		if err != nil || !strings.HasPrefix(string(b), c.want) || len(c.want) > 1 && string(b) != c.want {
			t.Errorf("%s: %s, %v", name, b, err)
			continue
		}
		if d, err := ParseLinkData(b); err != nil || !reflect.DeepEqual(d, c.d) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	var large *TooLargeError
	hard := LinkData{Profile: &Profile{DisplayName: "a", FullName: noise(20000)}}
	if _, err := EncodeLinkData(hard); !errors.As(err, &large) || !large.Compressed {
		t.Errorf("incompressible: %v", err)
	}
	hard.Profile.FullName = strings.Repeat("a", maxDecompressed)
	if _, err := EncodeLinkData(hard); !errors.As(err, &large) || large.Compressed {
		t.Errorf("too long: %v", err)
	}
	for _, d := range []LinkData{{}, {Profile: new(Profile)}, {Profile: &big, RelayProfile: json.RawMessage(`{}`)}} {
		if b, err := EncodeLinkData(d); err == nil {
			t.Errorf("encoded %.50s", b)
		}
	}
	for _, s := range []string{"", "{", "[]", "{}", "some user data", "X", "Xzstd", "X" + string(frame(`{"relayProfile":{}}`, -1)), `{"profile":{}}`, `{"groupProfile":{}}`,
		`{"profile":{"displayName":"a"},"message":{"type":"text"}}`, `{"relayProfile":null}`, `{"relayProfile":` + strings.Repeat("[", 100)} {
		if d, err := ParseLinkData([]byte(s)); err == nil {
			t.Errorf("%.50q: %+v", s, d)
		}
	}
}

// Plain link data has at most 10240 bytes.
func TestLinkDataBoundary(t *testing.T) {
	for n, form := range map[int]byte{maxPlainLink: '{', maxPlainLink + 1: 'X'} {
		p := Profile{DisplayName: "a"}
		b, err := EncodeLinkData(LinkData{Profile: &p})
		if err != nil {
			t.Fatal(err)
		}
		p.FullName = noise(n - len(b))
		if b, err = EncodeLinkData(LinkData{Profile: &p}); err != nil || b[0] != form {
			t.Errorf("%d bytes: %q, %v", n, b[0], err)
		}
	}
}

func TestImages(t *testing.T) {
	jpeg, png := append(bytes.Clone(jpegMagic), "..."...), append(bytes.Clone(pngMagic), "..."...)
	for _, file := range [][]byte{jpeg, png} {
		uri, err := EncodeImage(file, MaxProfileImage)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeImage(uri, len(uri))
		if err != nil || !bytes.Equal(got, file) {
			t.Errorf("%s: %x, %v", uri, got, err)
		}
		var large *TooLargeError
		if _, err := DecodeImage(uri, len(uri)-1); !errors.As(err, &large) {
			t.Errorf("%s: %v", uri, err)
		}
		if _, err := EncodeImage(file, len(uri)-1); !errors.As(err, &large) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if got, err := DecodeImage("data:image/jpeg;base64,/9j/", 100); err != nil || !bytes.Equal(got, jpegMagic) {
		t.Errorf("%x, %v", got, err)
	}
	if _, err := EncodeImage([]byte("<svg>"), 100); !errors.Is(err, ErrValue) {
		t.Errorf("%v", err)
	}
	for _, uri := range []string{"", "data:image/png;base64,", "data:image/svg+xml;base64,/9j/", "data:image/jpg,/9j/", "data:image/jpg;base64,/9j_", "https://example.com/a.jpg", "/9j/", "data:image/png;base64,Zm9v"} {
		if b, err := DecodeImage(uri, MaxPreviewImage); !errors.Is(err, ErrValue) {
			t.Errorf("%s: %x, %v", uri, b, err)
		}
	}
	n := 0
	for _, rec := range recordings(t) {
		msgs, _ := Parse(rec.body())
		for _, m := range msgs {
			if e, ok := m.Event.(MsgNew); ok && e.Content.Image != "" {
				if _, err := DecodeImage(e.Content.Image, MaxPreviewImage); err != nil {
					t.Errorf("%s: %v", rec.Step, err)
				}
				n++
			}
		}
	}
	if n == 0 {
		t.Error("no recorded image")
	}
}

func TestSafeFileName(t *testing.T) {
	for name, want := range map[string]string{
		"a.jpg": "a.jpg", "../../etc/passwd": "_.._etc_passwd", `C:\x`: "C__x", ".bashrc": "bashrc", "": "file", "...": "file", " . ": "file",
		"a\x00b\n": "ab", "gpj.\u202eexe.txt": "gpj.exe.txt", "CON": "_CON", "nul.txt": "_nul.txt", "com1": "_com1", "com10": "com10", "a. ": "a", "é.TXT": "é.TXT",
		strings.Repeat("é", 300) + ".jpeg": strings.Repeat("é", 117) + ".jpeg",
		strings.Repeat("x", 300):           strings.Repeat("x", maxFileName),
	} {
		if got := SafeFileName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestSplitFileDescr(t *testing.T) {
	for n, parts := range map[int]int{0: 1, 1: 1, descrPart: 1, descrPart + 1: 2, 3 * descrPart: 3} {
		var text strings.Builder
		got := SplitFileDescr(strings.Repeat("é", n))
		for i, d := range got {
			if d.Part != i+1 || d.Complete != (i == parts-1) {
				t.Errorf("%d: part %d is %d, complete %v", n, i, d.Part, d.Complete)
			}
			text.WriteString(d.Text)
		}
		if len(got) != parts || text.String() != strings.Repeat("é", n) {
			t.Errorf("%d: %d parts", n, len(got))
		}
	}
}

func FuzzProfile(f *testing.F) {
	for _, rec := range recordings(f) {
		if rec.Events[0] != "x.info" {
			continue
		}
		var m struct {
			Params struct{ Profile json.RawMessage }
		}
		if err := json.Unmarshal([]byte(rec.Text), &m); err == nil {
			f.Add([]byte(m.Params.Profile))
		}
	}
	f.Add([]byte(`{"displayName":"# \u202e","preferences":{"voice":{"allow":"x"},"timedMessages":{"allow":"always","ttl":-5},"new":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		msgs, _ := Parse([]byte(`{"event":"x.info","params":{"profile":` + string(data) + `}}`))
		for _, m := range msgs {
			e, ok := m.Event.(Info)
			if !ok {
				continue
			}
			if c := CleanName(e.Profile.DisplayName); c != "" && CheckName(c) != nil {
				t.Fatalf("%q is cleaned to %q: %v", e.Profile.DisplayName, c, CheckName(c))
			}
			if MessageTTL(e.Profile.Preferences, nil) < 0 {
				t.Fatal("negative ttl")
			}
			_, _ = DecodeImage(e.Profile.Image, MaxProfileImage)
		}
	})
}

func FuzzLinkData(f *testing.F) {
	for _, d := range []LinkData{{Profile: &Profile{DisplayName: "a"}, Business: true}, {Profile: &Profile{DisplayName: "a", FullName: strings.Repeat("ab", 6000)}},
		{GroupProfile: &GroupProfile{DisplayName: "g"}}, {RelayProfile: json.RawMessage(`{"a":1}`)}} {
		b, err := EncodeLinkData(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseLinkData(data)
		if err != nil {
			return
		}
		b, err := EncodeLinkData(d)
		var large *TooLargeError
		if errors.As(err, &large) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseLinkData(b); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	})
}

func FuzzSafeFileName(f *testing.F) {
	for _, s := range []string{"a.jpg", "../x", "", "CON.txt", "\u202e", strings.Repeat("é.", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s := SafeFileName(name)
		if s == "" || len(s) > maxFileName+1 || s[0] == '.' || filepath.Base(s) != s || !utf8.ValidString(s) || SafeFileName(s) != s {
			t.Errorf("%q: %q", name, s)
		}
	})
}
