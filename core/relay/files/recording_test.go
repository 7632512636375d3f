package files

import (
	"bytes"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/xftp"
)

type hexBytes = reference.Hex

// recording is what testdata has of a recorded transfer of the reference software: each command with
// its chunk, the private key that authorized it, and the answer.
type recording struct {
	Exchanges []struct {
		Session hexBytes `json:"session"`
		Key     hexBytes `json:"key"` // Ed25519
		Request hexBytes `json:"request"`
		Chunk   hexBytes `json:"chunk"`   // uploaded
		Answer  hexBytes `json:"answer"`  // before padding
		Private hexBytes `json:"private"` // X25519, of a download
	} `json:"exchanges"`
}

// TestRecording sends a recorded transfer of the reference software to a server: the same commands,
// with the ids and in the session of this server and so with new signatures, have answers of the same
// form. What was uploaded can be downloaded.
func TestRecording(t *testing.T) {
	var rec recording
	reference.Read(t, "transfer.json.gz", &rec)
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	ids := map[string]xftp.ID{}      // of this server, by those of the recording
	chunks := map[xftp.ID][]byte{}   // by sender
	senders := map[xftp.ID]xftp.ID{} // by recipient
	kinds := map[string]int{}
	for i, x := range rec.Exchanges {
		old := xftp.Params{Version: 3, SessionID: x.Session}
		block := func(content []byte) []byte { return append(must(padded(content)), x.Chunk...) }
		sent, err := old.ParseBlock(block(x.Request)[:xftp.BlockSize])
		if err != nil {
			t.Fatalf("exchange %d: %v", i, err)
		}
		key := crypt.Ed25519Private(x.Key)
		if !sent.Verify(nil, old.AppendSigned(nil, &sent), nil, key.Public()) {
			t.Fatalf("exchange %d is not authorized by its key", i)
		}
		answered, err := old.ParseBlock(must(padded(x.Answer)))
		if err != nil {
			t.Fatalf("exchange %d: %v", i, err)
		}
		want := must(xftp.ParseMessage(3, answered.Body))

		next := smp.Transmission{CorrID: sent.CorrID, Body: sent.Body}
		if len(sent.Entity) > 0 {
			next.Entity = []byte(ids[string(sent.Entity)])
		}
		body := append(p.blockOf(next, &key), x.Chunk...)
		got, tr, rest, err := p.answer(must(p.try(body)))
		if err != nil || !bytes.Equal(tr.CorrID, answered.CorrID) || len(tr.Entity) != len(answered.Entity) {
			t.Fatalf("exchange %d: %v", i, err)
		}
		switch want := want.(type) {
		case xftp.SIDs:
			got := got.(xftp.SIDs)
			ids[string(want.Sender)] = got.Sender
			if len(got.Sender) != len(want.Sender) || len(got.Recipients) != len(want.Recipients) {
				t.Fatalf("exchange %d: other ids", i)
			}
			for j, r := range want.Recipients {
				ids[string(r)], senders[got.Recipients[j]] = got.Recipients[j], got.Sender
			}
			kinds["registered"]++
		case xftp.File:
			own := crypt.X25519Private(x.Private)
			id := xftp.ID(next.Entity)
			if err := openBox(&own, got.(xftp.File), rest, chunks[senders[id]]); err != nil {
				t.Fatalf("exchange %d: %v", i, err)
			}
			kinds["downloaded"]++
		default:
			p.same(want, got)
			if len(x.Chunk) > 0 {
				chunks[xftp.ID(next.Entity)] = x.Chunk
				kinds["uploaded"]++
			}
		}
	}
	if kinds["registered"] != 3 || kinds["uploaded"] != 3 || kinds["downloaded"] != 3 {
		t.Errorf("the recording has %v", kinds)
	}
}
