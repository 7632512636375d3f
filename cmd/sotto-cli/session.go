package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core"
)

const (
	maxLine      = 1 << 20          // bytes of a line of input
	relayTimeout = 60 * time.Second // of commands that wait for a relay
	maxWaiting   = 32               // such commands at a time
	eventBuffer  = 1024
	defaultLimit = 50 // of history
)

// object is a line of output.
type object map[string]any

// session executes commands and tells events.
type session struct {
	core       *core.Core
	relays     []string
	passphrase string

	mu  sync.Mutex // held while a line is written
	out io.Writer
	err error // of writing

	// turn is held while something is done and answered, and while events are told, so that
	// no event about a message comes before the answer that tells its number.
	turn sync.Mutex

	waiting sync.WaitGroup
	slots   chan struct{} // one for each command that waits for a relay
}

func newSession(c *core.Core, relays []string, passphrase string, out io.Writer) *session {
	return &session{core: c, relays: relays, passphrase: passphrase, out: out, slots: make(chan struct{}, maxWaiting)}
}

var errQuit = errors.New("quit")

// run executes the commands of in until its end, a quit, or the end of ctx.
func (s *session) run(ctx context.Context, in io.Reader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	events, unsubscribe := s.core.Subscribe(eventBuffer)
	var announcing sync.WaitGroup
	announcing.Go(func() {
		newAnnouncer(s).run(ctx, events)
		cancel(nil) // nobody reads the output any more
	})
	// Reading can't be interrupted: the goroutine ends with the input, or with the program.
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		r := bufio.NewReader(in)
		for {
			line, err := readLine(r)
			if len(bytes.TrimSpace(line)) > 0 {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	s.unlock(ctx)
	for reading := true; reading; {
		select {
		case line, ok := <-lines:
			if !ok {
				s.waiting.Wait() // they end within relayTimeout
				reading = false
			} else if err := s.execute(ctx, line); err != nil || s.failed() {
				reading = false
			}
		case <-ctx.Done():
			reading = false
		}
	}
	cancel(nil)
	unsubscribe()
	s.waiting.Wait()
	announcing.Wait()
	return s.err
}

// readLine reads a line. One that is too long is cut, and will not be a command.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line) <= maxLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// unlock opens the profiles that have the passphrase of the command line.
func (s *session) unlock(ctx context.Context) {
	if s.passphrase == "" {
		return
	}
	if s.core.Locked() {
		if err := s.core.Unlock(ctx, s.passphrase); err != nil {
			s.write(errorEvent(err))
			return
		}
	}
	for _, p := range s.core.Profiles() {
		if !p.Locked {
			continue
		}
		if _, err := s.core.OpenProfile(ctx, p.ID, s.passphrase); err != nil && p.Current {
			o := errorEvent(err)
			o["profile"] = p.ID
			s.write(o)
		}
	}
}

// write writes a line.
func (s *session) write(o object) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.err == nil {
		_, err = s.out.Write(b.Bytes())
	}
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("writing the output: %w", err)
	}
}

// failed tells whether the output can't be written any more.
func (s *session) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// answer answers a command.
func (s *session) answer(id json.RawMessage, o object, err error) {
	if o == nil || err != nil {
		o = object{}
	}
	if err != nil {
		o.setError(err)
	}
	if len(id) > 0 {
		o["id"] = id
	}
	o["ok"] = err == nil
	s.write(o)
}

