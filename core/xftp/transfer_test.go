package xftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// A saved upload is what a store keeps.
type saved struct {
	mu     sync.Mutex
	plan   []byte
	chunks map[int][]byte
	stop   func(n int) error // is asked with the number of saves before
	n      int
}

func newSaved(t testing.TB, up *Upload) *saved {
	t.Helper()
	plan, err := up.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &saved{plan: plan, chunks: map[int][]byte{}}
}

func (s *saved) save(chunk int, state []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.stop != nil {
		if err := s.stop(s.n); err != nil {
			return err
		}
	}
	s.chunks[chunk] = bytes.Clone(state)
	return nil
}

func (s *saved) load(t testing.TB) *Upload {
	t.Helper()
	up := new(Upload)
	if err := up.UnmarshalBinary(s.plan); err != nil {
		t.Fatal(err)
	}
	for i, b := range s.chunks {
		if err := up.RestoreChunk(i, b); err != nil {
			t.Fatal(err)
		}
	}
	return up
}

func relaysOf(relays ...*testRelay) (list []Relay) {
	for _, r := range relays {
		list = append(list, Relay{r.server, r.password})
	}
	return list
}

// encrypted makes an upload of random content.
func encrypted(t testing.TB, n, recipients int) (content []byte, file *bytes.Reader, up *Upload) {
	t.Helper()
	content = randomBytes(uint64(n), n)
	var b bytes.Buffer
	up, err := Encrypt(context.Background(), &b, Source{bytes.NewReader(content), int64(n), "name.bin"}, recipients)
	if err != nil {
		t.Fatal(err)
	}
	return content, bytes.NewReader(b.Bytes()), up
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "download"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func receive(t testing.TB, pool *Pool, d *Description, file Storage) []byte {
	t.Helper()
	if err := Download(context.Background(), pool, d, file, Options{}); err != nil {
		t.Fatal(err)
	}
	c, err := Open(file, d)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reparse is what a recipient reads of a description.
func reparse(t testing.TB, d *Description) *Description {
	t.Helper()
	same, err := ParseDescription([]byte(d.String()))
	if err != nil {
		t.Fatal(err)
	}
	return same
}

func TestTransfer(t *testing.T) {
	ctx := context.Background()
	relays := []*testRelay{newTestRelay(t, 1), newTestRelay(t, 2), newTestRelay(t, 3)}
	relays[1].password = "secret"
	pool := newPool(t, relays...)
	content, file, up := encrypted(t, 700_000, 2)
	var progress []Progress
	options := UploadOptions{Relays: relaysOf(relays...), Options: Options{Progress: func(p Progress) { progress = append(progress, p) }}}
	if _, _, err := up.Descriptions(); err == nil {
		t.Error("there are descriptions before the upload")
	}
	if err := up.Run(ctx, pool, file, options); err != nil {
		t.Fatal(err)
	}
	if last := progress[len(progress)-1]; progress[0].Done != 0 || last.Done != up.Size() || last.Total != up.Size() {
		t.Errorf("progress from %v to %v", progress[0], last)
	}
	sender, list, err := up.Descriptions()
	if err != nil || len(list) != 2 || sender.Party != Sender || list[0].Party != Recipient {
		t.Fatalf("%d descriptions, %v", len(list), err)
	}
	for i, d := range list {
		if got := receive(t, pool, reparse(t, d), tempFile(t)); !bytes.Equal(got, content) {
			t.Errorf("recipient %d gets %d other bytes", i, len(got))
		}
	}
	// One recipient is done, which is nothing to the other.
	if err := Acknowledge(ctx, pool, list[0], Way{}); err != nil {
		t.Error(err)
	}
	if err := Acknowledge(ctx, pool, list[0], Way{}); err != nil {
		t.Errorf("again: %v", err)
	}
	var relayErr *RelayError
	if err := Download(ctx, pool, list[0], tempFile(t), Options{}); !errors.Is(err, ErrAuth) || !errors.As(err, &relayErr) {
		t.Errorf("after FACK: %v", err)
	}
	receive(t, pool, list[1], tempFile(t))
	for range 2 {
		if err := Delete(ctx, pool, reparse(t, sender), Way{}); err != nil {
			t.Error(err)
		}
	}
	if err := Download(ctx, pool, list[1], tempFile(t), Options{}); !errors.Is(err, ErrAuth) {
		t.Errorf("after FDEL: %v", err)
	}
	for _, r := range relays {
		if r.stored() != 0 {
			t.Error("there are chunks left")
		}
	}
}

// All layouts of chunks make the whole way.
func TestTransferSizes(t *testing.T) {
	relay := newTestRelay(t, 1)
	pool := newPool(t, relay)
	for _, n := range []int{0, 1, 65000, 66000, 200_000, 800_000, 3_200_000, 5_000_000} {
		content, file, up := encrypted(t, n, 1)
		if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay)}); err != nil {
			t.Fatal(err)
		}
		_, list, err := up.Descriptions()
		if err != nil {
			t.Fatal(err)
		}
		if got := receive(t, pool, reparse(t, list[0]), tempFile(t)); !bytes.Equal(got, content) {
			t.Errorf("%d bytes come as %d", n, len(got))
		}
	}
}

