// Package tornet runs a private Tor network on loopback for tests: three directory authorities
// and some relays, all of them processes of the tor that is installed. Nothing of it reaches
// outside of this computer.
//
//	network := tornet.Start(t)
//	client, err := tor.Start(ctx, tor.Config{Dir: t.TempDir(), Extra: network.Client()})
//
// A network takes 10 to 20 seconds and about 500 MB until clients can use it, so the tests of a package
// should share one: Launch it once, and Close it in TestMain. Its processes end with Close, and by
// themselves within a minute when the process that launched them is gone.
package tornet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// ErrMissing tells that the programs that a network is made of are not installed.
var ErrMissing = errors.New("tornet: tor and tor-gencert are missing: install the package tor (on Debian: apt-get install tor)")

// ErrMissingTransport tells that there is no program for obfs4.
var ErrMissingTransport = errors.New("tornet: obfs4proxy is missing: install the package obfs4proxy (on Debian: apt-get install obfs4proxy)")

const (
	authorities = 3
	relays      = 4
)

// Network is a private Tor network that runs.
type Network struct {
	dir, tor string
	client   []string // lines of clients
	all      []string // lines of all nodes
	nodes    []*node
}

// node is one process of a network.
type node struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when it can be used
	ended chan struct{} // closed when the process has ended

	mu  sync.Mutex
	log []string // the last lines
}

