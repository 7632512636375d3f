package relay

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// maxServices is how many services a relay remembers. Anybody can make a certificate: when there are too
// many, those that have neither a notifier nor a session are forgotten, which is tried once in
// serviceInterval.
const (
	maxServices     = 10_000
	serviceInterval = 10 * time.Minute
)

// services are those that have a session.
type services struct {
	mu       sync.Mutex // also held while a service gets its id
	sessions map[key]int
	tried    time.Time // to forget services
}

// leave tells that a session of a service has ended.
func (s *services) leave(id key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[id]--; s.sessions[id] <= 0 {
		delete(s.sessions, id)
	}
}

// A service is the client of a session that showed a certificate (smp-transport.md §4): a
// program that serves many users, such as one that sends push notifications.
type service struct {
	id          key
	role        smp.Role
	fingerprint [32]byte            // of its identity certificate
	key         crypt.Ed25519Public // of the session
}

// acceptService reads the service part of a client's hello. peer are the certificates of TLS,
// which has checked that the client has the key of the first one. The session is counted until
// services.leave. The error is TransportBadAuth or TransportBadService.
func (r *Relay) acceptService(hello *smp.ServiceHello, peer []*x509.Certificate) (*service, error) {
	identity, err := r.serviceIdentity(hello, peer)
	if err != nil {
		return nil, smp.TransportBadAuth
	}
	signed, err := sessionKey(hello.SignedKey, peer[0])
	if err != nil {
		return nil, smp.TransportBadAuth
	}
	s := &service{role: hello.Role, fingerprint: crypt.Fingerprint(identity.Raw), key: signed}
	r.services.mu.Lock()
	defer r.services.mu.Unlock()
	if s.id, err = r.serviceOf(s.fingerprint, s.role); err != nil {
		if !errors.Is(err, errServiceRefused) {
			r.storeError(err)
		}
		return nil, smp.TransportBadService
	}
	r.services.sessions[s.id]++
	return s, nil
}

// serviceOf returns the id of the service with a certificate, and makes it for a new one. It is on disk
// when it returns.
func (r *Relay) serviceOf(fingerprint [32]byte, role smp.Role) (key, error) {
	id, known, err := r.store.service(fingerprint, role)
	if known || err != nil {
		return id, err
	}
	n, err := r.store.countServices()
	if err != nil {
		return id, err
	}
	if now := r.config.Now(); n >= maxServices && now.Sub(r.services.tried) >= serviceInterval {
		r.services.tried = now
		forgotten, err := r.store.forgetServices(func(id key) bool { return r.services.sessions[id] > 0 })
		if err != nil {
			return id, err
		}
		n -= forgotten
	}
	if n >= maxServices {
		return id, errServiceRefused
	}
	return r.store.addService(fingerprint, role)
}

// errChain tells that the certificates of a service are not valid.
var errChain = errors.New("relay: a service has no valid certificates")

// serviceIdentity returns the identity certificate of a service (smp-transport.md §2).
func (r *Relay) serviceIdentity(hello *smp.ServiceHello, peer []*x509.Certificate) (*x509.Certificate, error) {
	n := len(hello.Chain)
	if n < 1 || n > 4 || n != len(peer) {
		return nil, errChain
	}
	for i, c := range peer {
		if string(hello.Chain[i]) != string(c.Raw) {
			return nil, errChain
		}
	}
	options := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		CurrentTime:   r.config.Now(),
	}
	options.Roots.AddCert(peer[n-1])
	for _, c := range peer[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := peer[0].Verify(options); err != nil {
		return nil, errChain
	}
	return peer[min(1, n-1)], nil
}

// sessionKey returns the key of a session that was signed with the key of a certificate.
func sessionKey(signed []byte, leaf *x509.Certificate) (k crypt.Ed25519Public, err error) {
	signer, err := crypt.ParsePublic(leaf.RawSubjectPublicKeyInfo)
	if err != nil {
		return k, err
	}
	public, err := crypt.OpenSignedKey(signed, signer)
	if err != nil {
		return k, err
	}
	k, ok := public.(crypt.Ed25519Public)
	if !ok {
		return k, crypt.ErrKey
	}
	return k, nil
}

