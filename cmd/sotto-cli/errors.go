package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
)

// Errors of commands.
var (
	// errCommand tells that a line is not a command, or one that is not complete.
	errCommand = errors.New("the command is wrong")
	// errNoProfileInUse tells that a command needs a profile.
	errNoProfileInUse = errors.New("no profile is in use: make one with profile.create, or choose one with profile.use")
	// errNoFile tells that there is no message with the number of a file.
	errNoFile = errors.New("there is no such file")
	// errExists tells that a file can't be put where something is already.
	errExists = errors.New("there is something already where the file is to go: choose another path")
)

// errorCodes are the names of errors for programs, and the words for people where the command line has better ones than
// the error itself.
var errorCodes = []struct {
	err  error
	code string
	text string
}{
	{err: errCommand, code: "bad_command"},
	{err: errNoProfileInUse, code: "no_profile_in_use"},
	{err: errNoFile, code: "no_file"},
	{err: errExists, code: "exists"},

	{err: core.ErrName, code: "name"},
	{err: core.ErrNoProfile, code: "no_profile"},
	{err: core.ErrLocked, code: "locked", text: "the profile has a passphrase: open it with profile.use and its passphrase, or with --passphrase-file"},
	{err: core.ErrAppLocked, code: "app_locked"},
	{err: core.ErrNoPassphrase, code: "no_passphrase"},
	{err: core.ErrPassphraseUsed, code: "passphrase_used"},
	{err: core.ErrWrongPassphrase, code: "wrong_passphrase", text: "this is not the passphrase"},
	{err: vault.ErrKeyringEntryMissing, code: "keyring",
		text: "the keyring of the operating system has no key for this profile any more: restore the keyring from a backup"},
	{err: vault.ErrKeyringUnavailable, code: "keyring",
		text: "the key of this profile is in the keyring of the operating system, which does not answer: unlock it, and give --keyring"},
	{err: vault.ErrNewerFormat, code: "newer_data", text: "the profile was made by a newer version: update this program"},
	{err: core.ErrNewerDatabase, code: "newer_data", text: "the profile was used by a newer version: update this program"},
	{err: vault.ErrDamaged, code: "damaged", text: "the files of the profile are damaged, or some are missing: restore its folder from a backup"},
	{err: vault.ErrWrongKey, code: "damaged", text: "the files of the profile do not belong together: restore its whole folder from a backup"},

	{err: core.ErrNotLink, code: "not_link"},
	{err: core.ErrDamagedLink, code: "damaged_link", text: "the link is incomplete or was changed: copy it again, from its first to its last character"},
	{err: core.ErrNewerLink, code: "newer_link"},
	{err: core.ErrOlderLink, code: "older_link"},
	{err: core.ErrOwnLink, code: "own_link"},
	{err: core.ErrLinkUsed, code: "used_link"},
	{err: core.ErrLinkDeleted, code: "deleted_link"},
	{err: core.ErrLinkRelay, code: "unknown_relay"},
	{err: core.ErrBusinessLink, code: "business_link"},
	{err: core.ErrNoAddress, code: "no_address"},
	{err: core.ErrAddressExists, code: "address_exists"},
	{err: core.ErrNoRequest, code: "no_request"},

	{err: core.ErrNoContact, code: "no_contact"},
	{err: core.ErrNoItem, code: "no_message"},
	{err: core.ErrNotConnected, code: "not_connected"},
	{err: core.ErrNotFailed, code: "not_failed"},
	{err: core.ErrEmptyMessage, code: "empty"},
	{err: core.ErrNotEditable, code: "not_editable"},
	{err: core.ErrTooOld, code: "too_old"},
	{err: core.ErrNotForwardable, code: "not_forwardable"},
	{err: core.ErrNotLive, code: "not_live"},
	{err: core.ErrNotOwn, code: "not_own"},
	{err: core.ErrEmoji, code: "emoji"},
	{err: core.ErrTooManyReactions, code: "too_many_reactions"},
	{err: core.ErrNotAllowed, code: "not_allowed"},
	{err: core.ErrPreference, code: "preference"},
	{err: core.ErrDescription, code: "description"},
	{err: core.ErrSync, code: "not_synchronized",
		text: "the encryption has to be synchronized with the contact first: if there was no notice that this goes on, begin it with resync"},
	{err: core.ErrRotating, code: "rotating"},
	{err: core.ErrPeerTooOld, code: "peer_too_old"},

	{err: core.ErrNoFile, code: "no_file"},
	{err: core.ErrNotRegular, code: "not_regular"},
	{err: core.ErrNotPicture, code: "not_picture", text: "not a JPEG, PNG, GIF or WebP picture, or a damaged one"},
	{err: core.ErrPictureTooLarge, code: "picture_too_large"},
	{err: core.ErrNotHere, code: "not_here"},
	{err: core.ErrFileTooLarge, code: "file_too_large"},
	{err: core.ErrFileState, code: "file_state"},
	{err: core.ErrLegacyFile, code: "legacy_file"},
	{err: core.ErrDamagedFile, code: "damaged_file", text: "the copy of the file on this computer is damaged or was deleted: receive it again, or have it sent again"},
	{err: core.ErrDiskFull, code: "disk_full", text: "the disk is full: make room and try again"},
	{err: core.ErrNoFileRelay, code: "no_file_relay"},

	{err: core.ErrNetwork, code: "network"},
	{err: core.ErrTorMode, code: "tor_mode", text: "there is no such mode of Tor: it is tor-only, onion-relays or direct"},
	{err: core.ErrTorOnly, code: "tor_only"},
	{err: core.ErrTorBridge, code: "tor_bridge"},
	{err: core.ErrTorUpstream, code: "tor_upstream"},
	{err: core.ErrTorExisting, code: "tor_existing"},
	{err: core.ErrTorControl, code: "tor_control"},
	{err: core.ErrTorNotReady, code: "tor_not_ready"},
	{err: core.ErrRelayAddress, code: "relay_address"},
	{err: core.ErrRelayPort, code: "relay_port"},
	{err: core.ErrNoRelays, code: "no_relays"},
}

