package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core"
)

// messageCommands are the commands about conversations of the profile in use.
var messageCommands = map[string]func(*session, context.Context, *core.Profile, command) (object, error){
	"send": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		if path, err := c.path(); err != nil {
			return nil, err
		} else if path != "" {
			return sendFile(ctx, p, c, path)
		}
		item, err := p.Send(ctx, c.Contact, core.NewMessage{Text: c.Text, Reply: c.Reply, Live: c.Live})
		return object{"message": item.ID}, err
	},
	"retry": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		item, err := p.Retry(ctx, c.Message)
		return object{"message": item.ID}, err
	},
	"edit": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		item, err := p.Edit(ctx, c.Message, c.Text)
		return object{"message": item.ID}, err
	},
	"live": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		item, err := p.UpdateLive(ctx, c.Message, c.Text, c.Done)
		return object{"message": item.ID}, err
	},
	"delete": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.Delete(ctx, c.messages(), c.Everyone)
	},
	"react": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		item, err := p.React(ctx, c.Message, c.Emoji, c.On)
		return object{"message": item.ID}, err
	},
	"forward": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		items, err := p.Forward(ctx, c.messages(), c.Contact)
		list := []int64{}
		for _, i := range items {
			list = append(list, i.ID)
		}
		return object{"messages": list}, err
	},
	"message.info": (*session).messageInfo,
	"history":      (*session).history,
	"search":       (*session).search,
	"read": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.MarkRead(ctx, c.Contact)
	},
	"draft": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		contact, err := p.Contact(ctx, c.Contact)
		if err != nil {
			return nil, err
		}
		d := contact.Draft // what else was being written stays
		d.Text = c.Text
		return nil, p.SetDraft(ctx, c.Contact, d)
	},
	"clear": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.Clear(ctx, c.Contact)
	},
	"notes": func(_ *session, ctx context.Context, p *core.Profile, _ command) (object, error) {
		contact, err := p.Notes(ctx)
		return object{"contact": contact.ID}, err
	},
	"alias": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.SetAlias(ctx, c.Contact, c.Name)
	},
	"mute": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.SetMuted(ctx, c.Contact, c.On)
	},
	"pin": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.SetPinned(ctx, c.Contact, c.On)
	},
	"archive": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.SetArchived(ctx, c.Contact, c.On)
	},
	"block": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.SetBlocked(ctx, c.Contact, c.On)
	},
	"disappearing": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		if c.Seconds < 0 || int64(c.Seconds) > maxSeconds {
			return nil, fmt.Errorf("%w: seconds is a time from 0 to %d", errCommand, maxSeconds)
		}
		return nil, p.SetDisappearing(ctx, c.Contact, time.Duration(c.Seconds)*time.Second)
	},
	"preferences":     (*session).preferences,
	"preferences.set": (*session).setPreference,
	"picture": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		path, err := c.path()
		if err != nil {
			return nil, err
		}
		if path == "" {
			return nil, p.SetPicture(ctx, nil)
		}
		file, err := core.ReadPicture(path)
		if err != nil {
			return nil, err
		}
		return nil, p.SetPicture(ctx, file)
	},
	"description": func(_ *session, ctx context.Context, p *core.Profile, c command) (object, error) {
		return nil, p.SetDescription(ctx, c.Text)
	},
}

// maxSeconds keeps a time from being longer than can be expressed.
const maxSeconds = int64(^uint64(0)>>1) / int64(time.Second)

// messages are the messages that a command is about.
func (c command) messages() []int64 {
	if c.Message != 0 {
		return append([]int64{c.Message}, c.Messages...)
	}
	return c.Messages
}

func (s *session) history(ctx context.Context, p *core.Profile, c command) (object, error) {
	limit := c.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	contact, err := p.Contact(ctx, c.Contact)
	if err != nil {
		return nil, err
	}
	items, err := p.History(ctx, c.Contact, c.Before, limit)
	if err != nil {
		return nil, err
	}
	list := []object{}
	for _, i := range items {
		list = append(list, historyObject(p, contact, i))
	}
	return object{"messages": list}, nil
}

// historyObject is what an item has in history and in what a search finds.
func historyObject(p *core.Profile, contact core.Contact, i core.Item) object {
	o := messageObject(i)
	o["own"], o["state"] = i.Own, i.State
	if o["from"] = p.Name(); !i.Own {
		o["from"] = shownName(contact)
	}
	return o
}

