package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// crashVariable is the environment variable that makes the test binary a program that kills itself.
const crashVariable = "SOTTO_AGENT_CRASH"

// crashRun is what that program is to do: connect with the other side, write some messages, wait
// for its receipts and for the messages of the other side, and end.
type crashRun struct {
	Dir     string
	Relays  []string
	Link    string // to be opened; empty if the program is to make one
	Write   []string
	Receive int // messages in all
	Rotate  bool
	KillAt  int // the point, before or after a commit, at which it dies; 0 for none
}

// crashExit is the exit code of a program that did all.
const crashExit = 42

// chooseOther chooses a relay that is not used yet.
func chooseOther(relays []wire.Server) func(used, tried []wire.Server) (Relay, error) {
	return func(used, tried []wire.Server) (Relay, error) {
		for _, r := range relays {
			if !slices.ContainsFunc(slices.Concat(used, tried), r.SameAs) {
				return Relay{Server: r}, nil
			}
		}
		return Relay{Server: relays[0]}, nil
	}
}

// crashMain is the program.
func crashMain() {
	var run crashRun
	if err := json.Unmarshal([]byte(os.Getenv(crashVariable)), &run); err != nil {
		panic(err)
	}
	var relays []wire.Server
	for _, s := range run.Relays {
		server, err := wire.ParseServer(s)
		if err != nil {
			panic(err)
		}
		relays = append(relays, server)
	}
	if err := run.do(relays); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(crashExit)
}

