package relay

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"slices"
	"testing"

	"github.com/sotto-chat/sotto/core/smp"
)

// TestWriteAll sends more answers than fit into a block, by their number or by their sizes, and one that fits into none.
func TestWriteAll(t *testing.T) {
	s := startRelay(t, Config{})
	server, client := net.Pipe()
	c := newConn(t.Context(), s.Relay, server)
	p := &peer{t: t, net: tls.Client(client, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"smp/1"}})}
	p.params = smp.Params{Version: smp.Versions.Max, SessionID: make([]byte, 32)}
	c.params = p.params
	t.Cleanup(c.end)
	large := func(n int) smp.Message { return smp.Msg{ID: smp.ID(make([]byte, 24)), Body: make([]byte, n)} }
	const small = 2*batchCount + 1
	messages := slices.Repeat([]smp.Message{smp.Pong{}}, small)
	messages = append(messages, large(9000), large(9000), large(2*batchSize), smp.OK{}, large(batchSize), large(9000), smp.OK{})
	want := slices.Clone(messages)
	want[small+2], want[small+4] = smp.ErrInternal, smp.ErrInternal
	list := make([]outgoing, len(messages))
	for i, m := range messages {
		id := binary.BigEndian.AppendUint32(make([]byte, smp.CorrIDSize-4), uint32(i))
		list[i] = outgoing{answer: true, corrID: string(id), message: m}
	}
	written := make(chan error, 1)
	go func() {
		defer server.Close() // so that what is missing is not waited for
		err := c.net.HandshakeContext(t.Context())
		if err == nil {
			_, err = c.writeAll(list)
		}
		written <- err
	}()
	for i, m := range want {
		answer := p.next()
		if string(answer.CorrID) != list[i].corrID {
			t.Fatalf("answer %d is to %x", i, answer.CorrID)
		}
		p.check(m, must(smp.ParseMessage(p.params.Version, answer.Body)), nil)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}
