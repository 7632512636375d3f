package files

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
)

// stats count what a server does since it was opened. Nothing in them is about one file, client or
// address.
type stats struct {
	connections, refused, handshakeErrors     atomic.Int64
	commands, slowed                          atomic.Int64
	registered, uploaded, uploadedBytes       atomic.Int64
	downloaded, downloadedBytes               atomic.Int64
	acknowledged, deleted, expired, blocked   atomic.Int64
	quotaErrors, uploadErrors, downloadErrors atomic.Int64
	orphans, storeErrors                      atomic.Int64
}

// WriteMetrics writes counters and gauges of the server in the text format of Prometheus. They are
// sums over everybody and hold nothing about a file, a client or an address.
func (s *Server) WriteMetrics(w io.Writer) error {
	s.mu.Lock()
	files, used := s.files, s.used
	s.mu.Unlock()

	var b bytes.Buffer
	put := func(kind, name, help string, value int64) {
		fmt.Fprintf(&b, "# HELP sotto_relay_files_%s %s\n# TYPE sotto_relay_files_%s %s\nsotto_relay_files_%s %s\n",
			name, help, name, kind, name, strconv.FormatInt(value, 10))
	}
	gauge := func(name, help string, value int64) { put("gauge", name, help, value) }
	counter := func(name, help string, value *atomic.Int64) { put("counter", name, help, value.Load()) }
	st := &s.stats
	gauge("connections", "Connections to the file relay that are open.", int64(s.front.Gate.Open()))
	gauge("chunks", "Chunks of files that are registered.", int64(files))
	gauge("used_bytes", "Size of the chunks that are stored or being uploaded.", used)
	gauge("quota_bytes", "Size that all chunks may have, -1 for any.", max(s.config.Quota, -1))
	counter("connections_total", "Connections that were accepted.", &st.connections)
	counter("connections_refused_total", "Connections that were closed because there were too many.", &st.refused)
	counter("handshake_errors_total", "Connections that ended before the end of their handshake.", &st.handshakeErrors)
	counter("commands_total", "Commands that were executed.", &st.commands)
	counter("slowed_total", "Commands that had to wait because of a limit.", &st.slowed)
	counter("registered_total", "Chunks that were registered.", &st.registered)
	counter("uploaded_total", "Chunks that were uploaded.", &st.uploaded)
	counter("uploaded_bytes_total", "Bytes of the chunks that were uploaded.", &st.uploadedBytes)
	counter("downloaded_total", "Downloads of chunks that were sent as a whole.", &st.downloaded)
	counter("downloaded_bytes_total", "Bytes of these downloads.", &st.downloadedBytes)
	counter("acknowledged_total", "Recipient ids that were deleted by their recipients.", &st.acknowledged)
	counter("deleted_total", "Chunks that were deleted by their senders or the operator.", &st.deleted)
	counter("expired_total", "Chunks that were deleted because of their age.", &st.expired)
	counter("blocked_total", "Chunks that the operator blocked.", &st.blocked)
	counter("quota_errors_total", "Commands that were refused because the relay was full.", &st.quotaErrors)
	counter("upload_errors_total", "Uploads that did not come to their end or were not what was registered.", &st.uploadErrors)
	counter("download_errors_total", "Downloads that were cut off.", &st.downloadErrors)
	counter("orphans_total", "Chunks that a crash had left and that were deleted at start.", &st.orphans)
	counter("store_errors_total", "Commands that failed because of the store.", &st.storeErrors)
	_, err := w.Write(b.Bytes())
	return err
}
