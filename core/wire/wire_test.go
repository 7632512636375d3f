package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// The examples of encoding.md §1.
func TestPrimitives(t *testing.T) {
	var b []byte
	b = AppendBool(b, true)
	b = AppendUint16(b, 18)
	b = AppendUint32(b, 65536)
	b = AppendInt64(b, 1234567890123456789)
	b = AppendShort(b, "abc")
	b = AppendLarge(b, []byte("abc"))
	b = AppendMaybe(b, true)
	b = AppendUint16(b, 5)
	b = AppendMaybe(b, false)
	b = VersionRange{6, 18}.Append(b)
	b = append(b, "tail"...)
	want := "54" + "0012" + "00010000" + "112210f47de98115" + "03616263" + "0003616263" + "310005" + "30" + "00060012" + "7461696c"
	if got := hex.EncodeToString(b); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	r := NewReader(b)
	if !r.Bool() || r.Uint16() != 18 || r.Uint32() != 65536 || r.Int64() != 1234567890123456789 ||
		string(r.Short()) != "abc" || string(r.Large()) != "abc" || !r.Maybe() || r.Uint16() != 5 || r.Maybe() ||
		r.VersionRange() != (VersionRange{6, 18}) || r.Peek() != 't' || string(r.Tail()) != "tail" {
		t.Error("read back something else")
	}
	if err := r.End(); err != nil {
		t.Error(err)
	}
	for n := range len(b) - 4 {
		r := NewReader(b[:n])
		r.Bool()
		r.Uint16()
		r.Uint32()
		r.Int64()
		r.Short()
		r.Large()
		r.Maybe()
		r.Uint16()
		r.Maybe()
		r.VersionRange()
		if !errors.Is(r.End(), ErrShort) {
			t.Errorf("cut to %d bytes: %v", n, r.Err())
		}
	}
}

