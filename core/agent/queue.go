package agent

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// clientVersions is the range of SMP client versions we announce in queue addresses and
// envelopes (agent.md §1).
var clientVersions = wire.VersionRange{Min: 1, Max: 4}

// QueueAddress is where a queue is sent to.
type QueueAddress struct {
	Server   wire.Server
	SenderID smp.ID
	DH       crypt.X25519Public
	Mode     smp.QueueMode
}

// Same tells whether two addresses are of the same queue, whatever else they say about it.
func (q QueueAddress) Same(o QueueAddress) bool {
	return q.SenderID == o.SenderID && q.Server.SameAs(o.Server)
}

// QueueURI is a queue address for a range of SMP client versions, as links have it.
type QueueURI struct {
	Versions wire.VersionRange
	QueueAddress
}

// QueueInfo is a queue address for one SMP client version, as handshakes have it.
type QueueInfo struct {
	Version uint16
	QueueAddress
}

func (q QueueInfo) append(b []byte) []byte {
	b = wire.AppendUint16(b, q.Version)
	if q.Version == 1 {
		b = q.Server.AppendLegacy(b)
	} else {
		b = q.Server.Append(b)
	}
	b = wire.AppendShort(b, q.SenderID)
	b = wire.AppendShort(b, q.DH.DER())
	switch {
	case q.Version >= 4 && q.Mode != smp.ModeUnknown:
		b = append(b, byte(q.Mode))
	case q.Version == 3 && q.Mode == smp.ModeMessaging:
		b = append(b, 'T')
	}
	return b
}

func readQueueInfo(r *wire.Reader) (q QueueInfo) {
	q.Version = r.Uint16()
	if q.Version == 1 {
		q.Server = r.LegacyServer(wire.SMP)
		addLegacyOnion(&q.Server)
	} else {
		q.Server = r.Server(wire.SMP)
	}
	q.readRest(r)
	return q
}

func (q QueueURI) append(b []byte) []byte {
	b = q.Versions.Append(b)
	b = q.Server.Append(b)
	b = wire.AppendShort(b, q.SenderID)
	b = wire.AppendShort(b, q.DH.DER())
	switch {
	case q.Versions.Min >= 4:
		if q.Mode != smp.ModeUnknown {
			b = append(b, byte(q.Mode))
		}
	case q.Versions.Min >= 3 || q.Versions.Max >= 3 && q.Mode == smp.ModeMessaging:
		b = wire.AppendBool(b, q.Mode == smp.ModeMessaging)
	}
	return b
}

func readQueueURI(r *wire.Reader) (q QueueURI) {
	q.Versions = r.VersionRange()
	q.Server = r.Server(wire.SMP)
	q.readRest(r)
	return q
}

func (q *QueueAddress) readRest(r *wire.Reader) {
	q.SenderID = smp.ID(r.Short())
	q.DH = readX25519(r)
	// What may follow never starts with one of these letters (agent.md §3).
	switch r.Peek() {
	case 'M', 'T':
		q.Mode = smp.ModeMessaging
		r.Byte()
	case 'C', 'F':
		q.Mode = smp.ModeContact
		r.Byte()
	}
}

func readX25519(r *wire.Reader) crypt.X25519Public {
	der := r.Short()
	if r.Err() != nil {
		return crypt.X25519Public{}
	}
	k, err := crypt.ParseX25519(der)
	if err != nil {
		r.Fail(err)
	}
	return k
}

// String is the textual form (agent.md §5).
func (q QueueURI) String() string {
	server, srv := q.Server, []string(nil)
	if q.Versions.Min < 2 {
		srv = server.Hosts[1:]
		server.Hosts = server.Hosts[:1]
	}
	var b strings.Builder
	b.WriteString(server.String() + "/" + wire.EncodeBase64([]byte(q.SenderID)) + "#/?v=" + q.Versions.String())
	b.WriteString("&dh=" + escape(wire.EncodeBase64(q.DH.DER())))
	switch q.Mode {
	case smp.ModeMessaging:
		b.WriteString("&q=m")
		if q.Versions.Min < 4 {
			b.WriteString("&k=s")
		}
	case smp.ModeContact:
		b.WriteString("&q=c")
	}
	if len(srv) > 0 {
		b.WriteString("&srv=" + escape(strings.Join(srv, ",")))
	}
	return b.String()
}