// More recipients than fit a command are added.
func TestManyRecipients(t *testing.T) {
	relay := newTestRelay(t, 1)
	pool := newPool(t, relay)
	const n = 2*MaxKeys + 17
	content, file, up := encrypted(t, 1000, n)
	if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay)}); err != nil {
		t.Fatal(err)
	}
	_, list, err := up.Descriptions()
	if err != nil || len(list) != n || relay.count("FADD") != 2 {
		t.Fatalf("%d descriptions after %d FADD, %v", len(list), relay.count("FADD"), err)
	}
	for _, i := range []int{0, MaxKeys - 1, MaxKeys, n - 1} {
		if got := receive(t, pool, list[i], tempFile(t)); !bytes.Equal(got, content) {
			t.Errorf("recipient %d gets %d other bytes", i, len(got))
		}
	}
}

// An upload that is interrupted after any step goes on where it was, and every chunk is uploaded once.
func TestUploadKilled(t *testing.T) {
	const chunks = 3 // of 64 KB, each with three steps: FNEW, FADD, FPUT
	for kill := 1; kill <= 3*chunks; kill++ {
		relay := newTestRelay(t, 1)
		pool := newPool(t, relay)
		content, file, up := encrypted(t, 170_000, MaxKeys+1)
		if len(up.Chunks) != chunks {
			t.Fatalf("%d chunks", len(up.Chunks))
		}
		store := newSaved(t, up)
		// The process ends before or after the state of a step is on disk.
		for _, before := range []bool{true, false} {
			ctx, cancel := context.WithCancel(context.Background())
			store.n = 0
			store.stop = func(n int) error {
				if n == kill && before {
					return errTest
				}
				if n == kill {
					cancel()
				}
				return nil
			}
			err := store.load(t).Run(ctx, pool, file, UploadOptions{Relays: relaysOf(relay), Save: store.save})
			if before && !errors.Is(err, errTest) {
				t.Fatalf("a store that fails: %v", err)
			}
			cancel()
			pool.Reset()
		}
		store.stop = nil
		up = store.load(t)
		if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay), Save: store.save}); err != nil {
			t.Fatal(err)
		}
		// At most the step whose result was lost is done again.
		if n := relay.count("FPUT"); n > chunks+1 {
			t.Errorf("killed at step %d: %d uploads", kill, n)
		}
		if n := relay.count("FNEW"); n > chunks+1 {
			t.Errorf("killed at step %d: %d registrations", kill, n)
		}
		if relay.stored() != chunks {
			t.Errorf("killed at step %d: %d chunks are stored", kill, relay.stored())
		}
		_, list, err := store.load(t).Descriptions()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []*Description{list[0], list[MaxKeys]} {
			if got := receive(t, pool, d, tempFile(t)); !bytes.Equal(got, content) {
				t.Errorf("killed at step %d: %d other bytes", kill, len(got))
			}
		}
	}
}

