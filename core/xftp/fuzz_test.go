package xftp

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
)

func FuzzParseCommand(f *testing.F) {
	for _, c := range loadVectors(f).Commands {
		f.Add([]byte(c.Hex))
	}
	f.Add([]byte("FNEW "))
	f.Fuzz(func(t *testing.T, b []byte) {
		cmd, err := ParseCommand(3, b)
		if err == nil && !bytes.Equal(cmd.Append(nil, 3), b) && !bytes.HasPrefix(b, []byte("FNEW ")) { // an empty password
			t.Errorf("%x is written as %x", b, cmd.Append(nil, 3))
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	for _, c := range loadVectors(f).Responses {
		f.Add([]byte(c.Hex))
	}
	f.Add([]byte("ERR BLOCKED reason=spam,notice={\"ttl\":1}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseMessage(3, b); err == nil {
			if _, err := ParseMessage(3, m.Append(nil, 3)); err != nil {
				t.Errorf("%q is written as %q", b, m.Append(nil, 3))
			}
		}
	})
}

func FuzzParseBlock(f *testing.F) {
	v := loadVectors(f).Transmissions
	p := Params{Version: 3, SessionID: v.SessionID}
	for _, c := range v.List {
		f.Add([]byte(c.Content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > BlockSize-2 {
			return
		}
		tr, err := p.ParseBlock(pad(t, content))
		if err != nil {
			return
		}
		if b, err := p.AppendBlock(nil, &tr); err != nil || !bytes.Equal(b, pad(t, content)) {
			t.Errorf("%x is written differently", content)
		}
	})
}

func FuzzParseHello(f *testing.F) {
	v := loadVectors(f)
	f.Add([]byte(v.Handshake.Hex))
	for _, h := range v.Hello {
		f.Add([]byte(h))
	}
	hello := ServerHello{Versions: Versions, SessionID: make([]byte, 32), Chain: [][]byte{{1}, {2}}, SignedKey: []byte{3}, Proof: []byte{4}}
	block, err := hello.AppendBlock(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block[2:100])
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > BlockSize-2 {
			return
		}
		b := pad(t, content)
		ParseServerHello(b)
		ParseClientHello(b)
		ParseWebHello(b)
		ParseHandshakeAnswer(b)
	})
}

func FuzzParseDescription(f *testing.F) {
	v := loadVectors(f)
	for _, d := range v.Descriptions {
		f.Add(d.YAML)
	}
	f.Add(v.SenderYAML)
	for _, s := range []string{"a:", "- - a: b", "a: 'b' # c", "---\n- a:\n  - b: \"c\"\n", "a: b: c", "-", ": x", "a:\nb: c", "a : b", "'a': b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDescription([]byte(text))
		if err != nil {
			return
		}
		same, err := ParseDescription([]byte(d.String()))
		if err != nil || same.String() != d.String() {
			t.Errorf("%q is written as %q, %v", text, d, err)
		}
	})
}

func FuzzParseURI(f *testing.F) {
	for _, u := range loadVectors(f).URI {
		f.Add(u)
	}
	f.Add("https://a/file#/?desc=a&data=%20")
	f.Fuzz(func(t *testing.T, uri string) {
		if d, data, err := ParseURI(uri); err == nil {
			if same, again, err := ParseURI(d.URI(data)); err != nil || same.String() != d.String() || again != data {
				t.Errorf("%q is written as %q", uri, d.URI(data))
			}
		}
	})
}

// FuzzOpen reads what the sender has put into a file.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x0d\x05a.txt0hello\n##"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x031\x01a"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) < lengthSize || len(plain) > 1<<16 {
			return
		}
		var key crypt.Secret
		k := key.BoxKey()
		s := k.Stream(crypt.Nonce{})
		b := bytes.Clone(plain)
		s.Seal(b)
		b = s.AppendTag(b)
		c := &Content{file: bytes.NewReader(b), box: k.Stream(crypt.Nonce{}), end: int64(len(plain))}
		if c.readHeader() != nil {
			return
		}
		got, err := io.ReadAll(c)
		if err != nil || int64(len(got)) != c.Size || !bytes.Contains(plain, got) {
			t.Errorf("%d bytes of %d, %v", len(got), c.Size, err)
		}
	})
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"", "a.txt", "../a", "CON.x", ". .", "\xff", strings.Repeat("é", 300) + ".png"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := SafeName(name)
		if got == "" || len(got) > maxName || strings.ContainsAny(got, "/\\\x00:") || strings.Trim(got, ". ") == "" {
			t.Errorf("%q becomes %q", name, got)
		}
		if SafeName(got) != got {
			t.Errorf("%q becomes %q and then %q", name, got, SafeName(got))
		}
	})
}

func FuzzState(f *testing.F) {
	up := testUpload()
	b, _ := up.AppendBinary(nil)
	f.Add(b, up.AppendChunk(nil, 0))
	f.Add(b, up.AppendChunk(nil, 1))
	f.Add([]byte{1}, []byte{1, 2})
	f.Fuzz(func(t *testing.T, plan, chunk []byte) {
		var u Upload
		if u.UnmarshalBinary(plan) != nil {
			return
		}
		if got, _ := u.AppendBinary(nil); !bytes.Equal(got, plan) {
			t.Error("a plan is written differently")
		}
		u.RestoreChunk(0, chunk)
	})
}
