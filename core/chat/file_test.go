package chat

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// fileFixture is a fixture that receives files, from no relay.
func fileFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	if err := f.startFiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Chat.cfg.Publish = func(Event) {}
	return f
}

// offered has a message with a file arrive.
func (f *fixture) offered(id, name string, size int64) Item {
	f.t.Helper()
	f.body(withID(id, event.MsgNew{Content: event.Content{Type: event.TypeFile}, File: event.NewFileInvitation(name, size)}))
	return f.last()
}

// described has a part of a description arrive.
func (f *fixture) described(id string, part int, text string, complete bool) {
	f.t.Helper()
	f.body(message(event.MsgFileDescr{MsgID: event.ID(id), Descr: event.FileDescr{Text: text, Part: part, Complete: complete}}))
}

func (f *fixture) file(id int64) (i *store.Item, file *store.File) {
	f.t.Helper()
	f.update(func(tx *store.Tx) (err error) {
		i, file, err = findFile(tx, id)
		return err
	})
	return i, file
}

// ended waits until nothing is on its way.
func (f *fixture) ended() {
	f.t.Helper()
	for c := f.Chat; ; {
		c.mu.Lock()
		n := len(c.transfers)
		c.mu.Unlock()
		if n == 0 {
			return
		}
		runtime.Gosched()
	}
}

func TestFileNames(t *testing.T) {
	f := fileFixture(t)
	for n, name := range []string{"../../x", "..", ".", "/etc/passwd", `C:\x\y.txt`, "a\x00b", "txt.\u202egpj.exe", strings.Repeat("é", 300) + ".jpg", "CON", "a\nb", " . ", "~/x", "-rf"} {
		got := f.offered(fmt.Sprint(n), name, 1).File.Name
		bad := func(r rune) bool {
			return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '/' || r == '\\' || r == unicode.ReplacementChar
		}
		if got == "" || len(got) > 255 || strings.HasPrefix(got, ".") || strings.ContainsFunc(got, bad) || filepath.Base(got) != got || strings.EqualFold(got, "con") || !filepath.IsLocal(got) {
			t.Errorf("%q becomes %q", name, got)
		}
	}
}

// goodDescription is one of a file with a number of chunks of 64 KiB.
func goodDescription(t *testing.T, chunks int) *xftp.Description {
	t.Helper()
	d := &xftp.Description{Party: xftp.Recipient, Size: int64(chunks) << 16, ChunkSize: 1 << 16}
	key, err := crypt.NewEd25519(fixedReader{})
	if err != nil {
		t.Fatal(err)
	}
	server := wire.Server{Scheme: wire.XFTP, Hosts: []string{"relay.example"}, KeyHash: crypt.Fingerprint([]byte("a relay"))}
	for range chunks {
		d.Chunks = append(d.Chunks, xftp.Chunk{Size: 1 << 16, Replicas: []xftp.Replica{{Server: server, ID: xftp.ID(strings.Repeat("i", 24)), Key: &key}}})
	}
	return d
}

type fixedReader struct{}

func (fixedReader) Read(b []byte) (int, error) { return len(b), nil }