// describe returns what people read about an error, and its name for programs, empty if it has none.
func describe(err error) (text, code string) {
	var (
		tooLong *core.MessageTooLongError
		kind    *core.LinkKindError
		unknown *core.UnknownRelaysError
		held    *core.HeldError
		at      *core.RelayError
	)
	if errors.As(err, &held) { // it wraps why the relay in between can't do it
		return heldText(held.Relay.Hosts[0]), "held"
	}
	for _, c := range errorCodes {
		if errors.Is(err, c.err) {
			if c.text != "" {
				return c.text, c.code
			}
			return err.Error(), c.code
		}
	}
	text = err.Error()
	switch {
	case errors.As(err, &tooLong):
		return text, "too_long"
	case errors.As(err, &unknown):
		return text, "unknown_relays"
	case errors.As(err, &kind):
		return text, "link_kind"
	case errors.Is(err, fs.ErrNotExist):
		return text, "not_found"
	case errors.Is(err, syscall.ENOSPC):
		return describe(core.ErrDiskFull)
	}
	problem, ok := relayTexts[core.ProblemOf(err)]
	if !ok {
		return text, ""
	}
	relay := "the relay"
	if errors.As(err, &at) {
		relay += " " + at.Relay.Hosts[0]
	}
	return fmt.Sprintf(problem.format, relay), problem.code
}

// heldText tells why nothing is sent to a relay.
func heldText(host string) string {
	return "no relay of yours can forward to " + host + ", and a direct connection would show it your network address: allow that with " +
		`the command network and "fallback":"allow", or turn Tor on with the command tor`
}

// relayTexts tell what is the matter with a relay and what can be done, and what programs call it.
var relayTexts = map[core.RelayProblem]struct{ format, code string }{
	core.RelayUnreachable: {"%s can't be reached: check the network, and try again later", "unreachable"},
	core.RelayTimeout:     {"%s did not answer in time: try again later", "timeout"},
	core.RelayNotFound:    {"%s can't be reached: there is no host with the name in its address, or no network", "unreachable"},
	core.RelayRefuses: {"%s can't be reached: at its host nothing listens on the port of its address. Ask who runs it, or use another relay",
		"unreachable"},
	core.RelayIdentity: {"what answers is not %s: the fingerprint in its address is that of another one", "relay_identity"},
	core.RelayNoTLS:    {"what answers on the port of %s does not speak as a relay does: check the port in its address", "unreachable"},
	core.RelayProtocol: {"what answers on the port of %s does not speak as a relay does: check the port in its address", "unreachable"},
	core.RelayVersion:  {"%s speaks no version of the protocol that this program knows: update the older of the two", "relay_version"},
	core.RelayNeedsTor: {"%s has an onion address: turn Tor on with the command tor", "unreachable"},
	core.RelayNoHost:   {"%s has no onion address, and the settings of Tor ask for one", "unreachable"},
	core.RelayNoProxy:  {"%s can't be reached: the proxy in between does not work. See tor.status", "unreachable"},
	core.RelayBeyond:   {"%s can't be reached by the relay of yours that forwards to it: try again later", "unreachable"},
	core.RelayLost:     {"the connection with %s was lost: it is made again by itself", "unreachable"},
	core.RelayFull:     {"%s takes no more for now: try again later", "refused"},
	core.RelayFails:    {"%s has a problem of its own: try again later, or use another relay", "refused"},
	core.RelayDenies: {"%s refuses it: its address needs a password (smp://fingerprint:password@host), or another one, or it makes no new queues",
		"refused"},
}

// setError adds an error to an answer or event, with its code if it has one.
func (o object) setError(err error) {
	text, code := describe(err)
	if o["error"] = text; code != "" {
		o["code"] = code
	}
}

// errorEvent is the event that tells an error.
func errorEvent(err error) object {
	o := object{"event": "error"}
	o.setError(err)
	return o
}

// decodeError tells in words of JSON what is wrong with what a line or a part of it should be.
func decodeError(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, new(*json.SyntaxError)):
		return fmt.Errorf("%w: it is not JSON: %w", errCommand, err)
	case !errors.As(err, &kind):
		return fmt.Errorf("%w: %w", errCommand, err)
	case kind.Field == "":
		return fmt.Errorf("%w: it is not a JSON object", errCommand)
	}
	return fmt.Errorf("%w: %s is not %s", errCommand, kind.Field, jsonKind(kind.Type))
}
