package chat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

func TestFileTransfer(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	const header = 8 + 2 + len("file.bin") + 1 + 16
	for _, c := range []struct {
		size int
		file NewFile
	}{
		{0, NewFile{}},
		{1, NewFile{Name: "../../x", Caption: "a caption"}},
		{1<<16 - header, NewFile{Type: event.TypeImage, Preview: smallJPEG, Caption: "a picture"}},
		{1<<16 - header + 1, NewFile{Type: event.TypeVideo, Preview: smallJPEG, Duration: 7 * time.Second}},
		{1<<16 - 1, NewFile{Type: event.TypeVoice, Duration: 5 * time.Second}},
		{1 << 16, NewFile{}},
		{1<<16 + 1, NewFile{}},
		{700_000, NewFile{}},
		{5 << 20, NewFile{}},
	} {
		content := randomBytes(c.size)
		sent, got := w.offer(c.file, content)
		w.b.receive(got, ReceiveOptions{})
		w.a.state(sent, FileDone)
		w.b.state(got, FileDone)
		if b := w.b.content(got); !bytes.Equal(b, content) {
			t.Errorf("of %d bytes %d were received", c.size, len(b))
		}
		for _, i := range []Item{w.a.item(sent), w.b.item(got)} {
			name := "file.bin"
			if c.file.Name != "" {
				name = "x"
			}
			if i.Kind != KindText || i.Content != string(cmpType(c.file.Type)) || i.Text != c.file.Caption || !bytes.Equal(i.Image, c.file.Preview) || i.Duration != c.file.Duration ||
				*i.File != (File{Name: name, Size: int64(c.size), State: FileDone}) {
				t.Errorf("%d bytes: the message is %+v with %+v", c.size, i, i.File)
			}
		}
		w.a.checkProgress(sent, int64(c.size))
		w.b.checkProgress(got, int64(c.size))
	}
	w.a.waitDisk(9, 0)
	w.b.waitDisk(9, 0)

	// What is done can still be deleted from relays.
	list, err := w.a.Files(t.Context(), 0, 0, 100)
	if err != nil || len(list) != 9 {
		t.Fatalf("%d files, %v", len(list), err)
	}
	for _, i := range list {
		w.a.do(w.a.CancelFile, i.ID)
		if err := w.a.CancelFile(t.Context(), i.ID); !errors.Is(err, ErrFileState) {
			t.Errorf("cancelled twice: %v", err)
		}
	}
	w.waitChunks(0)
	// The end of what Alice tells is here, and has changed nothing.
	if _, err := w.a.Send(t.Context(), w.a.contact, NewMessage{Text: "the end"}); err != nil {
		t.Fatal(err)
	}
	w.b.wait("the end", func() bool {
		c, err := w.b.Contact(t.Context(), w.b.contact)
		return err == nil && c.Last.Text == "the end"
	})
	if list, err = w.b.Files(t.Context(), 0, 0, 100); err != nil || slices.ContainsFunc(list, func(i Item) bool { return i.File.State != FileDone }) {
		t.Errorf("files are %+v, %v", list, err)
	}
}

func cmpType(t event.ContentType) event.ContentType {
	if t == "" {
		return event.TypeFile
	}
	return t
}