func TestReaderErrors(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		read func(*Reader)
		want error
	}{
		"bool":           {"0", func(r *Reader) { r.Bool() }, ErrSyntax},
		"maybe":          {"\x00", func(r *Reader) { r.Maybe() }, ErrSyntax},
		"empty list":     {"\x00", func(r *Reader) { r.NonEmpty() }, ErrSyntax},
		"range":          {"\x00\x02\x00\x01", func(r *Reader) { r.VersionRange() }, ErrSyntax},
		"literal":        {"QUOTE", func(r *Reader) { r.Literal("QUOTA") }, ErrSyntax},
		"trailing":       {"ab", func(r *Reader) { r.Byte() }, ErrTrailing},
		"negative":       {"ab", func(r *Reader) { r.Bytes(-1) }, ErrShort},
		"first error":    {"\x00", func(r *Reader) { r.Maybe(); r.Uint16() }, ErrSyntax},
		"server hosts":   {"\x00", func(r *Reader) { r.Server(SMP) }, ErrSyntax},
		"server hash":    {"\x01\x01a\x00\x01h", func(r *Reader) { r.Server(SMP) }, ErrSyntax},
		"server space":   {"\x01\x03a b\x00\x01h", func(r *Reader) { r.Server(SMP) }, ErrSyntax},
		"too many hosts": {"\x11" + strings.Repeat("\x01a", 17), func(r *Reader) { r.Server(SMP) }, ErrSyntax},
	} {
		r := NewReader([]byte(c.in))
		c.read(r)
		if err := r.End(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestPadding(t *testing.T) {
	got, err := AppendPadded(nil, []byte("hello"), 16)
	if want := "\x00\x05hello#########"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if msg, err := Unpad(got); err != nil || string(msg) != "hello" {
		t.Errorf("%q, %v", msg, err)
	}
	if msg, err := Unpad([]byte{0, 0}); err != nil || len(msg) != 0 {
		t.Errorf("the shortest: %q, %v", msg, err)
	}
	for _, bad := range []string{"", "\x00", "\x00\x01", "\xff\xffabc"} {
		if _, err := Unpad([]byte(bad)); !errors.Is(err, ErrShort) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := AppendPadded(nil, make([]byte, 14), 16); err != nil {
		t.Error("14 bytes in 16:", err)
	}
	if _, err := AppendPadded(nil, make([]byte, 15), 16); !errors.Is(err, ErrPadded) {
		t.Error("15 bytes in 16:", err)
	}
	if _, err := AppendPadded(nil, make([]byte, 65534), 70000); !errors.Is(err, ErrPadded) {
		t.Error("65534 bytes:", err)
	}
}

// Addresses and their binary forms as the reference writes them.
var servers = []struct{ text, binary string }{
	{"smp://MrU3xqZ6LAUPZaaM2g58tQc8GGRHEAUW-LbG0LLuWvk=@smp.example.com:5223",
		"010f736d702e6578616d706c652e636f6d04353232332032b537c6a67a2c050f65a68cda0e7cb5073c186447100516f8b6c6d0b2ee5af9"},
	{"smp://MrU3xqZ6LAUPZaaM2g58tQc8GGRHEAUW-LbG0LLuWvk=@smp.example.com",
		"010f736d702e6578616d706c652e636f6d002032b537c6a67a2c050f65a68cda0e7cb5073c186447100516f8b6c6d0b2ee5af9"},
	{"smp://MrU3xqZ6LAUPZaaM2g58tQc8GGRHEAUW-LbG0LLuWvk=@smp.example.com,jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid.onion:443",
		"020f736d702e6578616d706c652e636f6d3e6a6a6279766f656d7879736d3771786170376d3564356d33356a7a7635717136676e6c7637733472736e37746477776d75716369777069642e6f6e696f6e033434332032b537c6a67a2c050f65a68cda0e7cb5073c186447100516f8b6c6d0b2ee5af9"},
}

func TestServers(t *testing.T) {
	for _, c := range servers {
		s, err := ParseServer(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(s.Append(nil)); got != c.binary {
			t.Errorf("%s: %s", c.text, got)
		}
		r := NewReader(s.Append(nil))
		back := r.Server(SMP)
		if err := r.End(); err != nil || back.String() != c.text || !back.SameAs(s) {
			t.Errorf("%s: read back %s, %v", c.text, back, err)
		}
	}
	const hash = "MrU3xqZ6LAUPZaaM2g58tQc8GGRHEAUW-LbG0LLuWvk"
	s, password, err := ParseServerPassword("smp://" + hash + ":secret@127.0.0.1:7001")
	if err != nil || password != "secret" || s.Hosts[0] != "127.0.0.1" || s.Port != "7001" {
		t.Error(s, password, err)
	}
	if text := s.Text("secret"); text != "smp://"+hash+"=:secret@127.0.0.1:7001" {
		t.Error(text)
	}
	if _, err := ParseServer("smp://" + hash + ":secret@h"); !errors.Is(err, ErrPassword) {
		t.Error("password where none may stand:", err)
	}
	for text, host := range map[string]string{"[::1]:5223": "::1", "::1": "::1", "fe80::1": "fe80::1", "192.168.1": "192.168.1"} {
		hosts, _, err := ParseHosts(text)
		if err != nil || hosts[0] != host {
			t.Errorf("%s: %v, %v", text, hosts, err)
		}
	}
	for _, bad := range []string{"", "smp://", "smp://@h", "smp://" + hash, "smp://" + hash + "@", "smp://" + hash + "@h:0", "smp://" + hash + "@h:99999",
		"smp://" + hash + "@h:x", "smp://" + hash + "@a,,b", "smp://" + hash + "@a b", "smp://" + hash + ":@h", "smp://" + hash + ":a b@h", "smp://abcd@h",
		"http://" + hash + "@h", "smp://" + hash + "@A.onion", "smp://" + hash + "@" + strings.Repeat("a", 256), "smp://" + hash + "@a/b",
		"smp://" + hash + "@" + strings.Repeat("a,", 20) + "a", "smp://" + hash + "@a\u202eb", "smp://" + hash + "@a\u200bb", "smp://" + hash + "@a\u00a0b",
		"smp://" + hash + "@a\x80", "smp://" + hash + "@a\u2028", "smp://" + hash + ":a\u2066@h"} {
		if s, err := ParseServer(bad); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v, %v", bad, s, err)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]VersionRange{"6-18": {6, 18}, "6": {6, 6}} {
		if v, err := ParseVersionRange(text); err != nil || v != want || v.String() != text {
			t.Errorf("%s: %v, %v", text, v, err)
		}
	}
	for _, bad := range []string{"", "-", "7-6", "a", "1-", "70000", "1-2-3"} {
		if _, err := ParseVersionRange(bad); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if v, ok := (VersionRange{2, 7}).Agree(VersionRange{1, 5}); v != 5 || !ok {
		t.Error(v, ok)
	}
	if _, ok := (VersionRange{6, 7}).Agree(VersionRange{1, 5}); ok {
		t.Error("disjoint ranges agree")
	}
}

func FuzzServer(f *testing.F) {
	for _, c := range servers {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, password, err := ParseServerPassword(text)
		if err != nil {
			return
		}
		again, password2, err := ParseServerPassword(s.Text(password))
		if strings.Contains(strings.Join(s.Hosts, ","), ":") {
			return // a bare IPv6 address with a port is ambiguous
		}
		if err != nil || !again.SameAs(s) || password2 != password {
			t.Errorf("%q reads back as %q: %v", text, again.Text(password2), err)
		}
	})
}

func FuzzReader(f *testing.F) {
	s, _ := ParseServer(servers[2].text)
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(b)
		s := r.Server(SMP)
		if err := r.End(); err == nil && !bytes.Equal(s.Append(nil), b) {
			t.Errorf("%x reads as another address", b)
		}
	})
}

func BenchmarkServer(b *testing.B) {
	s, _ := ParseServer(servers[2].text)
	in := s.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(in)
		r.Server(SMP)
		if r.End() != nil {
			b.Fatal(r.Err())
		}
	}
}
