package tor

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Bridge is a way into the Tor network that is not in its public list.
type Bridge struct {
	Transport   string         // the pluggable transport, such as obfs4 or snowflake; empty for none
	Address     netip.AddrPort // some transports ignore it
	Fingerprint string         // of the bridge's identity, 40 hexadecimal digits; empty if not known
	Args        []string       // key=value, for the transport
}

// Limits for what people paste.
const (
	maxBridges    = 100
	maxBridgeLine = 4096
	maxBridgeText = 64 << 10

	// Tor hands the arguments on as user name and password of SOCKS, with semicolons between, and fails on longer ones.
	maxBridgeArgs = 510
)

// Errors of ParseBridges. They are wrapped with the number of the line, never with its text.
var (
	ErrBridge        = errors.New("not a bridge line")
	ErrBridgeAddress = errors.New("the bridge's address is not an IP address and a port")
	ErrBridgeLong    = errors.New("too many or too long bridge lines")
)

// String returns the line of the bridge, which ParseBridges reads.
func (b Bridge) String() string {
	var fields []string
	for _, f := range append([]string{b.Transport, b.Address.String(), b.Fingerprint}, b.Args...) {
		if f != "" {
			fields = append(fields, f)
		}
	}
	return strings.Join(fields, " ")
}

// valid tells whether the bridge can stand in a torrc, wherever it came from.
func (b Bridge) valid() error {
	parsed, err := parseBridge(b.String())
	if err != nil {
		return err
	}
	if parsed.String() != b.String() || parsed.Transport != b.Transport || len(parsed.Args) != len(b.Args) {
		return ErrBridge
	}
	return nil
}

// ParseBridges reads bridge lines as websites and people hand them out: one in a line, with or
// without "Bridge" in front; empty lines and comments are skipped. With an error it returns no bridges.
func ParseBridges(text string) ([]Bridge, error) {
	if len(text) > maxBridgeText {
		return nil, ErrBridgeLong
	}
	var all []Bridge
	for i, line := range strings.Split(text, "\n") {
		line = strings.Trim(line, " \t\r")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		b, err := parseBridge(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if all = append(all, b); len(all) > maxBridges {
			return nil, ErrBridgeLong
		}
	}
	return all, nil
}

func parseBridge(line string) (Bridge, error) {
	if len(line) > maxBridgeLine {
		return Bridge{}, ErrBridgeLong
	}
	for _, c := range []byte(line) {
		// Nothing that a torrc could take for another thing than part of a word; tor has the same alphabet.
		if c < ' ' && c != '\t' || c > '~' || c == '#' || c == '"' || c == '\\' {
			return Bridge{}, ErrBridge
		}
	}
	fields := strings.Fields(line)
	if len(fields) > 0 && strings.EqualFold(fields[0], "bridge") {
		fields = fields[1:]
	}
	if len(fields) == 0 {
		return Bridge{}, ErrBridge
	}
	var b Bridge
	if isTransport(fields[0]) {
		b.Transport, fields = fields[0], fields[1:]
	}
	if len(fields) == 0 {
		return Bridge{}, ErrBridge
	}
	address, err := netip.ParseAddrPort(fields[0])
	if err != nil || address.Port() == 0 || address.Addr().Zone() != "" {
		return Bridge{}, ErrBridgeAddress
	}
	b.Address, fields = address, fields[1:]
	if len(fields) > 0 && !strings.Contains(fields[0], "=") {
		b.Fingerprint, fields = strings.ToUpper(strings.TrimPrefix(fields[0], "$")), fields[1:]
		if !isFingerprint(b.Fingerprint) {
			return Bridge{}, ErrBridge
		}
	}
	if b.Transport == "" && len(fields) > 0 {
		return Bridge{}, ErrBridge
	}
	for _, f := range fields {
		if key, _, found := strings.Cut(f, "="); !found || key == "" {
			return Bridge{}, ErrBridge
		}
	}
	args := strings.Join(fields, "")
	if len(args)+strings.Count(args, ";")+len(fields)-1 > maxBridgeArgs {
		return Bridge{}, ErrBridgeLong
	}
	b.Args = fields
	return b, nil
}

// isTransport tells whether s is the name of a transport: an identifier of C (pt-spec, "Specifications").
func isTransport(s string) bool {
	for i, c := range []byte(s) {
		if letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'; !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 40
}

func isFingerprint(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789ABCDEF") == ""
}

// SnowflakeBridges returns the bridges of the Tor project that everybody reaches through snowflake,
// the temporary proxies of volunteers, as Tor Browser has them (pt_config.json of tor-browser-build).
func SnowflakeBridges() []Bridge {
	rendezvous := []string{
		"url=https://1098762253.rsc.cdn77.org/",
		"fronts=app.datapacket.com,www.datapacket.com",
		"ice=stun:stun.epygi.com:3478,stun:stun.uls.co.za:3478,stun:stun.voipgate.com:3478,stun:stun.mixvoip.com:3478," +
			"stun:stun.telnyx.com:3478,stun:stun.hot-chilli.net:3478,stun:stun.fitauto.ru:3478,stun:stun.m-online.net:3478",
		"utls-imitate=hellorandomizedalpn",
	}
	var all []Bridge
	for _, b := range []struct{ address, fingerprint string }{
		{"192.0.2.3:80", "2B280B23E1107BB62ABFC40DDCC8824814F80A72"}, // the addresses are placeholders
		{"192.0.2.4:80", "8838024498816A039FCBBAB14E6F40A0843051FA"},
	} {
		all = append(all, Bridge{
			Transport:   "snowflake",
			Address:     netip.MustParseAddrPort(b.address),
			Fingerprint: b.fingerprint,
			Args:        append([]string{"fingerprint=" + b.fingerprint}, rendezvous...),
		})
	}
	return all
}
