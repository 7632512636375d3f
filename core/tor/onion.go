package tor

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cretz/bine/torutil"
	"github.com/cretz/bine/torutil/ed25519"
)

// OnionKey is the secret key of an onion service, from which its address follows.
type OnionKey struct{ expanded [64]byte }

// onionKeyHeader begins the files in which tor itself keeps such keys, hs_ed25519_secret_key.
const onionKeyHeader = "== ed25519v1-secret: type0 ==\x00\x00\x00"

// OnionKeySize is the length of a key as bytes.
const OnionKeySize = len(onionKeyHeader) + 64

// ErrOnionKey tells that bytes are not the key of an onion service.
var ErrOnionKey = errors.New("not the secret key of an onion service")

// NewOnionKey makes a key.
func NewOnionKey(rand io.Reader) (*OnionKey, error) {
	var seed [32]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("tor: making a key: %w", err)
	}
	// The expansion of RFC 8032 §5.1.5, which tor wants to be done.
	k := &OnionKey{sha512.Sum512(seed[:])}
	k.expanded[0] &= 248
	k.expanded[31] = k.expanded[31]&127 | 64
	return k, nil
}

// ParseOnionKey reads a key as Bytes returns it, which is also the content of tor's file
// hs_ed25519_secret_key: so an onion service can move from tor's configuration to here, and back.
func ParseOnionKey(b []byte) (*OnionKey, error) {
	key, found := bytes.CutPrefix(b, []byte(onionKeyHeader))
	if !found || len(key) != 64 || key[0]&7 != 0 || key[31]&0xc0 != 64 {
		return nil, ErrOnionKey
	}
	return &OnionKey{[64]byte(key)}, nil
}

// Bytes returns the key to be kept in secret.
func (k *OnionKey) Bytes() []byte { return append([]byte(onionKeyHeader), k.expanded[:]...) }

// Address returns the address of the service that has the key, of 62 bytes with .onion.
func (k *OnionKey) Address() string {
	return torutil.OnionServiceIDFromV3PublicKey(ed25519.PrivateKey(k.expanded[:]).PublicKey()) + ".onion"
}

// Wipe overwrites the key.
func (k *OnionKey) Wipe() { clear(k.expanded[:]) }

// Onion is an onion service.
type Onion struct {
	Key *OnionKey

	// Ports are where connections go, by the port that clients connect to: a loopback address and
	// port, or the path of a Unix socket without spaces.
	Ports map[uint16]string
}

// maxOnionPorts is more than any service here has.
const maxOnionPorts = 16

// ErrOnionTarget tells that connections of an onion service can't go to a target.
var ErrOnionTarget = errors.New("the target of an onion service is not a loopback address and port or the path of a socket")

// published is an onion service that is kept alive over restarts of tor.
type published struct {
	Onion
	uploaded chan struct{} // closed when clients can find it; another one after a restart
}