// A download that is interrupted, anywhere, does not get again what it has.
func TestDownloadKilled(t *testing.T) {
	relays := []*testRelay{newTestRelay(t, 1), newTestRelay(t, 2)}
	pool := newPool(t, relays...)
	content, file, up := encrypted(t, 700_000, 1)
	if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relays...)}); err != nil {
		t.Fatal(err)
	}
	_, list, err := up.Descriptions()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "download")
	for kill := 1; kill <= len(list[0].Chunks); kill++ {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		written := &stoppingFile{File: f, left: 300_000, stop: cancel}
		if kill%2 == 0 { // in the middle of a chunk, or between two
			written.left = 262_144
		}
		err = Download(ctx, pool, list[0], written, Options{Parallel: 1})
		if kill == 1 && !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted: %v", err)
		}
		cancel()
		f.Close()
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := receive(t, pool, list[0], f); !bytes.Equal(got, content) {
		t.Errorf("%d other bytes", len(got))
	}
	gets := relays[0].count("FGET") + relays[1].count("FGET")
	if most := 2*len(list[0].Chunks) + 1; gets > most {
		t.Errorf("%d downloads of %d chunks", gets, len(list[0].Chunks))
	}
	before := gets
	receive(t, pool, list[0], f)
	if gets = relays[0].count("FGET") + relays[1].count("FGET"); gets != before {
		t.Error("a complete file is downloaded again")
	}
}

// A stoppingFile calls stop after a number of bytes.
type stoppingFile struct {
	*os.File
	left int
	stop func()
}

func (f *stoppingFile) WriteAt(p []byte, at int64) (int, error) {
	if f.left -= len(p); f.left <= 0 {
		f.stop()
	}
	return f.File.WriteAt(p, at)
}

// What was on disk from before and is damaged is downloaded again.
func TestDownloadDamaged(t *testing.T) {
	relay := newTestRelay(t, 1)
	pool := newPool(t, relay)
	content, file, up := encrypted(t, 170_000, 1)
	if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay)}); err != nil {
		t.Fatal(err)
	}
	_, list, _ := up.Descriptions()
	f := tempFile(t)
	receive(t, pool, list[0], f)
	if _, err := f.WriteAt([]byte("damage"), 70_000); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(190_000); err != nil { // in the last chunk
		t.Fatal(err)
	}
	if _, err := Open(f, list[0]); !errors.Is(err, ErrFile) {
		t.Errorf("a damaged file: %v", err)
	}
	if got := receive(t, pool, list[0], f); !bytes.Equal(got, content) || relay.count("FGET") != 3+2 {
		t.Errorf("%d bytes after %d downloads", len(got), relay.count("FGET"))
	}
}

func TestDiskFull(t *testing.T) {
	relay := newTestRelay(t, 1)
	pool := newPool(t, relay)
	content, file, up := encrypted(t, 170_000, 1)
	if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay)}); err != nil {
		t.Fatal(err)
	}
	_, list, _ := up.Descriptions()
	f := tempFile(t)
	full := &fullFile{File: f, room: 100_000}
	if err := Download(context.Background(), pool, list[0], full, Options{}); !errors.Is(err, ErrDiskFull) {
		t.Fatalf("a full disk: %v", err)
	}
	full.room = 1 << 30
	if err := Download(context.Background(), pool, list[0], full, Options{}); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, pool, list[0], f); !bytes.Equal(got, content) || relay.count("FGET") != 3+1 {
		t.Errorf("%d bytes after %d downloads", len(got), relay.count("FGET"))
	}
}

// A fullFile is on a disk with little room.
type fullFile struct {
	*os.File
	room int
}

func (f *fullFile) WriteAt(p []byte, at int64) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, &os.PathError{Op: "write", Path: "download", Err: syscall.ENOSPC}
	}
	return f.File.WriteAt(p, at)
}

