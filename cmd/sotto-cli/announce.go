package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
)

// announcer tells events. What it has told is kept in each profile, so that after a restart
// it goes on from there.
type announcer struct {
	*session
	profiles map[string]*announced
}

// announced is what was told of a profile.
type announced struct {
	profile  *core.Profile
	mark     mark
	contacts map[int64]core.ContactState
	files    map[int64]fileTold
	sent     map[int64]bool // messages that were told to be sent, and not yet to be delivered
	relays   map[string]core.RelayState
	// The contacts that were told to be elsewhere, 0 for the address, and those to which nothing is sent: the host of the relay.
	elsewhere map[int64]bool
	held      map[int64]string
	unstored  bool // messages could not be stored
	// Items that were told with changes after the mark, by the last of these: others come before them.
	ahead map[int64]int64
}

// mark is kept in the profile.
type mark struct {
	Change int64 `json:"change"` // the last change of an item that was told
	// Contacts that were told to be on their way to be connected. Others are connected, or new.
	Contacts map[int64]core.ContactState `json:"contacts,omitempty"`
	Request  int64                       `json:"request,omitempty"` // the last one that was told
}

func newAnnouncer(s *session) *announcer {
	return &announcer{session: s, profiles: make(map[string]*announced)}
}

// run tells events until the channel is closed or the output fails.
func (a *announcer) run(ctx context.Context, events <-chan core.Event) {
	a.turn.Lock()
	a.resync(ctx)
	a.turn.Unlock()
	for e := range events {
		a.turn.Lock()
		a.tell(ctx, e)
		a.turn.Unlock()
		if a.failed() {
			return
		}
	}
}

// tell tells an event. An error is told as well: what it is about comes with the next event.
func (a *announcer) tell(ctx context.Context, e core.Event) {
	if _, ok := e.Change.(core.Resync); ok {
		a.resync(ctx)
		return
	}
	switch c := e.Change.(type) {
	case core.ProfileDeleted:
		delete(a.profiles, e.Profile) // a hidden one may be opened again
		return
	case core.LockChanged:
		a.profiles = make(map[string]*announced)
		a.write(object{"event": "lock", "locked": c.Locked})
		if !c.Locked {
			a.resync(ctx)
		}
		return
	case core.TorChanged:
		o := torObject(c.Tor)
		o["event"] = "tor"
		a.write(o)
		return
	case core.LinkOpened:
		a.write(object{"event": "link", "link": c.Text})
		return
	case core.ProfileChanged:
		if c.Profile.Locked {
			delete(a.profiles, e.Profile)
			return
		}
	}
	p, err := a.of(ctx, e.Profile)
	if err == nil && p != nil {
		switch c := e.Change.(type) {
		case core.ItemAdded, core.ItemChanged:
			err = a.tellItems(ctx, p)
		case core.ItemsRemoved:
			if err = a.tellItems(ctx, p); err == nil { // what they were comes before
				a.write(object{"event": "messages.removed", "profile": e.Profile, "contact": c.Contact, "messages": c.Items})
			}
		case core.ContactChanged:
			err = a.tellContact(ctx, p, c.Contact.ID)
		case core.RequestAdded:
			err = a.tellRequests(ctx, p)
		case core.FileProgress:
			err = a.tellProgress(ctx, p, c)
		case core.RelayChanged:
			a.tellRelay(p, c.Relay)
		case core.AddressChanged:
			a.tellAddress(p, c.Address)
		case core.StoreChanged:
			a.tellStore(p)
		}
	}
	a.tellError(ctx, e.Profile, err)
}

func (a *announcer) tellError(ctx context.Context, profile string, err error) {
	if err != nil && ctx.Err() == nil {
		o := errorEvent(err)
		o["profile"] = profile
		a.write(o)
	}
}

// resync tells everything that was not told yet.
func (a *announcer) resync(ctx context.Context) {
	for _, info := range a.core.Profiles() {
		p, err := a.of(ctx, info.ID)
		if err == nil && p != nil {
			err = a.resyncProfile(ctx, p)
		}
		a.tellError(ctx, info.ID, err)
	}
}

func (a *announcer) resyncProfile(ctx context.Context, p *announced) error {
	for _, r := range p.profile.Status() {
		a.tellRelay(p, r)
	}
	contacts, err := p.profile.Contacts(ctx)
	if err != nil {
		return err
	}
	for _, c := range contacts {
		if err := a.tellContact(ctx, p, c.ID); err != nil {
			return err
		}
	}
	if err := a.tellRequests(ctx, p); err != nil {
		return err
	}
	address, err := p.profile.Address(ctx)
	switch {
	case err == nil:
		a.tellAddress(p, &address)
	case errors.Is(err, core.ErrNoAddress):
		a.tellAddress(p, nil)
	default:
		return err
	}
	a.tellStore(p)
	return a.tellItems(ctx, p)
}

