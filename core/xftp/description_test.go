package xftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

func TestDescriptionVectors(t *testing.T) {
	v := loadVectors(t)
	texts := []string{v.SenderYAML}
	for _, d := range v.Descriptions {
		texts = append(texts, d.YAML)
	}
	for _, text := range texts {
		d, err := ParseDescription([]byte(text))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := d.String(); got != text {
			t.Errorf("written as\n%s\nwant\n%s", got, text)
		}
	}
	d, err := ParseDescription([]byte(texts[1]))
	if err != nil {
		t.Fatal(err)
	}
	if d.Party != Recipient || d.Size != 9<<20 || len(d.Chunks) != 3 || d.Chunks[2].Size != 1<<20 || d.Redirect != nil {
		t.Errorf("%d chunks of %d bytes for a %s", len(d.Chunks), d.Size, d.Party)
	}
	if d, _ := ParseDescription([]byte(v.SenderYAML)); d.Party != Sender {
		t.Error("the sender's description is another's")
	}
	for i, uri := range v.URI {
		d, data, err := ParseURI(uri)
		if err != nil || data != "" {
			t.Errorf("%q, %v", data, err)
			continue
		}
		if got := d.URI(""); got != uri {
			t.Errorf("%s\nwant\n%s", got, uri)
		}
		if (d.Redirect != nil) != (i == 1) {
			t.Errorf("URI %d: redirect %v", i, d.Redirect)
		}
	}
}

func TestURI(t *testing.T) {
	v := loadVectors(t)
	d, err := ParseDescription([]byte(v.Descriptions[0].YAML))
	if err != nil {
		t.Fatal(err)
	}
	uri := d.URI("{\"a\": \"b & c\"}")
	_, query, _ := strings.Cut(uri, "#/?")
	for _, in := range []string{
		uri, "simplex:/file/#/?" + query, "https://simplex.chat/file#/?" + query, "https://host:8443/file/#/?" + query,
		"simplex:/file#/?x=y&" + query,
	} {
		got, data, err := ParseURI(in)
		if err != nil || got.String() != d.String() || data != "{\"a\": \"b & c\"}" {
			t.Errorf("%.40q: %q, %v", in, data, err)
		}
	}
	sender, _, _ := strings.Cut((&Description{}).URI(""), "desc=")
	for _, in := range []string{
		"", "simplex:", "simplex:/file", "simplex:/file#/?", "simplex:/file#/?desc=", "simplex:/contact#/?" + query, "https:///file#/?" + query,
		"http://a/file#/?" + query, "https://a/b/file#/?" + query, "simplex:/file#/?desc=%zz", strings.Repeat("x", 3*MaxDescription+1),
		sender + "desc=" + escape(v.SenderYAML), "https://user@host/file#/?" + query,
	} {
		if _, _, err := ParseURI(in); !errors.Is(err, ErrDescription) {
			t.Errorf("%.40q: %v", in, err)
		}
	}
}

// What other programs may write differently.
func TestDescriptionForms(t *testing.T) {
	v := loadVectors(t)
	text := v.Descriptions[2].YAML // with a redirect
	want, err := ParseDescription([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	var tops [][]string
	for _, l := range lines {
		if strings.HasPrefix(l, " ") || strings.HasPrefix(l, "-") {
			tops[len(tops)-1] = append(tops[len(tops)-1], l)
		} else {
			tops = append(tops, []string{l})
		}
	}
	slices.Reverse(tops)
	for name, form := range map[string]string{
		"another order":    strings.Join(slices.Concat(tops...), ""),
		"windows lines":    strings.ReplaceAll(text, "\n", "\r\n"),
		"no last line end": strings.TrimSuffix(text, "\n"),
		"a document":       "# comment\n---\n\n" + text + "\n# end\n",
		"a comment":        strings.Replace(text, "size: 64kb", "size: 64kb # in all", 1),
		"quoted":           strings.Replace(text, "size: 64kb", "size: '64kb'", 1),
		"quoted twice":     strings.Replace(text, "size: 64kb", `size: "64kb"`, 1),
		"bytes":            strings.Replace(text, "size: 64kb", "size: '65536'", 1),
		"unpadded":         strings.ReplaceAll(text, "=\n", "\n"),
		"unknown key":      text + "future:\n  list:\n  - 1\n  - a: b\n",
		"more indentation": strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(text, "\n  - 1:", "\n      - 1:"), "\n- chunks", "\n  - chunks"), "\n  server", "\n    server"),
	} {
		d, err := ParseDescription([]byte(form))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d.String() != want.String() {
			t.Errorf("%s: written as\n%s", name, d)
		}
	}
}