// legacyOnion are the onion hosts of relays that stood in addresses of client version 1 by their
// first host only (agent.md §5).
var legacyOnion = map[string]string{
	"smp4.simplex.im":  "o5vmywmrnaxalvz6wi3zicyftgio6psuvyniis6gco6bp6ekl4cqj4id.onion",
	"smp5.simplex.im":  "jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid.onion",
	"smp6.simplex.im":  "bylepyau3ty4czmn77q4fglvperknl4bi2eb2fdy2bh4jxtf32kf73yd.onion",
	"smp8.simplex.im":  "beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion",
	"smp9.simplex.im":  "jssqzccmrcws6bhmn77vgmhfjmhwlyr3u7puw4erkyoosywgl67slqqd.onion",
	"smp10.simplex.im": "rb2pbttocvnbrngnwziclp2f4ckjq65kebafws6g4hy22cdaiv5dwjqd.onion",
}

// parseQueueURI reads the textual form, its legacy forms too.
func parseQueueURI(s string) (q QueueURI, err error) {
	head, fragment, ok := strings.Cut(s, "#")
	head = strings.TrimSuffix(head, "/")
	i := strings.LastIndexByte(head, '/')
	if !ok || i < 0 {
		return q, fmt.Errorf("%w: its queue address is incomplete", ErrLink)
	}
	if q.Server, err = wire.ParseServer(head[:i]); err != nil {
		return q, fmt.Errorf("%w: %w", ErrLink, err)
	}
	if q.Server.Scheme != wire.SMP {
		return q, fmt.Errorf("%w: its relay is not for messages", ErrLink)
	}
	id, err := wire.DecodeBase64(head[i+1:])
	if err != nil || len(id) > wire.MaxShort {
		return q, fmt.Errorf("%w: its queue id is not in base64url", ErrLink)
	}
	q.SenderID = smp.ID(id)

	dh, query, _ := strings.Cut(fragment, "?")
	values, err := parseQuery(query)
	if err != nil {
		return q, err
	}
	if dh = strings.Trim(dh, "/"); dh == "" {
		dh = values.Get("dh")
	}
	der, err := wire.DecodeBase64(dh)
	if err == nil {
		q.DH, err = crypt.ParseX25519(der)
	}
	if err != nil {
		return q, fmt.Errorf("%w: the key of its queue is not an X25519 key", ErrLink)
	}
	q.Versions = wire.VersionRange{Min: 1, Max: 1}
	if v := values.Get("v"); v != "" {
		if q.Versions, err = wire.ParseVersionRange(v); err != nil {
			return q, fmt.Errorf("%w: the version of its queue is not a range", ErrLink)
		}
	}
	switch m := values.Get("q"); {
	case m == "m", m == "" && values.Get("k") == "s":
		q.Mode = smp.ModeMessaging
	case m == "c":
		q.Mode = smp.ModeContact
	}
	if srv := values.Get("srv"); srv != "" {
		more, port, err := wire.ParseHosts(srv)
		if err != nil || port != "" || len(more)+len(q.Server.Hosts) > wire.MaxHosts {
			return q, fmt.Errorf("%w: the hosts of its queue are not host names", ErrLink)
		}
		q.Server.Hosts = append(q.Server.Hosts, more...)
	}
	if q.Versions.Max < 2 {
		addLegacyOnion(&q.Server)
	}
	return q, nil
}

// addLegacyOnion adds the onion host that an address of client version 1 has no place for. Its owner names the queue by both hosts.
func addLegacyOnion(s *wire.Server) {
	if len(s.Hosts) != 1 {
		return
	}
	if onion, ok := legacyOnion[s.Hosts[0]]; ok {
		s.Hosts = append(s.Hosts, onion)
	}
}

func parseQuery(s string) (url.Values, error) {
	if strings.Contains(s, ";") {
		// net/url refuses a bare semicolon; the network writes it escaped.
		s = strings.ReplaceAll(s, ";", "%3B")
	}
	v, err := url.ParseQuery(s)
	if err != nil {
		return nil, fmt.Errorf("%w: its parameters are not percent-encoded", ErrLink)
	}
	return v, nil
}

// escape percent-encodes all but letters, digits and "-_.~", a space too (agent.md §5).
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// QAddr names a queue in agent messages: its relay and sender id.
type QAddr struct {
	Server   wire.Server
	SenderID smp.ID
}

func (q QAddr) append(b []byte) []byte { return wire.AppendShort(q.Server.Append(b), q.SenderID) }

func readQAddr(r *wire.Reader) QAddr {
	return QAddr{Server: r.Server(wire.SMP), SenderID: smp.ID(r.Short())}
}