// of returns what was told of a profile, nil if that is not open. When it is asked for the
// first time, everything is told that was not.
func (a *announcer) of(ctx context.Context, id string) (*announced, error) {
	if p := a.profiles[id]; p != nil {
		return p, nil
	}
	profile := a.core.Profile(id)
	if profile == nil {
		return nil, nil
	}
	p := &announced{profile: profile, contacts: make(map[int64]core.ContactState), sent: make(map[int64]bool), files: make(map[int64]fileTold), relays: make(map[string]core.RelayState),
		elsewhere: make(map[int64]bool), held: make(map[int64]string), ahead: make(map[int64]int64)}
	b, err := profile.Announced(ctx)
	if err != nil {
		return nil, err
	}
	if b != nil {
		if err := json.Unmarshal(b, &p.mark); err != nil {
			return nil, fmt.Errorf("what was told before: %w", err)
		}
	}
	if p.mark.Contacts == nil {
		p.mark.Contacts = make(map[int64]core.ContactState)
	}
	contacts, err := profile.Contacts(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range contacts {
		if before, ok := p.mark.Contacts[c.ID]; ok {
			p.contacts[c.ID] = before
		} else if c.State != chat.ContactInvited && c.State != chat.ContactConnecting {
			p.contacts[c.ID] = c.State
		}
	}
	a.profiles[id] = p
	return p, a.resyncProfile(ctx, p)
}

// save keeps what was told.
func (a *announcer) save(ctx context.Context, p *announced) error {
	if a.failed() {
		return nil // the last of it was not told
	}
	b, err := json.Marshal(p.mark)
	if err != nil {
		return err
	}
	return p.profile.SetAnnounced(ctx, b)
}

// page is how many changes are read at once.
const page = 500

// tellItems tells all changes of messages that were not told yet.
func (a *announcer) tellItems(ctx context.Context, p *announced) error {
	for {
		items, err := p.profile.Changes(ctx, p.mark.Change, page)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			clear(p.ahead)
			return nil
		}
		for _, i := range items {
			told, err := a.tellItem(ctx, p, i, max(p.mark.Change, p.ahead[i.ID]))
			if err != nil {
				return err
			}
			// The mark may not go beyond what was not told of other items: all of this one was told, up to its last change.
			p.mark.Change = firstChange(i, p.mark.Change)
			p.ahead[i.ID] = i.Change
			if !told {
				continue
			}
			if err := a.save(ctx, p); err != nil {
				return err
			}
		}
	}
}

// firstChange returns the number of the first change of an item that is kept in it and comes after another one.
func firstChange(i core.Item, after int64) int64 {
	first := i.Change
	for _, n := range []int64{i.Added, i.Stated, i.Touched} {
		if n > after {
			first = min(first, n)
		}
	}
	return first
}

// tellItem tells what became of a message after a change, if there is something to tell.
func (a *announcer) tellItem(ctx context.Context, p *announced, i core.Item, after int64) (told bool, err error) {
	if i.Change <= after {
		return false, nil
	}
	contact, err := p.profile.Contact(ctx, i.Contact)
	if errors.Is(err, core.ErrNoContact) {
		return false, nil // deleted meanwhile
	} else if err != nil {
		return false, err
	}
	added, stated := i.Added > after, i.Stated > after
	event := func(name string, o object) {
		o["event"], o["profile"] = name, p.profile.ID()
		a.write(o)
		told = true
	}
	about := func() object { return object{"contact": i.Contact, "message": i.ID} }
	full := func() object {
		o := messageObject(i)
		o["own"], o["state"], o["from"] = i.Own, i.State, p.profile.Name()
		if !i.Own {
			o["from"] = shownName(contact)
		}
		return o
	}
	stateOnly := i.File != nil && (added || p.files[i.ID].State != i.File.State) // which message.changed need not repeat
	if i.Own || !added {
		a.tellFile(p, i, event)
	}
	switch {
	case !i.Kind.IsMessage():
		if added || i.Count > 0 {
			a.tellNotice(i, event)
		}
		return told, nil
	case added && !i.Own:
		event("message", full())
		a.tellFile(p, i, event)
		return told, nil
	case stated && i.State == chat.StateSent:
		event("sent", about())
		p.sent[i.ID] = true
	case stated && i.State == chat.StateDelivered:
		if !p.sent[i.ID] {
			event("sent", about()) // both happened since the last look
		}
		event("delivered", about())
		delete(p.sent, i.ID)
	case stated && i.State == chat.StateFailed:
		o := about()
		o["failure"], o["error"] = i.Failure, "the message could not be sent: "+string(i.Failure)
		event("error", o)
	}
	if i.Touched > after && !stateOnly && (!added || i.Touched > i.Added) { // that one's own was added is not told
		event("message.changed", full())
	}
	return told, nil
}

