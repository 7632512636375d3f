package agent

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/wire"
)

// Errors of links.
var (
	// ErrLink tells that a text is no link of the network, or a damaged one.
	ErrLink = errors.New("not a valid link")
	// ErrLinkVersion tells that a link was made by a program that can't be talked to: a newer one, unless the error is ErrLinkOld as well.
	ErrLinkVersion = errors.New("link of a version that can't be talked to")
	// ErrLinkOld tells that a link was made by a much older program.
	ErrLinkOld = fmt.Errorf("%w, which is older", ErrLinkVersion)
)

// LinkKind tells what a link leads to.
type LinkKind int

// The kinds of links (agent.md §5 and §6).
const (
	LinkInvitation LinkKind = iota + 1 // a one-time invitation
	LinkContact                        // an address for many requests
	LinkGroup
	LinkChannel
	LinkRelay
)

func (k LinkKind) String() string {
	return [...]string{"unknown", "invitation", "contact address", "group", "channel", "chat relay"}[k]
}

// MaxLink is the longest text that is looked at as a link, in bytes.
const MaxLink = 16384

// agentVersions is the range of agent versions we speak (agent.md §1).
var agentVersions = wire.VersionRange{Min: 2, Max: 7}

// Link is a full link: everything that is needed to connect stands in it.
type Link struct {
	Kind     LinkKind
	Versions wire.VersionRange  // agent versions
	Queues   []QueueURI         // at least one; the first is used
	E2E      ratchet.LinkParams // invitations only
	Data     string             // of the application, opaque
}

// ShortLink is a link whose data is kept by a relay.
type ShortLink struct {
	Kind   LinkKind
	Server wire.Server // without fingerprint if the relay is a preset one
	Preset bool        // the link names its relay by host only
	ID     []byte      // of invitations
	Key    []byte      // 32 bytes
}

// String is the textual form with the simplex: scheme.
func (l Link) String() string {
	path := "contact"
	if l.Kind == LinkInvitation {
		path = "invitation"
	}
	queues := make([]string, len(l.Queues))
	for i, q := range l.Queues {
		queues[i] = q.String()
	}
	s := "simplex:/" + path + "#/?v=" + l.Versions.String() + "&smp=" + escape(strings.Join(queues, ";"))
	if l.Kind == LinkInvitation {
		s += "&e2e=" + escape(l.E2E.String())
	}
	if l.Data != "" {
		s += "&data=" + escape(l.Data)
	}
	return s
}

// append appends the binary form of a connection request, as in the data of short links.
func (l Link) append(b []byte) []byte {
	if l.Kind == LinkInvitation {
		b = append(b, 'I')
	} else {
		b = append(b, 'C')
	}
	b = l.Versions.Append(b)
	b = append(b, byte(len(l.Queues)))
	for _, q := range l.Queues {
		b = q.append(b)
	}
	if b = wire.AppendMaybe(b, l.Data != ""); l.Data != "" {
		b = wire.AppendLarge(b, l.Data)
	}
	if l.Kind == LinkInvitation {
		b = l.E2E.Append(b)
	}
	return b
}

// ParseLink reads a link of any kind: exactly one of the results is not nil.
func ParseLink(text string) (*Link, *ShortLink, error) {
	text = strings.TrimSpace(text)
	if len(text) > MaxLink {
		return nil, nil, fmt.Errorf("%w: it is too long", ErrLink)
	}
	if i := strings.IndexAny(text, " \n\r\t"); i >= 0 {
		text = text[:i]
	}
	head, fragment, ok := strings.Cut(text, "#")
	if !ok {
		return nil, nil, fmt.Errorf("%w: it has no part after #; was it copied as a whole?", ErrLink)
	}
	host, path, err := cutScheme(head)
	if err != nil {
		return nil, nil, err
	}
	path = strings.TrimSuffix(path, "/")
	switch path {
	case "invitation", "contact":
		l, err := parseFull(path, fragment)
		return l, nil, err
	}
	if len(path) == 1 && strings.Contains("iacgr", strings.ToLower(path)) {
		l, err := parseShort(host, strings.ToLower(path), fragment)
		return nil, l, err
	}
	return nil, nil, fmt.Errorf("%w: its kind is not known to this version", ErrLink)
}

