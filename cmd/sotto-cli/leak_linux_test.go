package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sotto-chat/sotto/core/wire"
)

// The addresses in a namespace. What is sent to anywhere but loopback goes out by the default route, where
// nobody is: it is seen, and has no effect.
const (
	leakAddress = "198.51.100.2"
	leakGateway = "198.51.100.1" // also the DNS server
)

// namespace is a network namespace, in which every packet that leaves a program is seen, those to loopback too. Its
// mount namespace has a DNS server of its own in /etc/resolv.conf.
type namespace struct {
	t    *testing.T
	work chan func() // done by a thread that is in the namespace, and ends with it

	mu      sync.Mutex
	seen    []packet
	changed chan struct{} // holds one when there are more
	failed  error
}

// packet is a packet on its way out.
type packet struct {
	at       time.Time
	protocol string // "tcp", "udp", or what else it is
	from, to string // addresses and ports
	port     uint16 // to which it goes
	syn      bool   // opens a connection of TCP
	data     int    // bytes of payload
}

func (p packet) String() string {
	return fmt.Sprintf("%s %s to %s, %d bytes", p.protocol, p.from, p.to, p.data)
}

// newNamespace makes a namespace. It needs root, as the promise could not be checked otherwise.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	n := &namespace{t: t, work: make(chan func()), changed: make(chan struct{}, 1)}
	ready := make(chan error, 1)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and the namespaces with the last program in them.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS)
		if err != nil {
			err = fmt.Errorf("no network namespace can be made, which needs root (CAP_SYS_ADMIN) on Linux: %w", err)
		}
		ready <- err
		for f := range n.work {
			f()
		}
	}()
	t.Cleanup(func() { close(n.work) })
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	if err := n.do(n.setUp); err != nil {
		t.Fatal(err)
	}
	return n
}

// do calls f in the namespace: programs that it starts and sockets that it opens are there.
func (n *namespace) do(f func() error) error {
	done := make(chan error)
	n.work <- func() { done <- f() }
	return <-done
}

func (n *namespace) setUp() error {
	resolv := filepath.Join(n.t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver "+leakGateway+"\n"), 0o644); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if _, err := os.Stat("/etc/resolv.conf"); err == nil { // else programs ask 127.0.0.1, which is seen as well
		if err := unix.Mount(resolv, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting resolv.conf: %w", err)
		}
	}
	for _, args := range []string{
		"link set lo up",
		"link add leak0 type veth peer name leak1",
		"link set leak0 addrgenmode none", // without addresses of its own it sends nothing unasked
		"link set leak1 addrgenmode none",
		"link set leak1 up",
		"link set leak0 up",
		"addr add " + leakAddress + "/30 dev leak0",
		"neigh add " + leakGateway + " lladdr 02:00:00:00:00:01 dev leak0",
		"route add default via " + leakGateway,
		"-6 addr add 2001:db8::2/128 dev lo nodad",
		"-6 route add default dev leak0",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("setting up a network namespace with ip (of iproute2, and veth of the kernel): ip %s: %w: %s", args, err, out)
		}
	}
	return n.watch()
}

// watch begins to look at packets, on all interfaces.
func (n *namespace) watch() error {
	all := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all)
	if err != nil {
		return fmt.Errorf("opening a packet socket, which needs root (CAP_NET_RAW): %w", err)
	}
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)); err != nil {
		unix.Close(fd)
		return fmt.Errorf("setting up a packet socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "packets")
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		b, control := make([]byte, 1<<17), make([]byte, 256)
		for {
			var size, controlSize int
			var from unix.Sockaddr
			var failed error
			err := raw.Read(func(fd uintptr) bool {
				size, controlSize, _, from, failed = unix.Recvmsg(int(fd), b, control, 0)
				return !errors.Is(failed, unix.EAGAIN)
			})
			if err != nil {
				return // closed
			}
			if failed != nil {
				n.note(func() { n.failed = failed })
				return
			}
			// On loopback each packet passes twice: once out and once in.
			if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype == unix.PACKET_OUTGOING {
				p := parsePacket(link.Protocol, b[:size])
				p.at = timestamp(control[:controlSize])
				n.note(func() { n.seen = append(n.seen, p) })
			}
		}
	})
	n.t.Cleanup(func() {
		stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil || stats.Drops > 0 {
			n.t.Errorf("packets were not seen: %+v, %v", stats, err)
		}
		file.Close()
		reading.Wait()
		if n.failed != nil {
			n.t.Errorf("reading packets: %v", n.failed)
		}
	})
	return nil
}