// Start launches a network for one test, waits until clients can use it, and ends it after the
// test. The test fails if tor is not installed.
func Start(tb testing.TB) *Network {
	tb.Helper()
	n, err := Launch(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(n.Close)
	return n
}

// Launch starts a network and waits until clients can use it. Close must be called in the end.
func Launch(ctx context.Context) (*Network, error) {
	tor, err := find("tor")
	if err != nil {
		return nil, err
	}
	gencert, err := find("tor-gencert")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tornet")
	if err != nil {
		return nil, err
	}
	n := &Network{dir: dir, tor: tor}
	if err := n.launch(ctx, gencert); err != nil {
		n.Close()
		return nil, fmt.Errorf("tornet: %w", err)
	}
	return n, nil
}

// Client returns the lines that make a tor a client of the network, for its torrc or a file
// for --tor-config.
func (n *Network) Client() []string { return n.client }

// Close ends the processes of the network and removes its folder.
func (n *Network) Close() {
	for _, node := range n.nodes {
		node.cmd.Process.Kill()
	}
	for _, node := range n.nodes {
		<-node.ended
	}
	os.RemoveAll(n.dir)
}

// Bridge starts an obfs4 bridge into the network and returns its bridge line. It needs the program
// obfs4proxy or lyrebird.
func (n *Network) Bridge(ctx context.Context) (line string, err error) {
	ctx, cancel := context.WithTimeout(ctx, launchTime)
	defer cancel()
	plugin, err := find("obfs4proxy")
	if err != nil {
		if plugin, err = find("lyrebird"); err != nil {
			return "", ErrMissingTransport
		}
	}
	port, err := ports(2)
	if err != nil {
		return "", err
	}
	const name = "bridge"
	data := filepath.Join(n.dir, name)
	if err := n.start(name,
		fmt.Sprintf("ORPort 127.0.0.1:%d", port[0]),
		fmt.Sprintf("ServerTransportListenAddr obfs4 127.0.0.1:%d", port[1]),
		"ServerTransportPlugin obfs4 exec "+plugin,
		"ExtORPort auto",
		"BridgeRelay 1",
		"PublishServerDescriptor 0",
		"ExitRelay 0",
	); err != nil {
		return "", err
	}
	node := n.nodes[len(n.nodes)-1]
	select {
	case <-node.ready:
	case <-node.ended:
		return "", fmt.Errorf("tornet: the bridge has ended:\n%s", node.tail())
	case <-ctx.Done():
		return "", fmt.Errorf("tornet: %w; the last lines of the bridge:\n%s", ctx.Err(), node.tail())
	}
	fingerprint, err := os.ReadFile(filepath.Join(data, "fingerprint"))
	if err != nil {
		return "", err
	}
	_, identity, _ := strings.Cut(strings.TrimSpace(string(fingerprint)), " ")
	text, err := os.ReadFile(filepath.Join(data, "pt_state", "obfs4_bridgeline.txt"))
	if err != nil {
		return "", err
	}
	_, secret, _ := strings.Cut(string(text), " cert=")
	return fmt.Sprintf("obfs4 127.0.0.1:%d %s cert=%s", port[1], identity, strings.TrimSpace(secret)), nil
}

// find returns the path of a program; Debian has tor outside of the usual search path of users.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}

// ports are loopback addresses that nobody listened at a moment ago.
func ports(count int) ([]int, error) {
	var all []int
	for range count {
		// They are kept until all are there, so that no port comes twice.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		all = append(all, l.Addr().(*net.TCPAddr).Port)
	}
	return all, nil
}

func (n *Network) launch(ctx context.Context, gencert string) error {
	port, err := ports(2*authorities + relays)
	if err != nil {
		return err
	}
	or, dir, relay := port[:authorities], port[authorities:2*authorities], port[2*authorities:]
	identities := make([]string, authorities)
	failures := make([]error, authorities)
	var wg sync.WaitGroup
	for i := range authorities {
		wg.Go(func() { identities[i], failures[i] = n.authority(ctx, gencert, i, or[i], dir[i]) })
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	var names []string
	for i := range authorities {
		names = append(names, name("auth", i))
	}
	for i := range relays {
		names = append(names, name("relay", i))
	}
	layer := strings.Join(names, ",")
	n.client = append([]string{
		"TestingTorNetwork 1",
		"PathsNeededToBuildCircuits 0.67",
		"Schedulers Vanilla", // the default scheduler slows down many processes on one machine
		// With layers that are chosen, the circuits of onion services have four nodes. Of three, the last would often be the first too, for
		// there are few: no relay builds such a circuit, and tor makes no others for a minute when some have failed.
		"HSLayer2Nodes " + layer,
		"HSLayer3Nodes " + layer,
	}, identities...)
	n.all = append([]string{
		"AssumeReachable 1",
		"ShutdownWaitLength 0",
		"SocksPort 0",
		"Address 127.0.0.1",
		"GeoIPFile " + os.DevNull,
		"GeoIPv6File " + os.DevNull,
		"ContactInfo test@test.invalid",
		"Log notice stdout",
		fmt.Sprintf("__OwningControllerProcess %d", os.Getpid()),
		// A consensus as early and as often as tor allows. The two intervals are the same, as the periods of
		// onion services follow from them: else services could not be found for a while.
		"TestingV3AuthInitialVotingInterval 10",
		"TestingV3AuthInitialVoteDelay 2",
		"TestingV3AuthInitialDistDelay 2",
		"V3AuthVotingInterval 10",
		"V3AuthVoteDelay 2",
		"V3AuthDistDelay 2",
	}, n.client...)
	for i := range authorities {
		if err := n.start(name("auth", i),
			fmt.Sprintf("ORPort 127.0.0.1:%d", or[i]),
			fmt.Sprintf("DirPort 127.0.0.1:%d", dir[i]),
			"AuthoritativeDirectory 1",
			"V3AuthoritativeDirectory 1",
			"ExitRelay 0",
			"TestingAuthDirTimeToLearnReachability 0",
			"TestingDirAuthVoteExit *",
			"TestingDirAuthVoteHSDir *",
			"TestingDirAuthVoteGuard *",
			"TestingMinExitFlagThreshold 0",
			"TestingMinFastFlagThreshold 0",
			"V3AuthNIntervalsValid 20",
		); err != nil {
			return err
		}
	}
	for i := range relays {
		if err := n.start(name("relay", i),
			fmt.Sprintf("ORPort 127.0.0.1:%d", relay[i]),
			"ExitRelay 1",
			"ExitPolicyRejectPrivate 0",
			"ExitPolicy accept *:*",
		); err != nil {
			return err
		}
	}
	return n.wait(ctx)
}

// enough is how many relays must know the others. The network is there then, and the rest follows
// within seconds.
const enough = 2

func (n *Network) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, launchTime)
	defer cancel()
	ready := make(chan struct{}, len(n.nodes))
	failed := make(chan *node, len(n.nodes))
	for _, node := range n.nodes {
		go func() {
			select {
			case <-node.ready:
				ready <- struct{}{}
			case <-node.ended:
				failed <- node
			case <-ctx.Done():
			}
		}()
	}
	for range authorities + enough {
		select {
		case <-ready:
		case node := <-failed:
			return fmt.Errorf("a node has ended:\n%s", node.tail())
		case <-ctx.Done():
			return fmt.Errorf("%w; the last lines of a node:\n%s", ctx.Err(), n.nodes[0].tail())
		}
	}
	return nil
}