// TestFileStates pauses, goes on with and cancels files of both sides in each of their states.
func TestFileStates(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	content := randomBytes(5 << 20)
	hold := func() { w.relay.set(func() { w.relay.hold = true }) }

	// Uploading.
	hold()
	sent, got := w.offer(NewFile{}, content)
	w.waitHeld()
	if s := w.a.item(sent).File.State; s != FileUploading {
		t.Errorf("the state is %s", s)
	}
	w.b.receive(got, ReceiveOptions{})
	w.b.do(w.b.PauseFile, got) // while it waits for the description
	w.a.do(w.a.PauseFile, sent)
	w.a.do(w.a.PauseFile, sent)
	w.relay.release()
	if s := w.a.item(sent).File.State; s != FilePaused {
		t.Errorf("the state is %s", s)
	}
	w.a.restart() // it stays so
	if s := w.a.item(sent).File.State; s != FilePaused {
		t.Errorf("the state is %s", s)
	}
	w.a.receive(sent, ReceiveOptions{})
	w.a.state(sent, FileDone)

	// The description comes while it is paused.
	hold()
	w.b.wait("the description", func() bool { return w.b.complete(got) })
	w.b.receive(got, ReceiveOptions{})
	w.waitHeld()
	w.b.state(got, FileDownloading)
	w.b.do(w.b.PauseFile, got)
	w.relay.release()
	w.b.restart()
	if s := w.b.item(got).File.State; s != FilePaused {
		t.Errorf("the state is %s", s)
	}
	if err := w.b.SaveFile(t.Context(), got, filepath.Join(t.TempDir(), "x")); !errors.Is(err, ErrNotHere) {
		t.Errorf("saving what is not here: %v", err)
	}
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileDone)
	if !bytes.Equal(w.b.content(got), content) {
		t.Error("something else was received")
	}
	for _, f := range []func(context.Context, int64) error{w.b.PauseFile, w.b.CancelFile, w.a.PauseFile} {
		if err := f(t.Context(), got); !errors.Is(err, ErrFileState) && !errors.Is(err, ErrNoItem) {
			t.Errorf("with a file that is done: %v", err)
		}
	}
	w.a.do(w.a.CancelFile, sent)
	w.waitChunks(0)

	// Cancelled while it is uploaded: nothing is left of it.
	w.relay.set(func() { w.relay.room = 2 })
	sent, got = w.offer(NewFile{}, content)
	w.waitHeld()
	w.b.receive(got, ReceiveOptions{})
	w.a.do(w.a.CancelFile, sent)
	w.relay.release()
	w.b.state(got, FileCancelled)
	w.waitChunks(0)
	w.a.waitDisk(2, 0) // those that were sent are kept
	if err := w.b.ReceiveFile(t.Context(), got, ReceiveOptions{}); !errors.Is(err, ErrFileState) {
		t.Errorf("receiving what was cancelled: %v", err)
	}

	// Cancelled before anything of it was uploaded, and before it was asked for.
	hold()
	sent, got = w.offer(NewFile{}, content)
	w.a.do(w.a.CancelFile, sent)
	w.relay.release()
	w.b.state(got, FileCancelled)
	w.waitChunks(0)

	// Cancelled by who receives it, at once and on the way.
	sent, got = w.offer(NewFile{}, content)
	w.b.do(w.b.CancelFile, got)
	w.a.state(sent, FileDone)
	w.a.do(w.a.CancelFile, sent)
	sent, got = w.offer(NewFile{}, content)
	w.a.state(sent, FileDone)
	hold()
	w.b.receive(got, ReceiveOptions{})
	w.waitHeld()
	w.b.do(w.b.CancelFile, got)
	w.relay.release()
	w.b.waitDisk(1, 0)

	// Cancelled by its sender when it is being received.
	w.a.do(w.a.CancelFile, sent)
	w.waitChunks(0)
	sent, got = w.offer(NewFile{}, content)
	w.a.state(sent, FileDone)
	hold()
	w.b.receive(got, ReceiveOptions{})
	w.waitHeld()
	w.a.do(w.a.CancelFile, sent)
	w.b.state(got, FileCancelled)
	w.relay.release()
	w.b.waitDisk(1, 0)
	w.waitChunks(0)

	// Paused and cancelled.
	hold()
	sent, got = w.offer(NewFile{}, content)
	w.waitHeld()
	w.a.do(w.a.PauseFile, sent)
	w.a.do(w.a.CancelFile, sent)
	w.relay.release()
	w.b.state(got, FileCancelled)
	w.a.waitDisk(7, 0)
	w.waitChunks(0)
}