// request returns the command that publishes the service (control-spec, ADD_ONION). Without the flag
// Detach it ends with the control connection, and so with the app.
func (o *Onion) request() (string, error) {
	if o.Key == nil {
		return "", ErrOnionKey
	}
	if len(o.Ports) == 0 || len(o.Ports) > maxOnionPorts {
		return "", ErrOnionTarget
	}
	request := "ADD_ONION ED25519-V3:" + base64.StdEncoding.EncodeToString(o.Key.expanded[:])
	for port, target := range o.Ports {
		if filepath.IsAbs(target) {
			if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`",\`, r) }) {
				return "", ErrOnionTarget
			}
			target = "unix:" + target
		} else if a, err := netip.ParseAddrPort(target); err != nil || !a.Addr().IsLoopback() || a.Port() == 0 || a.Addr().Zone() != "" {
			return "", ErrOnionTarget
		}
		if port == 0 {
			return "", ErrOnionTarget
		}
		request += fmt.Sprintf(" Port=%d,%s", port, target)
	}
	return request, nil
}

// PublishOnion publishes an onion service and returns its address. The service lives until
// RemoveOnion or Close, and is published again whenever tor was started again; if tor is not
// there yet it comes when tor does. WaitOnion tells when clients can find it. The key is copied.
func (t *Tor) PublishOnion(ctx context.Context, o Onion) (address string, err error) {
	request, err := o.request()
	if err != nil {
		return "", fmt.Errorf("tor: %w", err)
	}
	if t.cfg.Existing != nil && t.cfg.Existing.Control == "" {
		return "", ErrNoControl
	}
	address = o.Key.Address()
	key := *o.Key
	o = Onion{&key, maps.Clone(o.Ports)}
	t.mu.Lock()
	if t.status.State == Off {
		t.mu.Unlock()
		return "", ErrClosed
	}
	if t.onions[address] != nil {
		t.mu.Unlock()
		return address, nil
	}
	t.onions[address] = &published{o, make(chan struct{})}
	control := t.control
	t.mu.Unlock()
	if control == nil {
		return address, nil
	}
	if err := control.publish(ctx, address, request); err != nil && !control.failed() {
		t.mu.Lock()
		t.forget(address)
		t.mu.Unlock()
		return "", err
	}
	return address, nil // with the next tor if this one has failed
}

// forget drops a service. The caller holds mu.
func (t *Tor) forget(address string) {
	if o := t.onions[address]; o != nil {
		o.Key.Wipe()
		delete(t.onions, address)
	}
}

// publishAll publishes the services to a tor that has started.
func (t *Tor) publishAll(ctx context.Context, control *controller) error {
	requests := map[string]string{}
	t.mu.Lock()
	for address, o := range t.onions {
		if request, err := o.request(); err == nil {
			requests[address] = request
		}
	}
	t.mu.Unlock()
	for address, request := range requests {
		err := control.publish(ctx, address, request)
		if control.failed() || ctx.Err() != nil {
			return err
		}
		if err != nil {
			t.log.add("warn", err.Error())
		}
		t.mu.Lock()
		removed := t.onions[address] == nil
		t.mu.Unlock()
		if removed { // meanwhile
			if err := control.unpublish(ctx, address); err != nil {
				return err
			}
		}
	}
	return nil
}

// WaitOnion waits until clients can find the service that was published at the address.
func (t *Tor) WaitOnion(ctx context.Context, address string) error {
	for {
		t.mu.Lock()
		p, off, changed := t.onions[address], t.status.State == Off, t.changed
		var uploaded <-chan struct{}
		if p != nil {
			uploaded = p.uploaded
		}
		t.mu.Unlock()
		if off {
			return ErrClosed
		}
		if p == nil {
			return fmt.Errorf("tor: there is no such onion service: %w", ErrNotReady)
		}
		select {
		case <-uploaded:
			return nil
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// RemoveOnion ends an onion service. It is no error if there is none.
func (t *Tor) RemoveOnion(ctx context.Context, address string) error {
	t.mu.Lock()
	known, control := t.onions[address] != nil, t.control
	t.forget(address)
	t.mu.Unlock()
	if !known || control == nil {
		return nil
	}
	return control.unpublish(ctx, address)
}

// publish sends a service to tor. It is no error if tor has it already: two may publish it at the same time.
func (c *controller) publish(ctx context.Context, address, request string) error {
	answer, err := c.request(ctx, request)
	var refused *Refusal
	if errors.As(err, &refused) && strings.Contains(refused.Text, "collision") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tor: publishing an onion service: %w", err)
	}
	if !slices.Contains(answer, "ServiceID="+strings.TrimSuffix(address, ".onion")) {
		return c.fail(problemf(ProblemControl, "tor published another onion service"))
	}
	return nil
}

// unpublish ends a service. It is no error if tor does not have it, or is gone.
func (c *controller) unpublish(ctx context.Context, address string) error {
	_, err := c.request(ctx, "DEL_ONION "+strings.TrimSuffix(address, ".onion"))
	var refused *Refusal
	if errors.As(err, &refused) || c.failed() {
		return nil
	}
	return err
}