// A relay that returns wrong bytes is named, and nothing of the file is shown.
func TestCorruptRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relays := []*testRelay{newTestRelay(t, 1), newTestRelay(t, 2)}
		pool := newPool(t, relays...)
		_, file, up := encrypted(t, 700_000, 1)
		for {
			if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relays...)}); err != nil {
				t.Fatal(err)
			}
			if relays[1].stored() > 0 && relays[0].stored() > 0 {
				break
			}
			for i := range up.Chunks { // by chance all chunks are on one relay: once more
				up.Chunks[i].reset()
			}
		}
		_, list, _ := up.Descriptions()
		relays[1].body = func(w http.ResponseWriter, _ *http.Request, b []byte) {
			b[1] ^= 1
			w.Write(b)
		}
		var troubles []*RelayError
		f := tempFile(t)
		err := Download(context.Background(), pool, list[0], f, Options{Trouble: func(e *RelayError) { troubles = append(troubles, e) }})
		var relayErr *RelayError
		if !errors.Is(err, ErrCorrupt) || !errors.As(err, &relayErr) || !relayErr.Server.SameAs(relays[1].server) {
			t.Errorf("%v", err)
		}
		if len(troubles) == 0 || !errors.Is(troubles[0], ErrCorrupt) {
			t.Errorf("troubles %v", troubles)
		}
		if _, err := Open(f, list[0]); !errors.Is(err, ErrFile) {
			t.Errorf("the incomplete file: %v", err)
		}
	})
}

// A chunk is had from another relay if the first one is of no use.
func TestReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relays := []*testRelay{newTestRelay(t, 1), newTestRelay(t, 2)}
		pool := newPool(t, relays...)
		content, file, up := encrypted(t, 1000, 1)
		var d *Description
		for _, r := range relays {
			up.Chunks[0].reset()
			if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(r)}); err != nil {
				t.Fatal(err)
			}
			_, list, _ := up.Descriptions()
			if d == nil {
				d = list[0]
			} else {
				d.Chunks[0].Replicas = append(d.Chunks[0].Replicas, list[0].Chunks[0].Replicas...)
			}
		}
		d = reparse(t, d)
		for what, change := range map[string]func(){
			"deleted": func() { relays[0].before = func(Command) Message { return ErrAuth } },
			"down":    func() { relays[0].setDown(true) },
			"wrong": func() {
				relays[0].change(func() { relays[0].before = nil })
				relays[0].setDown(false)
				relays[0].change(func() { relays[0].body = func(w http.ResponseWriter, _ *http.Request, b []byte) { w.Write(b[1:]) } })
			},
		} {
			change()
			if got := receive(t, pool, d, tempFile(t)); !bytes.Equal(got, content) {
				t.Errorf("%s: %d other bytes", what, len(got))
			}
		}
	})
}