// cutScheme splits "simplex:/path" and "https://host/path".
func cutScheme(head string) (host, path string, err error) {
	if rest, ok := strings.CutPrefix(head, "simplex:/"); ok {
		return "", rest, nil
	}
	u, err := url.Parse(head)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", "", fmt.Errorf("%w: it starts neither with simplex:/ nor with https://", ErrLink)
	}
	return u.Host, strings.TrimPrefix(u.Path, "/"), nil
}

func parseFull(path, fragment string) (*Link, error) {
	query, ok := strings.CutPrefix(fragment, "/?")
	if !ok {
		if query, ok = strings.CutPrefix(fragment, "?"); !ok {
			return nil, fmt.Errorf("%w: it has no parameters", ErrLink)
		}
	}
	values, err := parseQuery(query)
	if err != nil {
		return nil, err
	}
	l := &Link{Kind: LinkContact, Data: values.Get("data")}
	if l.Versions, err = wire.ParseVersionRange(values.Get("v")); err != nil {
		return nil, fmt.Errorf("%w: its version is not a range", ErrLink)
	}
	if path == "contact" && l.Versions.Min < 2 {
		// Old addresses announce version 1 and are served by 2 (agent.md §5).
		l.Versions = wire.VersionRange{Min: 2, Max: max(2, l.Versions.Max)}
	}
	queues := strings.Split(values.Get("smp"), ";")
	if len(queues) > wire.MaxShort {
		return nil, fmt.Errorf("%w: it has too many queues", ErrLink)
	}
	for _, s := range queues {
		q, err := parseQueueURI(s)
		if err != nil {
			return nil, err
		}
		l.Queues = append(l.Queues, q)
	}
	if path == "contact" {
		return l, nil
	}
	l.Kind = LinkInvitation
	if l.E2E, err = ratchet.ParseLinkParams(values.Get("e2e")); err != nil {
		return nil, fmt.Errorf("%w: its encryption keys: %w", ErrLink, err)
	}
	return l, nil
}

var shortKinds = map[string]LinkKind{"i": LinkInvitation, "a": LinkContact, "c": LinkChannel, "g": LinkGroup, "r": LinkRelay}

func parseShort(host, letter, fragment string) (*ShortLink, error) {
	fragment, query, _ := strings.Cut(fragment, "?")
	values, err := parseQuery(query)
	if err != nil {
		return nil, err
	}
	l := &ShortLink{Kind: shortKinds[letter]}
	id, key, hasID := strings.Cut(fragment, "/")
	if l.Kind != LinkInvitation {
		key, hasID = fragment, true
	} else if l.ID, err = wire.DecodeBase64(id); err != nil || len(l.ID) > wire.MaxShort {
		hasID = false
	}
	if l.Key, err = wire.DecodeBase64(key); !hasID || err != nil || len(l.Key) != 32 {
		return nil, fmt.Errorf("%w: it is incomplete; was it copied as a whole?", ErrLink)
	}
	hosts := values.Get("h")
	if host != "" {
		if hosts != "" {
			hosts = host + "," + hosts
		} else {
			hosts = host
		}
	}
	l.Server = wire.Server{Scheme: wire.SMP}
	port := ""
	if l.Server.Hosts, port, err = wire.ParseHosts(hosts); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	if p := values.Get("p"); p != "" {
		if _, port, err = wire.ParseHosts("h:" + p); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLink, err)
		}
	}
	l.Server.Port = port
	hash := values.Get("c")
	if hash == "" {
		l.Preset = true
		return l, nil
	}
	raw, err := wire.DecodeBase64(hash)
	if err != nil || len(raw) != len(l.Server.KeyHash) {
		return nil, fmt.Errorf("%w: the fingerprint of its relay is not 32 bytes", ErrLink)
	}
	copy(l.Server.KeyHash[:], raw)
	return l, nil
}