// checkService checks what the session of a service, or one that is none, has to do with a
// command, in the order of smp-transport.md §7.3. It may change what the authorization covers.
func (q *request) checkService(cmd smp.Command) *smp.Error {
	s := q.service
	if role := roleOf(cmd); s != nil && role != 0 && role != s.role {
		return smp.ErrProhibited
	}
	switch cmd.(type) {
	case smp.New, smp.Sub, smp.NSub:
		if (s != nil) != (len(q.t.ServiceSig) > 0) {
			return smp.ErrService
		}
		if s != nil {
			if !crypt.Verify(s.key, q.signed, q.t.ServiceSig) {
				return smp.ErrService
			}
			q.signed = append(s.fingerprint[:len(s.fingerprint):len(s.fingerprint)], q.signed...)
		}
	case smp.Subs, smp.NSubs:
		if s == nil || len(q.t.ServiceSig) > 0 || smp.ID(q.t.Entity) != s.id.id() || !crypt.Verify(s.key, q.signed, q.t.Auth) {
			return smp.ErrService
		}
	default:
		if len(q.t.ServiceSig) > 0 {
			return smp.ErrService
		}
	}
	return nil
}

// roleOf returns the role of the services that may use a command, 0 for every role.
func roleOf(cmd smp.Command) smp.Role {
	switch cmd.(type) {
	case smp.NSub, smp.NSubs:
		return smp.RoleNotifier
	case smp.Rfwd:
		return smp.RoleProxy
	case smp.Ping:
		return 0
	}
	return smp.RoleMessaging
}

// serviceID returns the id of the session's service, empty if there is none.
func (q *request) serviceID() smp.ID {
	if q.service == nil {
		return ""
	}
	return q.service.id.id()
}

// associate gives the notifier of a queue to the session's service, or to nobody.
func (q *request) associate(queue *queue) (*commit, error) {
	var id *key
	if q.service != nil {
		id = &q.service.id
	}
	old := queue.notifier
	if id == nil && old.service == nil || id != nil && old.service != nil && *id == *old.service {
		return nil, nil
	}
	n := *old
	n.service = id
	next := queue.record
	next.notifier = &n
	return q.relay.store.update(queue, change{next: next})
}

// subscribeService executes NSUBS. What waits and was not announced is so now, as with NSUB.
func (q *request) subscribeService() {
	id := q.service.id
	list, err := q.relay.store.notifiersOf(id)
	if err != nil {
		q.storeError(err)
		return
	}
	q.relay.notifiers.subscribeService(id, q.conn, int64(len(list)))
	q.ok(smp.SOKs{Count: int64(len(list))})
	for _, ntf := range list {
		q.conn.makeRoom()
		if q.conn.ctx.Err() != nil {
			return
		}
		if err := q.relay.announce(ntf); err != nil {
			q.relay.storeError(err)
			return
		}
	}
}

// announce tells about what waits in the queue of a notifier, as announceWaiting does.
func (r *Relay) announce(ntf key) error {
	rcv, ok, err := r.store.find(kindNotifier, ntf.id())
	if err != nil || !ok {
		return err
	}
	s := r.stripe(rcv)
	s.mu.Lock()
	defer s.mu.Unlock()
	queue, err := s.queue(rcv)
	if err != nil || queue == nil {
		return err
	}
	return r.announceWaiting(queue)
}