// TestFileDeleted deletes messages, contacts and what they said, and looks for what is left.
func TestFileDeleted(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	content := randomBytes(5 << 20)
	hold := func() { w.relay.set(func() { w.relay.room = 2 }) }
	del := func(p *person, everyone bool) func(int64) {
		return func(id int64) {
			t.Helper()
			if err := p.Delete(t.Context(), []int64{id}, everyone); err != nil {
				t.Fatal(err)
			}
		}
	}
	// While it is uploaded.
	hold()
	sent, got := w.offer(NewFile{}, content)
	w.waitHeld()
	del(w.a, false)(sent)
	w.relay.release()
	w.a.waitDisk(0, 0)
	w.waitChunks(0)
	del(w.b, false)(got)

	// While it is received.
	sent, got = w.offer(NewFile{}, content)
	w.a.state(sent, FileDone)
	hold()
	w.b.receive(got, ReceiveOptions{})
	w.waitHeld()
	del(w.b, false)(got)
	w.relay.release()
	w.b.waitDisk(0, 0)

	// After it was uploaded, and received.
	del(w.a, false)(sent)
	w.waitChunks(0)
	w.a.waitDisk(0, 0)
	sent, got = w.offer(NewFile{}, content)
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileDone)
	w.b.waitDisk(1, 0)
	del(w.b, false)(got)
	w.b.waitDisk(0, 0)

	// Taken back: the other side does not receive it any more, but keeps what it has.
	del(w.a, true)(sent)
	w.waitChunks(0)
	sent, got = w.offer(NewFile{}, content)
	w.a.state(sent, FileDone)
	hold()
	w.b.receive(got, ReceiveOptions{})
	w.waitHeld()
	del(w.a, true)(sent)
	w.b.state(got, FileCancelled)
	w.relay.release()
	w.waitChunks(0)
	w.b.waitDisk(0, 0)

	// A contact that is deleted, with files in all states.
	hold()
	sent, _ = w.offer(NewFile{}, content)
	w.waitHeld()
	w.a.do(w.a.PauseFile, sent)
	w.relay.release()
	sent, got = w.offer(NewFile{}, content)
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileDone)
	w.a.state(sent, FileDone)
	if err := errors.Join(w.a.DeleteContact(t.Context(), w.a.contact), w.b.Clear(t.Context(), w.b.contact)); err != nil {
		t.Fatal(err)
	}
	w.a.waitDisk(0, 0)
	w.b.waitDisk(0, 0)
	w.waitChunks(0)
}

// TestFileRestart ends both programs again and again while a file is on its way.
func TestFileRestart(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	content := randomBytes(9 << 20)
	to := filepath.Join(t.TempDir(), "copy")
	sent, got := w.offer(NewFile{}, content)
	w.b.receive(got, ReceiveOptions{SaveTo: to})
	for n := range 12 {
		p, id := w.a, sent
		if n%2 == 1 {
			p, id = w.b, got
		}
		before := len(locked(p, func() []FileProgress { return p.progress[id] }))
		p.wait("something to move", func() bool {
			return p.item(id).File.State == FileDone || len(locked(p, func() []FileProgress { return p.progress[id] })) > before+n/4 || p == w.b && !p.complete(id)
		})
		p.restart()
	}
	w.a.state(sent, FileDone)
	w.b.state(got, FileDone)
	if b, err := os.ReadFile(to); !bytes.Equal(w.b.content(got), content) || !bytes.Equal(b, content) {
		t.Errorf("something else was received: %v", err)
	}
	w.a.waitDisk(1, 0)
	w.b.waitDisk(1, 0)
	w.a.do(w.a.CancelFile, sent)
	w.waitChunks(0)

	// A crash between the copy and its being stored, and one that has left half of a copy.
	for name, crash := range map[string]func(path string) error{
		"saved": func(string) error { return nil },
		"half":  func(path string) error { return os.Remove(path) },
		"other": func(path string) error { return os.WriteFile(path, []byte("other"), 0o600) },
	} {
		if err := crash(to); err != nil {
			t.Fatal(err)
		}
		err := w.b.db.Update(t.Context(), func(tx *store.Tx) error {
			i, f, err := findFile(tx, got)
			if err != nil {
				return err
			}
			i.FileState, f.SaveTo = string(FileDownloading), to
			return errors.Join(tx.SaveItem(i), tx.SaveFile(f))
		})
		if err != nil {
			t.Fatal(err)
		}
		w.b.restart()
		w.b.state(got, FileDone)
		b, err := os.ReadFile(to)
		if failure := w.b.item(got).File.Failure; name != "other" && (failure != "" || !bytes.Equal(b, content)) || name == "other" && (failure != FailureSave || string(b) != "other") {
			t.Errorf("%s: failure %q, %d bytes, %v", name, failure, len(b), err)
		}
		if err := os.Remove(to); err != nil {
			t.Fatal(err)
		}
		w.b.receive(got, ReceiveOptions{SaveTo: to}) // again
		if b, err := os.ReadFile(to); !bytes.Equal(b, content) {
			t.Errorf("%s: saved again: %v", name, err)
		}
	}
}

