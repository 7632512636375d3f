package accept

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Listen listens on loopback for a server that is to be stopped and started again. Its port is one that systems give to no outgoing
// connection, so that it is still free then.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	const first, ports, tries = 20000, 10000, 100
	var err error
	for range tries {
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.N(ports)))); err == nil {
			return l
		}
	}
	t.Fatal(err)
	return nil
}
