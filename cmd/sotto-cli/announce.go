package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

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
	sent     map[int64]bool // messages that were told to be sent, and not yet to be delivered
	relays   map[string]core.RelayState
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
	p, err := a.of(ctx, e.Profile)
	if err == nil && p != nil {
		switch c := e.Change.(type) {
		case core.ItemAdded, core.ItemChanged:
			err = a.tellItems(ctx, p)
		case core.ContactChanged:
			err = a.tellContact(ctx, p, c.Contact.ID)
		case core.RequestAdded:
			err = a.tellRequests(ctx, p)
		case core.RelayChanged:
			a.tellRelay(p, c.Relay)
		}
	}
	a.tellError(ctx, e.Profile, err)
}

func (a *announcer) tellError(ctx context.Context, profile string, err error) {
	if err != nil && ctx.Err() == nil {
		a.write(object{"event": "error", "profile": profile, "error": err.Error()})
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
	p := &announced{profile: profile, contacts: make(map[int64]core.ContactState), sent: make(map[int64]bool), relays: make(map[string]core.RelayState)}
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
const page = 100

// tellItems tells all changes of messages that were not told yet.
func (a *announcer) tellItems(ctx context.Context, p *announced) error {
	for {
		items, err := p.profile.Changes(ctx, p.mark.Change, page)
		if err != nil || len(items) == 0 {
			return err
		}
		for _, i := range items {
			told, err := a.tellItem(ctx, p, i)
			if err != nil {
				return err
			}
			p.mark.Change = i.Change
			if !told {
				continue
			}
			if err := a.save(ctx, p); err != nil {
				return err
			}
		}
	}
}

// tellItem tells what became of a message, if there is something to tell.
func (a *announcer) tellItem(ctx context.Context, p *announced, i core.Item) (told bool, err error) {
	o := object{"profile": p.profile.ID(), "contact": i.Contact, "message": i.ID}
	event := func(name string) {
		o["event"] = name
		a.write(o)
	}
	switch {
	case i.State == chat.StateSent:
		event("sent")
		p.sent[i.ID] = true
	case i.State == chat.StateDelivered:
		if !p.sent[i.ID] {
			event("sent") // both happened since the last look
		}
		event("delivered")
		delete(p.sent, i.ID)
	case i.State == chat.StateFailed:
		o["failure"], o["error"] = i.Failure, "the message could not be sent: "+string(i.Failure)
		event("error")
	case i.State != chat.StateReceived:
		return false, nil
	case i.Kind == chat.KindText || i.Kind == chat.KindUnsupported:
		contact, err := p.profile.Contact(ctx, i.Contact)
		if err != nil {
			return false, err
		}
		o = messageObject(i)
		o["profile"], o["from"] = p.profile.ID(), shownName(contact)
		event("message")
	case i.Kind == chat.KindRenamed:
		return false, nil
	case i.Kind == chat.KindMoved, i.Kind == chat.KindPeerMoved, i.Kind == chat.KindSyncing, i.Kind == chat.KindSynced:
		o = object{"profile": p.profile.ID(), "contact": i.Contact, "kind": i.Kind}
		event("notice")
	case i.Kind == chat.KindOutOfSync:
		o["kind"], o["error"] = i.Kind, "the encryption has to be synchronized again: resync"
		event("error")
	case i.Kind == chat.KindLeft:
		o["error"] = "the contact has deleted the conversation"
		event("error")
	default:
		o = messageObject(i)
		o["profile"], o["error"] = p.profile.ID(), fmt.Sprintf("%d messages are %s", i.Count, i.Kind)
		event("error")
	}
	return true, nil
}

// tellContact tells how far a connection has come, if that was not told yet.
func (a *announcer) tellContact(ctx context.Context, p *announced, id int64) error {
	c, err := p.profile.Contact(ctx, id)
	if errors.Is(err, core.ErrNoContact) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
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
	if r.Err != nil {
		o["error"] = r.Err.Error()
	}
	a.write(o)
}
