package chat

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/store"
)

// Code returns what both sides compare, by voice or by a QR code, to see that nobody sits between
// them: a decimal number in groups of five digits (chat-protocol.md §10). The error is
// ErrNoContact, or ErrNotConnected while there is no code yet.
func (c *Chat) Code(ctx context.Context, contact int64) (code string, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err == nil {
			code, err = c.code(tx, row)
		}
		return err
	})
	return code, err
}

func (c *Chat) code(tx *store.Tx, row *store.Contact) (string, error) {
	code, err := c.agent.Code(tx, row.Connection)
	if errors.Is(err, agent.ErrNotConnected) {
		return "", ErrNotConnected
	} else if err != nil {
		return "", err
	}
	return code.String(), nil
}

// Verify compares the code of a contact with the one that its side shows, whatever spaces are in
// that. If they are equal, the contact is verified from now on, until its code changes. If they
// are not, nothing changes.
func (c *Chat) Verify(ctx context.Context, contact int64, code string) (ok bool, err error) {
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		own, err := c.code(tx, row)
		if err != nil {
			return err
		}
		if ok = subtle.ConstantTimeCompare([]byte(withoutSpaces(own)), []byte(withoutSpaces(code))) == 1; !ok {
			return nil
		}
		row.Verified = c.now()
		return c.save(tx, row)
	})
	return ok && err == nil, err
}

// Unverify forgets that the codes were compared.
func (c *Chat) Unverify(ctx context.Context, contact int64) error {
	return c.change(ctx, contact, func(row *store.Contact) bool {
		changed := !row.Verified.IsZero()
		row.Verified = time.Time{}
		return changed
	})
}

func withoutSpaces(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}
