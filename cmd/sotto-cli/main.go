// Command sotto-cli is Sotto without a window: the same core, driven by lines of JSON.
//
//	sotto-cli --data DIR [--relay ADDRESS]... [--passphrase-file FILE] [--keyring]
//	          [--smp-versions 6-18] [--agent-versions 2-7] [--ratchet-versions 2-3] [--client-versions 1-4] [--pq on|off]
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
// The options for versions cap what is spoken with relays (smp) and with contacts (the others), each a range or one
// number within the one shown, which is the default: with them the program behaves like an older one.
// --pq off makes new connections without post-quantum encryption.
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
// Commands are executed in their order, but the answers to invite, connect.plan, connect, rotate and address.create, which
// wait for a relay up to a minute, can come after those to later commands. Contacts and messages are numbers that stay the same for as
// long as the profile exists, as are requests; profiles are named by strings. A line has at most 1 MiB. What a command needs, what
// it can have in [brackets], and what its answer has:
//
//	profile.create  name [passphrase] [relays]    profile
//	    makes a profile; the first one is in use then. relays is a list like that of --relay
//	profile.list                                  profiles: [{profile, name, current, locked, unread, error}]
//	profile.use     profile [passphrase]          profile, name
//	    the profile that the following commands are about, also after a restart
//	invite          [incognito] [long]            link, invitation: the contact that will open the link
//	    the link is short if the relay keeps the data of links, and full in any case with "long":true. With
//	    "incognito":true the contact knows the profile by a name that is made up, here and in what follows
//	connect.plan    link                          kind, own, known: the contact, relay, name, greeting
//	    what connect would do. kind is "invitation" or "address"; name and greeting are those of who made
//	    the link, if it is a short one. A one-time short link can be opened by this profile alone then
//	connect         link [incognito]              contact
//	    the link can stand in a longer text. The connection comes about in the background
//	address.create  [long]                        link
//	    makes the address of the profile, which anybody can open to ask for a connection
//	address.show    [long]                        link, greeting, auto, incognito, failure
//	address.set     [greeting] [auto] [incognito]
//	    greeting is shown to who opens the address. With "auto":true requests are accepted without asking,
//	    incognito or not, and the greeting is sent as a message
//	address.delete
//	requests                                      requests: [{request, name, text, time}]
//	accept          request [incognito]           contact
//	reject          request
//	contacts                                      contacts: [{contact, name, alias, state, failure, link, unread, active, incognito, verified, receipts}]
//	    incognito is the name by which the contact knows the profile if it is another one, verified the time
//	contact.code    contact                       code
//	    which is the same on both sides if nobody sits between them
//	contact.verify  contact code                  verified: whether it is the code of the contact
//	contact.receipts contact [on]
//	    whether the contact is told that its messages were received, which is so at first
//	rotate          contact
//	    moves the queue on which messages of the contact wait to another relay, while messages flow
//	resync          contact
//	    makes the encryption with the contact anew, as after a backup was restored
//	network         [routing] [fallback]          routing, fallback
//	    when relays of others are reached through one's own, so that they don't see the network address:
//	    "never", "unprotected" (without a proxy like Tor), "unknown" (relays that are not one's own, as at first) or "always";
//	    and whether those that can't be reached so are reached directly: "never", "protected" or "allow"
//	contact.delete  contact
//	    deletes a contact and its messages here
//	send            contact text                  message
//	    answered when the message is stored: it will be sent even after a crash
//	retry           message                       message
//	    sends a message again that has failed
//	history         contact [limit] [before]      messages: [{message, contact, own, from, text, kind, state, failure, count, content, edited, time}]
//	    in the order of the conversation: the last ones, 50 if there is no limit, up to 1000,
//	    of those before the message before
//	read            contact
//	    all messages of the contact were seen
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
// network, newer_link, link_kind, own_link, used_link, deleted_link, unknown_relay, business_link, no_contact, no_message,
// not_connected, not_failed, empty, too_long, no_address, address_exists, no_request, relay_address, relay_port,
// no_relays, timeout, refused.
//
// # Events
//
// Between the answers there are events, about all profiles that are open:
//
//	{"event":"connecting","profile":"…","contact":3,"name":""}
//	{"event":"connected","profile":"…","contact":3,"name":"Bob"}
//	{"event":"request","profile":"…","request":2,"name":"Carol"}
//	{"event":"message","profile":"…","contact":3,"message":18,"from":"Bob","text":"hi","kind":"text","time":"…"}
//	{"event":"sent","profile":"…","contact":3,"message":17}
//	{"event":"delivered","profile":"…","contact":3,"message":17}
//	{"event":"relay","profile":"…","address":"smp://…","state":"connected"}
//	{"event":"notice","profile":"…","contact":3,"kind":"moved"}
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
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
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

// versionsFlag is a range of versions that is within another one.
type versionsFlag struct {
	value  *wire.VersionRange
	within wire.VersionRange
}

func (f *versionsFlag) String() string {
	if f.value == nil {
		return ""
	}
	return f.value.String()
}

func (f *versionsFlag) Set(text string) error {
	v, err := wire.ParseVersionRange(text)
	if err != nil || v.Min < f.within.Min || v.Max > f.within.Max {
		return fmt.Errorf("not a range within %v", f.within)
	}
	*f.value = v
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
	var opt core.Options
	for _, v := range []struct {
		name, of string
		value    *wire.VersionRange
		within   wire.VersionRange
	}{
		{"smp-versions", "the protocol of relays", &opt.Network.Versions, smp.Versions},
		{"agent-versions", "the agent protocol", &opt.Versions.Agent, core.AgentVersions},
		{"ratchet-versions", "the ratchet", &opt.Versions.Ratchet, ratchet.Versions},
		{"client-versions", "queue addresses", &opt.Versions.Client, core.ClientVersions},
	} {
		flags.Var(&versionsFlag{v.value, v.within}, v.name, fmt.Sprintf("`range` of versions of %s, within %v", v.of, v.within))
	}
	pq := flags.String("pq", "on", "post-quantum encryption of new connections, `on or off`")
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
	if *pq != "on" && *pq != "off" {
		return fmt.Errorf("--pq %q is neither on nor off", *pq)
	}
	opt.Relays, opt.NoPQ = relays, *pq == "off"
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
