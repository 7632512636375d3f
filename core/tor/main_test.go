package tor

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/tor/tornet"
	"go.uber.org/goleak"
)

// testTimeout is generous: no test is about time.
const testTimeout = 2 * time.Minute

// network returns the private Tor network that all tests share.
var network = sync.OnceValues(func() (*tornet.Network, error) { return tornet.Launch(context.Background()) })

var launched bool

func privateNetwork(t *testing.T) *tornet.Network {
	t.Helper()
	launched = true
	n, err := network()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		child(dir)
		return
	}
	if mode, found := strings.CutPrefix(filepath.Base(os.Args[0]), fakeTor); found {
		beTor(mode)
		return
	}
	code := m.Run()
	if launched {
		if n, err := network(); err == nil {
			n.Close()
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}