// announceWaiting tells about the newest of the messages in a queue that came while nobody was there to be told,
// once: for who is told, it stands for all of them. The queue's stripe is locked.
func (r *Relay) announceWaiting(queue *queue) error {
	if queue.notifier == nil {
		return nil
	}
	told := false
	for number := queue.next; number > queue.first; {
		number--
		m, err := r.store.message(queue.rcv, number)
		if err != nil {
			return err
		}
		if !m.unannounced {
			continue
		}
		if !told {
			r.notifiers.notify(queue, &m, nil)
			told = true
		}
		m.unannounced = false
		if err := r.store.rewrite(queue, number, &m); err != nil {
			return err
		}
	}
	return nil
}

// errServiceRefused tells that a service has another role, or that there are too many.
var errServiceRefused = errors.New("relay: service refused")

// service returns the id of the service with a certificate; ok is false if there is none. The error is
// errServiceRefused if it has another role.
func (s *store) service(fingerprint [32]byte, role smp.Role) (id key, ok bool, err error) {
	v, err := s.get(append([]byte{kindService}, fingerprint[:]...))
	switch {
	case err != nil || v == nil:
		return id, false, err
	case len(v) != 1+len(id):
		return id, false, ErrDamaged
	case smp.Role(v[0]) != role:
		return id, false, errServiceRefused
	}
	return key(v[1:]), true, nil
}

func (s *store) countServices() (n int, err error) {
	err = s.each([]byte{kindService}, func([]byte) { n++ })
	return n, err
}

// addService makes the id of a new service. It is on disk when it returns.
func (s *store) addService(fingerprint [32]byte, role smp.Role) (key, error) {
	id := newKey()
	b := s.db.NewBatch()
	b.Set(append([]byte{kindService}, fingerprint[:]...), append([]byte{byte(role)}, id[:]...), nil)
	done, err := s.commit(b)
	if err == nil {
		err = done.wait()
	}
	return id, err
}

// forgetServices deletes the services without notifiers, but for those to keep, and returns how many.
func (s *store) forgetServices(keep func(id key) bool) (n int, err error) {
	b := s.db.NewBatch()
	var problem error
	err = s.each([]byte{kindService}, func(k []byte) {
		v, err := s.get(k)
		if err != nil || len(v) != 1+len(key{}) {
			problem = cmp.Or(problem, err, ErrDamaged)
			return
		}
		id := key(v[1:])
		if keep(id) {
			return
		}
		used, err := s.any(storeKey(kindServiceNotifier, id))
		if problem = cmp.Or(problem, err); !used && err == nil {
			b.Delete(k, nil)
			n++
		}
	})
	if err = cmp.Or(err, problem); err != nil {
		b.Close()
		return 0, err
	}
	return n, s.commitLater(b)
}

// notifiersOf returns the notifiers of a service.
func (s *store) notifiersOf(service key) (list []key, err error) {
	prefix := storeKey(kindServiceNotifier, service)
	err = s.each(prefix, func(k []byte) {
		if len(k) == len(prefix)+len(key{}) {
			list = append(list, key(k[len(prefix):]))
		}
	})
	return list, err
}

// each calls f with each key that begins with prefix, which begins with a kind.
func (s *store) each(prefix []byte, f func(k []byte)) error {
	return s.eachUntil(prefix, func(k []byte) bool { f(k); return true })
}

// any tells whether a key begins with prefix.
func (s *store) any(prefix []byte) (found bool, err error) {
	err = s.eachUntil(prefix, func([]byte) bool { found = true; return false })
	return found, err
}

// eachUntil calls f as each does until f returns false.
func (s *store) eachUntil(prefix []byte, f func(k []byte) bool) (err error) {
	defer s.disk.Guard(&err)
	upper := append([]byte(nil), prefix...)
	for i := len(upper) - 1; i >= 0; i-- {
		if upper[i]++; upper[i] != 0 {
			break
		}
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("reading the queue store: %w", err)
	}
	defer it.Close()
	for ok := it.First(); ok && f(it.Key()); ok = it.Next() {
	}
	return it.Error()
}

// serviceKey is the key that tells that a notifier belongs to a service.
func serviceKey(n *notifier) []byte {
	return append(storeKey(kindServiceNotifier, *n.service), n.id[:]...)
}
