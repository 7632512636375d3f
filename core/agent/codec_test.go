package agent

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

type hexBytes = reference.Hex

type codecVectors struct {
	Full []struct {
		Name, Link string
		RoundTrip  bool
		Hex        hexBytes
	}
	Short []struct{ Name, Link, Simplex string }
	Infos []struct {
		Version uint16
		Mode    string
		Hex     hexBytes
	}
	Parts struct {
		KeyHash  hexBytes `json:"key_hash"`
		LinkID   hexBytes `json:"link_id"`
		LinkKey  hexBytes `json:"link_key"`
		SenderID hexBytes `json:"sender_id"`
		DHKey    hexBytes `json:"dh_key"`
	}
	Envelopes []struct {
		Name string
		Hex  hexBytes
	}
	Messages []struct {
		Name, Show string
		Hex        hexBytes
	}
}

func vectors(t testing.TB) (v codecVectors) {
	reference.Read(t, "codec.json.gz", &v)
	return v
}

func TestFullLinks(t *testing.T) {
	v := vectors(t)
	for _, c := range v.Full {
		l, short, err := ParseLink(c.Link)
		if err != nil || short != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if c.RoundTrip && l.String() != c.Link {
			t.Errorf("%s: written as\n%s, want\n%s", c.Name, l, c.Link)
		}
		if got := l.append(nil); !bytes.Equal(got, c.Hex) {
			t.Errorf("%s: binary form\n%x, want\n%x", c.Name, got, c.Hex)
		}
		if l.Kind != LinkInvitation || l.Queues[0].SenderID != smp.ID(v.Parts.SenderID) || !bytes.Equal(l.Queues[0].DH.DER(), v.Parts.DHKey) {
			t.Errorf("%s: read as something else", c.Name)
		}
	}
}

func TestShortLinks(t *testing.T) {
	v := vectors(t)
	kinds := map[string]LinkKind{"invitation": LinkInvitation, "contact": LinkContact, "group": LinkGroup, "channel": LinkChannel, "relay": LinkRelay}
	for _, c := range v.Short {
		name, _, _ := strings.Cut(c.Name, ",")
		for _, text := range []string{c.Link, c.Simplex} {
			full, l, err := ParseLink(text)
			if err != nil || full != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			if l.Kind != kinds[name] || !bytes.Equal(l.Key, v.Parts.LinkKey) || !l.Preset && !bytes.Equal(l.Server.KeyHash[:], v.Parts.KeyHash) ||
				l.Server.Hosts[0] != "smp.example.com" || l.Kind == LinkInvitation && !bytes.Equal(l.ID, v.Parts.LinkID) {
				t.Errorf("%s: read as %v", c.Name, l)
			}
		}
	}
}

func TestQueueInfos(t *testing.T) {
	modes := map[string]smp.QueueMode{"Nothing": smp.ModeUnknown, "Just QMMessaging": smp.ModeMessaging, "Just QMContact": smp.ModeContact}
	for _, c := range vectors(t).Infos {
		r := wire.NewReader(c.Hex)
		q := readQueueInfo(r)
		if err := r.End(); err != nil || q.Version != c.Version {
			t.Fatalf("%d %s: %v", c.Version, c.Mode, err)
		}
		if c.Version >= 4 && q.Mode != modes[c.Mode] {
			t.Errorf("%d %s: read as %v", c.Version, c.Mode, q.Mode)
		}
		q.Mode = modes[c.Mode]
		if got := q.append(nil); !bytes.Equal(got, c.Hex) {
			t.Errorf("%d %s: %x, want %x", c.Version, c.Mode, got, c.Hex)
		}
	}
}

func TestEnvelopes(t *testing.T) {
	for _, c := range vectors(t).Envelopes {
		e, err := parseEnvelope(c.Hex)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if got := e.append(nil); !bytes.Equal(got, c.Hex) {
			t.Errorf("%s: %x, want %x", c.Name, got, c.Hex)
		}
		if e.version != 7 || len(e.body) == 0 && e.tag != tagRatchetKey {
			t.Errorf("%s: read as %+v", c.Name, e)
		}
	}
}

func TestMessages(t *testing.T) {
	kinds := map[string]bool{}
	for _, c := range vectors(t).Messages {
		m, err := parseMessage(c.Hex)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		kinds[m.kind] = true
		if got := m.append(nil); !bytes.Equal(got, c.Hex) {
			t.Errorf("%s: %x, want %x", c.Name, got, c.Hex)
		}
		for n := range c.Hex {
			// What is cut off must not parse as the same message.
			if cut, err := parseMessage(c.Hex[:n]); err == nil && bytes.Equal(cut.append(nil), c.Hex) {
				t.Errorf("%s cut to %d bytes parses as the whole", c.Name, n)
			}
		}
	}
	if len(kinds) != 12 {
		t.Errorf("the vectors have %d kinds of messages, want 12", len(kinds))
	}
}