func (n *namespace) note(f func()) {
	n.mu.Lock()
	f()
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// timestamp returns when the kernel saw a packet.
func timestamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}

// parsePacket reads a packet without the header of its link.
func parsePacket(protocol uint16, b []byte) packet {
	protocol = binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, protocol))
	p := packet{protocol: fmt.Sprintf("protocol %#04x", protocol), data: len(b)}
	var from, to net.IP
	var kind byte
	switch {
	case protocol == unix.ETH_P_IP && len(b) >= 20 && len(b) >= int(b[0]&15)*4:
		from, to, kind = net.IP(b[12:16]), net.IP(b[16:20]), b[9]
		b = b[int(b[0]&15)*4 : max(int(b[0]&15)*4, min(len(b), int(binary.BigEndian.Uint16(b[2:]))))]
	case protocol == unix.ETH_P_IPV6 && len(b) >= 40:
		from, to, kind = net.IP(b[8:24]), net.IP(b[24:40]), b[6]
		b = b[40:]
	default:
		return p
	}
	p.protocol, p.from, p.to, p.data = fmt.Sprintf("IP protocol %d", kind), from.String(), to.String(), len(b)
	header := 8
	switch {
	case kind == unix.IPPROTO_UDP && len(b) >= header:
		p.protocol = "udp"
	case kind == unix.IPPROTO_TCP && len(b) >= 20:
		p.protocol, p.syn, header = "tcp", b[13]&2 != 0, int(b[12]>>4)*4
	default:
		return p
	}
	source := binary.BigEndian.Uint16(b)
	p.port = binary.BigEndian.Uint16(b[2:])
	p.from, p.to = net.JoinHostPort(p.from, fmt.Sprint(source)), net.JoinHostPort(p.to, fmt.Sprint(p.port))
	p.data = len(b) - header
	return p
}

