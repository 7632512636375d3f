package relay

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net"
)

// ListenLoopback listens on this computer alone, for a new relay. Its port is one that systems give to no outgoing
// connection (IANA's range for those begins at 49152, that of Linux at 32768), so that it is still free when the relay is
// started again.
func ListenLoopback() (net.Listener, error) {
	const first, ports, tries = 20000, 10000, 100
	for range tries {
		n, err := rand.Int(rand.Reader, big.NewInt(ports))
		if err != nil {
			return nil, err
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+n.Int64())); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}
