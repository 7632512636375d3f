package relay

import (
	"bytes"
	"fmt"
	"io"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
)

// stats count what a relay does since it was opened. Nothing in them is about one queue,
// client or address.
type stats struct {
	queues atomic.Int64 // that there are

	connections, refused, handshakeErrors atomic.Int64
	commands, slowed                      atomic.Int64
	queuesCreated, queuesDeleted          atomic.Int64
	messagesStored, messagesAcknowledged  atomic.Int64
	messagesExpired, quotaErrors          atomic.Int64
	proxied, proxyErrors, forwarded       atomic.Int64
	storeErrors, faults                   atomic.Int64
}

// WriteMetrics writes counters and gauges of the relay in the text format of Prometheus.
// They are sums over everybody and hold nothing about a queue, a client or an address.
func (r *Relay) WriteMetrics(w io.Writer) error {
	r.proxy.mu.Lock()
	destinations := len(r.proxy.bySession)
	r.proxy.mu.Unlock()
	memory := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(memory)

	var b bytes.Buffer
	put := func(kind, name, help string, value int64) {
		fmt.Fprintf(&b, "# HELP sotto_relay_%s %s\n# TYPE sotto_relay_%s %s\nsotto_relay_%s %s\n",
			name, help, name, kind, name, strconv.FormatInt(value, 10))
	}
	gauge := func(name, help string, value int64) { put("gauge", name, help, value) }
	counter := func(name, help string, value *atomic.Int64) { put("counter", name, help, value.Load()) }
	s := &r.stats
	gauge("connections", "Connections that are open.", int64(r.front.Gate.Open()))
	gauge("queues", "Queues that there are.", s.queues.Load())
	gauge("proxy_connections", "Connections with other relays.", int64(destinations))
	if r.front.Begin() { // else the store is closed
		gauge("store_bytes", "Size of the store on disk.", r.store.size())
		r.front.End()
	}
	gauge("memory_bytes", "Memory in use.", int64(memory[0].Value.Uint64()-memory[1].Value.Uint64()))
	counter("connections_total", "Connections that were accepted.", &s.connections)
	counter("connections_refused_total", "Connections that were closed because there were too many.", &s.refused)
	counter("handshake_errors_total", "Connections that ended before the end of their handshake.", &s.handshakeErrors)
	counter("commands_total", "Commands that were executed.", &s.commands)
	counter("slowed_total", "Commands that had to wait because of a limit.", &s.slowed)
	counter("queues_created_total", "Queues that were created.", &s.queuesCreated)
	counter("queues_deleted_total", "Queues that were deleted.", &s.queuesDeleted)
	counter("messages_stored_total", "Messages that were accepted.", &s.messagesStored)
	counter("messages_acknowledged_total", "Messages that were received and deleted.", &s.messagesAcknowledged)
	counter("messages_expired_total", "Messages that were deleted because of their age.", &s.messagesExpired)
	counter("quota_errors_total", "Messages that were refused because their queue was full.", &s.quotaErrors)
	counter("proxied_total", "Requests of clients of this relay to other relays.", &s.proxied)
	counter("proxy_errors_total", "Requests to other relays that failed.", &s.proxyErrors)
	counter("forwarded_total", "Commands that came through other relays.", &s.forwarded)
	counter("store_errors_total", "Commands that failed because of the store.", &s.storeErrors)
	counter("faults_total", "Connections that ended because of a fault in the relay, see its log.", &s.faults)
	_, err := w.Write(b.Bytes())
	return err
}
