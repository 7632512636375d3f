package smp

import (
	"bytes"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// A Command is what a client sends to a relay (smp-commands.md §1).
type Command interface {
	// Append appends the encoding in a version. What the version doesn't know is left out.
	Append(b []byte, version uint16) []byte
	// needs tells which credentials the transmission has to have.
	needs() credentials
}

type credentials byte

const (
	needsBoth    credentials = iota // an authorization and an entity
	needsAuth                       // an authorization and no entity
	needsEntity                     // an entity and no authorization
	needsSender                     // an entity; the queue decides about the authorization
	needsNeither                    // neither
)

// Commands of recipients. Their entity is the recipient id, that of New is empty and that
// of Subs a service id.
type (
	// New makes a queue; the answer is IDs. It is authorized with the private half of RcvAuth.
	New struct {
		RcvAuth   crypt.AuthPublic
		RcvDH     crypt.X25519Public
		Password  string // of the relay, empty for none
		Subscribe bool
		Mode      QueueMode
		Link      *NewLink      // data of a short link, from version 15
		Notifier  *NotifierKeys // from version 17
	}
	// Sub subscribes to a queue; the answer is SOK.
	Sub struct{}
	// Subs subscribes to the queues of a service; relays prohibit it.
	Subs struct{}
	// Key secures a queue with the sender's key.
	Key struct{ Key crypt.AuthPublic }
	// RKey replaces all recipient keys of a contact queue by 1 to 255 keys.
	RKey struct{ Keys []crypt.AuthPublic }
	// LSet sets the data of a queue's short link.
	LSet struct {
		LinkID ID
		Data   LinkData
	}
	// LDel deletes the data of a queue's short link.
	LDel struct{}
	// NKey makes a notifier for a queue; the answer is NID.
	NKey struct{ Keys NotifierKeys }
	// NDel deletes a queue's notifier.
	NDel struct{}
	// Get asks for a message without subscribing; the answer is Msg, or OK if there is none.
	Get struct{}
	// Ack acknowledges a message; the answer is the next Msg, or OK.
	Ack struct{ MsgID ID }
	// Off suspends a queue: nothing can be sent to it any more.
	Off struct{}
	// Del deletes a queue.
	Del struct{}
	// Que asks for a queue's state; the answer is Info.
	Que struct{}
)

// Commands of senders. Their entity is the sender id, that of LKey and LGet a link id.
type (
	// SKey secures a messaging queue with the sender's key, which authorizes the command.
	SKey struct{ Key crypt.AuthPublic }
	// Send sends a message; Body shares memory with what was parsed. MaxBody bounds it.
	Send struct {
		Notify bool
		Body   []byte
	}
	// LKey is SKey by a link id; the answer is Lnk.
	LKey struct{ Key crypt.AuthPublic }
	// LGet asks for the data of a contact link; the answer is Lnk.
	LGet struct{}
)

// Commands of notifiers and of anybody.
type (
	// NSub subscribes to the notifications of a queue.
	NSub struct{}
	// NSubs subscribes to all notifications of a service; the answer is SOKs.
	NSubs struct{}
	// Ping is answered with Pong.
	Ping struct{}
)

// Commands of private routing (smp-commands.md §9).
type (
	// Prxy asks a proxy to connect to a relay; the answer is PKey.
	Prxy struct {
		Server   wire.Server
		Password string // of the proxy, empty for none
	}
	// Pfwd has a proxy forward a command. The entity is the session id of PKey.
	Pfwd struct {
		Version uint16
		Key     crypt.X25519Public
		Box     []byte
	}
	// Rfwd is what the proxy sends to the relay.
	Rfwd struct{ Box []byte }
)

// NewLink is the link of a new queue. SenderID must be the SenderID of the correlation
// id; LinkID is the client's choice for a contact queue and the relay's for a messaging queue.
type NewLink struct {
	LinkID   ID
	SenderID ID
	Data     LinkData
}

// LinkData is the encrypted data of a short link: a part that never changes and one that may.
type LinkData struct{ Fixed, User []byte }

// NotifierKeys are the keys of a queue's notifier.
type NotifierKeys struct {
	Auth crypt.AuthPublic
	DH   crypt.X25519Public
}

func (d LinkData) append(b []byte) []byte {
	return wire.AppendLarge(wire.AppendLarge(b, d.Fixed), d.User)
}

func readLinkData(r *wire.Reader) LinkData { return LinkData{Fixed: r.Large(), User: r.Large()} }

func (k NotifierKeys) append(b []byte) []byte { return appendKey(appendKey(b, k.Auth), k.DH) }

func readNotifierKeys(r *wire.Reader) NotifierKeys {
	return NotifierKeys{Auth: readAuthKey(r), DH: readX25519(r)}
}

func (c New) Append(b []byte, version uint16) []byte {
	b = append(b, "NEW "...)
	b = appendKey(appendKey(b, c.RcvAuth), c.RcvDH)
	if version >= versionSenderSecures {
		b = appendMaybeShort(b, c.Password)
	} else if c.Password != "" {
		b = wire.AppendShort(append(b, 'A'), c.Password)
	}
	if c.Subscribe {
		b = append(b, 'S')
	} else {
		b = append(b, 'C')
	}
	switch {
	case version >= versionShortLinks:
		b = c.appendRequest(b)
	case version >= versionSenderSecures:
		b = wire.AppendBool(b, c.Mode == ModeMessaging)
	}
	if version >= versionNewNotifier {
		b = wire.AppendMaybe(b, c.Notifier != nil)
		if c.Notifier != nil {
			b = c.Notifier.append(b)
		}
	}
	return b
}

func (c New) appendRequest(b []byte) []byte {
	b = wire.AppendMaybe(b, c.Mode != ModeUnknown)
	if c.Mode == ModeUnknown {
		return b
	}
	b = wire.AppendMaybe(append(b, byte(c.Mode)), c.Link != nil)
	if c.Link != nil {
		if c.Mode == ModeContact {
			b = wire.AppendShort(b, c.Link.LinkID)
		}
		b = c.Link.Data.append(wire.AppendShort(b, c.Link.SenderID))
	}
	return b
}

func readNew(r *wire.Reader, version uint16) New {
	c := New{RcvAuth: readAuthKey(r), RcvDH: readX25519(r)}
	if version >= versionSenderSecures {
		c.Password = readMaybeShort[string](r)
	} else if r.Peek() == 'A' {
		r.Byte()
		c.Password = string(r.Short())
	}
	switch r.Byte() {
	case 'S':
		c.Subscribe = true
	case 'C':
	default:
		r.Fail(wire.ErrSyntax)
	}
	switch {
	case version >= versionShortLinks:
		if r.Maybe() {
			c.Mode = readMode(r)
			if r.Maybe() {
				c.Link = new(NewLink)
				if c.Mode == ModeContact {
					c.Link.LinkID = readID(r)
				}
				c.Link.SenderID, c.Link.Data = readID(r), readLinkData(r)
			}
		}
	case version >= versionSenderSecures:
		c.Mode = readSenderSecures(r)
	}
	if version >= versionNewNotifier && r.Maybe() {
		k := readNotifierKeys(r)
		c.Notifier = &k
	}
	return c
}

func readMode(r *wire.Reader) QueueMode {
	m := QueueMode(r.Byte())
	if m != ModeMessaging && m != ModeContact {
		r.Fail(wire.ErrSyntax)
	}
	return m
}

// readSenderSecures reads what versions 9 to 14 have in place of the mode.
func readSenderSecures(r *wire.Reader) QueueMode {
	if r.Bool() {
		return ModeMessaging
	}
	return ModeContact
}

func (c Key) Append(b []byte, _ uint16) []byte  { return appendKey(append(b, "KEY "...), c.Key) }
func (c SKey) Append(b []byte, _ uint16) []byte { return appendKey(append(b, "SKEY "...), c.Key) }
func (c LKey) Append(b []byte, _ uint16) []byte { return appendKey(append(b, "LKEY "...), c.Key) }
func (c NKey) Append(b []byte, _ uint16) []byte { return c.Keys.append(append(b, "NKEY "...)) }

func (c RKey) Append(b []byte, _ uint16) []byte {
	b = append(append(b, "RKEY "...), byte(len(c.Keys)))
	for _, k := range c.Keys {
		b = appendKey(b, k)
	}
	return b
}

func (c LSet) Append(b []byte, _ uint16) []byte {
	return c.Data.append(wire.AppendShort(append(b, "LSET "...), c.LinkID))
}

func (c Ack) Append(b []byte, _ uint16) []byte {
	return wire.AppendShort(append(b, "ACK "...), c.MsgID)
}

func (c Send) Append(b []byte, _ uint16) []byte {
	b = wire.AppendBool(append(b, "SEND "...), c.Notify)
	return append(append(b, ' '), c.Body...)
}

func (c Prxy) Append(b []byte, _ uint16) []byte {
	return appendMaybeShort(c.Server.Append(append(b, "PRXY "...)), c.Password)
}

func (c Pfwd) Append(b []byte, _ uint16) []byte {
	b = wire.AppendUint16(append(b, "PFWD "...), c.Version)
	return append(appendKey(b, c.Key), c.Box...)
}

func (c Rfwd) Append(b []byte, _ uint16) []byte { return append(append(b, "RFWD "...), c.Box...) }

func (Sub) Append(b []byte, _ uint16) []byte   { return append(b, "SUB"...) }
func (Subs) Append(b []byte, _ uint16) []byte  { return append(b, "SUBS"...) }
func (LDel) Append(b []byte, _ uint16) []byte  { return append(b, "LDEL"...) }
func (NDel) Append(b []byte, _ uint16) []byte  { return append(b, "NDEL"...) }
func (Get) Append(b []byte, _ uint16) []byte   { return append(b, "GET"...) }
func (Off) Append(b []byte, _ uint16) []byte   { return append(b, "OFF"...) }
func (Del) Append(b []byte, _ uint16) []byte   { return append(b, "DEL"...) }
func (Que) Append(b []byte, _ uint16) []byte   { return append(b, "QUE"...) }
func (Ping) Append(b []byte, _ uint16) []byte  { return append(b, "PING"...) }
func (LGet) Append(b []byte, _ uint16) []byte  { return append(b, "LGET"...) }
func (NSub) Append(b []byte, _ uint16) []byte  { return append(b, "NSUB"...) }
func (NSubs) Append(b []byte, _ uint16) []byte { return append(b, "NSUBS"...) }

func (New) needs() credentials   { return needsAuth }
func (Sub) needs() credentials   { return needsBoth }
func (Subs) needs() credentials  { return needsBoth }
func (Key) needs() credentials   { return needsBoth }
func (RKey) needs() credentials  { return needsBoth }
func (LSet) needs() credentials  { return needsBoth }
func (LDel) needs() credentials  { return needsBoth }
func (NKey) needs() credentials  { return needsBoth }
func (NDel) needs() credentials  { return needsBoth }
func (Get) needs() credentials   { return needsBoth }
func (Ack) needs() credentials   { return needsBoth }
func (Off) needs() credentials   { return needsBoth }
func (Del) needs() credentials   { return needsBoth }
func (Que) needs() credentials   { return needsBoth }
func (SKey) needs() credentials  { return needsBoth }
func (Send) needs() credentials  { return needsSender }
func (LKey) needs() credentials  { return needsBoth }
func (LGet) needs() credentials  { return needsEntity }
func (NSub) needs() credentials  { return needsBoth }
func (NSubs) needs() credentials { return needsBoth }
func (Ping) needs() credentials  { return needsNeither }
func (Prxy) needs() credentials  { return needsNeither }
func (Pfwd) needs() credentials  { return needsEntity }
func (Rfwd) needs() credentials  { return needsNeither }

// CheckCredentials tells whether a transmission has the credentials of its command: the
// error is ErrNoAuth, ErrHasAuth or ErrNoEntity (smp-commands.md §1).
func CheckCredentials(cmd Command, t *Transmission) error {
	auth, entity := len(t.Auth) > 0, len(t.Entity) > 0
	switch cmd.needs() {
	case needsAuth:
		if !auth {
			return ErrNoAuth
		} else if entity {
			return ErrHasAuth
		}
	case needsSender, needsEntity:
		if !entity {
			return ErrNoEntity
		} else if auth && cmd.needs() == needsEntity {
			return ErrHasAuth
		}
	case needsNeither:
		if auth || entity {
			return ErrHasAuth
		}
	default:
		if !auth || !entity {
			return ErrNoAuth
		}
	}
	return nil
}

// ParseCommand reads a command. The error is ErrUnknownCommand or ErrSyntax, to be sent
// as it is. Commands are read in every version, as relays do (smp-transport.md §8).
func ParseCommand(version uint16, b []byte) (Command, error) {
	tag, params, hasParams := bytes.Cut(b, []byte{' '})
	r := wire.NewReader(params)
	var cmd Command
	switch string(tag) {
	case "SUB":
		return bare(Sub{}, hasParams)
	case "SUBS":
		return bare(Subs{}, hasParams)
	case "LDEL":
		return bare(LDel{}, hasParams)
	case "NDEL":
		return bare(NDel{}, hasParams)
	case "GET":
		return bare(Get{}, hasParams)
	case "OFF":
		return bare(Off{}, hasParams)
	case "DEL":
		return bare(Del{}, hasParams)
	case "QUE":
		return bare(Que{}, hasParams)
	case "PING":
		return bare(Ping{}, hasParams)
	case "LGET":
		return bare(LGet{}, hasParams)
	case "NSUB":
		return bare(NSub{}, hasParams)
	case "NSUBS":
		return bare(NSubs{}, hasParams)
	case "SEND":
		cmd = readSend(r)
	case "ACK":
		cmd = Ack{readID(r)}
	case "NEW":
		cmd = readNew(r, version)
	case "KEY":
		cmd = Key{readAuthKey(r)}
	case "RKEY":
		cmd = readRKey(r)
	case "LSET":
		cmd = LSet{readID(r), readLinkData(r)}
	case "NKEY":
		cmd = NKey{readNotifierKeys(r)}
	case "SKEY":
		cmd = SKey{readAuthKey(r)}
	case "LKEY":
		cmd = LKey{readAuthKey(r)}
	case "PRXY":
		cmd = Prxy{r.Server(wire.SMP), readMaybeShort[string](r)}
	case "PFWD":
		cmd = Pfwd{r.Uint16(), readX25519(r), r.Tail()}
	case "RFWD":
		cmd = Rfwd{r.Tail()}
	default:
		return nil, ErrUnknownCommand
	}
	if !hasParams || r.End() != nil {
		return nil, ErrSyntax
	}
	return cmd, nil
}

func bare[T Command](cmd T, hasParams bool) (Command, error) {
	if hasParams {
		return nil, ErrSyntax
	}
	return cmd, nil
}

// readSend skips the reserved flags, which have no spaces (smp-commands.md §1).
func readSend(r *wire.Reader) Send {
	c := Send{Notify: r.Bool()}
	for r.Err() == nil && r.Byte() != ' ' {
	}
	c.Body = r.Tail()
	return c
}

func readRKey(r *wire.Reader) RKey {
	n := r.NonEmpty()
	var keys []crypt.AuthPublic
	for i := 0; i < n && r.Err() == nil; i++ {
		keys = append(keys, readAuthKey(r))
	}
	return RKey{keys}
}
