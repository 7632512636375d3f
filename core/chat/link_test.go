package chat

import (
	"errors"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/agent"
)

// A link as it is made, and its parts.
const (
	testQueue = "smp%3A%2F%2FNBKNZThyfj5zNRhELHFDq6Djoh5Z6FmvEbIH29XfimA%3D%40127.0.0.1%3A39701%2FLICk_orfitFITTqub_r-w05dIN8OvwiY" +
		"%23%2F%3Fv%3D1-4%26dh%3DMCowBQYDK2VuAyEAdTvLxmR7TpGkOWZh-IT_vpCzIEx93iMWUn3GNyUTtkg%253D%26q%3Dm%26k%3Ds"
	testKeys = "v%3D2-3%26x3dh%3DMEIwBQYDK2VvAzkAPqZGuITCMEOE3vxB2-5WLElx5tl5BZP4vCyQcWgxVUCfUq8IT46LgOmko_zZUw4H7C5FhOC6Bqk%3D" +
		"%2CMEIwBQYDK2VvAzkA8W3rfNt2jVH_EZm7mBtK0XjZ80o1a7W9TS6BQABC4NxqxG4A4dCt1VU9NN1x6IpQ2QWgCED8Em4%3D"
	testFragment = "#/?v=2-7&smp=" + testQueue + "&e2e=" + testKeys
	testLink     = "simplex:/invitation" + testFragment
	testShortKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func TestParseLink(t *testing.T) {
	short := func(kind agent.LinkKind) error { return &LinkKindError{kind, true} }
	for _, c := range []struct {
		text string
		want error
	}{
		{testLink, nil},
		{"  " + testLink + "\n", nil},
		{"My link is " + testLink + ".", nil},
		{"Here («" + testLink + "»)!", nil},
		{"https://simplex.chat/invitation" + testFragment, nil},
		{"https://simplex.chat/invitation/" + testFragment, nil},
		{"Hi! Open <" + testLink + "> please, see https://example.com/a", nil},
		{"see https://example.com/a#b/c first: " + testLink, ErrDamagedLink}, // it might be a short link

		{"", ErrNotLink},
		{"hello", ErrNotLink},
		{"https://example.com", ErrNotLink},
		{"https://example.com/a", ErrNotLink},
		{"https://example.com/page#invitation", ErrNotLink},
		{"http://simplex.chat/invitation" + testFragment, ErrNotLink},
		{strings.Repeat("x", 1<<20), ErrNotLink},

		{"simplex:", ErrDamagedLink},
		{"simplex:/invitation", ErrDamagedLink},
		{"https://simplex.chat/invitation", ErrDamagedLink},
		{testLink[:len(testLink)-30], ErrDamagedLink},
		{testLink[:200], ErrDamagedLink},
		{testLink + strings.Repeat("x", agent.MaxLink), ErrDamagedLink},
		{"https://smp1.example/i#AAAA", ErrDamagedLink},

		{"simplex:/hologram#/?v=1", ErrNewerLink},

		{"simplex:/contact#/?v=2-7&smp=" + testQueue, nil},
		{"simplex:/contact#/?v=2-7&smp=" + testQueue + "&data=%7B%22type%22%3A%22group%22%2C%22groupLinkId%22%3A%22AAAA%22%7D", &LinkKindError{agent.LinkGroup, false}},
		{"https://smp1.example/i#AAAA/" + testShortKey, nil},
		{"https://smp1.example/a#" + testShortKey, nil},
		{"https://smp1.example/g#" + testShortKey, short(agent.LinkGroup)},
		{"https://smp1.example/c#" + testShortKey, short(agent.LinkChannel)},
		{"https://smp1.example/r#" + testShortKey, short(agent.LinkRelay)},
	} {
		link, _, err := parseLink(c.text)
		wantKind, gotKind := new(LinkKindError), new(LinkKindError)
		switch {
		case errors.As(c.want, &wantKind):
			if !errors.As(err, &gotKind) || *gotKind != *wantKind {
				t.Errorf("%.200q: %v, want %v", c.text, err, c.want)
			}
		case !errors.Is(err, c.want):
			t.Errorf("%.200q: %v, want %v", c.text, err, c.want)
		case err == nil && link != nil && link.Kind == agent.LinkInvitation && link.String() != testLink:
			t.Errorf("%.200q was read as another link", c.text)
		}
	}
}

func TestConnectVersions(t *testing.T) {
	f := newFixture(t)
	for _, newer := range []string{
		strings.Replace(testLink, "e2e=v%3D2-3", "e2e=v%3D8-9", 1),
		strings.Replace(testLink, "?v=2-7", "?v=98-99", 1),
		strings.Replace(testLink, "%3Fv%3D1-4", "%3Fv%3D98-99", 1),
	} {
		if _, err := f.Plan(t.Context(), newer); !errors.Is(err, ErrNewerLink) {
			t.Errorf("planning with a newer link: %v", err)
		}
		if _, err := f.Connect(t.Context(), newer); !errors.Is(err, ErrNewerLink) {
			t.Errorf("connecting with a newer link: %v", err)
		}
	}
	if list, err := f.Contacts(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("contacts are %+v, %v", list, err)
	}
	if contact, err := f.Connect(t.Context(), testLink); err != nil || contact.State != ContactConnecting || contact.ID == f.contact {
		t.Errorf("connecting: %+v, %v", contact, err)
	}
}

func FuzzParseLink(f *testing.F) {
	for _, s := range []string{"", testLink, "see " + testLink, "https://smp1.example/a#" + testShortKey, "simplex:/x#", "https://a/i#?h=b&p=1&c=d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		full, short, err := parseLink(text)
		if (err == nil) != ((full == nil) != (short == nil)) || full != nil && len(full.Queues) == 0 || short != nil && len(short.Server.Hosts) == 0 {
			t.Errorf("read %q as %+v, %+v, %v", text, full, short, err)
		}
		known := new(LinkKindError)
		if err != nil && !errors.Is(err, ErrNotLink) && !errors.Is(err, ErrDamagedLink) && !errors.Is(err, ErrNewerLink) && !errors.As(err, &known) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
