package tor

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTorrc has tor itself read a configuration with hostile values in it.
func TestTorrc(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a "b" \ # 'c'`+" \x01 ü")
	c := Config{
		Dir:      dir,
		Upstream: &Upstream{Kind: UpstreamSOCKS5, Address: "127.0.0.1:1", User: `"` + "\nControlPort 9051", Password: `\" # `},
		Extra:    []string{"SocksPort 9999", "+controlport 9998", "/__SocksP", "Socks 9997", "# x", "ConnLimit 77"},
	}
	f := c.files(false)
	for _, d := range []string{dir, f.data} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(f.torrc, []byte(c.torrc(f, nil, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	tor, err := FindTor()
	if err != nil {
		t.Fatal("install tor: ", err)
	}
	// What tor has understood, as it would write it down itself.
	out, err := exec.Command(tor, "-f", f.torrc, "--defaults-torrc", os.DevNull, "--dump-config", "short").CombinedOutput()
	if err != nil && !strings.Contains(string(out), "Socks5ProxyUsername") {
		t.Fatalf("%v: %s", err, out)
	}
	got := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[key] = append(got[key], value)
	}
	for key, want := range map[string]string{
		"SocksPort":           "127.0.0.1:auto IsolateSOCKSAuth KeepAliveIsolateSOCKSAuth ExtendedErrors",
		"ControlPort":         "127.0.0.1:auto",
		"ConnLimit":           "77",
		"DisableNetwork":      "1",
		"ClientOnly":          "1",
		"Socks5Proxy":         "127.0.0.1:1",
		"Socks5ProxyUsername": `"\"\nControlPort 9051"`,
		"Socks5ProxyPassword": `"\\\" # "`,
	} {
		if !slices.Equal(got[key], []string{want}) {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if _, listed := got["SafeLogging"]; listed {
		t.Errorf("SafeLogging is %q", got["SafeLogging"])
	}
}

func TestExtra(t *testing.T) {
	lines, err := ParseExtra("# a network\n\n DirAuthority a\r\nTestingTorNetwork 1\nSOCKSPort 1\n__ControlPort 1\nDataDir x\nLog info file x")
	if want := []string{"DirAuthority a", "TestingTorNetwork 1", "Log info file x"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, %v", lines, err)
	}
	for _, text := range []string{`ConnLimit 1 \`, "%include /etc/passwd", `"SocksPort" 1`, "a\rb", "a\x00", "+ 1", strings.Repeat("#", maxExtra+1)} {
		if lines, err := ParseExtra(text); !errors.Is(err, ErrExtra) || lines != nil {
			t.Errorf("%.30q: %q, %v", text, lines, err)
		}
	}
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	bridge, err := ParseBridges("unknown 192.0.2.1:443 a=b")
	if err != nil {
		t.Fatal(err)
	}
	kind := func(kind ProblemKind) func(error) bool {
		return func(err error) bool {
			var p *Problem
			return errors.As(err, &p) && p.Kind == kind
		}
	}
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	address := netip.MustParseAddrPort("192.0.2.1:443")
	for name, c := range map[string]struct {
		cfg  Config
		want func(error) bool
	}{
		"no folder":              {Config{}, kind(ProblemFolder)},
		"folder of two lines":    {Config{Dir: "/tmp/a\nb"}, kind(ProblemFolder)},
		"no tor":                 {Config{Dir: dir, Binary: filepath.Join(dir, "tor")}, kind(ProblemMissing)},
		"no transport":           {Config{Dir: dir, Bridges: bridge}, kind(ProblemTransport)},
		"transport that is gone": {Config{Dir: dir, Bridges: bridge, Transports: map[string]string{"unknown": "/nowhere"}}, kind(ProblemTransport)},
		"two lines in a bridge":  {Config{Dir: dir, Bridges: []Bridge{{Address: address, Fingerprint: testFingerprint + "\nSocksPort 1"}}}, is(ErrBridge)},
		"two words as transport": {Config{Dir: dir, Bridges: []Bridge{{Transport: "a b", Address: address}}}, is(ErrBridgeAddress)},
		"two words as argument":  {Config{Dir: dir, Bridges: []Bridge{{Transport: "a", Address: address, Args: []string{"a=b c=d"}}}}, is(ErrBridge)},
		"bridge without address": {Config{Dir: dir, Bridges: []Bridge{{}}}, is(ErrBridgeAddress)},
		"proxy by name":          {Config{Dir: dir, Upstream: &Upstream{Kind: UpstreamHTTPS, Address: "proxy.example:80"}}, is(ErrUpstream)},
		"proxy of no kind":       {Config{Dir: dir, Upstream: &Upstream{Address: "127.0.0.1:80"}}, is(ErrUpstream)},
		"proxy without password": {Config{Dir: dir, Upstream: &Upstream{Kind: UpstreamSOCKS5, Address: "127.0.0.1:80", User: "a"}}, is(ErrUpstream)},
		"proxy with two lines":   {Config{Dir: dir, Upstream: &Upstream{Kind: UpstreamSOCKS5, Address: "127.0.0.1:80", User: "a", Password: "b\nc"}}, is(ErrUpstream)},
		"proxy with a colon":     {Config{Dir: dir, Upstream: &Upstream{Kind: UpstreamHTTPS, Address: "127.0.0.1:80", User: "a:b", Password: "c"}}, is(ErrUpstream)},
		"two lines as extra":     {Config{Dir: dir, Extra: []string{"ConnLimit 1\nSocksPort 1"}}, is(ErrExtra)},
		"existing by name":       {Config{Existing: &Existing{Socks: "tor.example:9050"}}, is(ErrAddress)},
		"existing without":       {Config{Existing: &Existing{}}, is(ErrAddress)},
		"existing, bad control":  {Config{Existing: &Existing{Socks: "127.0.0.1:1", Control: "9051"}}, is(ErrAddress)},
	} {
		x, err := Start(context.Background(), c.cfg)
		if err == nil {
			x.Close()
		}
		if !c.want(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTransportPath has programs of transports at paths with spaces, which tor does not take.
func TestTransportPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with space")
	program := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bridges, err := ParseBridges("a 192.0.2.1:443\nb 192.0.2.2:443")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Bridges: bridges, Transports: map[string]string{"a": program("plugin"), "b": "/bin/sh"}}
	plugins, start, err := c.plugins()
	if err != nil || plugins["a"] != "./plugin" || plugins["b"] != "/bin/sh" || filepath.Clean(start) != dir {
		t.Errorf("%q in %q, %v", plugins, start, err)
	}
	for _, other := range []string{program("more/plugin"), program("plug in")} {
		c.Transports["b"] = other
		var p *Problem
		if _, _, err := c.plugins(); !errors.As(err, &p) || p.Kind != ProblemTransport {
			t.Errorf("%q: %v", other, err)
		}
	}
}

// TestBridgesVerified has tor itself check the lines of bridges: those that are built in, others as they are handed out, and the
// longest that it takes.
func TestBridgesVerified(t *testing.T) {
	tor, err := FindTor()
	if err != nil {
		t.Fatal("install tor: ", err)
	}
	verified := func(bridges ...Bridge) error {
		t.Helper()
		plugins := map[string]string{}
		for _, b := range bridges {
			if b.Transport != "" {
				plugins[b.Transport] = filepath.Join(t.TempDir(), b.Transport)
			}
		}
		c := Config{Dir: t.TempDir(), Bridges: bridges}
		f := c.files(false)
		if err := os.WriteFile(f.torrc, []byte(c.torrc(f, plugins, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(tor, "--verify-config", "-f", f.torrc, "--defaults-torrc", os.DevNull).CombinedOutput(); err != nil {
			return errors.New(string(out))
		}
		return nil
	}
	bridges := SnowflakeBridges()
	const longest = maxBridgeArgs - len("a=;b=x")
	text := strings.Join([]string{
		"192.0.2.1:443",
		"[2001:db8::1]:9001 " + testFingerprint,
		"Bridge obfs4 192.0.2.1:443 " + testFingerprint + " " + testCert + " iat-mode=0",
		"webtunnel [2001:db8::2]:443 " + testFingerprint + " url=https://example.org/a;b ver=0.0.1",
		"meek_lite 192.0.2.20:80 url=https://example.org front=www.example.org utls=HelloRandomizedALPN",
		"obfs4 192.0.2.1:443 a=" + strings.Repeat("v", longest) + " b=x",
	}, "\n")
	more, err := ParseBridges(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := verified(append(bridges, more...)...); err != nil {
		t.Error(err)
	}
	for _, value := range []string{strings.Repeat("v", longest+1), strings.Repeat(";", (longest+1)/2+1)} {
		line := "obfs4 192.0.2.1:443 a=" + value + " b=x"
		if _, err := ParseBridges(line); !errors.Is(err, ErrBridgeLong) {
			t.Errorf("arguments of %d bytes: %v", len(value), err)
		}
		if verified(Bridge{Transport: "obfs4", Address: netip.MustParseAddrPort("192.0.2.1:443"), Args: []string{"a=" + value, "b=x"}}) == nil {
			t.Errorf("tor takes arguments of %d bytes, which are refused here", len(value))
		}
	}
}