// packets returns those that were seen and for which keep returns true. All that left before the call are among them.
func (n *namespace) packets(keep func(packet) bool) (list []packet) {
	n.t.Helper()
	// A packet of our own shows that what came before it has been read.
	err := n.do(func() error {
		c, err := net.Dial("udp", net.JoinHostPort(leakGateway, "9"))
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("mark"))
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	deadline := time.After(patience)
	for {
		n.mu.Lock()
		marked := slices.IndexFunc(n.seen, isMark)
		if marked >= 0 {
			n.seen = slices.Delete(n.seen, marked, marked+1)
			list = slices.Clone(n.seen[:marked])
		}
		n.mu.Unlock()
		if marked >= 0 {
			return slices.DeleteFunc(list, func(p packet) bool { return !keep(p) })
		}
		select {
		case <-n.changed:
		case <-deadline:
			n.t.Fatal("the watch over packets sees nothing")
		}
	}
}

func isMark(p packet) bool {
	return p.protocol == "udp" && p.to == net.JoinHostPort(leakGateway, "9") && p.data == len("mark")
}

// quiet fails if there are packets.
func quiet(t *testing.T, what string, list []packet) {
	t.Helper()
	for i, p := range list {
		if i == 10 {
			t.Errorf("%s: %d packets", what, len(list))
			break
		}
		t.Errorf("%s: %v", what, p)
	}
}

// anyPacket is for packets.
func anyPacket(packet) bool { return true }

// start starts a program in the namespace, now and after each kill.
func (n *namespace) start(args ...string) *child {
	n.t.Helper()
	c := &child{t: n.t, args: args, where: n.do}
	c.start()
	n.t.Cleanup(c.kill)
	return c
}

// listen listens in the namespace.
func (n *namespace) listen(network, address string) (l net.Listener, err error) {
	err = n.do(func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// leakPair are two programs in a namespace that are connected.
type leakPair struct {
	t      *testing.T
	a, b   *child
	ca, cb any // how each knows the other
	said   map[*child][]string
}

// say sends messages from both sides.
func (p *leakPair) say(what string) {
	p.t.Helper()
	for i := range 2 {
		text := fmt.Sprintf("%s %d", what, i)
		for c, contact := range map[*child]any{p.a: p.ca, p.b: p.cb} {
			c.do(object{"cmd": "send", "contact": contact, "text": text})
			p.said[c] = append(p.said[c], text)
		}
	}
}

// heard waits until all has arrived, and looks that it did once and in its order.
func (p *leakPair) heard(when string) {
	p.t.Helper()
	for _, side := range []struct {
		c, from *child
		contact any
	}{{p.a, p.b, p.ca}, {p.b, p.a, p.cb}} {
		want := p.said[side.from]
		side.c.wait(side.contact, "all messages "+when, func(list []object) bool { return len(texts(list, false)) >= len(want) })
		if got := texts(side.c.history(side.contact), false); !slices.Equal(got, want) {
			p.t.Errorf("%s: received %q, want %q", when, got, want)
		}
	}
}

// sendFile sends a file to b and waits for it.
func (p *leakPair) sendFile(name string) {
	p.t.Helper()
	path, content := writeFile(p.t, name, 300<<10)
	p.a.do(object{"cmd": "send", "contact": p.ca, "file": path, "caption": name})
	p.said[p.a] = append(p.said[p.a], name)
	p.receive(name, content)
}

func (p *leakPair) receive(name string, content []byte) {
	p.t.Helper()
	file := p.b.event(object{"event": "message", "contact": p.cb, "text": name})["file"].(map[string]any)["id"]
	to := filepath.Join(p.t.TempDir(), name)
	p.b.do(object{"cmd": "receive", "file": file, "to": to})
	p.b.event(object{"event": "file", "file": file, "state": "done"})
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		p.t.Errorf("received %d bytes of %s, %v", len(got), name, err)
	}
}

// connect connects the two.
func (p *leakPair) connect() {
	p.t.Helper()
	invitation := p.a.do(object{"cmd": "invite"})
	p.ca = invitation["contact"]
	p.cb = p.b.do(object{"cmd": "connect", "link": invitation["link"]})["contact"]
	p.a.event(object{"event": "connected", "contact": p.ca})
	p.b.event(object{"event": "connected", "contact": p.cb})
	p.said = map[*child][]string{}
}

// TestLeaksNothing has two programs with --tor-only do all that they can, with a Tor that fails in every way. Their only
// way to it is a Unix socket: not one packet may leave them, not even to loopback.
func TestLeaksNothing(t *testing.T) {
	n := newNamespace(t)
	relay := startFarRelay(t, "relay.invalid")
	socket := filepath.Join(t.TempDir(), "socks")
	tor := newFakeTor(t, func() (net.Listener, error) {
		if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		return net.Listen("unix", socket)
	})
	p := &leakPair{t: t}
	for _, c := range []**child{&p.a, &p.b} {
		*c = n.start("--data", t.TempDir(), "--relay", relay.messages, "--relay", relay.files, "--tor-only", "--tor-binary", "/nonexistent/tor")
		(*c).do(object{"cmd": "profile.create", "name": fmt.Sprintf("Person %p", c)})
	}
	// There is no Tor at all: what needs a relay waits.
	p.a.event(object{"event": "tor", "state": "failed"})
	quiet(t, "without Tor", n.packets(anyPacket))
	for _, c := range []*child{p.a, p.b} {
		c.do(object{"cmd": "tor.settings", "settings": object{"socks": socket}})
	}
	p.connect()
	p.say("at first")
	p.heard("at first")
	p.sendFile("first.bin")
	quiet(t, "connecting, messages, a file", n.packets(anyPacket))

	// A relay that is not there: only the proxy is asked for its name.
	p.b.do(object{"cmd": "network", "routing": "never"}) // else its own relay is to look for it
	link := fmt.Sprint(p.a.do(object{"cmd": "invite", "long": true})["link"])
	p.b.do(object{"cmd": "connect", "link": strings.ReplaceAll(link, "relay.invalid", "wrong.invalid")})
	tor.wait("the name of a relay that is not there", func() bool { return slices.Contains(tor.asked, "wrong.invalid") })
	quiet(t, "a wrong relay name", n.packets(anyPacket))

	for _, mode := range []torMode{torGone, torHangs, torRefuses, torGarbage, torCuts} {
		tor.set(mode)
		before := tor.count()
		p.say(string(mode))
		if mode == torGone {
			for _, c := range []*child{p.a, p.b} {
				c.event(object{"event": "relay", "state": "disconnected"})
			}
		} else {
			tor.wait("attempts with a Tor that "+string(mode), func() bool { return len(tor.users) >= before+3 })
		}
		quiet(t, "a Tor that "+string(mode), n.packets(anyPacket))
		if mode == torHangs {
			p.a.kill() // and comes back while it hangs
			p.a.start()
			p.a.do(object{"cmd": "status"})
		}
		tor.set(torWorks)
		p.heard("after a Tor that " + string(mode))
	}
	p.sendFile("last.bin")
	quiet(t, "at the end", n.packets(anyPacket))
	tor.check()
}

// TestLeakIsCaught shows that the watch sees what --tor-only is for: with the same relay and without Tor there are packets.
func TestLeakIsCaught(t *testing.T) {
	n := newNamespace(t)
	relay := startFarRelay(t, "relay.invalid")
	c := n.start("--data", t.TempDir(), "--relay", relay.messages)
	c.do(object{"cmd": "profile.create", "name": "Alice"})
	quiet(t, "without a reason to connect", n.packets(anyPacket))
	c.send(object{"cmd": "invite"})
	n.wait("the question for the relay's name", func(p packet) bool { return p.port == 53 })

	// An address, in versions 4 and 6 of IP.
	for _, host := range []string{"203.0.113.7", "[2001:db8:1::7]"} {
		c := n.start("--data", t.TempDir(), "--relay", strings.ReplaceAll(relay.messages, "relay.invalid", host))
		c.do(object{"cmd": "profile.create", "name": "Alice"})
		c.send(object{"cmd": "invite"})
		n.wait("a packet to "+host, func(p packet) bool {
			return strings.HasPrefix(p.to, host+":") && p.syn || host[0] == '[' && strings.HasPrefix(p.protocol, "IP protocol 58")
		})
	}
}

// TestOwnRelayIsLocal has a program with --tor-only use the relay inside it: its packets are those between the two, on loopback.
func TestOwnRelayIsLocal(t *testing.T) {
	n := newNamespace(t)
	c := n.start("--data", t.TempDir(), "--relay", "embedded", "--tor-only", "--tor-binary", "/nonexistent/tor")
	c.do(object{"cmd": "profile.create", "name": "Alice"})
	c.do(object{"cmd": "invite"})
	_, own, _ := strings.Cut(fmt.Sprint(c.do(object{"cmd": "status"})["embedded"]), "@")
	list := n.packets(anyPacket)
	if len(list) == 0 {
		t.Errorf("nothing was sent to %s", own)
	}
	quiet(t, "to elsewhere", slices.DeleteFunc(list, func(p packet) bool { return p.to == own || p.from == own }))
}

// TestSwitchLeaksNothing has two programs talk with a relay directly, and switches to Tor only while messages and a file
// wait, or are on their way. From the answer on nothing goes to the relay but by the proxy, which does not work at first.
func TestSwitchLeaksNothing(t *testing.T) {
	n := newNamespace(t)
	relay := startFarRelay(t, "127.0.0.1")
	tor := newFakeTor(t, func() (net.Listener, error) { return n.listen("tcp", "127.0.0.1:0") })
	tor.set(torRefuses)
	// The relay for files is too slow for a large one.
	slow := newGate(1 << 20)
	open := sync.OnceFunc(func() { close(slow.open) })
	defer open()
	var ports []uint16
	for _, address := range []string{relay.messages, relay.files} {
		server, err := wire.ParseServer(address)
		if err != nil {
			t.Fatal(err)
		}
		l, err := n.listen("tcp", "127.0.0.1:"+server.Port)
		if err != nil {
			t.Fatal(err)
		}
		gate := slow
		if server.Scheme == wire.SMP {
			gate = newGate(math.MaxInt)
		}
		forward(t, l, gate)
		ports = append(ports, uint16(l.Addr().(*net.TCPAddr).Port))
	}
	p := &leakPair{t: t}
	for _, c := range []**child{&p.a, &p.b} {
		*c = n.start("--data", t.TempDir(), "--relay", relay.messages, "--relay", relay.files)
		(*c).do(object{"cmd": "profile.create", "name": fmt.Sprintf("Person %p", c)})
	}
	p.connect()
	direct := func(since time.Time) func(packet) bool {
		return func(p packet) bool {
			// What the kernel sends to end a connection has neither.
			return p.at.After(since) && (p.protocol != "tcp" || slices.Contains(ports, p.port) && (p.syn || p.data > 0))
		}
	}
	start := time.Now()
	p.say("directly")
	p.heard("directly")
	if list := n.packets(direct(start)); len(list) == 0 {
		t.Error("the watch does not see the packets to the relay")
	}
	// Some of a file waits in the system to be sent.
	path, content := writeFile(t, "large.bin", 12<<20)
	p.a.do(object{"cmd": "send", "contact": p.ca, "file": path, "caption": "large.bin"})
	p.said[p.a] = append(p.said[p.a], "large.bin")
	select {
	case <-slow.full:
	case <-time.After(patience):
		t.Fatal("the file is not sent")
	}

	for _, round := range []string{"program", "profile"} {
		for range 10 {
			p.say("switched for the " + round)
		}
		for _, c := range []*child{p.a, p.b} {
			if round == "program" {
				c.do(object{"cmd": "tor.settings", "settings": object{"mode": "tor-only", "socks": tor.address()}})
			} else {
				c.do(object{"cmd": "tor.profile", "mode": "tor-only"})
			}
		}
		switched := time.Now()
		if round == "program" {
			open()
		}
		before := tor.count()
		p.say("said to a Tor that does not work")
		tor.wait("attempts", func() bool { return len(tor.users) >= before+3 })
		quiet(t, "a Tor that does not work", n.packets(direct(switched)))
		tor.set(torWorks)
		p.heard("after the switch for the " + round)
		if round == "program" {
			p.receive("large.bin", content)
		}
		p.sendFile(round + ".bin")
		quiet(t, "after the switch for the "+round, n.packets(direct(switched)))

		tor.set(torRefuses)
		if round == "program" { // and back
			for _, c := range []*child{p.a, p.b} {
				c.do(object{"cmd": "tor", "mode": "direct"})
			}
			back := time.Now()
			p.say("directly again")
			p.heard("directly again")
			if list := n.packets(direct(back)); len(list) == 0 {
				t.Error("the watch does not see the packets to the relay any more")
			}
		}
	}
	quiet(t, "names", n.packets(func(p packet) bool { return p.port == 53 }))
}

// wait waits for a packet.
func (n *namespace) wait(what string, match func(packet) bool) {
	n.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(n.packets(match)) == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			n.t.Fatalf("waited in vain for %s", what)
		}
	}
}
