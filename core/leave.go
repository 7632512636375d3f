package core

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// leaveTime is how long the queues and files of a deleted profile are tried to be deleted. Relays forget what
// nobody reads by themselves.
const leaveTime = 7 * 24 * time.Hour

// leavePoll is how often a leaver looks whether it is done.
const leavePoll = time.Second

// Settings of a leaver.
const (
	settingLeft    = "left"    // when the profile was deleted, as RFC 3339 has it
	settingUploads = "uploads" // what is to be deleted of its files: lists of [xftp.Replica] in JSON
)

// leaver deletes the queues and the files of a deleted profile on their relays. It has a database of its own in the
// place of the profile's, with nothing but what names and deletes them, and how relays are reached.
type leaver struct {
	profile *Profile // that has only what is needed here: its database, and the ways to relays
	db      *store.DB
	agent   *agent.Agent
	pool    *xftp.Pool
	uploads [][]xftp.Replica
	stop    context.CancelFunc
	done    chan struct{}
}

// close ends the leaver and waits for it.
func (l *leaver) close() error {
	l.stop()
	<-l.done
	l.pool.Close()
	l.agent.Close()
	return l.db.Close()
}

// leave makes the database of a leaver, if there are queues or uploads that a profile has still to delete, and returns
// its id. The profile is to be deleted next.
func (c *Core) leave(ctx context.Context, p *Profile, uploads [][]xftp.Replica) (id string, err error) {
	var queues []*store.Deletion
	settings := make(map[string][]byte)
	err = p.db.View(ctx, func(tx *store.Tx) (err error) {
		for _, name := range []string{settingRelays, settingNetwork, settingTor} {
			if settings[name], err = tx.Setting(name); err != nil {
				return err
			}
		}
		queues, err = tx.Deletions()
		return err
	})
	if err != nil || len(queues) == 0 && len(uploads) == 0 {
		return "", err
	}
	if id, err = c.newID(); err != nil {
		return "", err
	}
	db, err := store.Create(ctx, c.profileDir(id), c.protection(nil))
	if err != nil {
		return "", err
	}
	err = db.Update(ctx, func(tx *store.Tx) error {
		for name, value := range settings {
			if err := tx.SetSetting(name, value); err != nil {
				return err
			}
		}
		for _, q := range queues {
			if err := tx.InsertDeletion(q); err != nil {
				return err
			}
		}
		if err := saveUploads(tx, uploads); err != nil {
			return err
		}
		return tx.SetSetting(settingLeft, []byte(c.opt.Now().UTC().Format(time.RFC3339)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return "", errors.Join(err, os.RemoveAll(c.profileDir(id)))
	}
	return id, nil
}

// startLeaver goes on with what leave has left. If it can't be opened now, it is tried again at the
// next start. The caller holds c.opening.
func (c *Core) startLeaver(ctx context.Context, id string) error {
	db, err := store.Open(ctx, c.profileDir(id), c.protection(nil))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrDamaged) {
		return c.forgetLeaver(id)
	} else if err != nil {
		return ctx.Err()
	}
	err = c.underLock(ctx, db)
	p := &Profile{core: c, id: id, db: db, unread: make(map[int64]int)}
	l := &leaver{profile: p, db: db, done: make(chan struct{})}
	var since time.Time
	if err == nil {
		err = db.View(ctx, func(tx *store.Tx) error {
			left, err := tx.Setting(settingLeft)
			if err != nil {
				return err
			}
			if since, err = time.Parse(time.RFC3339, string(left)); err != nil {
				return fmt.Errorf("setting %s: %w", settingLeft, err)
			}
			if l.uploads, err = loadUploads(tx); err != nil {
				return err
			}
			return p.load(tx)
		})
	}
	if err != nil {
		return errors.Join(fmt.Errorf("deleting queues of a deleted profile: %w", err), db.Close())
	}
	if err := p.newCircuits(); err != nil {
		return errors.Join(err, db.Close())
	}
	p.spreadOut()
	p.smp = c.opt.Network
	p.smp.Path = p.path
	p.xftp = xftp.Config{Path: p.path}
	l.agent = agent.New(agent.Config{DB: db, Handler: leaverHandler{}, Network: p.smp, Presets: presetServers(), Rand: c.opt.Rand, Now: c.opt.Now,
		Isolate: func() bool { return c.Tor().Isolate }, RetrySend: c.opt.Retry})
	if err := l.agent.Start(ctx); err != nil {
		l.agent.Close()
		return errors.Join(err, db.Close())
	}
	l.pool = xftp.NewPool(p.xftp)
	running, stop := context.WithCancel(context.Background())
	l.stop = stop
	c.mu.Lock()
	c.leaving[id] = l
	c.mu.Unlock()
	c.tor.update()
	go func() {
		defer close(l.done)
		var files sync.WaitGroup
		files.Go(func() { l.remove(running) })
		gone := l.wait(running, func() bool { return c.opt.Now().Sub(since) > leaveTime })
		stop()
		files.Wait()
		if gone {
			l.pool.Close()
			l.agent.Close()
			_ = errors.Join(l.db.Close(), c.forgetLeaver(id)) // what fails is done after the next start
		}
	}()
	return nil
}

// leavers returns the profiles of all leavers.
func (c *Core) leavers() (list []*Profile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.leaving {
		list = append(list, l.profile)
	}
	return list
}

// rerouteLeavers has all leavers connect anew, in new circuits, as the choices about Tor are now.
func (c *Core) rerouteLeavers() {
	c.mu.Lock()
	list := slices.Collect(maps.Values(c.leaving))
	c.mu.Unlock()
	for _, l := range list { // which asks for the choices
		_ = l.profile.newCircuits() // without randomness they stay as they are
		l.profile.spreadOut()
		l.agent.Reconnect()
		l.pool.Reset()
	}
}

func saveUploads(tx *store.Tx, uploads [][]xftp.Replica) error {
	if len(uploads) == 0 {
		return tx.SetSetting(settingUploads, nil)
	}
	b, err := json.Marshal(uploads)
	if err != nil {
		return err
	}
	defer clear(b)
	return tx.SetSetting(settingUploads, b)
}

func loadUploads(tx *store.Tx) (uploads [][]xftp.Replica, err error) {
	b, err := tx.Setting(settingUploads)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	defer clear(b)
	if err := json.Unmarshal(b, &uploads); err != nil {
		return nil, fmt.Errorf("setting %s: %w", settingUploads, err)
	}
	return uploads, nil
}

// remove deletes files from their relays, and keeps what is left after each chunk.
func (l *leaver) remove(ctx context.Context) {
	files := l.uploads
	left := make([][]xftp.Replica, len(files))
	ways := make([]xftp.Way, len(files))
	for i, list := range files {
		left[i] = slices.Clone(list)
		if l.profile.core.Tor().Isolate {
			ways[i].Circuit = "#" + rand.Text()
		}
	}
	// It ends with ctx, or with the database: then the rest is for the next start.
	_ = xftp.Remove(ctx, l.pool, files, ways, func(file, chunk int) error {
		id := files[file][chunk].ID
		left[file] = slices.DeleteFunc(left[file], func(r xftp.Replica) bool { return r.ID == id })
		rest := slices.DeleteFunc(slices.Clone(left), func(list []xftp.Replica) bool { return len(list) == 0 })
		return l.db.Update(ctx, func(tx *store.Tx) error { return saveUploads(tx, rest) })
	})
}

// wait waits until all queues and files are deleted or it is late, or until ctx is done: then it returns false.
func (l *leaver) wait(ctx context.Context, late func() bool) bool {
	poll := time.NewTicker(leavePoll)
	defer poll.Stop()
	for {
		var left []*store.Deletion
		var uploads []byte
		err := l.db.View(ctx, func(tx *store.Tx) (err error) {
			if left, err = tx.Deletions(); err == nil {
				uploads, err = tx.Setting(settingUploads)
			}
			return err
		})
		if err == nil && len(left) == 0 && len(uploads) == 0 || late() {
			return ctx.Err() == nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return false
		}
	}
}

// forgetLeaver deletes the folder of a leaver.
func (c *Core) forgetLeaver(id string) error {
	dir := c.profileDir(id)
	err := errors.Join(vault.Destroy(context.Background(), dir, c.opt.Keyring), os.RemoveAll(dir))
	if err != nil {
		return err
	}
	return c.changeApp(func(s *appState) error {
		s.Leaving = slices.DeleteFunc(s.Leaving, func(l string) bool { return l == id })
		return nil
	})
}

// leaverHandler is for an agent without connections, of which there is nothing to tell.
type leaverHandler struct{ agent.Handler }

func (leaverHandler) RelayState(wire.Server, bool, error) {}
func (leaverHandler) StoreState(error)                    {}