func TestFileParts(t *testing.T) {
	type part struct {
		n        int
		text     string
		complete bool
	}
	whole := goodDescription(t, 1).String()
	a, b := whole[:50], whole[50:]
	for name, c := range map[string]struct {
		parts    []part
		state    FileState
		complete bool
		text     string
	}{
		"two":                {[]part{{1, a, false}, {2, b, true}}, FileOffered, true, whole},
		"one":                {[]part{{1, whole, true}}, FileOffered, true, whole},
		"not all":            {[]part{{1, a, false}}, FileOffered, false, a},
		"the first again":    {[]part{{1, a, false}, {1, a, false}, {2, b, true}}, FileOffered, true, whole},
		"the last again":     {[]part{{1, a, false}, {2, b, true}, {2, b, true}}, FileOffered, true, whole},
		"more than all":      {[]part{{1, whole, true}, {2, b, true}}, FileOffered, true, whole},
		"one is missing":     {[]part{{1, a, false}, {3, b, true}}, FileFailed, false, a},
		"from the second":    {[]part{{2, b, false}}, FileFailed, false, ""},
		"again after errors": {[]part{{2, b, false}, {1, a, false}, {2, b, true}}, FileOffered, true, whole},
		"another one":        {[]part{{1, "x", true}, {1, whole, true}}, FileOffered, true, whole},
		"empty parts":        {[]part{{1, "", false}, {2, "", false}, {3, whole, true}}, FileOffered, true, whole},
		"too long":           {[]part{{1, strings.Repeat("x", 15000), false}, {2, strings.Repeat("x", maxDescription), true}}, FileFailed, false, strings.Repeat("x", 15000)},
		"a part of zero":     {[]part{{0, whole, true}}, FileOffered, true, whole},
	} {
		t.Run(name, func(t *testing.T) {
			f := fileFixture(t)
			id := f.offered("1", "a", 10).ID
			for _, p := range c.parts {
				if len(p.text) > maxDescription/2 { // longer than a message can be: as if many had come
					f.update(func(tx *store.Tx) error {
						i, file, err := findFile(tx, id)
						if err != nil {
							return err
						}
						return f.filePart(tx, i, file, event.FileDescr{Text: p.text, Part: p.n, Complete: p.complete})
					})
					continue
				}
				f.described("1", p.n, p.text, p.complete)
			}
			i, file := f.file(id)
			if FileState(i.FileState) != c.state || file.Complete != c.complete || file.Description != c.text {
				t.Errorf("state %s, complete %t, %d characters", i.FileState, file.Complete, len(file.Description))
			}
			if c.state == FileFailed && Failure(i.FileFailure) != FailureDamaged {
				t.Errorf("the failure is %q", i.FileFailure)
			}
		})
	}
	f := fileFixture(t)
	f.described("unknown", 1, whole, true) // no message
	f.body(text("2", "hi"))
	f.described("2", 1, whole, true) // one without a file
	f.expect("text: hi")
	// What is paused, cancelled or on its way.
	id := f.offered("3", "a", 10).ID
	if err := errors.Join(f.ReceiveFile(t.Context(), id, ReceiveOptions{}), f.PauseFile(t.Context(), id)); err != nil {
		t.Fatal(err)
	}
	f.described("3", 1, a, false)
	f.described("3", 2, b, true)
	if i, file := f.file(id); !file.Complete || FileState(i.FileState) != FilePaused {
		t.Errorf("paused: complete %t, state %s", file.Complete, i.FileState)
	}
	f.body(message(event.FileCancel{MsgID: "3"}))
	f.described("3", 1, whole, true)
	if i, file := f.file(id); file.Description != "" || FileState(i.FileState) != FileCancelled {
		t.Errorf("cancelled: %d characters, state %s", len(file.Description), i.FileState)
	}
	f.body(message(event.FileCancel{MsgID: "2"}))
	f.body(message(event.FileCancel{MsgID: "unknown"}))
	f.ended()
}

// TestFileDescriptions has descriptions be anything. None is followed to a relay.
func TestFileDescriptions(t *testing.T) {
	change := func(f func(d *xftp.Description)) string {
		d := goodDescription(t, 2)
		f(d)
		return d.String()
	}
	for name, c := range map[string]struct {
		text string
		size int64
	}{
		"empty":      {"", 10},
		"garbage":    {"\x00\xff garbage", 10},
		"deep":       {strings.Repeat("[", 100_000), 10},
		"no chunks":  {change(func(d *xftp.Description) { d.Chunks = nil }), 10},
		"a sender's": {change(func(d *xftp.Description) { d.Party = xftp.Sender }), 10},
		"other size": {change(func(d *xftp.Description) { d.Size++ }), 10},
		"too large":  {change(func(d *xftp.Description) {}), 10},
		"no servers": {strings.ReplaceAll(change(func(d *xftp.Description) {}), "relay.example", ""), 100_000},
		"other kind": {strings.ReplaceAll(change(func(d *xftp.Description) {}), "xftp://", "smp://"), 100_000},
		"redirect": {change(func(d *xftp.Description) {
			d.Redirect = &xftp.Redirect{Size: 1 << 40}
			d.Chunks = slices.Repeat(d.Chunks[:1], 60)
			d.Size = 60 << 16
		}), 10},
	} {
		t.Run(name, func(t *testing.T) {
			f := fileFixture(t)
			id := f.offered("1", "a", c.size).ID
			f.body(withID("2", event.MsgNew{Content: event.Text("x")}))
			for _, p := range event.SplitFileDescr(c.text) {
				f.described("1", p.Part, p.Text, p.Complete)
			}
			if err := f.ReceiveFile(t.Context(), id, ReceiveOptions{AnyRelay: true}); err != nil {
				t.Fatal(err)
			}
			f.ended()
			i, file := f.file(id)
			if FileState(i.FileState) != FileFailed || Failure(i.FileFailure) != FailureDamaged || file.Work != "" {
				t.Errorf("state %s, failure %q", i.FileState, i.FileFailure)
			}
		})
	}
	f := fileFixture(t)
	id := f.offered("1", "a", MaxFile+1).ID
	if err := f.ReceiveFile(t.Context(), id, ReceiveOptions{}); !errors.Is(err, ErrFileTooLarge) {
		t.Errorf("a file that is too large: %v", err)
	}
	id = f.offered("2", "a", 1<<63-1).ID
	f.described("2", 1, goodDescription(t, 1).String(), true)
	if err := f.ReceiveFile(t.Context(), id, ReceiveOptions{}); !errors.Is(err, ErrFileTooLarge) {
		t.Errorf("a file that is too large: %v", err)
	}
	// In the invitation, as others may send a short one.
	d := event.FileDescr{Text: goodDescription(t, 1).String(), Part: 1, Complete: true}
	f.body(withID("3", event.MsgNew{Content: event.Content{Type: event.TypeFile}, File: &event.FileInvitation{Name: "a", Size: 1, Descr: &d}}))
	unknown := new(UnknownRelaysError)
	if err := f.ReceiveFile(t.Context(), f.last().ID, ReceiveOptions{}); !errors.As(err, &unknown) || !slices.Equal(unknown.Hosts, []string{"relay.example"}) {
		t.Errorf("receiving: %v", err)
	}
}

