package chat

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// withID is a body with an event and an id.
func withID(id string, e event.Event) string {
	b, err := json.Marshal(event.Message{ID: event.ID(id), Event: e})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (f *fixture) last() Item {
	f.t.Helper()
	c := f.load()
	if c.Last == nil {
		f.t.Fatal("the conversation is empty")
	}
	return *c.Last
}

// What a contact can make grow has an end.
func TestHostileContent(t *testing.T) {
	f := newFixture(t)
	f.body(text("1", "target"))
	target := f.last().ID

	// Reactions.
	for _, e := range append(Emojis(), "🐌", "🐢", "🦥", strings.Repeat("x", 1000)) {
		r := event.Reaction{Type: "emoji", Emoji: e}
		if !r.Known() {
			r.Raw = json.RawMessage(fmt.Sprintf(`{"type":"emoji","emoji":%q}`, e))
		}
		f.body(message(event.MsgReact{MsgID: "1", Reaction: r, Add: true}))
	}
	if n := len(f.last().Reactions); n != 3 {
		t.Errorf("one contact has %d reactions", n)
	}
	for _, e := range Emojis()[:3] {
		r, _ := event.NewReaction(e)
		f.body(message(event.MsgReact{MsgID: "1", Reaction: r}))
	}
	snail := event.Reaction{Type: "emoji", Emoji: "🐌", Raw: json.RawMessage(`{"type":"emoji","emoji":"🐌"}`)}
	for _, add := range []bool{true, false} {
		f.body(message(event.MsgReact{MsgID: "1", Reaction: snail, Add: add}))
		want := []Reaction(nil)
		if add {
			want = []Reaction{{Emoji: "?", Theirs: true}}
		}
		if got := f.last().Reactions; !slices.Equal(got, want) {
			t.Errorf("an unknown reaction is shown as %v", got)
		}
	}

	// Edits and live updates.
	for n := range 3 * maxEditions {
		f.body(message(event.MsgUpdate{MsgID: "1", Content: event.Text(fmt.Sprint("edit ", n))}))
	}
	list, err := f.Editions(t.Context(), target)
	if err != nil || len(list) != maxEditions || list[len(list)-1].Text != fmt.Sprint("edit ", 3*maxEditions-2) {
		t.Errorf("%d editions are kept, %v", len(list), err)
	}
	for n := range 100 {
		f.body(message(event.MsgUpdate{MsgID: "1", Content: event.Text(fmt.Sprint("live ", n)), Live: true}))
	}
	if list, err = f.Editions(t.Context(), target); err != nil || len(list) != maxEditions {
		t.Errorf("%d editions are kept, %v", len(list), err)
	}

	// Quotes, previews, names and times.
	quote := &event.Quote{Ref: event.MsgRef{MsgID: "1", SentAt: start, Sent: true}, Content: event.Text(strings.Repeat("é", 6000))}
	f.body(withID("2", event.MsgNew{Content: event.Text("reply"), Quote: quote}))
	if q := f.last().Quote; len(q.Text) > maxQuote || q.Item != target || q.Own {
		t.Errorf("the quote is %d bytes about %d", len(q.Text), q.Item)
	}
	preview := &event.LinkPreview{URI: "https://a.example/", Title: "a\u202eb\n" + strings.Repeat("t", 3000), Description: strings.Repeat("d", 3000), Image: "data:image/svg+xml;base64,AAAA"}
	f.body(withID("3", event.MsgNew{Content: event.Content{Type: event.TypeLink, Text: "see", Preview: preview}}))
	if p := f.last().Preview; p.URL != "https://a.example/" || len(p.Title) > maxLineLength || len(p.Description) > maxLineLength || strings.ContainsAny(p.Title, "\u202e\n") || p.Image != nil {
		t.Errorf("the preview is %d, %d and %d bytes, %q", len(p.URL), len(p.Title), len(p.Description), p.Image)
	}
	for n, uri := range []string{"javascript:alert(1)", "https://" + strings.Repeat("u", 6000) + ".example", "https://a.example/\u202egpj", "file:///etc/passwd", ""} {
		f.body(withID(fmt.Sprint("link ", n), event.MsgNew{Content: event.Content{Type: event.TypeLink, Text: "see", Preview: &event.LinkPreview{URI: uri}}}))
		if i := f.last(); i.Preview != nil || i.Text != "see" || i.Kind != KindText {
			t.Errorf("a link to %.40q is %+v", uri, i)
		}
	}
	f.body(withID("4", event.MsgNew{Content: event.Content{Type: event.TypeVideo, Duration: math.MaxInt}, File: &event.FileInvitation{Name: "../../\u202egpj.exe", Size: math.MaxInt64}, TTL: math.MaxInt}))
	if i := f.last(); i.File.Name != ".._gpj.exe" && strings.ContainsAny(i.File.Name, "/\u202e") || i.Duration > 24*time.Hour || i.TTL > MaxTTL || i.TTL < 0 {
		t.Errorf("the video is %+v", i)
	}
	if err := f.MarkRead(t.Context(), f.contact); err != nil {
		t.Fatal(err)
	}
	p := event.Profile{DisplayName: "\u202eeve\u2066 " + strings.Repeat("x", 9000), FullName: strings.Repeat("f", 9000), ShortDescr: "a\u202eb\nc",
		Image: "data:image/jpg;base64,AAAA", Preferences: &Preferences{TimedMessages: &Preference{Allow: "maybe", TTL: -5}}}
	f.body(message(event.Info{Profile: p}))
	if c := f.load(); len(c.Name) > event.MaxDisplayName || strings.ContainsAny(c.Name+c.Description, "\u202e\u2066\n") || len(c.FullName) > maxLineLength || c.Picture != nil || c.Disappearing != 0 {
		t.Errorf("the contact is %+v", c)
	}

	// Long words and many emoji are kept as they are.
	for n, long := range []string{strings.Repeat("x", 1<<14), strings.Repeat("👍", 4000)} {
		f.body(text(fmt.Sprint("long ", n), long))
		if f.last().Text != long {
			t.Error("a long text is not what it was")
		}
	}
	if hits, err := f.Search(t.Context(), strings.Repeat("x", 1<<20), 0, 0, 10); err != nil || len(hits) != 1 {
		t.Errorf("%d long words are found, %v", len(hits), err)
	}
	if hits, err := f.Search(t.Context(), "👍👍", 0, 0, 10); err != nil || len(hits) != 1 {
		t.Errorf("%d rows of emoji are found, %v", len(hits), err)
	}
}

// What was removed here does not come back, whatever its author does with it.
func TestRemovedStays(t *testing.T) {
	f := newFixture(t)
	f.body(text("1", "one"))
	f.body(text("2", "two"))
	one := f.items()
	if len(one) != 2 {
		t.Fatal(one)
	}
	list, err := f.History(t.Context(), f.contact, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), []int64{list[0].ID}, false); err != nil {
		t.Fatal(err)
	}
	if n := f.load().Unread; n != 1 {
		t.Errorf("unread are %d", n)
	}
	f.body(text("1", "one"))
	f.body(message(event.MsgUpdate{MsgID: "1", Content: event.Text("one again")}))
	f.body(message(event.MsgDel{MsgID: "1"}))
	f.expect("text: two")
	if err := f.Clear(t.Context(), f.contact); err != nil {
		t.Fatal(err)
	}
	f.body(message(event.MsgUpdate{MsgID: "2", Content: event.Text("two again")}))
	f.expect()
	if c := f.load(); c.Unread != 0 || c.Last != nil {
		t.Errorf("the contact is %+v", c)
	}
	// It is not remembered for ever.
	f.update(func(tx *store.Tx) error { return tx.ForgetRemoved(start.Add(time.Second)) })
	f.body(text("1", "one"))
	f.expect("text: one")
}

