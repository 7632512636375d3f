// Command sotto-cli is Sotto without a window: the same core, driven by lines of JSON.
//
//	sotto-cli --data DIR [--relay ADDRESS]... [--passphrase-file FILE] [--keyring]
//
// DIR is the folder with the profiles, which is made if it is missing. One program at a time can
// use it. --relay, which can be given several times, names the relays for new queues in place of
// what the profiles have chosen; "--relay embedded" is a relay inside this program, on loopback.
// A profile that is made meanwhile has them as its choice. Without --relay a new profile has
// public relays. The passphrase, from the first line of FILE or else from the environment variable
// SOTTO_PASSPHRASE, protects profiles that are made and opens those that have one. --keyring
// keeps the keys of profiles without a passphrase in the keyring of the operating system,
// where the window keeps them; else they are in files.
//
// # Commands
//
// A line on standard input is a command, a JSON object:
//
//	{"id":1,"cmd":"send","contact":3,"text":"hello"}
//
// The answer is a line on standard output. It repeats the id, which can be any JSON value:
//
//	{"id":1,"ok":true,"message":17}
//	{"id":1,"ok":false,"error":"there is no such contact","code":"no_contact"}
//
// Commands are executed in their order, but an answer to invite, which waits for a relay, can
// come after those to later commands. Contacts and messages are numbers that stay the same for as
// long as the profile exists; profiles are named by strings. A line has at most 1 MiB. What a command needs, what
// it can have in [brackets], and what its answer has:
//
//	profile.create  name [passphrase] [relays]    profile
//	    makes a profile; the first one is in use then. relays is a list like that of --relay
//	profile.list                                  profiles: [{profile, name, current, locked, unread, error}]
//	profile.use     profile [passphrase]          profile, name
//	    the profile that the following commands are about, also after a restart
//	invite                                        link, invitation: the contact that will open the link
//	plan            link                          own, known: the contact, relay
//	    what connect would do
//	connect         link                          contact
//	    the link can stand in a longer text. The connection comes about in the background
//	contacts                                      contacts: [{contact, name, alias, state, failure, link, unread, active}]
//	send            contact text                  message
//	    answered when the message is stored: it will be sent even after a crash
//	retry           message                       message
//	    sends a message again that has failed
//	history         contact [limit] [before]      messages: [{message, contact, own, from, text, kind, state, failure, count, content, edited, time}]
//	    in the order of the conversation: the last ones, 50 if there is no limit, up to 1000,
//	    of those before the message before
//	read            contact
//	    all messages of the contact were seen
//	delete          contact
//	    deletes a contact and its messages here
//	status                                        profile, name, relays: [{address, operator, state, since, error}], embedded: address
//	quit
//	    ends the program, as does the end of the input
//
// A contact's state is "invited" (the link was not opened yet), "connecting", "connected",
// "failed" or "left" (it has deleted the conversation). A message's state is "received", or of one's own
// "pending", "sent" (the relay has it), "delivered" (the contact has it) or "failed". Its kind is "text",
// "unsupported" (something that this version can't show, named by content), or that of a
// notice: "missing" (count messages were lost), "integrity", "unreadable", "malformed", "renamed"
// or "left". A failure is "link used", "version", "gone", "expired", "too long", "full", "refused"
// or "not possible". A relay's state is "connecting", "connected" or "disconnected". Times
// are as in RFC 3339, in UTC.
//
// # Errors
//
// Next to the text, which is for people, an answer can have one of these codes: bad_command,
// name, no_profile, no_profile_in_use, locked, wrong_passphrase, not_link, damaged_link,
// newer_link, link_kind, own_link, no_contact, no_message, not_connected, not_failed, empty,
// too_long, relay_address, relay_port, no_relays, timeout, refused.
//
// # Events
//
// Between the answers there are events, about all profiles that are open:
//
//	{"event":"connecting","profile":"…","contact":3,"name":""}
//	{"event":"connected","profile":"…","contact":3,"name":"Bob"}
//	{"event":"message","profile":"…","contact":3,"message":18,"from":"Bob","text":"hi","kind":"text","time":"…"}
//	{"event":"sent","profile":"…","contact":3,"message":17}
//	{"event":"delivered","profile":"…","contact":3,"message":17}
//	{"event":"relay","profile":"…","address":"smp://…","state":"connected"}
//	{"event":"error","profile":"…","contact":3,"message":17,"failure":"gone","error":"…"}
//
// A message that the contact edits comes again, with "edited":true. An error is about a contact
// that can't be connected with, about a message that can't be sent, about what is missing from a
// conversation (with kind and count), about a relay (with address), or about a profile.
//
// What arrives while the program does not run comes as events after the next start. Nothing is left
// out: after a crash events that were told last can come once more, with the same numbers.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sotto-cli:", err)
		os.Exit(1)
	}
}

// relayFlags are the values of --relay.
type relayFlags []string

func (f *relayFlags) String() string { return strings.Join(*f, " ") }

func (f *relayFlags) Set(address string) error {
	*f = append(*f, address)
	return nil
}

// run is the program. It ends with the input or with ctx.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) (err error) {
	flags := flag.NewFlagSet("sotto-cli", flag.ContinueOnError)
	flags.SetOutput(errOut)
	var relays relayFlags
	data := flags.String("data", "", "`folder` with the profiles")
	flags.Var(&relays, "relay", "`address` of a relay for new queues, or \"embedded\" for one inside this program")
	passphraseFile := flags.String("passphrase-file", "", "`file` whose first line is the passphrase of the profiles")
	keyring := flags.Bool("keyring", false, "keep keys in the keyring of the operating system")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no option: commands are read from standard input", flags.Arg(0))
	}
	if *data == "" {
		return errors.New("say with --data in which folder the profiles are")
	}
	passphrase, err := readPassphrase(*passphraseFile)
	if err != nil {
		return err
	}
	opt := core.Options{Relays: relays}
	if *keyring {
		opt.Keyring = vault.SystemKeyring()
	}
	c, err := core.Open(ctx, *data, opt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s := newSession(c, relays, passphrase, out)
	return s.run(ctx, in)
}

// readPassphrase reads the first line of a file, or the environment if no file is named.
func readPassphrase(name string) (string, error) {
	if name == "" {
		return os.Getenv("SOTTO_PASSPHRASE"), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