// An upload looks for another relay when one fails, and goes back to none that refuses.
func TestUploadRelayFails(t *testing.T) {
	upload := func(t *testing.T, up *Upload, file io.ReaderAt, relays ...*testRelay) error {
		return up.Run(context.Background(), newPool(t, relays...), file, UploadOptions{Relays: relaysOf(relays...)})
	}
	for name, fail := range map[string]func(*testRelay){
		"down":         func(r *testRelay) { r.setDown(true) },
		"password":     func(r *testRelay) { r.before = refuse[FNew](ErrAuth) },
		"size":         func(r *testRelay) { r.before = refuse[FNew](ErrSize) },
		"full":         func(r *testRelay) { r.before = refuse[FPut](ErrQuota) },
		"forgets":      func(r *testRelay) { r.before = refuse[FPut](ErrAuth) },
		"disk":         func(r *testRelay) { r.before = refuse[FPut](ErrFileIO) },
		"other digest": func(r *testRelay) { r.before = refuse[FPut](ErrDigest) },
	} {
		synctest.Test(t, func(t *testing.T) {
			good, bad := newTestRelay(t, 1), newTestRelay(t, 2)
			fail(bad)
			content, file, up := encrypted(t, 170_000, 1)
			if err := upload(t, up, file, good, bad); err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if good.stored() != 3 || bad.stored() != 0 {
				t.Errorf("%s: %d and %d chunks", name, good.stored(), bad.stored())
			}
			_, list, _ := up.Descriptions()
			if got := receive(t, newPool(t, good), list[0], tempFile(t)); !bytes.Equal(got, content) {
				t.Errorf("%s: %d other bytes", name, len(got))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // there is only one
		relay := newTestRelay(t, 1)
		relay.change(func() { relay.before = refuse[FNew](ErrAuth) })
		_, file, up := encrypted(t, 170_000, 1)
		var relayErr *RelayError
		if err := upload(t, up, file, relay); !errors.Is(err, ErrAuth) || !errors.As(err, &relayErr) {
			t.Errorf("all refuse: %v", err)
		}
		relay.change(func() { relay.before = refuse[FPut](ErrDigest) })
		if err := upload(t, up, file, relay); !errors.Is(err, ErrDigest) {
			t.Errorf("a relay that always refuses: %v", err)
		}
		relay.change(func() { relay.before = nil })
		if err := upload(t, up, file, relay); err != nil {
			t.Errorf("when it has stopped refusing: %v", err)
		}
		if err := up.Run(context.Background(), nil, file, UploadOptions{}); !errors.Is(err, ErrNoRelay) {
			t.Errorf("no relay: %v", err)
		}
	})
}

// refuse answers commands of one type with an error.
func refuse[C Command](e *Error) func(Command) Message {
	return func(cmd Command) Message {
		if _, ok := cmd.(C); ok {
			return e
		}
		return nil
	}
}

// A relay that is away for hours is waited for, with fewer and fewer attempts; after that the transfer
// goes on by itself.
func TestRelayAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newTestRelay(t, 1)
		pool := newPool(t, relay)
		content, file, up := encrypted(t, 170_000, 1)
		away := func(d time.Duration) {
			relay.setDown(true)
			time.AfterFunc(d, func() { relay.setDown(false) })
		}
		troubles := 0
		options := Options{Trouble: func(*RelayError) { troubles++ }}
		away(time.Hour)
		if err := up.Run(context.Background(), pool, file, UploadOptions{Options: options, Relays: relaysOf(relay)}); err != nil {
			t.Fatal(err)
		}
		if troubles < 20 || troubles > 60 {
			t.Errorf("%d attempts in an hour", troubles)
		}
		_, list, _ := up.Descriptions()
		away(time.Hour)
		if got := receive(t, pool, list[0], tempFile(t)); !bytes.Equal(got, content) {
			t.Errorf("%d other bytes", len(got))
		}
		relay.setDown(true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := Download(ctx, pool, list[0], tempFile(t), Options{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("until the deadline: %v", err)
		}
	})
}

// After the network has changed a transfer does not wait as long as it was to.
func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newTestRelay(t, 1)
		pool := newPool(t, relay)
		content, file, up := encrypted(t, 170_000, 1)
		if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay)}); err != nil {
			t.Fatal(err)
		}
		_, list, _ := up.Descriptions()
		relay.setDown(true)
		f := tempFile(t)
		result := make(chan error)
		go func() { result <- Download(context.Background(), pool, list[0], f, Options{}) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		relay.setDown(false)
		start := time.Now()
		pool.Reset()
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("it still waited %v", d)
		}
		if got := receive(t, pool, list[0], f); !bytes.Equal(got, content) {
			t.Errorf("%d other bytes", len(got))
		}
		// An attempt to connect that hangs is given up.
		silent := make(chan struct{})
		relay.raw = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			close(silent)
			<-r.Context().Done()
			return true
		}
		pool.Reset()
		go func() {
			result <- pool.Do(context.Background(), relay.server, Way{}, func(context.Context, *Client) error { return nil })
		}()
		<-silent
		start = time.Now()
		pool.Reset()
		if err := <-result; !errors.Is(err, ErrClosed) || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// What several uploads have left is deleted, each in its own way, though relays are down or refuse.
func TestRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newTestRelay(t, 1), newTestRelay(t, 2)
		pool := newPool(t, a, b)
		var files [][]Replica
		for _, relay := range []*testRelay{a, b} {
			_, file, up := encrypted(t, 170_000, 1)
			if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay)}); err != nil {
				t.Fatal(err)
			}
			var list []Replica
			for _, r := range up.Replicas() { // as they are kept
				text, err := r.MarshalText()
				if err != nil {
					t.Fatal(err)
				}
				var again Replica
				if err := again.UnmarshalText(text); err != nil || again.ID != r.ID || again.Server.String() != r.Server.String() || !bytes.Equal(again.Key.DER(), r.Key.DER()) {
					t.Fatalf("a replica changed, %v", err)
				}
				list = append(list, again)
			}
			files = append(files, list)
		}
		files[0][0].ID = "unknown"
		chunks := len(files[0])
		b.change(func() { b.down = true })
		pool.Reset()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ways := []Way{{Circuit: "a"}, {Circuit: "b"}}
		removed := [2]int{}
		count := func(file, chunk int) error { removed[file]++; return nil }
		if err := Remove(ctx, pool, files, ways, count); !errors.Is(err, context.DeadlineExceeded) || removed != [2]int{chunks, 0} || len(a.chunks) != 1 {
			t.Errorf("%v, %v were removed, %d chunks are left", err, removed, len(a.chunks))
		}
		b.change(func() { b.down = false })
		if err := Remove(context.Background(), pool, files[1:], ways[1:], count); err != nil || removed != [2]int{2 * chunks, 0} || len(b.chunks) != 0 {
			t.Errorf("%v, %v were removed, %d chunks are left", err, removed, len(b.chunks))
		}
		if err := Remove(context.Background(), pool, files, ways, func(int, int) error { return errTest }); !errors.Is(err, errTest) {
			t.Error(err)
		}
	})
	for _, text := range []string{"", "a b", "a b c", "smp://" + strings.Repeat("A", 43) + "=@host AA== AA=="} {
		if err := new(Replica).UnmarshalText([]byte(text)); !errors.Is(err, ErrDescription) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Many chunks on one relay are not looked at again and again by who waits for their turn.
func TestManyChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newTestRelay(t, 1)
		const chunks = 500
		todo, done, looked := make([]int, chunks), 0, 0
		for i := range todo {
			todo[i] = i
		}
		r := &runner{pool: newPool(t, relay),
			candidates: func(int) []wire.Server { looked++; return []wire.Server{relay.server} },
			step: func(context.Context, int, wire.Server) error { // one at a time
				time.Sleep(time.Millisecond)
				done++
				return nil
			}}
		if err := r.run(t.Context(), todo); err != nil || done != chunks || looked > 10*chunks {
			t.Errorf("%d of %d chunks are done, %d were looked at: %v", done, chunks, looked, err)
		}
	})
}

// What a canceled upload has left is deleted.
func TestDiscard(t *testing.T) {
	relay := newTestRelay(t, 1)
	pool := newPool(t, relay)
	_, file, up := encrypted(t, 170_000, 1)
	store := newSaved(t, up)
	store.stop = func(n int) error {
		if n == 4 {
			return errTest
		}
		return nil
	}
	if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay), Save: store.save}); !errors.Is(err, errTest) {
		t.Fatal(err)
	}
	if relay.stored() == 0 {
		t.Fatal("nothing was uploaded")
	}
	for range 2 {
		if err := Remove(context.Background(), pool, [][]Replica{up.Replicas()}, make([]Way, 1), func(int, int) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(relay.chunks) != 0 {
		t.Errorf("%d chunks are left", len(relay.chunks))
	}
}

// Descriptions for another party are refused before anything is sent.
func TestParties(t *testing.T) {
	sender, recipient := &Description{Party: Sender}, &Description{Party: Recipient}
	for _, err := range []error{
		Download(context.Background(), nil, sender, nil, Options{}), Acknowledge(context.Background(), nil, sender, Way{}),
		Delete(context.Background(), nil, recipient, Way{}),
		Download(context.Background(), nil, &Description{Party: Recipient, Size: 1, Chunks: []Chunk{{Size: 1}}}, nil, Options{}),
	} {
		if !errors.Is(err, ErrDescription) {
			t.Error(err)
		}
	}
}

// The network ends every connection again and again.
func TestFlakyNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relays := []*testRelay{newTestRelay(t, 1), newTestRelay(t, 2)}
		pool := newPool(t, relays...)
		content, file, up := encrypted(t, 700_000, 1)
		n := 0
		flaky := func(w http.ResponseWriter, r *testRelay, b []byte) {
			if n++; n%2 == 1 {
				w.Write(b[:len(b)/2])
				w.(http.Flusher).Flush()
				r.hangUp()
				return
			}
			w.Write(b)
		}
		for _, r := range relays {
			puts := 0
			r.before = func(cmd Command) Message {
				if _, put := cmd.(FPut); put {
					if puts++; puts%2 == 1 {
						r.hangUp()
					}
				}
				return nil
			}
			r.change(func() { r.body = func(w http.ResponseWriter, _ *http.Request, b []byte) { flaky(w, r, b) } })
		}
		if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relays...), Options: Options{Parallel: 1}}); err != nil {
			t.Fatal(err)
		}
		_, list, _ := up.Descriptions()
		var done []int64
		f := tempFile(t)
		err := Download(context.Background(), pool, list[0], f, Options{Parallel: 1, Progress: func(p Progress) { done = append(done, p.Done) }})
		if err != nil {
			t.Fatal(err)
		}
		if last := done[len(done)-1]; last != list[0].Size || slices.Max(done) != last {
			t.Errorf("the progress ends with %d of %d", last, list[0].Size)
		}
		if got := receive(t, pool, list[0], f); !bytes.Equal(got, content) {
			t.Errorf("%d other bytes", len(got))
		}
	})
}

