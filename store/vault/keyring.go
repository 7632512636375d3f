package vault

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"
)

// A Keyring keeps secrets for the account of the person at the computer.
type Keyring interface {
	// Get returns a secret, [ErrKeyringEntryMissing] or [ErrKeyringUnavailable].
	Get(ctx context.Context, id string) ([]byte, error)
	Set(ctx context.Context, id string, secret []byte) error
	Delete(ctx context.Context, id string) error
}

// keyringService is the name under which a keyring lists our entries.
const keyringService = "Sotto"

// keyringTimeout is how long a keyring that is there may take to answer. A locked one
// asks the person for its password first.
const keyringTimeout = time.Minute

// SystemKeyring is the keyring of the operating system: the Secret Service on Linux, the
// Keychain on macOS, the Credential Manager on Windows. Where there is none its
// methods fail at once, and none takes longer than a minute.
func SystemKeyring() Keyring { return systemKeyring{} }

type systemKeyring struct{}

func (systemKeyring) Get(ctx context.Context, id string) ([]byte, error) {
	text, err := askKeyring(ctx, func() (string, error) { return keyring.Get(keyringService, id) })
	if err != nil {
		return nil, err
	}
	secret, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("keyring entry is not base64: %w", ErrDamaged)
	}
	return secret, nil
}

func (systemKeyring) Set(ctx context.Context, id string, secret []byte) error {
	text := base64.StdEncoding.EncodeToString(secret)
	_, err := askKeyring(ctx, func() (string, error) { return "", keyring.Set(keyringService, id, text) })
	return err
}

func (systemKeyring) Delete(ctx context.Context, id string) error {
	_, err := askKeyring(ctx, func() (string, error) { return "", keyring.Delete(keyringService, id) })
	return err
}

// askKeyring runs ask, which knows no context. If it hangs, its goroutine stays until
// the service answers or the process ends.
func askKeyring(ctx context.Context, ask func() (string, error)) (string, error) {
	if !keyringReachable() {
		return "", ErrKeyringUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, keyringTimeout)
	defer cancel()
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := ask()
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		switch {
		case errors.Is(a.err, keyring.ErrNotFound):
			return "", ErrKeyringEntryMissing
		case a.err != nil:
			return "", fmt.Errorf("%w: %w", ErrKeyringUnavailable, a.err)
		}
		return a.text, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", ErrKeyringUnavailable, ctx.Err())
	}
}