func TestDescriptionErrors(t *testing.T) {
	v := loadVectors(t)
	good := v.Descriptions[0].YAML
	redirect := v.Descriptions[2].YAML
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the description", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	chunk1 := good[strings.Index(good, "  - 1:"):]
	chunk1 = chunk1[:strings.Index(chunk1, "\n")+1]
	for name, text := range map[string]string{
		"empty":              "",
		"spaces":             " \n\n",
		"a scalar":           "hello",
		"a list":             "- a\n- b\n",
		"JSON":               `{"party": "recipient"}`,
		"no party":           replace("party: recipient\n", ""),
		"another party":      replace("party: recipient", "party: everybody"),
		"a map":              replace("party: recipient", "party:\n  a: b"),
		"nothing":            replace("party: recipient", "party:"),
		"no size":            replace("size: 9mb\n", ""),
		"another size":       replace("size: 9mb", "size: 10mb"),
		"a huge size":        replace("size: 9mb", "size: 99999999999999999999gb"),
		"overflow":           replace("size: 9mb", "size: 18446744073709551615kb"),
		"negative":           replace("size: 9mb", "size: -9mb"),
		"zero":               replace("size: 9mb", "size: 0"),
		"another unit":       replace("size: 9mb", "size: 9tb"),
		"two units":          replace("size: 9mb", "size: 9kbkb"),
		"a fraction":         replace("size: 9mb", "size: 9.0mb"),
		"large chunks":       replace("chunkSize: 4mb", "chunkSize: 5gb"),
		"chunks of nothing":  replace("chunkSize: 4mb", "chunkSize: 0kb"),
		"a short digest":     replace("digest: v", "digest: "),
		"a short key":        replace("key: 5z1t", "key: "),
		"a bad key":          replace("key: 5z1t", "key: !!!!"),
		"a long nonce":       replace("nonce: ", "nonce: AAAA"),
		"twice":              good + "size: 9mb\n",
		"a gap":              replace("  - 3:", "  - 4:"),
		"from zero":          replace("  - 1:", "  - 0:"),
		"a negative chunk":   replace("  - 1:", "  - -1:"),
		"a huge chunk":       replace("  - 1:", "  - 99999999999:"),
		"chunk 1 elsewhere":  replace("  - 3:", "  - 1:"),
		"no digest":          replace(":a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s=\n", "\n"),
		"an empty digest":    replace(":a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s=\n", ":\n"),
		"a chunk of nothing": replace(":1mb", ":0mb"),
		"too many parts":     replace(":1mb", ":1mb:1mb"),
		"no key":             replace(chunk1, "  - 1:AAAA\n"),
		"another key":        replace("MC4CAQAw", "MC4CAQAx"),
		"no server":          replace("  server: xftp://aGho", "  other: xftp://aGho"),
		"an SMP server":      replace("  server: xftp://", "  server: smp://"),
		"a password":         replace("=@xftp1", "=:password@xftp1"),
		"no chunks":          replace("- chunks:\n", "- other:\n"),
		"no replicas":        good[:strings.Index(good, "replicas:")] + "size: 9mb\n",
		"empty replicas":     good[:strings.Index(good, "replicas:")] + "replicas:\nsize: 9mb\n",
		"a tab":              replace("party:", "\tparty:"),
		"indentation":        replace("party:", " party:"),
		"an anchor":          replace("key: ", "key: &a "),
		"an alias":           replace("nonce: ", "nonce: *a #"),
		"a block":            replace("party: recipient", "party: |\n  recipient"),
		"an open quote":      replace("party: recipient", "party: 'recipient"),
		"after a quote":      replace("party: recipient", "party: 'recipient' x"),
		"an escape":          replace("party: recipient", `party: "\x72ecipient"`),
		"an empty item":      replace("  - 1:", "  -\n  - 1:"),
		"too long":           good + strings.Repeat("#", MaxDescription),
		"deep":               strings.Repeat("- ", 100000) + "x",
		"deep keys":          deepKeys(1000),
		"redirect number":    strings.Replace(redirect, "size: 9437184", "size: 9mb", 1),
		"redirect zero":      strings.Replace(redirect, "size: 9437184", "size: 0", 1),
		"redirect digest":    strings.Replace(redirect, "digest: 0G2t", "digest: ", 1),
		"redirect text":      strings.Replace(redirect, "redirect:\n", "redirect: x\n", 1),
	} {
		if d, err := ParseDescription([]byte(text)); !errors.Is(err, ErrDescription) {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
	for n := range good {
		if d, err := ParseDescription([]byte(good[:n])); err == nil && d.String() != good {
			t.Errorf("cut to %d bytes it is valid", n)
		}
	}
	// Two replicas have to agree.
	for name, item := range map[string]string{
		"agree":   ":a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s=:4mb",
		"without": "",
		"digest":  ":b4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s=",
		"size":    ":a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s=:1mb",
	} {
		second := strings.TrimSuffix(chunk1, "\n")
		second = second[:strings.LastIndexByte(second, ':')] + item + "\n"
		text := replace("  - 2:", "  - 2:")
		text = strings.Replace(text, "  - 2:", second+"  - 2:", 1)
		d, err := ParseDescription([]byte(text))
		if name == "size" { // the first has no size, so it is that of the second
			if err == nil {
				t.Error("chunks of another size make up the file")
			}
			continue
		}
		if (err == nil) != (name != "digest") {
			t.Errorf("a second replica, %s: %v", name, err)
		}
		if err == nil && len(d.Chunks[0].Replicas) != 2 {
			t.Errorf("%d replicas", len(d.Chunks[0].Replicas))
		}
	}
}

func deepKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// The reference writes relays in the order of their hosts, and quotes what looks special.
func TestDescriptionOrder(t *testing.T) {
	key := &crypt.Ed25519Private{1}
	server := func(hosts ...string) wire.Server { return wire.Server{Scheme: wire.XFTP, Hosts: hosts} }
	d := &Description{Party: Recipient, ChunkSize: 1000, Nonce: crypt.NonceOf([]byte{0xfb, 0xef, 0xbe, 0xfb})}
	hosts := []string{"b.example", "a.example", "z.onion", "10.0.0.1", "9.0.0.1", "a.example,b.onion"}
	for i, h := range hosts {
		d.Chunks = append(d.Chunks, Chunk{Size: 1000, Replicas: []Replica{{server(strings.Split(h, ",")...), ID(fmt.Sprint(i)), key}}})
		d.Size += 1000
	}
	d.Chunks[0].Replicas = append(d.Chunks[0].Replicas, Replica{server("9.0.0.1"), "second", key})
	text := d.String()
	var got []string
	for line := range strings.Lines(text) {
		if _, address, ok := strings.Cut(line, "  server: "); ok {
			got = append(got, strings.TrimSpace(address[strings.IndexByte(address, '@')+1:]))
		}
	}
	if want := []string{"9.0.0.1", "10.0.0.1", "z.onion", "a.example", "a.example,b.onion", "b.example"}; !slices.Equal(got, want) {
		t.Errorf("the order is %v", got)
	}
	for _, want := range []string{"chunkSize: '1000'\n", "size: '6000'\n", "nonce: '----AAAA"} {
		if !strings.Contains(text, want) && !strings.HasPrefix(want, "nonce") {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	same, err := ParseDescription([]byte(text))
	if err != nil || len(same.String()) != len(text) || len(same.Chunks[0].Replicas) != 2 {
		t.Errorf("%v", err)
	}
	if got := quoteYAML("---x"); got != "'---x'" {
		t.Error(got)
	}
	if list := d.Servers(); len(list) != 6 || !list[0].SameAs(d.Chunks[0].Replicas[0].Server) {
		t.Errorf("the relays are %v", list)
	}
	d.Wipe()
	if d.Key != (crypt.Secret{}) || *key != (crypt.Ed25519Private{}) {
		t.Error("the keys are still there")
	}
}

func TestFollow(t *testing.T) {
	v := loadVectors(t)
	final, err := ParseDescription([]byte(v.Descriptions[0].YAML))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	up, err := EncryptDescription(context.Background(), &file, final, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(up.Chunks) != 1 || up.Redirect == nil || up.Redirect.Size != final.Size {
		t.Fatalf("%d chunks", len(up.Chunks))
	}
	d := describe(up)
	d.Redirect = up.Redirect
	text := []byte(final.String())
	if next, err := d.Follow(text); err != nil || next.String() != final.String() {
		t.Errorf("%v", err)
	}
	sender := bytes.Replace(text, []byte("party: recipient"), []byte("party: sender"), 1)
	other, size, none := *d, *d, *d
	other.Redirect = &Redirect{Size: final.Size}
	size.Redirect = &Redirect{Size: 1, Digest: final.Digest}
	none.Redirect = nil
	again := []byte(v.Descriptions[2].YAML)
	for name, c := range map[string]struct {
		d    *Description
		text []byte
	}{
		"garbage": {d, []byte("x")}, "another digest": {&other, text}, "another size": {&size, text}, "no redirect": {&none, text},
		"the sender's": {d, sender}, "twice": {d, again}, "empty": {d, nil},
	} {
		if _, err := c.d.Follow(c.text); !errors.Is(err, ErrDescription) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
