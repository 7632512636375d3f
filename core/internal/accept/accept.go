// Package accept runs the servers that tests talk to.
//
//	l, err := net.Listen("tcp", "127.0.0.1:0")
//	accept.Each(t, l, func(conn net.Conn) {
//		defer conn.Close()
//		io.Copy(conn, conn)
//	})
package accept

import (
	"net"
	"sync"
	"testing"
)

// Each gives each connection of a listener to handle, in a goroutine of its own. At the end of the test it closes the listener
// and all connections, and waits for the goroutines.
func Each(t testing.TB, l net.Listener, handle func(conn net.Conn)) {
	var mu sync.Mutex
	var open []net.Conn
	ended := false
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if ended {
				conn.Close()
			}
			open = append(open, conn)
			mu.Unlock()
			work.Go(func() { handle(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		ended = true
		for _, conn := range open {
			conn.Close()
		}
		mu.Unlock()
		work.Wait()
	})
}