// A contact can take its message back for 78 hours, and nothing else.
func TestTakingBack(t *testing.T) {
	f := newFixture(t)
	f.receive(agent.Message{Body: []byte(text("1", "one")), Time: start})
	f.receive(agent.Message{Body: []byte(text("2", "two")), Time: start})
	f.update(func(tx *store.Tx) error {
		return f.addItem(tx, &store.Item{Contact: f.contact, Own: true, Shared: []byte("3"), Kind: string(KindText), Text: "mine", State: string(StateSent), Time: start})
	})
	del := func(id string, after time.Duration) {
		f.receive(agent.Message{Body: []byte(message(event.MsgDel{MsgID: event.ID(id)})), Time: start.Add(after)})
	}
	del("1", 78*time.Hour-time.Second)
	del("2", 78*time.Hour)
	del("3", 0)
	list, err := f.History(t.Context(), f.contact, 0, 10)
	if err != nil || len(list) != 3 {
		t.Fatalf("there are %v, %v", list, err)
	}
	if list[0].Deleted.IsZero() || !list[1].Deleted.IsZero() || !list[2].Deleted.IsZero() {
		t.Errorf("the messages are %+v", list)
	}
	// What is marked is not changed any more.
	f.body(message(event.MsgUpdate{MsgID: "1", Content: event.Text("new")}))
	r, _ := event.NewReaction(Emojis()[0])
	f.body(message(event.MsgReact{MsgID: "1", Reaction: r, Add: true}))
	if list, err = f.History(t.Context(), f.contact, 0, 10); err != nil || list[0].Text != "one" || list[0].Reactions != nil {
		t.Errorf("the marked message is %+v, %v", list[0], err)
	}
	// Nor is what was forwarded.
	f.body(withID("4", event.MsgNew{Content: event.Text("by somebody else"), Forward: true}))
	f.body(message(event.MsgUpdate{MsgID: "4", Content: event.Text("by me")}))
	if i := f.last(); i.Kind != KindMalformed {
		t.Errorf("the last item is %+v", i)
	}
}