// execute executes a line. It returns errQuit after a quit.
func (s *session) execute(ctx context.Context, line []byte) error {
	c, err := parse(line)
	if err != nil {
		s.answer(c.ID, nil, err)
		return nil
	}
	if c.Cmd == "quit" {
		s.answer(c.ID, nil, nil)
		return errQuit
	}
	if ask, ok := relayCommands[c.Cmd]; ok {
		s.wait(ctx, c, ask)
		return nil
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	o, err := s.do(ctx, c)
	s.answer(c.ID, o, err)
	return nil
}

// askFunc executes the part of a command that waits for a relay. What is left to do is done when no
// events are told.
type askFunc func(context.Context, *core.Profile, command) (rest func() (object, error), err error)

// wait executes a command that waits for a relay, without holding up those that follow.
func (s *session) wait(ctx context.Context, c command, ask askFunc) {
	p, err := current(s.core)
	if err != nil {
		s.answer(c.ID, nil, err)
		return
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	s.waiting.Go(func() {
		defer func() { <-s.slots }()
		ctx, cancel := context.WithTimeout(ctx, relayTimeout)
		defer cancel()
		rest, err := ask(ctx, p, c)
		if err != nil {
			s.answer(c.ID, nil, err)
			return
		}
		s.turn.Lock()
		defer s.turn.Unlock()
		o, err := rest()
		s.answer(c.ID, o, err)
	})
}

// relayCommands are the commands about the profile in use that wait for a relay.
var relayCommands = map[string]askFunc{
	"invite": func(ctx context.Context, p *core.Profile, c command) (func() (object, error), error) {
		invite := p.Invite
		if c.Incognito {
			invite = p.InviteIncognito
		}
		i, err := invite(ctx)
		link := i.Link
		if c.Long {
			link = i.Full
		}
		return func() (object, error) {
			return object{"link": link, "invitation": i.Contact.ID, "contact": i.Contact.ID}, nil
		}, err
	},
	"rotate": func(ctx context.Context, p *core.Profile, c command) (func() (object, error), error) {
		err := p.Rotate(ctx, c.Contact)
		return func() (object, error) { return nil, nil }, err
	},
	"connect.plan": func(ctx context.Context, p *core.Profile, c command) (func() (object, error), error) {
		plan, err := p.Plan(ctx, c.Link)
		return func() (object, error) { return planObject(plan), nil }, err
	},
	"connect": func(ctx context.Context, p *core.Profile, c command) (func() (object, error), error) {
		plan, err := p.Plan(ctx, c.Link)
		return func() (object, error) {
			contact, err := p.ConnectTo(ctx, plan, c.Incognito)
			return object{"contact": contact.ID}, err
		}, err
	},
	"address.create": func(ctx context.Context, p *core.Profile, c command) (func() (object, error), error) {
		a, err := p.MakeAddress(ctx)
		return func() (object, error) { return object{"link": addressLink(a, c)}, nil }, err
	},
}

// do executes a command that doesn't wait.
func (s *session) do(ctx context.Context, c command) (object, error) {
	switch c.Cmd {
	case "profile.create":
		return s.create(ctx, c)
	case "profile.list":
		list := []object{}
		for _, p := range s.core.Profiles() {
			o := object{"profile": p.ID, "name": p.Name, "current": p.Current, "locked": p.Locked, "unread": p.Unread, "hidden": p.Hidden}
			if p.Err != nil {
				o["error"], _ = describe(openError(p.Err))
			}
			list = append(list, o)
		}
		return object{"profiles": list}, nil
	case "profile.use":
		passphrase := c.Passphrase
		if passphrase == "" {
			passphrase = s.passphrase
		}
		p, err := s.core.OpenProfile(ctx, c.Profile, passphrase)
		if err != nil {
			return nil, openError(err)
		}
		return object{"profile": p.ID(), "name": p.Name()}, s.core.Use(p.ID())
	}
	if do, ok := listCommands[c.Cmd]; ok {
		return do(ctx, s.core, c)
	}
	if do, ok := torCommands[c.Cmd]; ok {
		return do(ctx, s.core, c)
	}
	do, ok := profileCommands[c.Cmd]
	if !ok {
		do, ok = messageCommands[c.Cmd]
	}
	file := fileCommands[c.Cmd]
	if !ok && file == nil {
		return nil, fmt.Errorf("%w: there is none called %q", errCommand, c.Cmd)
	}
	p, err := current(s.core)
	if err != nil {
		return nil, err
	}
	if file != nil {
		o, err := file(ctx, p, c)
		if errors.Is(err, core.ErrNoItem) {
			err = errNoFile
		}
		return o, err
	}
	return do(s, ctx, p, c)
}

// profileCommands are the commands about the profile in use.
var profileCommands = map[string]func(*session, context.Context, *core.Profile, command) (object, error){
	"address.show": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		a, err := p.Address(ctx)
		o := object{"link": addressLink(a, c), "greeting": a.Settings.Greeting, "auto": a.Settings.AutoAccept, "incognito": a.Settings.Incognito}
		if a.Failure != "" {
			o["failure"] = a.Failure
		}
		if a.Elsewhere {
			o["elsewhere"] = true
		}
		return o, err
	},
	"address.set": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.SetAddressSettings(ctx, core.AddressSettings{Greeting: c.Greeting, AutoAccept: c.Auto, Incognito: c.Incognito})
	},
	"address.delete": func(_ *session, ctx context.Context, p *core.Profile, _ command) (object, error) {
		return nil, p.DeleteAddress(ctx)
	},
	"requests": func(_ *session, ctx context.Context, p *core.Profile, _ command) (object, error) {
		requests, err := p.Requests(ctx)
		list := []object{}
		for _, r := range requests {
			list = append(list, object{"request": r.ID, "name": r.Name, "text": r.Message, "time": r.Created.UTC()})
		}
		return object{"requests": list}, err
	},
	"accept": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		contact, err := p.Accept(ctx, c.Request, c.Incognito)
		return object{"contact": contact.ID}, err
	},
	"reject": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.Reject(ctx, c.Request)
	},
	"contacts": func(_ *session, ctx context.Context, p *core.Profile, _ command) (object, error) {
		contacts, err := p.Contacts(ctx)
		list := []object{}
		for _, contact := range contacts {
			list = append(list, contactObject(contact))
		}
		return object{"contacts": list}, err
	},
	"contact.code": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		code, err := p.Code(ctx, c.Contact)
		return object{"code": code}, err
	},
	"contact.verify": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		ok, err := p.Verify(ctx, c.Contact, c.Code)
		return object{"verified": ok}, err
	},
	"resync": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.Resync(ctx, c.Contact)
	},
	"receive.here": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		if c.Contact == 0 {
			return nil, p.ReceiveAddressHere(ctx)
		}
		return nil, p.ReceiveHere(ctx, c.Contact)
	},
	"network": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		n := p.Network()
		if c.Routing != "" {
			n.Routing = c.Routing
		}
		if c.Fallback != "" {
			n.Fallback = c.Fallback
		}
		if err := p.SetNetwork(ctx, n); err != nil {
			return nil, err
		}
		return object{"routing": n.Routing, "fallback": n.Fallback}, nil
	},
	"contact.receipts": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.SetReceipts(ctx, c.Contact, c.On)
	},
	"contact.delete": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.DeleteContact(ctx, c.Contact)
	},
	"status": (*session).status,
}

