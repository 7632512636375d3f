package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// leaveTime is how long the queues and files of a deleted profile are tried to be deleted. Relays forget what
// nobody reads by themselves.
const leaveTime = 7 * 24 * time.Hour

// A leaver looks soon whether it is done, and then ever more rarely: relays may be gone for days.
const (
	firstLeavePoll = time.Second
	lastLeavePoll  = time.Minute
)

// settingLeft is the setting of a leaver that tells when the profile was deleted, as RFC 3339 has it.
const settingLeft = "left"

// leaver deletes the queues and the files of a deleted profile on their relays. It has a database of its own in the
// place of the profile's, with nothing but what names and deletes them, and how relays are reached.
type leaver struct {
	profile *Profile // that has only what is needed here: its database, and the ways to relays
	db      *store.DB
	agent   *agent.Agent
	pool    *xftp.Pool
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
func (c *Core) leave(ctx context.Context, p *Profile) (id string, err error) {
	var queues []*store.Deletion
	var files []store.FileDeletion
	settings := make(map[string][]byte)
	err = p.db.View(ctx, func(tx *store.Tx) (err error) {
		for _, name := range []string{settingRelays, settingNetwork, settingTor} {
			if settings[name], err = tx.Setting(name); err != nil {
				return err
			}
		}
		if files, err = tx.FileDeletions(); err == nil {
			queues, err = tx.Deletions()
		}
		return err
	})
	if err != nil || len(queues) == 0 && len(files) == 0 {
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
		now := c.opt.Now()
		for _, f := range files {
			if err := tx.InsertFileDeletion(f, now); err != nil {
				return err
			}
		}
		return tx.SetSetting(settingLeft, []byte(now.UTC().Format(time.RFC3339)))
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
			c.mu.Lock()
			if c.leaving[id] == l {
				delete(c.leaving, id)
			}
			c.mu.Unlock()
			c.tor.update() // which may have been for it alone
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

// remove deletes files from their relays. It ends with ctx, or with the database: then the rest is for the next start.
func (l *leaver) remove(ctx context.Context) {
	_ = chat.RemoveDiscarded(ctx, l.db, l.pool, func() string {
		if l.profile.core.Tor().Isolate {
			return "#" + rand.Text()
		}
		return ""
	})
}

// wait waits until all queues and files are deleted or it is late, or until ctx is done: then it returns false.
func (l *leaver) wait(ctx context.Context, late func() bool) bool {
	pause := firstLeavePoll
	poll := time.NewTimer(pause)
	defer poll.Stop()
	for {
		var queues []*store.Deletion
		var files []store.FileDeletion
		err := l.db.View(ctx, func(tx *store.Tx) (err error) {
			if queues, err = tx.Deletions(); err == nil {
				files, err = tx.FileDeletions()
			}
			return err
		})
		if err == nil && len(queues) == 0 && len(files) == 0 || late() {
			return ctx.Err() == nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return false
		}
		pause = min(2*pause, lastLeavePoll)
		poll.Reset(pause)
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