func name(kind string, i int) string { return fmt.Sprint(kind, i) }

// authority makes the keys of an authority and returns its line for the torrc of all.
func (n *Network) authority(ctx context.Context, gencert string, i, or, dir int) (string, error) {
	data := filepath.Join(n.dir, name("auth", i))
	keys := filepath.Join(data, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return "", err
	}
	certificate := filepath.Join(keys, "authority_certificate")
	make := exec.CommandContext(ctx, gencert, "--create-identity-key", "--passphrase-fd", "0", "-m", "1", "-a", fmt.Sprintf("127.0.0.1:%d", dir),
		"-i", filepath.Join(keys, "authority_identity_key"), "-s", filepath.Join(keys, "authority_signing_key"), "-c", certificate)
	make.Stdin = strings.NewReader("test\n")
	if out, err := make.CombinedOutput(); err != nil {
		return "", fmt.Errorf("tor-gencert: %w: %s", err, out)
	}
	text, err := os.ReadFile(certificate)
	if err != nil {
		return "", err
	}
	_, identity, _ := strings.Cut(string(text), "\nfingerprint ")
	identity, _, _ = strings.Cut(identity, "\n")
	// The keys of a relay come into being when its fingerprint is asked for. Tor wants some authority for that.
	torrc := filepath.Join(data, "torrc-keys")
	lines := fmt.Sprintf("DataDirectory %s\nORPort 127.0.0.1:%d\nSocksPort 0\nNickname %s\n"+
		"DirAuthority x orport=1 v3ident=%s 127.0.0.1:1 %040d\n", data, or, name("auth", i), identity, 0)
	if err := os.WriteFile(torrc, []byte(lines), 0o600); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, n.tor, "-f", torrc, "--defaults-torrc", os.DevNull, "--list-fingerprint", "--quiet").Output()
	if err != nil {
		return "", fmt.Errorf("tor --list-fingerprint: %w: %s", err, out)
	}
	last := strings.TrimSpace(string(out))
	last = last[strings.LastIndexByte(last, '\n')+1:]
	_, fingerprint, _ := strings.Cut(last, " ")
	return fmt.Sprintf("DirAuthority %s orport=%d no-v2 v3ident=%s 127.0.0.1:%d %s",
		name("auth", i), or, identity, dir, strings.ReplaceAll(fingerprint, " ", "")), nil
}

// start starts a node with a torrc of these lines and those of all nodes.
func (n *Network) start(name string, lines ...string) error {
	data := filepath.Join(n.dir, name)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	torrc := filepath.Join(data, "torrc")
	lines = append(append(lines, "Nickname "+name, "DataDirectory "+data), n.all...)
	if err := os.WriteFile(torrc, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(n.tor, "-f", torrc, "--defaults-torrc", os.DevNull)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	node := &node{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{})}
	n.nodes = append(n.nodes, node)
	go func() {
		defer close(node.ended)
		ready := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			node.add(lines.Text())
			if !ready && strings.Contains(lines.Text(), "Bootstrapped 100%") {
				ready = true
				close(node.ready)
			}
		}
		cmd.Wait()
	}()
	return nil
}

// maxLog is how many lines of a node's log are kept, to tell what went wrong.
const maxLog = 30

func (n *node) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.log) == maxLog {
		n.log = n.log[1:]
	}
	n.log = append(n.log, line)
}

func (n *node) tail() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.log, "\n")
}

// launchTime is a generous limit for the launch on a slow machine.
const launchTime = 3 * time.Minute
