package tor

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// UpstreamKind is a kind of proxy of the network.
type UpstreamKind string

// The kinds of proxies that tor can connect through.
const (
	UpstreamHTTPS  UpstreamKind = "https" // HTTP with CONNECT
	UpstreamSOCKS5 UpstreamKind = "socks5"
)

// Upstream is a proxy that the network needs to reach the internet.
type Upstream struct {
	Kind           UpstreamKind
	Address        string // an IP address and port, or localhost and port
	User, Password string // both or none, of up to 255 bytes without control characters
}

// ErrUpstream tells that the proxy of the network is not described in a valid way.
var ErrUpstream = errors.New("the proxy of the network needs a kind, an IP address with a port, and both user and password or none")

// ErrExtra tells that a line of additional configuration is not possible. It is wrapped with the option.
var ErrExtra = errors.New("this line can't be added to tor's configuration")

// maxExtra bounds the bytes of additional configuration.
const maxExtra = 256 << 10

// reserved are the options that are decided here, in lower case: with others in their place programs
// could reach tor that must not, or this one could not.
var reserved = []string{
	"socksport", "sockslistenaddress", "controlport", "controlsocket", "controllistenaddress", "controlportwritetofile",
	"controlportfilegroupreadable", "controlsocketsgroupwritable", "cookieauthentication", "cookieauthfile", "cookieauthfilegroupreadable",
	"hashedcontrolpassword", "hashedcontrolsessionpassword", "datadirectory", "disablenetwork", "owningcontrollerprocess", "owningcontrollerfd",
	"runasdaemon", "safelogging", "user", "clientonly", "maxclientcircuitspending", "transport", "natdport", "dnsport", "httptunnelport",
	"orport", "dirport", "extorport", "metricsport",
}

// checkExtra tells whether a line is kept. Tor takes options in any case and by a beginning that only
// one option has, and with + or / in front for adding and clearing.
func checkExtra(line string) (keep bool, err error) {
	if strings.ContainsAny(line, "\r\n\x00") || strings.HasSuffix(strings.TrimRight(line, " \t"), `\`) {
		return false, fmt.Errorf("tor: more than one line: %w", ErrExtra)
	}
	fields := strings.Fields(line)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return false, nil
	}
	name := strings.TrimPrefix(strings.ToLower(strings.TrimLeft(fields[0], "+/")), "__")
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) {
		return false, fmt.Errorf("tor: %q: %w", clip(fields[0], 40), ErrExtra) // %include, for instance
	}
	return !slices.ContainsFunc(reserved, func(r string) bool { return strings.HasPrefix(r, name) }), nil
}

// ParseExtra reads a file with additional lines for tor's configuration, for Config.Extra.
func ParseExtra(text string) ([]string, error) {
	if len(text) > maxExtra {
		return nil, fmt.Errorf("tor: more than %d bytes: %w", maxExtra, ErrExtra)
	}
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if keep, err := checkExtra(line); err != nil {
			return nil, err
		} else if keep {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// listener tells how tor listens and where: at the path of a Unix socket, or at a port of its choice.
func listener(path string) string {
	if path == "" {
		return "127.0.0.1:auto"
	}
	return `unix:"` + path + `"`
}

// torrc is a configuration that is being written. A value can't be more than a value, whatever is in it.
type torrc struct{ strings.Builder }

func (b *torrc) add(option, value string) {
	b.WriteString(option)
	b.WriteString(` "`)
	for _, c := range []byte(value) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString("\"\n")
}

// files are the files of a tor of our own.
type files struct {
	torrc, defaults, data, cookie, controlFile string
	control, socks                             string // Unix sockets, empty for ports
}

// maxSocketPath is the longest path of a Unix socket that all systems allow: 104 bytes with the zero on macOS.
const maxSocketPath = 103

func (c *Config) files(sockets bool) files {
	in := func(name string) string { return filepath.Join(c.Dir, name) }
	f := files{torrc: in("torrc"), defaults: in("torrc-defaults"), data: in("data"), cookie: in("cookie"), controlFile: in("control-port")}
	if control := in("control"); sockets && len(control) <= maxSocketPath && !strings.ContainsAny(control, `"\`) {
		f.control, f.socks = control, in("socks")
	}
	return f
}

// torrc returns the configuration of a tor of our own, which starts without a connection to the network.
func (c *Config) torrc(f files, plugins map[string]string, pid int) string {
	var b torrc
	// What can be overridden stands first: of an option that comes twice tor takes the last value.
	if runtime.GOOS != "windows" { // a client needs no countries, which take memory and time to load
		b.add("GeoIPFile", os.DevNull)
		b.add("GeoIPv6File", os.DevNull)
	}
	for _, line := range c.Extra {
		if keep, err := checkExtra(line); keep && err == nil {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	b.add("DataDirectory", f.data)
	b.add("ClientOnly", "1")
	b.add("DisableNetwork", "1")
	b.add("ControlPort", listener(f.control))
	b.add("ControlPortWriteToFile", f.controlFile)
	b.add("CookieAuthentication", "1")
	b.add("CookieAuthFile", f.cookie)
	// Every user name has circuits of its own, which last as long as they are used; and replies tell
	// what is wrong with an onion service.
	b.add("SocksPort", listener(f.socks)+" IsolateSOCKSAuth KeepAliveIsolateSOCKSAuth ExtendedErrors")
	b.add("MaxClientCircuitsPending", fmt.Sprint(MaxPending))
	b.add("DormantCanceledByStartup", "1")
	b.add("AvoidDiskWrites", "1")
	b.add("SafeLogging", "1")
	b.add("Log", "notice stdout")
	b.add("__OwningControllerProcess", fmt.Sprint(pid))
	if u := c.Upstream; u != nil {
		address := strings.Replace(u.Address, "localhost:", "127.0.0.1:", 1)
		switch u.Kind {
		case UpstreamHTTPS:
			b.add("HTTPSProxy", address)
			if u.User != "" {
				b.add("HTTPSProxyAuthenticator", u.User+":"+u.Password)
			}
		case UpstreamSOCKS5:
			b.add("Socks5Proxy", address)
			if u.User != "" {
				b.add("Socks5ProxyUsername", u.User)
				b.add("Socks5ProxyPassword", u.Password)
			}
		}
	}
	if len(c.Bridges) > 0 {
		b.add("UseBridges", "1")
		for _, name := range slices.Sorted(maps.Keys(plugins)) {
			b.add("ClientTransportPlugin", name+" exec "+plugins[name])
		}
		for _, bridge := range c.Bridges {
			b.add("Bridge", bridge.String())
		}
	}
	return b.String()
}

// valid tells whether tor would understand the proxy.
func (u *Upstream) valid() error {
	if u.Kind != UpstreamHTTPS && u.Kind != UpstreamSOCKS5 || !isAddress(u.Address) || (u.User == "") != (u.Password == "") {
		return ErrUpstream
	}
	for _, s := range []string{u.User, u.Password} {
		if len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return ErrUpstream
		}
	}
	if u.Kind == UpstreamHTTPS && strings.Contains(u.User, ":") {
		return ErrUpstream
	}
	return nil
}

// isAddress tells whether s is an IP address and port, or localhost and port.
func isAddress(s string) bool {
	if port, found := strings.CutPrefix(s, "localhost:"); found {
		s = "127.0.0.1:" + port
	}
	a, err := netip.ParseAddrPort(s)
	return err == nil && a.Port() != 0 && a.Addr().Zone() == ""
}