func TestWrongLinks(t *testing.T) {
	good := vectors(t).Full[0].Link
	for _, bad := range []string{"", "hello", "https://example.com", "https://example.com/#", "http://simplex.chat/invitation#/?v=2", "simplex:/invitation",
		"simplex:/invitation#", "simplex:/invitation#/?", "simplex:/invitation#/?v=2-7", "simplex:/other#/?v=2-7", good[:len(good)/2], good[:len(good)-60],
		strings.Replace(good, "v=2-7", "v=7-2", 1), strings.Replace(good, "e2e=", "e3e=", 1), strings.Replace(good, "smp=smp", "smp=xftp", 1),
		strings.Replace(good, "MCowBQYDK2VuAyEA", "MCowBQYDK2VwAyEA", 1), strings.Replace(good, "%3A", "%", 1), strings.Repeat("a", MaxLink+1),
		"simplex:/i#abc", "simplex:/i#abc/def", "https://smp.example.com/i#", "https://user@smp.example.com/a#jWIzEJlPqTslHz2qYzlXLBNLfjdgXvI35eNOd_VdGag",
		"simplex:/a#jWIzEJlPqTslHz2qYzlXLBNLfjdgXvI35eNOd_VdGag", "simplex:/z#jWIzEJlPqTslHz2qYzlXLBNLfjdgXvI35eNOd_VdGag?h=a"} {
		if l, s, err := ParseLink(bad); !errors.Is(err, ErrLink) {
			t.Errorf("%.60q: %v, %v, %v", bad, l, s, err)
		}
	}
	for _, padded := range []string{" " + good + "\n", good + " and some words"} {
		if _, _, err := ParseLink(padded); err != nil {
			t.Errorf("a link with white space around it: %v", err)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	v := vectors(f)
	for _, c := range v.Full {
		f.Add(c.Link)
	}
	for _, c := range v.Short {
		f.Add(c.Link)
		f.Add(c.Simplex)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, s, err := ParseLink(text)
		if err != nil {
			if !errors.Is(err, ErrLink) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		if (l == nil) == (s == nil) {
			t.Error("not exactly one kind of link")
		}
		if l != nil {
			l.append(nil)
			_ = l.String()
		}
	})
}

func FuzzParseEnvelope(f *testing.F) {
	for _, c := range vectors(f).Envelopes {
		f.Add([]byte(c.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := parseEnvelope(b); err == nil && !bytes.Equal(e.append(nil), b) {
			t.Errorf("%x is written as %x", b, e.append(nil))
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	for _, c := range vectors(f).Messages {
		f.Add([]byte(c.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMessage(b); err == nil {
			m.append(nil)
		}
	})
}

// TestCheck tells links of programs that are too old from those of newer ones.
func TestCheck(t *testing.T) {
	a := New(Config{Versions: Versions{Agent: upTo(4, 7), Client: upTo(2, 4), Ratchet: upTo(2, 3)}})
	queue := func(low, high uint16) []QueueURI { return []QueueURI{{upTo(low, high), QueueAddress{}}} }
	for i, c := range []struct {
		link Link
		want error
	}{
		{Link{Kind: LinkContact, Versions: upTo(2, 4), Queues: queue(1, 2)}, nil},
		{Link{Kind: LinkContact, Versions: upTo(7, 9), Queues: queue(4, 9)}, nil},
		{Link{Kind: LinkContact, Versions: upTo(2, 3), Queues: queue(1, 2)}, ErrLinkOld},
		{Link{Kind: LinkContact, Versions: upTo(4, 4), Queues: queue(1, 1)}, ErrLinkOld},
		{Link{Kind: LinkContact, Versions: upTo(8, 9), Queues: queue(1, 2)}, ErrLinkVersion},
		{Link{Kind: LinkContact, Versions: upTo(4, 7), Queues: queue(5, 6)}, ErrLinkVersion},
		{Link{Kind: LinkContact, Versions: upTo(2, 3), Queues: queue(5, 6)}, ErrLinkVersion}, // which is what to tell of a newer one
		{Link{Kind: LinkInvitation, Versions: upTo(2, 4), Queues: queue(1, 2), E2E: ratchet.LinkParams{Versions: upTo(3, 5)}}, nil},
		{Link{Kind: LinkInvitation, Versions: upTo(2, 4), Queues: queue(1, 2), E2E: ratchet.LinkParams{Versions: upTo(1, 1)}}, ErrLinkOld},
		{Link{Kind: LinkInvitation, Versions: upTo(2, 4), Queues: queue(1, 2), E2E: ratchet.LinkParams{Versions: upTo(4, 5)}}, ErrLinkVersion},
	} {
		err := a.Check(c.link)
		if !errors.Is(err, c.want) || errors.Is(err, ErrLinkOld) != (c.want == ErrLinkOld) {
			t.Errorf("link %d: %v, want %v", i, err, c.want)
		}
	}
}