// Relays are used at the same time, each by one request at a time.
func TestParallel(t *testing.T) {
	relays := []*testRelay{newTestRelay(t, 1), newTestRelay(t, 2), newTestRelay(t, 3)}
	var mu sync.Mutex
	busy, most := map[*testRelay]int{}, 0
	all := make(chan struct{})
	for _, r := range relays {
		r.before = func(cmd Command) Message {
			if _, put := cmd.(FPut); !put {
				return nil
			}
			mu.Lock()
			busy[r]++
			if busy[r] > 1 {
				t.Error("two uploads to one relay at the same time")
			}
			if len(busy) > most {
				if most = len(busy); most == len(relays) {
					close(all)
				}
			}
			mu.Unlock()
			<-all // each waits for the others
			mu.Lock()
			if busy[r]--; busy[r] == 0 && most < len(relays) {
				delete(busy, r)
			}
			mu.Unlock()
			return nil
		}
	}
	_, file, up := encrypted(t, 3_100_000, 1)
	for i := range up.Chunks { // one on each relay
		up.Chunks[i].State = ChunkNew
	}
	if len(up.Chunks) < 3 {
		t.Fatalf("%d chunks", len(up.Chunks))
	}
	if err := up.Run(context.Background(), newPool(t, relays...), file, UploadOptions{Relays: relaysOf(relays...)}); err != nil {
		t.Fatal(err)
	}
}

// The encrypted copy of an upload was changed on disk: no relay is blamed.
func TestUploadChangedFile(t *testing.T) {
	relay := newTestRelay(t, 1)
	pool := newPool(t, relay)
	_, file, up := encrypted(t, 170_000, 1)
	b := make([]byte, file.Size())
	file.ReadAt(b, 0)
	var relayErr *RelayError
	for _, changed := range [][]byte{append(bytes.Clone(b[:100_000]), make([]byte, len(b)-100_000)...), b[:len(b)-1], nil} {
		err := up.Run(context.Background(), pool, bytes.NewReader(changed), UploadOptions{Relays: relaysOf(relay)})
		if !errors.Is(err, ErrFile) || errors.As(err, &relayErr) {
			t.Errorf("%v", err)
		}
	}
	if err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay)}); err != nil {
		t.Error(err)
	}
}