// A time that was not agreed on is not taken, and a clock that was set back does not keep messages.
func TestTimes(t *testing.T) {
	f := newFixture(t)
	now := start
	f.now = func() time.Time { return now }
	off := Preferences{TimedMessages: &Preference{Allow: No}}
	if err := f.SetPreferences(t.Context(), off); err != nil {
		t.Fatal(err)
	}
	f.body(withID("1", event.MsgNew{Content: event.Text("not agreed on"), TTL: 60}))
	if i := f.last(); i.TTL != 0 {
		t.Errorf("the message is %+v", i)
	}
	if err := f.SetPreferences(t.Context(), Preferences{}); err != nil {
		t.Fatal(err)
	}
	f.body(withID("2", event.MsgNew{Content: event.Text("agreed on"), TTL: 60}))
	if err := f.MarkRead(t.Context(), f.contact); err != nil {
		t.Fatal(err)
	}
	if i := f.last(); !i.Expires.Equal(start.Add(time.Minute)) {
		t.Errorf("the message is %+v", i)
	}
	now = start.Add(-100 * time.Hour)
	if wait := f.expireDue(); wait != 100*time.Hour+time.Minute {
		t.Errorf("it would disappear in %v", wait)
	}
	f.update(func(tx *store.Tx) error {
		changed, err := tx.LimitExpiries(now)
		if !changed {
			t.Error("nothing has changed")
		}
		return err
	})
	if wait := f.expireDue(); wait != time.Minute {
		t.Errorf("it disappears in %v", wait)
	}
	now = now.Add(time.Minute)
	f.events = nil
	if wait := f.expireDue(); wait != -1 {
		t.Errorf("there is more to disappear in %v", wait)
	}
	if got := kinds(f.events); !slices.Equal(got, []string{"chat.ItemsRemoved", "chat.ContactChanged"}) {
		t.Errorf("events are %q", got)
	}
	if f.last().Text == "agreed on" {
		t.Error("it is still there")
	}
}