// TestFileRelays has relays fail in all ways.
func TestFileRelays(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	content := randomBytes(5 << 20)

	// One that stops and starts again, on both ways.
	w.relay.set(func() { w.relay.room = 2 })
	sent, got := w.offer(NewFile{}, content)
	w.waitHeld()
	w.relay.stop()
	w.relay.start()
	w.a.Reconnect()
	w.a.state(sent, FileDone)
	w.relay.set(func() { w.relay.room = 2 })
	w.b.receive(got, ReceiveOptions{})
	w.waitHeld()
	w.relay.stop()
	w.relay.start()
	w.b.Reconnect()
	w.b.state(got, FileDone)
	if !bytes.Equal(w.b.content(got), content) {
		t.Error("something else was received")
	}
	failed := func(p *person, id int64, failure Failure, relay string) {
		t.Helper()
		p.state(id, FileFailed)
		if f := p.item(id).File; f.Failure != failure || f.Relay != relay {
			t.Errorf("the failure is %q at %q, want %q", f.Failure, f.Relay, failure)
		}
		if _, work := p.onDisk(); p == w.a && failure == FailureNoRelay && work != 1 {
			t.Errorf("%d files are on their way", work)
		}
	}

	// One that returns something else: it is named, and when it is in order again the file is received.
	sent, got = w.offer(NewFile{}, content[:10]) // of a single chunk, for which it is asked twice
	w.a.state(sent, FileDone)
	w.relay.set(func() { w.relay.wrong = true })
	w.b.receive(got, ReceiveOptions{})
	failed(w.b, got, FailureDamaged, "127.0.0.1")
	w.relay.set(func() { w.relay.wrong = false })
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileDone)

	// Its operator blocks a file; or it is not there any more.
	for _, c := range []struct {
		failure Failure
		do      func(xftp.ID) error
	}{
		{FailureBlocked, func(id xftp.ID) error { return w.relay.files.Block(id, smp.Blocking{Reason: smp.BlockedSpam}) }},
		{FailureGone, func(id xftp.ID) error { return w.relay.files.Delete(id) }},
	} {
		sent, got = w.offer(NewFile{}, content)
		w.a.state(sent, FileDone)
		w.b.wait("the description", func() bool { return w.b.complete(got) })
		err := w.b.db.View(t.Context(), func(tx *store.Tx) error {
			f, err := tx.File(got)
			if err != nil {
				return err
			}
			d, err := xftp.ParseDescription([]byte(f.Description))
			if err != nil {
				return err
			}
			return c.do(d.Chunks[1].Replicas[0].ID)
		})
		if err != nil {
			t.Fatal(err)
		}
		w.b.receive(got, ReceiveOptions{})
		failed(w.b, got, c.failure, "127.0.0.1")
		if err := w.b.PauseFile(t.Context(), got); !errors.Is(err, ErrFileState) {
			t.Errorf("pausing what has failed: %v", err)
		}
		w.b.do(w.b.CancelFile, got)
	}
	w.b.waitDisk(2, 0)

	// There is none: what was encrypted is sent when there is one again.
	relays := w.a.relays
	locked(w.a, func() any { w.a.relays = nil; return nil })
	sent, got = w.offer(NewFile{}, content)
	failed(w.a, sent, FailureNoRelay, "")
	locked(w.a, func() any { w.a.relays = relays; return nil })
	w.a.receive(sent, ReceiveOptions{})
	w.a.state(sent, FileDone)

	// The copy on this computer is damaged: what was encrypted, which is made again, or the file itself.
	w.relay.set(func() { w.relay.hold = true })
	for _, damage := range []func(path string) error{os.Remove, func(path string) error { return os.Truncate(path, 1<<20) }} {
		w.relay.set(func() { w.relay.hold = true })
		sent, got = w.offer(NewFile{}, content)
		w.waitHeld()
		w.a.do(w.a.PauseFile, sent)
		w.relay.release()
		w.a.restart()
		list, err := os.ReadDir(w.a.workDir())
		if err != nil || len(list) != 1 {
			t.Fatalf("on their way are %v, %v", list, err)
		}
		if err := damage(filepath.Join(w.a.workDir(), list[0].Name())); err != nil {
			t.Fatal(err)
		}
		w.a.receive(sent, ReceiveOptions{})
		w.b.receive(got, ReceiveOptions{})
		w.a.state(sent, FileDone)
		w.b.state(got, FileDone)
	}
	w.relay.set(func() { w.relay.hold = true })
	sent, got = w.offer(NewFile{}, content)
	w.waitHeld()
	w.a.do(w.a.PauseFile, sent)
	w.relay.release()
	for _, dir := range []string{w.a.keptDir(), w.a.workDir()} {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.a.receive(sent, ReceiveOptions{})
	failed(w.a, sent, FailureSource, "")
	w.a.do(w.a.CancelFile, sent)
	w.b.state(got, FileCancelled)

	// Half of it is there.
	locked(w.a, func() any { w.a.relays = nil; return nil })
	sent, got = w.offer(NewFile{}, content)
	failed(w.a, sent, FailureNoRelay, "")
	err := w.a.db.Update(t.Context(), func(tx *store.Tx) error {
		f, err := tx.File(sent)
		if err != nil {
			return err
		}
		return errors.Join(w.a.forgetUpload(tx, f), os.Truncate(filepath.Join(w.a.keptDir(), f.Blob.Name), 1<<20))
	})
	if err != nil {
		t.Fatal(err)
	}
	w.a.receive(sent, ReceiveOptions{})
	failed(w.a, sent, FailureSource, "")
	w.a.waitDisk(1, 0)
	w.a.do(w.a.CancelFile, sent)
	w.b.state(got, FileCancelled)
}