func (run crashRun) do(relays []wire.Server) error {
	var points atomic.Int64
	n := &node{name: "crashing", dir: run.Dir, retry: quickRetry, choose: chooseOther(relays), crash: func() {
		if int(points.Add(1)) == run.KillAt {
			if p, err := os.FindProcess(os.Getpid()); err == nil {
				_ = p.Kill()
			}
			select {}
		}
	}}
	_, err := os.Stat(run.Dir)
	if err := n.start(errors.Is(err, fs.ErrNotExist)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	id, err := n.first()
	if err != nil {
		return err
	}
	if id == 0 && run.Link != "" {
		link, _, err := ParseLink(run.Link)
		if err != nil {
			return err
		}
		if id, err = n.Join(ctx, *link, []byte(n.name), func(*store.Tx, int64) error { return nil }); err != nil {
			return err
		}
	} else if id == 0 {
		id, err = n.Invite(ctx, nil, func(tx *store.Tx, id int64, i Invitation) error { return n.record(tx, id, "link", i.Full.String(), 0) })
		if err != nil {
			return err
		}
	}
	for written := false; ; {
		list, err := n.list(id)
		if err != nil {
			return err
		}
		kinds, has := map[string]int{}, map[string]bool{}
		for _, r := range list {
			kinds[r.kind]++
			has[r.kind+" "+r.text] = true
		}
		if kinds["failed"] > 0 {
			return errors.New("the connection failed")
		}
		if kinds["connected"] > 0 && !written {
			written = true
			if run.Rotate {
				if err := n.Rotate(ctx, id); err != nil && !errors.Is(err, ErrRotating) {
					return err
				}
			}
			for _, text := range run.Write {
				if has["written "+text] {
					continue
				}
				if err := n.write(id, text); err != nil {
					return err
				}
			}
			continue
		}
		if written && kinds["delivered"] == kinds["written"] && kinds["message"] == run.Receive {
			return nil
		}
		select {
		case <-n.changed:
		case <-ctx.Done():
			return fmt.Errorf("it took too long: %v", kinds)
		}
	}
}

// first returns the id of the only connection, 0 if there is none.
func (n *node) first() (id int64, err error) {
	err = n.db.View(context.Background(), func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT coalesce(min(id), 0) FROM connections`).Scan(&id)
	})
	return id, err
}

// quickRetry is for tests with real time.
var quickRetry = Retry{10 * time.Millisecond, time.Second, time.Second}

// TestCrash kills a program with SIGKILL before and after each commit of connecting, sending,
// receiving and moving a queue: afterwards everything is there, once and in order.
func TestCrash(t *testing.T) {
	t.Parallel()
	for name, invites := range map[string]bool{"inviting": true, "joining": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testCrash(t, invites)
		})
	}
}

func testCrash(t *testing.T, invites bool) {
	first, second := newRelay(t), newRelay(t)
	relays := []wire.Server{first.server, second.server}
	peer := &node{t: t, name: "peer", dir: filepath.Join(t.TempDir(), "db"), retry: quickRetry, choose: chooseOther(relays)}
	if err := peer.start(true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.stop() })
	dir := filepath.Join(t.TempDir(), "crashing")
	run := crashRun{Dir: dir, Relays: []string{first.server.String(), second.server.String()}}
	var id int64
	if !invites {
		var err error
		id, err = peer.Invite(t.Context(), nil, func(_ *store.Tx, _ int64, i Invitation) error { run.Link = i.Full.String(); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	var expect []string
	kills, completed, rounds := 0, 0, shorter(crashRounds)
	for i := range rounds*crashPoints + 1 {
		run.KillAt = i%crashPoints + 1
		if i == rounds*crashPoints {
			run.KillAt = 0
		}
		if id != 0 && State(peer.connection(id).State) == StateConnected {
			text := fmt.Sprint("from the peer ", run.Receive)
			if err := peer.write(id, text); err != nil {
				t.Fatal(err)
			}
			run.Receive++
		}
		run.Write = append(run.Write, fmt.Sprint("message ", len(run.Write)), fmt.Sprint("message ", len(run.Write)+1))
		run.Rotate = len(run.Write)%16 == 0
		env, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), crashVariable+"="+string(env))
		out, err := cmd.CombinedOutput()
		exit := new(exec.ExitError)
		switch {
		case errors.As(err, &exit) && exit.ExitCode() == crashExit:
			completed++
		case errors.As(err, &exit) && exit.ExitCode() != 1 && run.KillAt > 0:
			kills++
		default:
			t.Fatalf("run %d: %v: %s", run.KillAt, err, out)
		}
		if id == 0 {
			id = openLinkOf(t, peer, dir)
		}
	}
	t.Logf("killed %d times, %d runs came to their end", kills, completed)
	// The records of the one that crashed.
	n := &node{t: t, name: "crashing", dir: dir, retry: quickRetry, choose: chooseOther(relays)}
	if err := n.start(false); err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	own, err := n.first()
	if err != nil {
		t.Fatal(err)
	}
	peer.wait("all receipts", func() bool { return len(peer.texts(id, "delivered")) == run.Receive })
	for i := range run.Receive {
		expect = append(expect, fmt.Sprint("from the peer ", i))
	}
	if got := n.texts(own, "message"); !slices.Equal(got, expect) {
		t.Errorf("received %v, want %v", got, expect)
	}
	if got := peer.texts(id, "message"); !slices.Equal(got, run.Write) {
		t.Errorf("the peer received %v, want %v", got, run.Write)
	}
	if p := append(n.texts(own, "problem"), peer.texts(id, "problem")...); len(p) > 0 {
		t.Error(p)
	}
	if kills < rounds*crashPoints*3/4 || len(peer.texts(id, "moved")) == 0 {
		t.Errorf("only %d kills, %d queues moved", kills, len(peer.texts(id, "moved")))
	}
}

// The program is killed at each of crashPoints, which are a few more than a run without a backlog
// has, in each of crashRounds.
const (
	crashPoints = 40
	crashRounds = 2
)

// openLinkOf has the peer open the link that a program made before it died, if it did.
func openLinkOf(t *testing.T, peer *node, dir string) (connection int64) {
	t.Helper()
	db, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text string
	err = db.View(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT coalesce(max(text), '') FROM record WHERE kind = 'link'`).Scan(&text)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	released()
	if text == "" {
		return 0
	}
	link, _, err := ParseLink(text)
	if err != nil {
		t.Fatal(err)
	}
	if connection, err = peer.Join(t.Context(), *link, []byte("peer"), func(*store.Tx, int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return connection
}