// tellNotice tells a line about a conversation.
func (a *announcer) tellNotice(i core.Item, event func(name string, o object)) {
	o := object{"contact": i.Contact, "kind": i.Kind}
	switch i.Kind {
	case chat.KindRenamed:
		o["name"] = i.Text
		event("notice", o)
	case chat.KindMoved, chat.KindPeerMoved, chat.KindSyncing, chat.KindSynced, chat.KindPicture, chat.KindCall:
		if i.Content != "" {
			o["content"] = i.Content
		}
		event("notice", o)
	case chat.KindProfile:
		o["text"] = i.Text
		event("notice", o)
	case chat.KindFeature:
		o["feature"], o["who"], o["own"] = i.Text, i.Content, i.Own
		event("notice", o)
	case chat.KindDisappearing:
		o["seconds"], o["offer"], o["own"] = int64(i.TTL/time.Second), i.Content == chat.Offer, i.Own
		event("notice", o)
	case chat.KindOutOfSync:
		o["error"] = "the encryption has to be synchronized again: resync"
		event("error", o)
	case chat.KindLeft:
		o["message"], o["error"] = i.ID, "the contact has deleted the conversation"
		event("error", o)
	default:
		o = messageObject(i)
		if o["error"] = fmt.Sprintf("%d messages are %s", i.Count, i.Kind); i.Count == 1 {
			o["error"] = fmt.Sprintf("a message is %s", i.Kind)
		}
		event("error", o)
	}
}

// tellContact tells how far a connection has come, if that was not told yet.
func (a *announcer) tellContact(ctx context.Context, p *announced, id int64) error {
	c, err := p.profile.Contact(ctx, id)
	if errors.Is(err, core.ErrNoContact) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	if c.Elsewhere != p.elsewhere[id] {
		p.elsewhere[id] = c.Elsewhere
		a.write(object{"event": "elsewhere", "profile": p.profile.ID(), "contact": id, "elsewhere": c.Elsewhere})
	}
	if c.Held != p.held[id] {
		p.held[id] = c.Held
		o := object{"event": "held", "profile": p.profile.ID(), "contact": id, "held": c.Held != ""}
		if c.Held != "" {
			o["relay"], o["error"] = c.Held, heldText(c.Held)
		}
		a.write(o)
	}
	before := p.contacts[id]
	if before == c.State {
		return nil
	}
	p.contacts[id] = c.State
	tell := func(event string) {
		o := object{"event": event, "profile": p.profile.ID(), "contact": id, "name": shownName(c)}
		if event == "error" {
			o["failure"], o["error"] = c.Failure, "the connection could not be made: "+string(c.Failure)
		}
		a.write(o)
	}
	switch c.State {
	case chat.ContactInvited, chat.ContactConnecting:
		if c.State == chat.ContactConnecting {
			tell("connecting")
		}
		p.mark.Contacts[id] = c.State
		return a.save(ctx, p)
	case chat.ContactFailed:
		tell("error")
	default:
		if before == "" || before == chat.ContactInvited {
			tell("connecting") // both happened since the last look
		}
		if before != chat.ContactConnected {
			tell("connected")
		}
	}
	delete(p.mark.Contacts, id)
	return a.save(ctx, p)
}

// tellRequests tells who asks to be connected and was not told yet.
func (a *announcer) tellRequests(ctx context.Context, p *announced) error {
	requests, err := p.profile.Requests(ctx)
	if err != nil {
		return err
	}
	for _, r := range requests {
		if r.ID <= p.mark.Request {
			continue
		}
		a.write(object{"event": "request", "profile": p.profile.ID(), "request": r.ID, "name": r.Name})
		p.mark.Request = r.ID
		if err := a.save(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// tellRelay tells the state of a relay if it has changed.
func (a *announcer) tellRelay(p *announced, r core.RelayStatus) {
	name := r.Server.String()
	if p.relays[name] == r.State {
		return
	}
	p.relays[name] = r.State
	o := object{"event": "relay", "profile": p.profile.ID(), "address": name, "state": r.State}
	relayError(o, r)
	a.write(o)
}

// relayError adds why there is no session with a relay.
func relayError(o object, r core.RelayStatus) {
	if r.Err == nil {
		return
	}
	o.setError(&core.RelayError{Relay: r.Server, Err: r.Err})
	o["detail"] = r.Err.Error()
}

// addressNumber stands for the address among the contacts that are elsewhere.
const addressNumber = 0

// tellAddress tells when another program receives the requests at the address, and when this one does again.
func (a *announcer) tellAddress(p *announced, address *core.Address) {
	elsewhere := address != nil && address.Elsewhere
	if elsewhere == p.elsewhere[addressNumber] {
		return
	}
	p.elsewhere[addressNumber] = elsewhere
	if address != nil {
		a.write(object{"event": "elsewhere", "profile": p.profile.ID(), "address": true, "elsewhere": elsewhere})
	}
}

// tellStore tells when what arrives can't be stored, and when it can again.
func (a *announcer) tellStore(p *announced) {
	reason := p.profile.StoreError()
	if p.unstored == (reason != nil) {
		return
	}
	p.unstored = reason != nil
	o := object{"event": "notice", "kind": "stored"}
	if reason != nil {
		o = errorEvent(reason)
		o["error"] = fmt.Sprintf("messages can't be stored, and wait on the relays: %s", o["error"])
	}
	o["profile"] = p.profile.ID()
	a.write(o)
}
