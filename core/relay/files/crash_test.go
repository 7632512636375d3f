package files

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/xftp"
)

// startChild starts a server in another process; kill ends it as a crash would.
func startChild(t *testing.T, dir string) (s *testServer, kill func()) {
	t.Helper()
	addr, kill := relaytest.Start(t, dir)
	return &testServer{Server: &Server{identity: must(front.ReadIdentity(dir))}, dir: dir, addr: addr}, kill
}

// TestKill kills a server again and again while chunks are uploaded and deleted. What it has answered
// with OK is there, or gone, afterwards; of what it has not answered nothing is left over; and the
// quota counts what is there.
func TestKill(t *testing.T) {
	dir := newFolder(t)
	const clients, perRound = 4, 25
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	var mu sync.Mutex
	var there, gone, unknown []*testChunk
	for range rounds {
		s, kill := startChild(t, dir)
		var answered atomic.Int64
		var work sync.WaitGroup
		for i := range clients {
			p := s.dial(t, 3)
			work.Go(func() {
				for n := 0; ; n++ {
					c := newChunk(int(xftp.ChunkSizes[(n+i)%3]), 1)
					state := p.storeUntilKilled(c, n%4 == 3)
					mu.Lock()
					switch state {
					case "there":
						there = append(there, c)
					case "gone":
						gone = append(gone, c)
					case "unknown":
						unknown = append(unknown, c)
					}
					mu.Unlock()
					if state == "" || state == "unknown" {
						return
					}
					if answered.Add(1) == perRound {
						kill()
					}
				}
			})
		}
		work.Wait()
	}

	s := startIn(t, dir, Config{})
	p := s.dial(t, 3)
	files, used := 0, int64(0)
	for _, c := range there {
		p.get(c, 0)
		files, used = files+1, used+int64(len(c.bytes))
	}
	for _, c := range gone {
		p.want(xftp.ErrAuth, xftp.FDel{}, c.Sender, c.sender.private)
	}
	for _, c := range unknown { // either as it was before the command, or after it
		m, _ := p.do(xftp.FGet{Key: newX25519().Public()}, c.Recipients[0], c.recipients[0].private)
		switch {
		case isKind(m, xftp.KindAuth):
		case isKind(m, xftp.KindNoFile):
			files++
		default:
			p.get(c, 0)
			files, used = files+1, used+int64(len(c.bytes))
		}
	}
	s.mu.Lock()
	gotUsed, gotFiles := s.used, s.files
	s.mu.Unlock()
	// Registrations that the crash has cut off may be there as well.
	if gotUsed != used || gotFiles < files || gotFiles > files+clients*rounds {
		t.Errorf("%d chunks and %d bytes are counted, there are %d and %d", gotFiles, gotUsed, files, used)
	}
	s.waitUntil(t, "what the crash has left to be deleted", func() bool {
		var bytes int64
		for _, name := range s.names(t) {
			if info, err := os.Stat(s.Server.store.(*Disk).path(name)); err == nil {
				bytes += info.Size()
			}
		}
		return bytes == used
	})
	if parts := must(os.ReadDir(filepath.Join(dir, chunksDir, partsDir))); len(parts) > 0 {
		t.Errorf("%d parts are left", len(parts))
	}
	t.Logf("%d chunks there, %d gone, %d cut off", len(there), len(gone), len(unknown))
}

func isKind(m xftp.Message, kind xftp.ErrorKind) bool {
	e, ok := m.(*xftp.Error)
	return ok && e.Kind == kind
}

// storeUntilKilled registers and uploads a chunk and, if wanted, deletes it again. It returns what is
// known of the chunk afterwards, or nothing if it was not registered.
func (p *peer) storeUntilKilled(c *testChunk, remove bool) string {
	m, _, err := p.tryDo(c.command(), "", c.sender.private)
	if err != nil {
		return ""
	}
	c.SIDs = m.(xftp.SIDs)
	commands := []xftp.Command{xftp.FPut{}}
	if remove {
		commands = append(commands, xftp.FDel{})
	}
	for _, cmd := range commands {
		var chunk []byte
		if _, put := cmd.(xftp.FPut); put {
			chunk = c.bytes
		}
		m, _, err := p.tryDo(cmd, c.Sender, c.sender.private, chunk)
		if err != nil {
			return "unknown"
		}
		if m != (xftp.OK{}) {
			p.t.Errorf("%T is answered with %v", cmd, m)
		}
	}
	if remove {
		return "gone"
	}
	return "there"
}

// TestSweep checks that the sweep deletes what is nobody's, and nothing else.
func TestSweep(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	c := p.store(64<<10, 1)
	s.stop()
	disk := s.Server.store.(*Disk)
	id, _ := keyOf([]byte(c.Sender))
	foreign := filepath.Join(s.dir, chunksDir, "no", "note")
	for _, name := range []string{chunkName(id, upload{1, 2, 3, 4}), chunkName(newKey(), upload{})} {
		if err := disk.Put(t.Context(), name, 1, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{foreign, filepath.Join(s.dir, chunksDir, partsDir, "x")} {
		os.MkdirAll(filepath.Dir(path), 0o700)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = startIn(t, s.dir, Config{})
	s.waitUntil(t, "the sweep", func() bool { return s.stats.orphans.Load() == 2 })
	s.dial(t, 3).get(c, 0)
	if _, err := os.Stat(foreign); err != nil {
		t.Error("a file that is none of the server's is deleted")
	}
}