func (s *session) create(ctx context.Context, c command) (object, error) {
	n := core.NewProfile{Name: c.Name, Passphrase: c.Passphrase, Hidden: c.Hidden}
	if n.Passphrase == "" {
		n.Passphrase = s.passphrase
	}
	relays := c.Relays
	if len(relays) == 0 {
		relays = s.relays
	}
	switch {
	case len(relays) == 1 && relays[0] == core.EmbeddedRelay:
		n.Relays.Kind = core.RelaysThisComputer
	case len(relays) > 0:
		n.Relays = core.RelayChoice{Kind: core.RelaysOwn, Addresses: relays}
	}
	p, err := s.core.CreateProfile(ctx, n)
	if err != nil {
		return nil, err
	}
	return object{"profile": p.ID(), "name": p.Name()}, nil
}

func (s *session) status(_ context.Context, p *core.Profile, _ command) (object, error) {
	list := []object{}
	for _, r := range p.Status() {
		o := object{"address": r.Server.String(), "state": r.State, "since": r.Since.UTC()}
		if r.Operator != "" {
			o["operator"] = r.Operator
		}
		relayError(o, r)
		list = append(list, o)
	}
	o := object{"profile": p.ID(), "name": p.Name(), "relays": list}
	if server, password, ok := s.core.LocalRelay(); ok {
		o["embedded"] = server.Text(password)
	}
	return o, nil
}

// shownName is how a contact is called.
func shownName(c core.Contact) string {
	if c.Alias != "" {
		return c.Alias
	}
	return c.Name
}

// planObject is the answer to connect.plan.
func planObject(p core.Plan) object {
	o := object{"kind": "invitation", "own": p.Own, "relay": p.Relay.Hosts[0], "name": p.Name, "greeting": p.Greeting}
	if p.Kind == core.LinkContact {
		o["kind"] = "address"
	}
	if p.Known != nil {
		o["known"] = p.Known.ID
	}
	return o
}

// addressLink is the link to an address in the form that a command asks for.
func addressLink(a core.Address, c command) string {
	if c.Long {
		return a.Full
	}
	return a.Link
}

func contactObject(c core.Contact) object {
	o := object{"contact": c.ID, "name": c.Name, "state": c.State, "unread": c.Unread, "active": c.Active.UTC(), "receipts": c.Receipts}
	if c.IncognitoName != "" {
		o["incognito"] = c.IncognitoName
	}
	if !c.Verified.IsZero() {
		o["verified"] = c.Verified.UTC()
	}
	if c.Alias != "" {
		o["alias"] = c.Alias
	}
	if c.Failure != "" {
		o["failure"] = c.Failure
	}
	if c.Invitation != "" {
		o["link"] = c.Invitation
	}
	for name, on := range map[string]bool{"muted": c.Muted, "pinned": c.Pinned, "archived": c.Archived, "blocked": c.Blocked, "elsewhere": c.Elsewhere, "picture": c.Picture != nil} {
		if on {
			o[name] = true
		}
	}
	for name, text := range map[string]string{"full_name": c.FullName, "description": c.Description, "address": c.Address, "draft": c.Draft.Text, "held": c.Held} {
		if text != "" {
			o[name] = text
		}
	}
	for name, d := range map[string]time.Duration{"disappearing": c.Disappearing, "disappearing_offer": c.DisappearingOffer} {
		if d != 0 {
			o[name] = int64(d / time.Second)
		}
	}
	return o
}