// A file that is described by a description in another file.
func TestRedirect(t *testing.T) {
	ctx := context.Background()
	relay := newTestRelay(t, 1)
	pool := newPool(t, relay)
	content, file, up := encrypted(t, 5_000_000, 1)
	options := UploadOptions{Relays: relaysOf(relay)}
	if err := up.Run(ctx, pool, file, options); err != nil {
		t.Fatal(err)
	}
	_, list, _ := up.Descriptions()
	var short bytes.Buffer
	up, err := EncryptDescription(ctx, &short, list[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	store := newSaved(t, up)
	up = store.load(t)
	if err := up.Run(ctx, pool, bytes.NewReader(short.Bytes()), options); err != nil {
		t.Fatal(err)
	}
	_, list, _ = up.Descriptions()
	d, _, err := ParseURI(list[0].URI(""))
	if err != nil || d.Redirect == nil || len(list[0].URI("")) > MaxQR {
		t.Fatalf("%d bytes, %v", len(list[0].URI("")), err)
	}
	next, err := d.Follow(receive(t, pool, d, tempFile(t)))
	if err != nil {
		t.Fatal(err)
	}
	if got := receive(t, pool, next, tempFile(t)); !bytes.Equal(got, content) {
		t.Errorf("%d other bytes", len(got))
	}
}

func testUpload() *Upload {
	up := &Upload{Key: crypt.Secret{1}, Nonce: crypt.Nonce{2}, Digest: Digest{3}, Recipients: 2, Redirect: &Redirect{4, Digest{5}}}
	up.Chunks = []UploadChunk{{Size: 65536, Digest: ChunkDigest{6}}, {
		Size: 65536, State: ChunkUploaded, Server: testServer(1), Sender: "sender", SenderKey: crypt.Ed25519Private{7},
		Recipients: []UploadRecipient{{"one", crypt.Ed25519Private{8}}, {"two", crypt.Ed25519Private{9}}},
	}}
	return up
}

func TestState(t *testing.T) {
	up := testUpload()
	plan, err := up.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	same := new(Upload)
	if err := same.UnmarshalBinary(plan); err != nil {
		t.Fatal(err)
	}
	for i := range up.Chunks {
		if err := same.RestoreChunk(i, up.AppendChunk(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprintf("%+v %+v", same, same.Redirect), fmt.Sprintf("%+v %+v", up, up.Redirect); len(got) != len(want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if same.Chunks[1].Recipients[1] != up.Chunks[1].Recipients[1] || *same.Redirect != *up.Redirect || same.Key != up.Key || same.Digest != up.Digest {
		t.Error("something is lost")
	}
	for n := range plan {
		if n >= len(plan)-36 && n%36 == len(plan)%36 {
			continue // a chunk less
		}
		if err := new(Upload).UnmarshalBinary(plan[:n]); !errors.Is(err, ErrState) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	state := up.AppendChunk(nil, 1)
	for n := range state {
		if err := same.RestoreChunk(0, state[:n]); !errors.Is(err, ErrState) {
			t.Errorf("a chunk cut to %d bytes: %v", n, err)
		}
	}
	for _, b := range [][]byte{nil, {2, 0}, {1, 3}, {1, 0, 0}, {1, 1, 0, 1, 'x'}} {
		if err := same.RestoreChunk(0, b); !errors.Is(err, ErrState) {
			t.Errorf("%x: %v", b, err)
		}
	}
	for _, i := range []int{-1, 2} {
		if err := same.RestoreChunk(i, state); !errors.Is(err, ErrState) {
			t.Errorf("chunk %d: %v", i, err)
		}
	}
	up.Wipe()
	if up.Key != (crypt.Secret{}) || up.Chunks[1].SenderKey != (crypt.Ed25519Private{}) {
		t.Error("the keys are still there")
	}
	for s, want := range map[ChunkState]string{ChunkNew: "new", ChunkRegistered: "registered", ChunkUploaded: "uploaded", 9: "ChunkState(9)"} {
		if s.String() != want {
			t.Errorf("%s, want %s", s, want)
		}
	}
}

// No error says which relay, file or key it is about.
func TestErrorTexts(t *testing.T) {
	err := &RelayError{wire.Server{Hosts: []string{"secret.example"}}, ErrAuth}
	if bytes.Contains([]byte(err.Error()), []byte("secret")) {
		t.Error(err)
	}
}