// TestFileRedirect receives a file whose description was too long for a message, and ones that were described wrongly.
func TestFileRedirect(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	content := randomBytes(300_000)
	pool := xftp.NewPool(xftp.Config{})
	defer pool.Close()
	relays := w.a.relays
	locked(w.a, func() any { w.a.relays = nil; return nil }) // Alice describes nothing
	upload := func(encrypt func(io.Writer) (*xftp.Upload, error)) *xftp.Description {
		t.Helper()
		f, err := os.Create(filepath.Join(t.TempDir(), "work"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		up, err := encrypt(f)
		if err == nil {
			err = up.Run(t.Context(), pool, f, xftp.UploadOptions{Relays: relays})
		}
		if err != nil {
			t.Fatal(err)
		}
		_, list, err := up.Descriptions()
		if err != nil {
			t.Fatal(err)
		}
		return list[0]
	}
	file := func() *xftp.Description {
		return upload(func(dst io.Writer) (*xftp.Upload, error) {
			return xftp.Encrypt(t.Context(), dst, xftp.Source{Content: bytes.NewReader(content), Size: int64(len(content)), Name: "other name"}, 1)
		})
	}
	// there tells whether a recipient can still download what is described.
	there := func(d *xftp.Description) bool {
		r := d.Chunks[0].Replicas[0]
		err := pool.Do(t.Context(), r.Server, xftp.Way{}, func(ctx context.Context, c *xftp.Client) error {
			return c.Get(ctx, r.ID, r.Key, io.Discard, d.Chunks[0].Size, d.Chunks[0].Digest, nil)
		})
		if err != nil && !errors.Is(err, xftp.ErrAuth) {
			t.Fatal(err)
		}
		return err == nil
	}
	redirect := func(d *xftp.Description) *xftp.Description {
		return upload(func(dst io.Writer) (*xftp.Upload, error) { return xftp.EncryptDescription(t.Context(), dst, d, 1) })
	}
	inner := file()
	wrong := redirect(inner)
	wrong.Redirect.Size++
	for _, c := range []struct {
		name        string
		description *xftp.Description
		size        int
		state       FileState
	}{
		{"a file", file(), len(content), FileDone},
		{"a redirect", redirect(file()), len(content), FileDone},
		{"a redirect to a redirect", redirect(redirect(file())), len(content), FileFailed},
		{"a redirect to another file", wrong, len(content), FileFailed},
		{"a longer file", file(), len(content) - 1, FileFailed},
		{"a much longer file", file(), 10, FileFailed},
		{"a shorter file", file(), len(content) + 1, FileFailed},
	} {
		_, got := w.offer(NewFile{}, make([]byte, c.size))
		err := w.b.db.Update(t.Context(), func(tx *store.Tx) error {
			i, f, err := findFile(tx, got)
			if err != nil {
				return err
			}
			return w.b.filePart(tx, i, f, event.FileDescr{Text: c.description.String(), Part: 1, Complete: true})
		})
		if err != nil {
			t.Fatal(err)
		}
		w.b.receive(got, ReceiveOptions{})
		w.b.state(got, c.state)
		f := w.b.item(got).File
		if c.state == FileFailed && f.Failure != FailureDamaged {
			t.Errorf("%s: the failure is %q", c.name, f.Failure)
		}
		if c.state == FileFailed {
			w.b.do(w.b.CancelFile, got)
			continue
		}
		if f.Name != "file.bin" || !bytes.Equal(w.b.content(got), content) {
			t.Errorf("%s: something else was received: %+v", c.name, f)
		}
		w.b.checkProgress(got, int64(len(content)))
		w.b.wait(c.name+" to be forgotten by the relay", func() bool { return !there(c.description) })
	}
	if !there(inner) {
		t.Error("a file was forgotten that was not received")
	}
	w.b.waitDisk(2, 0)
}

// TestFileSlots has files of relays that can't be reached keep nobody waiting.
func TestFileSlots(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	silent := startFileRelay(t)
	silent.stop()
	relays := w.a.relays
	locked(w.a, func() any { w.a.relays = []xftp.Relay{{Server: silent.server}}; return nil })
	for range maxTransfers + 1 {
		sent, _ := w.offer(NewFile{}, randomBytes(10))
		w.a.state(sent, FileUploading)
	}
	locked(w.a, func() any { w.a.relays = relays; return nil })
	sent, got := w.offer(NewFile{}, randomBytes(10))
	w.b.receive(got, ReceiveOptions{})
	w.a.state(sent, FileDone)
	w.b.state(got, FileDone)

	// How to delete it from relays is forgotten when they have done that by themselves.
	locked(w.a, func() any { w.a.ahead = rememberUpload + time.Hour; return nil })
	wake(w.a.due)
	w.a.wait("the upload to be forgotten", func() (gone bool) {
		err := w.a.db.View(t.Context(), func(tx *store.Tx) error {
			f, err := tx.File(sent)
			if err != nil {
				return err
			}
			chunks, err := tx.FileChunks(sent)
			gone = f.Upload == nil && len(chunks) == 0
			return err
		})
		return err == nil && gone
	})
	if err := w.a.CancelFile(t.Context(), sent); !errors.Is(err, ErrFileState) || w.a.item(sent).File.State != FileDone {
		t.Errorf("cancelling it: %v", err)
	}
}

// TestFileAsked has relays asked unasked only if they are known.
func TestFileAsked(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	set := func(trusted bool, automatic int64) {
		locked(w.b, func() any { w.b.trusted, w.b.automatic = trusted, automatic; return nil })
	}
	picture := NewFile{Type: event.TypeImage, Preview: smallJPEG}
	described := func(f NewFile, size int) (sent, got int64) {
		t.Helper()
		sent, got = w.offer(f, randomBytes(size))
		w.b.wait("the description", func() bool { return w.b.complete(got) })
		return sent, got
	}
	const limit = 10_000
	for _, c := range []struct {
		name      string
		file      NewFile
		size      int
		trusted   bool
		automatic int64
		want      bool
	}{
		{"picture", picture, limit, true, limit, true},
		{"large picture", picture, limit + 1, true, limit, false},
		{"video", NewFile{Type: event.TypeVideo, Preview: smallJPEG}, limit, true, limit, true},
		{"voice", NewFile{Type: event.TypeVoice}, limit, true, limit, true},
		{"file", NewFile{}, 1, true, limit, false},
		{"nothing", picture, 0, true, 0, false},
		{"unknown relay", picture, limit, false, limit, false},
	} {
		set(c.trusted, c.automatic)
		_, got := described(c.file, c.size)
		if !c.want {
			if s := w.b.item(got).File.State; s != FileOffered {
				t.Errorf("%s: the state is %s", c.name, s)
			}
			continue
		}
		w.b.state(got, FileDone)
	}

	// Who is asked answers.
	set(false, 0)
	_, got := described(NewFile{}, 10)
	unknown := new(UnknownRelaysError)
	if err := w.b.ReceiveFile(t.Context(), got, ReceiveOptions{}); !errors.As(err, &unknown) || !slices.Equal(unknown.Hosts, []string{"127.0.0.1"}) || w.b.item(got).File.State != FileOffered {
		t.Errorf("receiving: %v", err)
	}
	w.b.receive(got, ReceiveOptions{AnyRelay: true})
	w.b.state(got, FileDone)

	// Asked for before the relays are known to be unknown: then it is offered again.
	w.relay.set(func() { w.relay.hold = true })
	sent, got := w.offer(NewFile{}, randomBytes(10))
	w.b.receive(got, ReceiveOptions{})
	if s := w.b.item(got).File.State; s != FileWaiting {
		t.Errorf("the state is %s", s)
	}
	w.relay.release()
	w.a.state(sent, FileDone)
	w.b.state(got, FileOffered)

	// A relay that was trusted, as one is through Tor, is not any more while it is being asked.
	set(true, 0)
	_, got = described(NewFile{}, 10)
	w.relay.set(func() { w.relay.hold = true })
	w.b.receive(got, ReceiveOptions{})
	w.waitHeld()
	set(false, 0)
	w.b.Reroute()
	w.b.state(got, FileOffered)
	w.relay.release()
	w.b.receive(got, ReceiveOptions{AnyRelay: true})
	w.b.state(got, FileDone)
}

// TestFileLimits has contacts choose relays that never answer: neither what waits for them nor what was received there piles up here.
func TestFileLimits(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	locked(w.b, func() any { w.b.automatic = 1000; return nil })
	set := func(f func()) {
		w.b.Chat.mu.Lock()
		defer w.b.Chat.mu.Unlock()
		f()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	set(func() {
		for n := range int64(maxAutomatic) {
			w.b.transfers[-1-n] = &transfer{cancel: cancel}
		}
	})
	picture := NewFile{Type: event.TypeImage, Preview: smallJPEG}
	_, got := w.offer(picture, randomBytes(10))
	w.b.wait("the description", func() bool { return w.b.complete(got) })
	if s := w.b.item(got).File.State; s != FileOffered {
		t.Errorf("the state is %s", s)
	}
	set(func() { clear(w.b.transfers) })
	_, got = w.offer(picture, randomBytes(10))
	w.b.state(got, FileDone)

	w.b.wait("the relay to be told", func() (none bool) {
		set(func() { none = w.b.acknowledging == 0 })
		return none
	})
	locked(w.b, func() any {
		w.b.path = func(dialing context.Context, _ wire.Server, _ string) (transport.Path, error) {
			select {
			case <-dialing.Done():
			case <-ctx.Done():
			}
			return transport.Path{}, errors.New("no answer")
		}
		return nil
	})
	for n := range maxAcknowledging + 10 {
		d := &xftp.Description{Party: xftp.Recipient, Chunks: []xftp.Chunk{{Replicas: []xftp.Replica{{Server: w.relay.server, Key: &crypt.Ed25519Private{}}}}}}
		w.b.acknowledge(d, xftp.Way{Circuit: fmt.Sprint(n)})
	}
	set(func() {
		if w.b.acknowledging != maxAcknowledging {
			t.Errorf("relays are told of %d files", w.b.acknowledging)
		}
	})
}

// TestFileElsewhere sends a file to two contacts, forwards it, keeps it among the notes, changes its caption and tries it again.
func TestFileElsewhere(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	carol := newPerson(t, "Carol", w.a.smp, w.relay)
	toCarol, carols := join(w.a, carol)
	carol.contact = carols
	content := []byte(strings.Repeat("a file that nobody can read on disk ", 4000))
	ctx := t.Context()
	receive := func(p *person) int64 {
		t.Helper()
		var id int64
		p.wait("the message with the file", func() bool { id = w.newest(p); return id != 0 && p.item(id).File.State == FileOffered })
		p.receive(id, ReceiveOptions{})
		p.state(id, FileDone)
		if !bytes.Equal(p.content(id), content) {
			t.Error("something else was received")
		}
		return id
	}
	picture := NewFile{Name: "secret name.jpg", Type: event.TypeImage, Preview: smallJPEG, Caption: "look"}
	first, second := w.a.sendFile(w.a.contact, picture, content), w.a.sendFile(toCarol, picture, content)
	atBob := receive(w.b)
	receive(carol)
	w.a.state(first.ID, FileDone)
	w.a.state(second.ID, FileDone)

	// Nothing of it can be read on disk, and no two files there are the same.
	seen := map[string]string{}
	for _, p := range []*person{w.a, w.b, carol} {
		err := filepath.WalkDir(filepath.Join(p.dir, "files"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte("nobody")) || strings.Contains(path, "secret") || bytes.Contains(b, []byte("secret")) {
				t.Errorf("%s can be read", path)
			}
			for at := 0; at+32 <= min(len(b), 1<<16); at += 32 {
				if other, ok := seen[string(b[at:at+32])]; ok {
					t.Fatalf("%s has a part of %s", path, other)
				}
				seen[string(b[at:at+32])] = path
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	// The caption is changed, and removed.
	for _, caption := range []string{"look here", ""} {
		if _, err := w.a.Edit(ctx, first.ID, caption); err != nil {
			t.Fatal(err)
		}
		w.b.wait("the caption", func() bool { return w.b.item(atBob).Text == caption })
		if i := w.b.item(atBob); i.Content != "image" || !bytes.Equal(i.Image, smallJPEG) || i.File.State != FileDone {
			t.Errorf("the message is %+v", i)
		}
	}
	if hits, err := w.b.Search(ctx, "secret", 0, 0, 10); err != nil || len(hits) != 1 {
		t.Errorf("found by its name: %d, %v", len(hits), err)
	}

	// Forwarded, as soon as it is here, to somebody else and to the notes.
	if _, err := w.b.Forward(ctx, []int64{atBob, atBob}, w.b.contact); err != nil {
		t.Fatal(err)
	}
	var forwarded []Item
	w.a.wait("what was forwarded", func() bool {
		list, err := w.a.Files(ctx, w.a.contact, 0, 10)
		forwarded = list
		return err == nil && len(list) == 3
	})
	for _, i := range forwarded[:2] {
		w.a.receive(i.ID, ReceiveOptions{})
		w.a.state(i.ID, FileDone)
		if !bytes.Equal(w.a.content(i.ID), content) || !i.Forwarded || i.Content != "image" || i.File.Name != "secret name.jpg" {
			t.Errorf("forwarded is %+v", i)
		}
	}
	notes, err := w.b.Notes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := w.b.Forward(ctx, []int64{atBob}, notes.ID)
	if err != nil || kept[0].File.State != FileDone || !bytes.Equal(w.b.content(kept[0].ID), content) {
		t.Errorf("among the notes is %+v, %v", kept, err)
	}
	note := w.b.sendFile(notes.ID, NewFile{Caption: "a note"}, content)
	if note.File.State != FileDone || note.State != StateKept || !bytes.Equal(w.b.content(note.ID), content) {
		t.Errorf("the note is %+v", note)
	}
	if err := w.b.CancelFile(ctx, note.ID); !errors.Is(err, ErrFileState) {
		t.Errorf("cancelling a note: %v", err)
	}
	beforeKept, _ := w.b.onDisk()
	w.relay.set(func() { w.relay.hold = true })
	_, got := w.offer(NewFile{}, content)
	if _, err := w.b.Forward(ctx, []int64{atBob, got}, notes.ID); !errors.Is(err, ErrNotForwardable) {
		t.Errorf("forwarding what is not here: %v", err)
	}
	w.relay.release()
	w.b.waitDisk(beforeKept, 0)

	// The message could not be sent, and is tried again: it comes once, with a new description.
	sent := w.newest(w.a)
	w.a.state(sent, FileDone)
	w.b.wait("the description", func() bool { return w.b.complete(got) })
	err = w.a.db.Update(ctx, func(tx *store.Tx) error {
		row, err := tx.Contact(w.a.contact)
		if err != nil {
			return err
		}
		return w.a.NotSent(tx, row.Connection, changeOf(sent), agent.ErrExpired)
	})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := w.b.description(got)
	if _, err := w.a.Retry(ctx, sent); err != nil {
		t.Fatal(err)
	}
	w.b.wait("a new description", func() bool { d, ok := w.b.description(got); return ok && d != before })
	w.a.state(sent, FileDone)
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileDone)
	if list, err := w.b.Files(ctx, w.b.contact, 0, 100); err != nil || len(list) != 4 || !bytes.Equal(w.b.content(got), content) {
		t.Errorf("Bob has %d messages with files, %v", len(list), err)
	}
}

// TestFileDisappears has the file of a message disappear with it.
func TestFileDisappears(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	for _, p := range []*person{w.a, w.b} {
		if err := p.SetDisappearing(t.Context(), p.contact, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	w.a.wait("messages to disappear", func() bool {
		c, err := w.a.Contact(t.Context(), w.a.contact)
		return err == nil && c.Disappearing == time.Hour
	})
	sent, got := w.offer(NewFile{}, randomBytes(1000))
	w.b.receive(got, ReceiveOptions{})
	w.a.state(sent, FileDone)
	w.b.state(got, FileDone)
	if err := w.b.MarkRead(t.Context(), w.b.contact); err != nil {
		t.Fatal(err)
	}
	w.a.wait("the time to run", func() bool { return !w.a.item(sent).Expires.IsZero() })
	for _, p := range []*person{w.a, w.b} {
		locked(p, func() any { p.ahead = 2 * time.Hour; return nil })
		wake(p.expiring)
		p.waitDisk(0, 0)
	}
	w.waitChunks(0)
}
