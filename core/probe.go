package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// RelayInfo is what the address of a relay tells about it.
type RelayInfo struct {
	Server   wire.Server
	Password bool   // the address has a password in it
	Files    bool   // it is for files, not for messages
	Operator string // who runs it, empty if that is not known
}

// Host is how the relay is shown: the first of its hosts.
func (r RelayInfo) Host() string { return r.Server.Hosts[0] }

// ReadRelay reads the address of a relay. The error wraps ErrRelayAddress.
func ReadRelay(address string) (RelayInfo, error) {
	messages, files, err := RelayChoice{Addresses: []string{address}}.parse()
	if err != nil {
		return RelayInfo{}, err
	}
	info := RelayInfo{Files: len(files) > 0}
	if info.Files {
		info.Server, info.Password = files[0].Server, files[0].Password != ""
	} else {
		info.Server, info.Password = messages[0].Server, messages[0].Password != ""
	}
	info.Operator = operator(info.Server)
	return info, nil
}

// ErrRelayPassword tells that a relay makes queues only with a password that the address does not have.
var ErrRelayPassword = errors.New("the relay wants a password, or another one")

// TestRelay tries whether messages can wait on the relay with an address: it connects, makes a queue and deletes it. On a relay for
// files it registers a chunk and deletes that. The session is one of its own. The error wraps ErrRelayAddress, ErrRelayPassword,
// a *DialError, or tells what else went wrong.
func (p *Profile) TestRelay(ctx context.Context, address string) error {
	relays, files, err := RelayChoice{Addresses: []string{address}}.parse()
	if err != nil {
		return err
	}
	ctx, cancel := p.untilRerouted(ctx)
	defer cancel()
	if len(files) > 0 {
		err = p.testFiles(ctx, files[0])
	} else {
		err = p.testMessages(ctx, relays[0])
	}
	if err != nil {
		return fmt.Errorf("testing a relay: %w", err)
	}
	return nil
}

func (p *Profile) testMessages(ctx context.Context, relay agent.Relay) error {
	client, err := smp.Connect(ctx, p.smp, relay.Server)
	if err != nil {
		return err
	}
	defer client.Close()
	go func() {
		for range client.Events() { // the queue gets none, and is there for a moment only
		}
	}()
	key, err := crypt.NewEd25519(rand.Reader)
	if err != nil {
		return err
	}
	defer key.Wipe()
	dh, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return err
	}
	defer dh.Wipe()
	answer, err := client.Do(ctx, smp.Request{Key: &key, Command: smp.New{RcvAuth: key.Public(), RcvDH: dh.Public(), Password: relay.Password}})
	if errors.Is(err, smp.ErrAuth) {
		return fmt.Errorf("%w: %w", ErrRelayPassword, err)
	} else if err != nil {
		return fmt.Errorf("making a queue: %w", err)
	}
	ids := answer.(smp.IDs) // Do returns no other answer to a New
	if _, err := client.Do(ctx, smp.Request{Entity: ids.RcvID, Key: &key, Command: smp.Del{}}); err != nil {
		return fmt.Errorf("deleting a queue: %w", err)
	}
	return nil
}

func (p *Profile) testFiles(ctx context.Context, relay xftp.Relay) error {
	client, err := xftp.Connect(ctx, p.xftp, relay.Server)
	if err != nil {
		return err
	}
	defer client.Close()
	key, err := crypt.NewEd25519(rand.Reader)
	if err != nil {
		return err
	}
	defer key.Wipe()
	var digest xftp.ChunkDigest // of what is never uploaded
	if _, err := rand.Read(digest[:]); err != nil {
		return err
	}
	ids, err := client.New(ctx, &key, xftp.FNew{Sender: key.Public(), Size: xftp.ChunkSizes[0], Digest: digest[:],
		Recipients: []crypt.AuthPublic{key.Public()}, Password: relay.Password})
	if errors.Is(err, xftp.ErrAuth) {
		return fmt.Errorf("%w: %w", ErrRelayPassword, err)
	} else if err != nil {
		return fmt.Errorf("registering a chunk: %w", err)
	}
	if err := client.Delete(ctx, ids.Sender, &key); err != nil {
		return fmt.Errorf("deleting a chunk: %w", err)
	}
	return nil
}
