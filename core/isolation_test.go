package core

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// wiretap passes connections on to a relay and keeps how each begins.
type wiretap struct {
	target string
	work   sync.WaitGroup

	mu     sync.Mutex
	hellos [][]byte
	conns  []net.Conn
}

func (w *wiretap) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		w.work.Go(func() { w.pass(c) })
	}
}

func (w *wiretap) pass(c net.Conn) {
	defer c.Close()
	header := make([]byte, 5) // of the TLS record
	if _, err := io.ReadFull(c, header); err != nil {
		return
	}
	hello := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(c, hello); err != nil {
		return
	}
	up, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer up.Close()
	w.mu.Lock()
	w.hellos = append(w.hellos, hello)
	w.conns = append(w.conns, c, up)
	w.mu.Unlock()
	w.work.Go(func() {
		io.Copy(c, up)
		c.Close()
	})
	up.Write(append(header, hello...))
	io.Copy(up, c)
}

func (w *wiretap) close() {
	w.mu.Lock()
	for _, c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.work.Wait()
}

// TestIsolation has three profiles of one person, one of them hidden, talk through one relay, and looks
// for anything that shows that they belong together, what they say, or that there is a hidden one.
func TestIsolation(t *testing.T) {
	// The address of the relay leads to the wiretap.
	front := mustListen(t, "0")
	back := mustListen(t, "0")
	_, port, _ := net.SplitHostPort(front.Addr().String())
	r := &testRelay{t: t, dir: filepath.Join(t.TempDir(), "relay")}
	server, err := relay.Init(r.dir, relay.Settings{Hosts: []string{loopback}, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	r.address = server.String()
	r.serve(back)
	t.Cleanup(r.stop)
	tap := &wiretap{target: back.Addr().String()}
	tap.work.Go(func() { tap.serve(front) })
	t.Cleanup(func() { front.Close(); tap.close() })

	opt := testOptions(r)
	person := openTest(t, t.TempDir(), opt)
	others := openTest(t, t.TempDir(), opt)
	var blobs []map[string]string // of each profile: where each is
	needles := []string{server.String(), "simplex:", base64.URLEncoding.EncodeToString(server.KeyHash[:]), string(server.KeyHash[:])}
	var ids []string
	for i, name := range []string{"Persephone", "Proserpina", "Melinoe"} {
		p := &pair{a: person, b: others, pb: others.create("Hades" + name)}
		if name == "Melinoe" {
			p.pa = createHidden(t, person, name, "moon")
		} else {
			p.pa = person.create(name)
		}
		p.connect(t)
		text := "the seeds of the pomegranate, eaten as " + name
		p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, text).ID)
		p.b.delivered(p.pb, p.cb, mustSend(t, p.pb, p.cb, "answer to "+text).ID)
		needles = append(needles, name, "pomegranate")
		ids = append(ids, p.pa.ID())
		blobs = append(blobs, readBlobs(t, p.pa))
		if len(blobs[i]) < 10 {
			t.Fatalf("only %d secrets were found in a profile", len(blobs[i]))
		}
	}

	// In the databases.
	for i := range blobs {
		for b, where := range blobs[i] {
			if other, ok := blobs[(i+1)%3][b]; ok {
				t.Errorf("%s of one profile is %s of the other", where, other)
			}
			needles = append(needles, b)
		}
	}

	// On the wire: six profiles, six sessions that have nothing in common.
	tap.mu.Lock()
	hellos := slices.Clone(tap.hellos)
	tap.mu.Unlock()
	if len(hellos) != 6 {
		t.Errorf("6 profiles have made %d connections", len(hellos))
	}
	seen := make(map[string]bool)
	for _, h := range hellos {
		random, session := string(h[6:38]), string(h[39:39+int(h[38])])
		if seen[random] || session != "" && seen[session] {
			t.Error("two sessions have the same random value or session id")
		}
		seen[random], seen[session] = true, true
		if bytes.Contains(h, []byte(loopback)) {
			t.Error("a client hello names a host")
		}
	}

	// On disk.
	person.shut()
	var files []string
	err = filepath.WalkDir(person.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(person.dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if name != "." && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v", name, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		files = append(files, name)
		b, err := os.ReadFile(path)
		for _, needle := range needles {
			if bytes.Contains(b, []byte(needle)) || strings.Contains(name, needle) {
				t.Errorf("%s holds %q", name, needle)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	hidden := ids[2]
	for _, name := range files {
		if name == appFile || name == instanceFile {
			continue
		}
		id, _, ok := strings.Cut(strings.TrimPrefix(filepath.ToSlash(name), profilesDir+"/"), "/")
		spare := profileID.MatchString(id) && vault.IsHidden(filepath.Join(person.dir, profilesDir, id))
		if !ok || slices.Contains(ids[:2], id) == spare {
			t.Errorf("%s belongs to no profile", name)
		}
	}
	b, err := os.ReadFile(filepath.Join(person.dir, appFile))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte(hidden)) {
		t.Error("app.json has the id of the hidden profile")
	}
	var app map[string]any
	if err := json.Unmarshal(b, &app); err != nil {
		t.Fatal(err)
	}
	delete(app, "profiles")
	delete(app, "current")
	delete(app, "salt")
	if len(app) > 0 {
		t.Errorf("app.json holds %v", app)
	}
}

// readBlobs returns all ids, keys and other values of a profile that should be random.
func readBlobs(t *testing.T, p *Profile) map[string]string {
	t.Helper()
	blobs := make(map[string]string)
	err := p.db.View(t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"connections", "receive_queues", "send_queues", "sent", "received", "contacts", "items", "requests", "contact_requests", "previews"} {
			rows, err := tx.Query("SELECT * FROM " + table)
			if err != nil {
				return err
			}
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			for rows.Next() {
				if err := rows.Scan(values...); err != nil {
					return err
				}
				for i, v := range values {
					b, ok := (*v.(*any)).([]byte)
					if ok && len(b) >= 8 {
						blobs[string(b)] = fmt.Sprint(table, ".", columns[i])
					}
				}
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}
