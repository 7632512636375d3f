// Command sotto-cli is Sotto without a window: the same core, driven by lines of JSON.
//
//	sotto-cli --data DIR [--relay ADDRESS]... [--passphrase-file FILE] [--keyring]
//	          [--smp-versions 6-18] [--agent-versions 2-7] [--ratchet-versions 2-3] [--client-versions 1-4] [--pq on|off]
//	          [--tor-only] [--tor-config FILE] [--tor-binary PATH]
//	sotto-cli --help
//
// DIR is the folder with the profiles, which is made if it is missing. One program at a time can
// use it. --relay, which can be given several times, names the relays for new queues (smp://…) and files (xftp://…) in place of
// what the profiles have chosen, the preferred one first: the next is used where a conversation has a queue on it already or while
// it can't be reached; "--relay embedded" is a relay inside this program, on loopback.
// A profile that is made meanwhile has them as its choice. Without --relay a new profile has
// public relays. The passphrase, from the first line of FILE or else from the environment variable
// SOTTO_PASSPHRASE, protects profiles that are made and opens those that have one. --keyring
// keeps the keys of profiles without a passphrase in the keyring of the operating system,
// where the window keeps them; else they are in files.
//
// The options for versions cap what is spoken with relays (smp) and with contacts (the others), each a range or one
// number within the one shown, which is the default: with them the program behaves like an older one.
// With --tor-only nothing leaves but through Tor, whatever commands say. The lines of the file of --tor-config are
// added to the configuration of the tor that the program runs; that is how a private Tor network is used.
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
// A member that a command needs and does not have, or that is of another kind than it should be, is an error; one that the command does
// not know is ignored. The answer to a line from which no id can be read has none. Empty lines are nothing.
//
// Commands are executed in their order, but the answers to invite, connect.plan, connect, rotate and address.create, which
// wait for a relay up to a minute, or for seconds if it can't be reached, can come after those to later commands. Contacts and
// messages are numbers that stay the same for as long as the profile exists, as are requests; profiles are named by strings. A line
// has at most 1 MiB. What a command needs, what
// it can have in [brackets], and what its answer has:
//
//	profile.create  name [passphrase] [relays] [hidden] profile
//	    makes a profile; the first one is in use then. relays is a list like that of --relay. With "hidden":true
//	    it opens with its passphrase alone and shows nowhere while it is closed; it is not in use then
//	profile.list                                  profiles: [{profile, name, current, locked, unread, hidden, error}]
//	profile.use     profile [passphrase]          profile, name
//	    the profile that the following commands are about, also after a restart
//	profile.rename  name
//	profile.protect [passphrase] [old]
//	    gives the profile a passphrase, another one, or none
//	profile.delete  profile
//	    deletes a profile, and its queues and what it has uploaded on their relays as soon as those can be reached
//	profile.hide    profile passphrase            profile: its new name
//	profile.show    profile [passphrase]          profile
//	    makes a hidden profile that is open a visible one
//	hidden.open     passphrase                    profile, name
//	    opens the hidden profile with this passphrase, which is in use then
//	hidden.close
//	    closes all hidden profiles
//	lock
//	    closes all profiles and forgets their keys, until unlock
//	unlock          passphrase
//	lock.set        [passphrase] [old] [seconds]
//	    the passphrase of the program, none if it is empty, and after how many seconds without input a window
//	    locks it
//	lock.wipe       passphrase
//	    sets a passphrase with which unlock deletes everything
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
//	address.show    [long]                        link, greeting, auto, incognito, failure, elsewhere
//	address.set     [greeting] [auto] [incognito]
//	    greeting is shown to who opens the address. With "auto":true requests are accepted without asking,
//	    and the greeting is sent as a message. With "incognito":true the address shows no name, and each who is accepted so
//	    sees another one that is made up. What is not given is empty, or false
//	address.delete
//	requests                                      requests: [{request, name, text, time}]
//	accept          request [incognito]           contact
//	    incognito is for an address that is so too: any other shows the profile's name to who opens its short link
//	reject          request
//	contacts                                      contacts: [{contact, name, alias, state, failure, link, unread, active, incognito, verified, receipts, muted, pinned,
//	                                                  archived, blocked, elsewhere, held, picture, full_name, description, address, draft, disappearing,
//	                                                  disappearing_offer}]
//	    incognito is the name by which the contact knows the profile if it is another one, verified the time
//	contact.code    contact                       code
//	    which is the same on both sides if nobody sits between them
//	contact.verify  contact code                  verified: whether it is the code of the contact
//	contact.receipts contact [on]
//	    whether the contact is told that its messages were received, which is so at first
//	rotate          contact
//	    moves the queue on which messages of the contact wait to another relay, while messages flow
//	resync          contact
//	    makes the encryption with the contact anew, as after a backup was restored. Until the contact has answered, as the
//	    notice "synced" tells, nothing can be sent: the answer to send has the code not_synchronized
//	receive.here    [contact]
//	    has the messages of the contact, or without one the requests at the address, come here again and not to another program;
//	    see the event elsewhere
//	network         [routing] [fallback]          routing, fallback
//	    when relays of others are reached through one's own, so that they don't see the network address:
//	    "never", "unprotected" (without a proxy like Tor), "unknown" (relays that are not one's own, as at first) or "always";
//	    and whether those that can't be reached so are reached directly: "never", "protected" (only if they don't learn the network
//	    address: through Tor, or in one's own network, as at first) or "allow". What is not sent for that waits: see the event held
//	tor             mode                          as tor.status
//	    what goes through Tor: "tor-only" (everything, or nothing at all), "onion-relays" (what goes to relays with an onion
//	    address) or "direct" (nothing). tor.profile does the same for the profile in use alone; "" is as the program has it
//	tor.status                                    mode, profile: its mode, state, percent, phase, problem, error, onion, reachable
//	    state is "off", "starting", "bootstrapping", "ready", "waiting" or "failed"; onion is the address of the
//	    relay in this program, which others can find if reachable
//	tor.bridges     [bridges]                     bridges: lines, of which "snowflake" stands for those that everybody uses
//	tor.settings    [settings]                    settings: {mode, onion_required, onion_relay, isolate, bridges, upstream, socks, control, password}
//	    changes those that are given: whether only relays with an onion address are used, whether the relay in this program
//	    gets one (with tor-only it does), whether each queue has a circuit of its own, the proxy that the network needs, such as
//	    "socks5://192.0.2.1:1080", and a Tor that runs already, by its addresses such as "127.0.0.1:9050"
//	tor.circuits                                  circuits: [{hops, built, purpose, time}]
//	tor.new
//	    makes new circuits
//	tor.log                                       log: [{time, severity, text}]
//	contact.delete  contact
//	    deletes a contact and its messages here, and tells it
//	send            contact text [reply] [live]   message
//	    answered when the message is stored: it will be sent even after a crash. reply is the message that it
//	    answers; with "live":true it is still being written
//	send            contact file [caption] [reply] message, file: its number
//	    sends the file at a path, once a copy is stored: of a JPEG, PNG, GIF or WebP picture nothing but what can be seen, and an
//	    MP4 or QuickTime video without its metadata
//	files           [contact] [limit] [before]    files: [{file, contact, message, own, name, size, state, failure, relay, text, done, total, time}]
//	receive         file [to] [ask]
//	    receives a file, and puts a copy at the path to, where nothing may be yet in a folder that there is; also goes on with
//	    one that is paused or has failed, and then to is what it was before if it is not given. With "ask":true it is not received from relays that are not known, which see the network address
//	pause, cancel: file
//	    cancel also deletes a file that was sent from its relays, for as long as they have it
//	files.automatic [size]                        size
//	    up to which pictures, voice messages and videos are received unasked, from relays that are known
//	live            message text [done]           message
//	    the next text of a message that is being written, or with "done":true the last one
//	edit            message text                  message
//	delete          message or messages [everyone]
//	    with "everyone":true own messages are deleted at the contact too, or marked if not both allow full deletion
//	react           message emoji [on]            message
//	    one of 👍 👎 😀 😂 😢 ❤ 🚀 ✅; without "on":true it is taken back
//	forward         message or messages, contact  messages
//	message.info    message                       written, sent, received, delivered, route, editions: [{text, time}]
//	    route is how the relay was reached: "own", "proxied", "direct" or "tor"
//	search          text [contact] [limit] [before] messages: as of history, with ranges: [[start, end]] in bytes of text
//	    the newest first; all words have to be there, the last letters of which may be missing
//	draft           contact text
//	clear           contact
//	    deletes all messages of a conversation here
//	mute, pin, archive, block: contact [on]
//	    what a contact that is blocked sends is dropped
//	alias           contact name
//	notes                                         contact: the conversation with oneself
//	preferences     [contact]                     preferences: [{feature, allow, ttl}], or of a contact [{feature, mine, theirs, me, contact, own}]
//	    me and contact tell who may use a feature, own whether mine is for this contact alone
//	preferences.set [contact] feature [allow] [ttl]
//	    feature is timedMessages, fullDelete, reactions, voice or files, allow "always", "yes" or "no"; without it the preference is
//	    that of the profile, or the default
//	disappearing    contact seconds
//	    after which messages disappear, 0 for never, once the contact allows it
//	picture         [file]
//	    the picture of the profile, made of the pixels of a JPEG, PNG, GIF or WebP file, or none
//	description     text
//	    how the profile describes itself
//	retry           message                       message
//	    sends a message again that has failed
//	history         contact [limit] [before]      messages: [{message, contact, own, from, text, kind, state, failure, count, content, edited, time,
//	                                                  reply: {message, text, own, content}, forwarded, live, reactions: [{emoji, own, theirs}], deleted,
//	                                                  ttl, expires, file: {id, name, size, state}, duration, preview: {url, title, description}}]
//	    in the order of the conversation: the last ones, 50 if there is no limit, up to 1000,
//	    of those before the message before
//	read            contact
//	    all messages of the contact were seen
//	status                                        profile, name, relays: [{address, operator, state, since, error, code, detail}], embedded: address
//	    relays are those with which there is a session, or should be one; embedded is the relay in this program, with
//	    the password by which other programs of yours can use it as their --relay
//	quit
//	    ends the program, as does the end of the input
//
// A contact's state is "invited" (the link was not opened yet), "connecting", "connected",
// "failed", "left" (it has deleted the conversation) or "notes". A message's state is "received", or of one's own
// "pending", "sent" (the relay has it), "delivered" (the contact has it), "failed" or "kept" (a note to oneself). Its kind is "text",
// "unsupported" (something that this version can't show, named by content), or that of a
// notice: "missing" (count messages were lost), "integrity", "unreadable", "malformed", "renamed"
// or "left". A failure is "link used", "version", "business", "gone", "expired", "too long", "full", "refused"
// or "not possible". A relay's state is "connecting", "connected" or "disconnected". Times
// are as in RFC 3339, in UTC.
//
// # Errors
//
// Next to the text, which is for people, an answer can have one of these codes:
//
//	bad_command, name, no_profile, no_profile_in_use, locked, app_locked, no_passphrase, passphrase_used, wrong_passphrase,
//	damaged, newer_data, keyring,
//	not_link, damaged_link, newer_link, older_link, link_kind, own_link, used_link, deleted_link, unknown_relay, business_link,
//	no_address, address_exists, no_request, no_contact, no_message, not_connected, not_synchronized, rotating, peer_too_old, not_failed, empty, too_long, not_editable,
//	too_old, not_forwardable, not_live, not_own, emoji, too_many_reactions, not_allowed, preference, description, picture_too_large,
//	no_file, not_regular, not_picture, not_found, exists, not_here, file_too_large, file_state, legacy_file, damaged_file,
//	disk_full, no_file_relay, unknown_relays,
//	relay_address, relay_port, relay_identity, relay_version, no_relays, unreachable, timeout, refused, held, network,
//	tor_mode, tor_only, tor_bridge, tor_upstream, tor_existing, tor_control, tor_not_ready.
//
// bad_command is also for a command without a member that it needs. damaged, newer_data and keyring tell why a
// profile can't be opened. unreachable, timeout, relay_identity and relay_version are about the relay that a command waited for, which
// the text names. held tells that no relay of one's own can forward to it; see network.
//
// The program ends with the status 0 after the end of its input, quit, or a signal; with 1 if it could not do its work, and 2 if the
// command line is wrong. What was wrong stands on standard error, on which there is nothing else.
//
// # Events
//
// Between the answers there are events, about all profiles that are open. While a contact is connecting its name is what the
// short link tells, if any:
//
//	{"event":"connecting","profile":"…","contact":3,"name":""}
//	{"event":"connected","profile":"…","contact":3,"name":"Bob"}
//	{"event":"request","profile":"…","request":2,"name":"Carol"}
//	{"event":"message","profile":"…","contact":3,"message":18,"from":"Bob","text":"hi","kind":"text","time":"…"}
//	{"event":"message.changed","profile":"…","contact":3,"message":18,"from":"Bob","own":false,"text":"hi!","edited":true,…}
//	{"event":"file","profile":"…","contact":3,"message":18,"file":18,"state":"downloading","done":65536,"total":262144}
//	{"event":"messages.removed","profile":"…","contact":3,"messages":[18]}
//	{"event":"sent","profile":"…","contact":3,"message":17}
//	{"event":"delivered","profile":"…","contact":3,"message":17}
//	{"event":"elsewhere","profile":"…","contact":3,"elsewhere":true}
//	{"event":"elsewhere","profile":"…","address":true,"elsewhere":true}
//	{"event":"held","profile":"…","contact":3,"held":true,"relay":"relay.example.org","error":"…"}
//	{"event":"relay","profile":"…","address":"smp://…","state":"connected"}
//	{"event":"tor","mode":"tor-only","state":"bootstrapping","percent":50,"phase":"directory"}
//	{"event":"lock","locked":true}
//	{"event":"link","link":"…"}
//	{"event":"notice","profile":"…","contact":3,"kind":"moved"}
//	{"event":"error","profile":"…","contact":3,"message":17,"failure":"gone","error":"…"}
//	{"event":"error","profile":"…","error":"…","code":"disk_full"}
//
// The state of a file is "offered", "waiting", "uploading", "downloading", "paused", "done", "failed" (with failure: "gone", "damaged",
// "disk full", "refused", "full", "blocked", "no relay", "not kept", "no contact" or "not possible", and the host of the relay) or
// "cancelled"; done and total are bytes, and speed, while it is on its way, bytes a second. With state "done", the failure "not saved" tells that the copy could not be written.
// elsewhere tells that another program that has a copy of the profile receives the contact's messages, or the requests at the address,
// and that this one does again. held tells that what is sent to the contact waits, and why, and that it does not wait any more. A
// relay that is disconnected has an error, a code like those of answers, and the detail, which is for who looks for the cause.
// A link is what the program was started with a second time, empty if with none.
// The event message of a reply has "reply":{"message":…,"text":"…"}, and of others forwarded, live and ttl, as in
// history. message.changed is about a message that was told before, of one's own or not: it was edited or taken back, there
// is another reaction, it is complete, or its time to disappear is known. A notice has the kind "moved", "peer moved", "syncing",
// "synced", "feature" (with feature, who: "both", "me", "contact" or "nobody", and own: whether it was changed
// here), "disappearing" (with seconds, and offer: whether it is only what the contact would like), "picture",
// "profile" (with text), "renamed" (with name), "call", or "stored", about a profile: messages can be stored again. An error is about a contact
// that can't be connected with, or that has left (with the kind "left"), about a message that can't be sent, about what is missing from a
// conversation (with kind and count), or about a profile; then it can have a code. With disk_full nothing is lost: what arrives
// stays on the relays until there is room again.
//
// What arrives while the program does not run comes as events after the next start. Nothing is left
// out: after a crash events that were told last can come once more, with the same numbers.
package main