func (s *session) search(ctx context.Context, p *core.Profile, c command) (object, error) {
	limit := c.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	hits, err := p.Search(ctx, c.Text, c.Contact, c.Before, limit)
	if err != nil {
		return nil, err
	}
	list := []object{}
	for _, h := range hits {
		contact, err := p.Contact(ctx, h.Item.Contact)
		if errors.Is(err, core.ErrNoContact) {
			continue // deleted meanwhile
		} else if err != nil {
			return nil, err
		}
		o := historyObject(p, contact, h.Item)
		if o["ranges"] = h.Ranges; h.Ranges == nil {
			o["ranges"] = [][2]int{}
		}
		list = append(list, o)
	}
	return object{"messages": list}, nil
}

func (s *session) messageInfo(ctx context.Context, p *core.Profile, c command) (object, error) {
	d, err := p.Details(ctx, c.Message)
	if err != nil {
		return nil, err
	}
	o := object{}
	for name, t := range map[string]time.Time{"written": d.Written, "sent": d.Sent, "received": d.Received, "delivered": d.Delivered} {
		if !t.IsZero() {
			o[name] = t.UTC()
		}
	}
	if d.Route != "" {
		o["route"] = d.Route
	}
	editions := []object{}
	for _, e := range d.Editions {
		editions = append(editions, object{"text": e.Text, "time": e.Time.UTC()})
	}
	o["editions"] = editions
	return o, nil
}

func (s *session) preferences(ctx context.Context, p *core.Profile, c command) (object, error) {
	list := []object{}
	if c.Contact != 0 {
		contact, err := p.Contact(ctx, c.Contact)
		if err != nil {
			return nil, err
		}
		for _, f := range contact.Features {
			list = append(list, object{"feature": f.Feature, "mine": f.Mine, "theirs": f.Theirs, "me": f.MeAllowed, "contact": f.ContactAllowed, "own": f.Own})
		}
		return object{"preferences": list}, nil
	}
	all, err := p.Preferences(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range core.Features() {
		preference := all.Get(f)
		o := object{"feature": f, "allow": preference.Allow}
		if preference.TTL != 0 {
			o["ttl"] = preference.TTL
		}
		list = append(list, o)
	}
	return object{"preferences": list}, nil
}

// setPreference sets one preference, of a contact or of the profile. Without allow that of a contact is as the profile's.
func (s *session) setPreference(ctx context.Context, p *core.Profile, c command) (object, error) {
	var set *core.Preference
	if c.Allow != "" {
		set = &core.Preference{Allow: c.Allow, TTL: c.TTL}
	}
	err := p.SetFeature(ctx, c.Contact, c.Feature, set)
	return nil, err
}

// messageObject is what an item has in history and in events.
func messageObject(i core.Item) object {
	o := object{"message": i.ID, "contact": i.Contact, "kind": i.Kind, "text": i.Text, "time": i.Time.UTC()}
	if i.Count != 0 {
		o["count"] = i.Count
	}
	if i.Content != "" {
		o["content"] = i.Content
	}
	for name, on := range map[string]bool{"edited": i.Edited, "forwarded": i.Forwarded, "live": i.Live} {
		if on {
			o[name] = true
		}
	}
	if i.Failure != "" {
		o["failure"] = i.Failure
	}
	if q := i.Quote; q != nil {
		reply := object{"message": q.Item, "text": q.Text, "own": q.Own}
		if q.Content != "" {
			reply["content"] = q.Content
		}
		o["reply"] = reply
	}
	if len(i.Reactions) > 0 {
		list := []object{}
		for _, r := range i.Reactions {
			list = append(list, object{"emoji": r.Emoji, "own": r.Own, "theirs": r.Theirs})
		}
		o["reactions"] = list
	}
	if i.TTL != 0 {
		o["ttl"] = int64(i.TTL / time.Second)
	}
	for name, t := range map[string]time.Time{"deleted": i.Deleted, "expires": i.Expires} {
		if !t.IsZero() {
			o[name] = t.UTC()
		}
	}
	if i.File != nil {
		file := fileObject(i)
		delete(file, "file")
		o["file"] = file
	}
	if i.Duration != 0 {
		o["duration"] = int64(i.Duration / time.Second)
	}
	if i.Preview != nil {
		o["preview"] = object{"url": i.Preview.URL, "title": i.Preview.Title, "description": i.Preview.Description}
	}
	return o
}