// TestSendFileRefused has nothing be left of what can't be sent.
func TestSendFileRefused(t *testing.T) {
	f := fileFixture(t)
	ctx := t.Context()
	send := func(n NewFile) error {
		_, err := f.SendFile(ctx, f.contact, n)
		return err
	}
	for name, c := range map[string]struct {
		file NewFile
		want error
	}{
		"too large":     {NewFile{Type: event.TypeFile, Content: strings.NewReader("x"), Size: MaxFile + 1}, ErrFileTooLarge},
		"not connected": {NewFile{Type: event.TypeFile, Content: strings.NewReader("x"), Size: 1}, ErrNotConnected},
		"no type":       {NewFile{Content: strings.NewReader("x"), Size: 1}, nil},
		"no preview":    {NewFile{Type: event.TypeImage, Content: strings.NewReader("x"), Size: 1}, nil},
	} {
		if err := send(c.file); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	notes, err := f.Notes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f.contact = notes.ID
	for name, c := range map[string]NewFile{
		"shorter": {Type: event.TypeFile, Content: strings.NewReader("x"), Size: 2},
		"longer":  {Type: event.TypeFile, Content: strings.NewReader("xyz"), Size: 2},
		"broken":  {Type: event.TypeFile, Content: brokenReader{}, Size: 2},
		"no item": {Type: event.TypeFile, Content: strings.NewReader("x"), Size: 1, Reply: 999},
	} {
		if err := send(c); err == nil {
			t.Errorf("%s was sent", name)
		}
	}
	if _, _, err := f.OpenFile(ctx, 999); !errors.Is(err, ErrNoItem) {
		t.Errorf("no message: %v", err)
	}
	if kept, err := filepath.Glob(filepath.Join(f.keptDir(), "*")); err != nil || len(kept) != 0 {
		t.Errorf("left are %v, %v", kept, err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestFileLegacy has a contact offer a file as programs did before there were relays for files: it can't be received, which is
// said, unless a description comes after all.
func TestFileLegacy(t *testing.T) {
	f := newFixture(t)
	f.body(`{"v":"1-7","msgId":"AQ==","event":"x.msg.new","params":{"content":{"type":"image","text":"","image":""},` +
		`"file":{"fileName":"a.jpg","fileSize":9000,"fileInline":"offer"}}}`)
	f.body("F\x00\x01\x01\x01chunk") // which comes when it is accepted
	i := f.last()
	if i.File == nil || i.File.State != FileFailed || i.File.Failure != FailureLegacy {
		t.Fatalf("the file is %+v", i.File)
	}
	if err := f.ReceiveFile(t.Context(), i.ID, ReceiveOptions{}); !errors.Is(err, ErrLegacyFile) {
		t.Errorf("receiving it: %v", err)
	}
	f.body(message(event.MsgFileDescr{MsgID: "\x01", Descr: event.FileDescr{Text: "part", Part: 1}}))
	if i = f.last(); i.File.State != FileOffered || i.File.Failure != FailureNone {
		t.Errorf("with a description the file is %+v", i.File)
	}
	if err := f.ReceiveFile(t.Context(), i.ID, ReceiveOptions{}); err != nil {
		t.Error(err)
	}
}