func TestPaging(t *testing.T) {
	f := newFixture(t)
	var ids []int64
	for n := range 10 {
		f.receive(agent.Message{Body: []byte(text(fmt.Sprint(n), fmt.Sprint("message ", n))), Time: start.Add(time.Duration(n) * time.Hour)})
		ids = append(ids, f.last().ID)
	}
	texts := func(list []Item, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, i := range list {
			b.WriteString(strings.TrimPrefix(i.Text, "message "))
		}
		return b.String()
	}
	ctx := t.Context()
	for _, c := range []struct{ got, want string }{
		{texts(f.History(ctx, f.contact, 0, 3)), "789"},
		{texts(f.History(ctx, f.contact, ids[7], 3)), "456"},
		{texts(f.HistoryAfter(ctx, f.contact, 0, 3)), "012"},
		{texts(f.HistoryAfter(ctx, f.contact, ids[7], 3)), "89"},
		{texts(f.Around(ctx, f.contact, ids[4], 2)), "23456"},
		{texts(f.Around(ctx, f.contact, ids[0], 2)), "012"},
		{texts(f.Around(ctx, f.contact, ids[9], 2)), "789"},
		{texts(f.Around(ctx, f.contact, ids[4], -1)), "4"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	if err := f.Delete(ctx, ids[4:5], false); err != nil {
		t.Fatal(err)
	}
	if got := texts(f.Around(ctx, f.contact, ids[4], 2)); got != "2356" {
		t.Errorf("around what is gone are %s", got)
	}
	if i, err := f.ItemAt(ctx, f.contact, start.Add(90*time.Minute)); err != nil || i.ID != ids[2] {
		t.Errorf("at a time is %+v, %v", i, err)
	}
	if _, err := f.ItemAt(ctx, f.contact, start.Add(10*time.Hour)); err != ErrNoItem {
		t.Errorf("after the end: %v", err)
	}
	if id, err := f.FirstUnread(ctx, f.contact); err != nil || id != ids[0] {
		t.Errorf("the first unread is %d, %v", id, err)
	}
	if err := f.MarkRead(ctx, f.contact); err != nil {
		t.Fatal(err)
	}
	if id, err := f.FirstUnread(ctx, f.contact); err != nil || id != 0 {
		t.Errorf("the first unread is %d, %v", id, err)
	}
	f.body(text("new", "new"))
	if id, err := f.FirstUnread(ctx, f.contact); err != nil || id != f.last().ID {
		t.Errorf("the first unread is %d, %v", id, err)
	}
}

func TestSearch(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	for n, s := range []string{"Crème brûlée für GROẞE Leute", "東京タワーへ行く", "see you at 8, C++ user", "ПРИВЕТ мир", "hello 👍🏽 world", "naïve", "שָׁלוֹם", "안녕하세요"} {
		f.body(text(fmt.Sprint(n), s))
	}
	f.body(withID("file", event.MsgNew{Content: event.Content{Type: event.TypeFile}, File: event.NewFileInvitation("Annual report.pdf", 1)}))
	for _, c := range []struct {
		query string
		want  string // the parts of the text that are found, separated by |; "-" for none in a message that is found
	}{
		{"creme", "Crème"}, {"CREME brul", "Crème|brûl"}, {"fur", "für"}, {"grosse", "GROẞE"}, {"leute creme", "Crème|Leute"}, {"reme", ""},
		{"京タ", "京タ"}, {"行", "行"}, {"東京 行く", "東京|行く"}, {"タ東", ""},
		{"you at", "you|at"}, {"C++", "C++"}, {"8", "8"}, {"привет", "ПРИВЕТ"}, {"👍", "👍"}, {"naive", "naïve"}, {"שלום", "שָׁלוֹם"}, {"녕하", "녕하"},
		{"report", "-"}, {"annual.pdf", ""}, {"report.pdf", "-"},
		{"", ""}, {"   ", ""}, {`"`, ""}, {`") OR text:*`, ""}, {"NOT hello", ""}, {"hello OR", ""}, {"text:hello", ""}, {"*", ""}, {"\x00", ""}, {"\xff", ""},
	} {
		hits, err := f.Search(ctx, c.query, f.contact, 0, 10)
		if err != nil {
			t.Errorf("%q: %v", c.query, err)
			continue
		}
		var got []string
		for _, h := range hits {
			if h.Ranges == nil {
				got = append(got, "-")
			}
			for _, r := range h.Ranges {
				got = append(got, h.Item.Text[r[0]:r[1]])
			}
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%q finds %q, want %q", c.query, s, c.want)
		}
	}
	// Edits are found by what they are now.
	f.body(message(event.MsgUpdate{MsgID: "2", Content: event.Text("see you tomorrow")}))
	for query, want := range map[string]int{"tomorrow": 1, "user": 0} {
		if hits, err := f.Search(ctx, query, 0, 0, 10); err != nil || len(hits) != want {
			t.Errorf("%q finds %d, %v", query, len(hits), err)
		}
	}
	// Pages, and conversations apart from each other.
	for n := range 7 {
		f.body(text(fmt.Sprint("page ", n), fmt.Sprint("paging ", n)))
	}
	var before int64
	var all []string
	for {
		hits, err := f.Search(ctx, "paging", f.contact, before, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(hits) == 0 {
			break
		}
		for _, h := range hits {
			all = append(all, strings.TrimPrefix(h.Item.Text, "paging "))
			before = h.Item.ID
		}
	}
	if got := strings.Join(all, ""); got != "6543210" {
		t.Errorf("the pages are %s", got)
	}
	notes, err := f.Notes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if hits, err := f.Search(ctx, "paging", notes.ID, 0, 10); err != nil || len(hits) != 0 {
		t.Errorf("another conversation has %v, %v", hits, err)
	}
	if _, err := f.Search(ctx, "paging", 999, 0, 10); err != ErrNoContact {
		t.Errorf("a search nowhere: %v", err)
	}
	if err := f.DeleteContact(ctx, f.contact); err != nil {
		t.Fatal(err)
	}
	if hits, err := f.Search(ctx, "paging", 0, 0, 10); err != nil || len(hits) != 0 {
		t.Errorf("a deleted conversation has %v, %v", hits, err)
	}
}

// A conversation of any length goes, in parts.
func TestLongConversation(t *testing.T) {
	f := newFixture(t)
	fill := func() {
		for n := range 3 {
			var batch []string
			for k := range purgePage {
				batch = append(batch, text(fmt.Sprintf("%d.%d", n, k), "zebra crossing"))
			}
			f.body("[" + strings.Join(batch[:purgePage/2], ",") + "]")
			f.body("[" + strings.Join(batch[purgePage/2:], ",") + "]")
		}
	}
	left := func() (n int) {
		f.update(func(tx *store.Tx) error {
			return tx.QueryRow(`SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM search) + (SELECT count(*) FROM contacts)`).Scan(&n)
		})
		return n
	}
	fill()
	if c := f.load(); c.Unread != 3*purgePage {
		t.Errorf("unread are %d", c.Unread)
	}
	f.events = nil
	if err := f.Clear(t.Context(), f.contact); err != nil {
		t.Fatal(err)
	}
	removed := 0
	for _, e := range f.events {
		if e, ok := e.(ItemsRemoved); ok {
			removed += len(e.Items)
		}
	}
	f.mergeIndex()
	if n := left(); n != 1 || removed != 3*purgePage {
		t.Errorf("%d rows are left, %d were told to be removed", n, removed)
	}
	if c := f.load(); c.Unread != 0 || c.Last != nil {
		t.Errorf("the contact is %+v", c)
	}

	f.update(func(tx *store.Tx) error { return tx.ForgetRemoved(start.Add(time.Hour)) })
	fill()
	if err := f.DeleteContact(t.Context(), f.contact); err != nil {
		t.Fatal(err)
	}
	if list, err := f.Contacts(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("there are %v, %v", list, err)
	}
	if left() < purgePage {
		t.Error("all was deleted at once")
	}
	f.purgeAll()
	f.mergeIndex()
	if n := left(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// Who blocks a contact does not stop it from taking back what it has said.
func TestBlockedTakesBack(t *testing.T) {
	f := newFixture(t)
	f.body(text("1", "one"))
	if err := f.SetBlocked(t.Context(), f.contact, true); err != nil {
		t.Fatal(err)
	}
	if f.body(text("2", "two")) {
		t.Error("a blocked contact gets a receipt")
	}
	f.body(message(event.MsgDel{MsgID: "1"}))
	f.receive(agent.Message{Body: []byte("garbage"), Integrity: agent.IntegritySkipped, Missing: 3})
	f.expect("text: one")
	if i := f.last(); i.Deleted.IsZero() {
		t.Errorf("the message is %+v", i)
	}
	f.body(message(event.DirectDel{}))
	if c := f.load(); c.State != ContactLeft || c.Unread != 1 {
		t.Errorf("the contact is %+v", c)
	}
}

// TestNotItsOwn has a contact change, take back, describe and cancel what is not its own: messages of ours and of others
// stay as they are.
func TestNotItsOwn(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	ours := w.a.sendFile(w.a.contact, NewFile{Caption: "ours"}, randomBytes(10))
	w.a.state(ours.ID, FileDone)
	carol := newPerson(t, "Carol", w.a.smp)
	other, _ := join(w.a, carol)
	theirs, err := w.a.Send(t.Context(), other, NewMessage{Text: "to somebody else"})
	if err != nil {
		t.Fatal(err)
	}
	shared := func(id int64) (shared event.ID) {
		t.Helper()
		err := w.a.db.View(t.Context(), func(tx *store.Tx) error {
			i, err := tx.Item(id)
			if err == nil {
				shared = event.ID(i.Shared)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return shared
	}
	for _, i := range []Item{ours, theirs} {
		before := w.a.item(i.ID)
		id := shared(i.ID)
		err := w.a.db.Update(t.Context(), func(tx *store.Tx) error {
			row, err := tx.Contact(w.a.contact)
			if err != nil {
				return err
			}
			for _, e := range []event.Event{
				event.MsgUpdate{MsgID: id, Content: event.Text("changed")},
				event.MsgDel{MsgID: id},
				event.MsgFileDescr{MsgID: id, Descr: event.FileDescr{Text: "other", Part: 1, Complete: true}},
				event.FileCancel{MsgID: id},
			} {
				b, err := json.Marshal(event.Message{Event: e})
				if err != nil {
					return err
				}
				if _, err := w.a.Message(tx, row.Connection, agent.Message{Body: b, Time: i.Time}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		after := w.a.item(i.ID)
		if after.Text != before.Text || after.Edited || !after.Deleted.IsZero() || after.File != nil && after.File.State != before.File.State {
			t.Errorf("%q became %+v", before.Text, after)
		}
	}
}
