package relay

import (
	"sync"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// notifiers are the subscriptions to notifications: of notifiers that are nobody's by their ids,
// and of those that belong to a service by its id.
type notifiers struct {
	mu       sync.Mutex
	subs     map[key]*conn
	services map[key]*conn
}

func (n *notifiers) init() { n.subs, n.services = make(map[key]*conn), make(map[key]*conn) }

// subscribe makes c the subscriber and tells the previous one. before is the service to which the
// notifier belonged until now.
func (n *notifiers) subscribe(ntf *notifier, before *key, c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	same := before != nil && ntf.service != nil && *before == *ntf.service
	if before != nil && !same {
		if old := n.services[*before]; old != nil {
			old.notified--
			old.push(outgoing{entity: ntf.id.id(), message: smp.End{}})
		}
	}
	old := n.subs[ntf.id]
	if ntf.service == nil {
		if old == c {
			return
		}
		n.subs[ntf.id] = c
		c.notifiers[ntf.id] = struct{}{}
		c.live.Add(1)
	} else {
		delete(n.subs, ntf.id)
		n.takeService(*ntf.service, c)
		if !same || c.notified == 0 {
			c.notified++
		}
	}
	if old != nil {
		old.live.Add(-1)
		if old != c {
			old.push(outgoing{entity: ntf.id.id(), message: smp.End{}})
		}
	}
}

// subscribeService makes c the subscriber of a service's notifiers, of which there are count.
func (n *notifiers) subscribeService(service key, c *conn, count int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.takeService(service, c)
	c.notified = count
}

// takeService makes c the session of a service that is told, and tells the previous one.
func (n *notifiers) takeService(service key, c *conn) {
	old := n.services[service]
	if old == c {
		return
	}
	if old != nil {
		old.live.Add(-1)
		old.push(outgoing{entity: service.id(), message: smp.Ends{Count: old.notified}})
		old.notified = 0
	}
	n.services[service] = c
	c.live.Add(1)
}

// end tells the subscriber that the notifier is gone, but not the connection by.
func (n *notifiers) end(ntf *notifier, by *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.subs[ntf.id]
	if c != nil {
		delete(n.subs, ntf.id)
		c.live.Add(-1)
	} else if ntf.service != nil {
		if c = n.services[*ntf.service]; c != nil {
			c.notified--
		}
	}
	if c != nil && c != by {
		c.push(outgoing{entity: ntf.id.id(), message: smp.Deld{}})
	}
}

// has tells whether c is the subscriber of a notifier.
func (n *notifiers) has(id key, c *conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.subs[id] == c
}

// leave removes the subscription of a connection that has ended.
func (n *notifiers) leave(id key, c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.subs[id] == c {
		delete(n.subs, id)
	}
}

// leaveService removes the session of a service that has ended.
func (n *notifiers) leaveService(service key, c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.services[service] == c {
		delete(n.services, service)
	}
}

// listener returns who is told about the messages of a notifier's queue, or nil. The mutex is held.
func (n *notifiers) listener(ntf *notifier) *conn {
	if ntf.service != nil {
		return n.services[*ntf.service]
	}
	return n.subs[ntf.id]
}

// hears tells whether somebody is told about the messages of a notifier's queue, and not too much behind.
func (n *notifiers) hears(ntf *notifier) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.listener(ntf)
	return c != nil && c.takesNotice()
}

// notify tells the subscriber of a queue's notifier, if there is one, about a message.
func (n *notifiers) notify(q *queue, m *message, stored *commit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.listener(q.notifier); c != nil {
		c.push(outgoing{
			entity: q.notifier.id.id(),
			notice: &notice{secret: q.notifier.secret, msgID: m.id.id(), time: m.time},
			stored: stored,
		})
	}
}

// notice is what a notification is made of.
type notice struct {
	secret crypt.Secret
	msgID  smp.ID
	time   int64
}
