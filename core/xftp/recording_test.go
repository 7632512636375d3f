package xftp

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// The recording of a whole transfer of the reference: a file of two chunks for one recipient, and one
// of one chunk for two.
type recording struct {
	Events []struct {
		Ev, Event, Cmd string

		// fileEncrypt
		Key, Nonce, Header hexBytes
		Size, EncSize      int64

		// handshakes
		Content    hexBytes
		BodySHA256 hexBytes `json:"bodySha256"`
		Session    hexBytes

		// commands and answers
		KeyPrivate     hexBytes
		Command        string
		Server         string
		RequestFile    hexBytes // its hash
		RequestContent hexBytes
		RequestBlock   hexBytes `json:"requestBlockSha256"`
		Response       hexBytes `json:"responseContent"`
		ResponseBlock  hexBytes `json:"responseBlockSha256"`

		// downloads
		RcvDhPrivate, RcvDhPublic, ServerDhPublic, DhSecret hexBytes
		Part                                                hexBytes // its hash
		Tag                                                 hexBytes

		RcvDescrs []string
		Descr     string
	}
}

// recordedFile is the source of the recording.
func recordedFile() []byte {
	var b []byte
	for i := range 3125 {
		sum := sha256.Sum256(fmt.Appendf(nil, "simplex test file %d", i))
		b = append(b, sum[:]...)
	}
	return b
}

func hashed(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func TestRecording(t *testing.T) {
	var rec recording
	reference.Read(t, "transcript.json.gz", &rec)
	var (
		chunks       = map[string][]byte{} // by hash
		session      Params
		key          crypt.Ed25519Private
		up           *Upload
		box          *crypt.BoxStream
		body         []byte
		descriptions []string
		seen         = map[string]int{}
	)
	for i, e := range rec.Events {
		seen[e.Ev]++
		check := func(what string, got, want []byte) {
			t.Helper()
			if !bytes.Equal(got, want) {
				t.Errorf("event %d, %s: %s is\n%x, want\n%x", i, e.Ev, what, got, want)
			}
		}
		switch {
		case e.Ev == "fileEncrypt":
			r := wire.NewReader(e.Header)
			name := string(r.Short())
			length := e.Size - int64(len(e.Header))
			var file []byte
			file, up = encryptWith(t, e.Key, e.Nonce, name, recordedFile()[:length])
			if int64(len(file)) != e.EncSize {
				t.Errorf("%d bytes, want %d", len(file), e.EncSize)
			}
			for _, c := range up.Chunks {
				chunks[string(hashed(file[:c.Size]))] = file[:c.Size]
				file = file[c.Size:]
			}
		case e.Ev == "xftpServerHandshake":
			block := pad(t, e.Content)
			check("the block", hashed(block), e.BodySHA256)
			h, err := ParseServerHello(block)
			if err != nil {
				t.Fatal(err)
			}
			check("the session", h.SessionID, e.Session)
			again, err := h.AppendBlock(nil)
			if err != nil {
				t.Fatal(err)
			}
			check("the block", again, block)
			leaf := crypt.Ed25519Public(h.Chain[0][bytes.Index(h.Chain[0], []byte("\x03\x2b\x65\x70\x03\x21\x00"))+7:][:32])
			if _, err := h.verify(crypt.Fingerprint(h.Chain[1]), leaf); err != nil {
				t.Error(err)
			}
			session = Params{Version: Versions.Max, SessionID: h.SessionID}
		case e.Ev == "xftpClientHandshake":
			block := pad(t, e.Content)
			check("the block", hashed(block), e.BodySHA256)
			h, err := ParseClientHello(block)
			if err != nil {
				t.Fatal(err)
			}
			check("the block", h.AppendBlock(nil), block)
		case e.Ev == "xftpCommand":
			key = crypt.Ed25519Private(e.KeyPrivate)
			session.SessionID = e.Session
		case e.Ev == "xftpExchange":
			block := pad(t, e.RequestContent)
			check("the request", hashed(block), e.RequestBlock)
			tr, err := session.ParseBlock(block)
			if err != nil {
				t.Fatal(err)
			}
			cmd, err := ParseCommand(3, tr.Body)
			if err != nil {
				t.Fatal(err)
			}
			if c, ok := cmd.(FNew); ok && (chunks[string(c.Digest)] == nil || len(chunks[string(c.Digest)]) != int(c.Size)) {
				t.Errorf("event %d registers an unknown chunk", i)
			}
			if len(e.RequestFile) > 0 && chunks[string(e.RequestFile)] == nil {
				t.Errorf("event %d uploads an unknown chunk", i)
			}
			c := &Client{params: session}
			again, _, err := c.request(&exchange{command: cmd, entity: ID(tr.Entity), key: &key})
			if err != nil {
				t.Fatal(err)
			}
			check("the request", again, block)
			answer := pad(t, e.Response)
			check("the answer", hashed(answer), e.ResponseBlock)
			m, err := c.parse(answer, nil, &exchange{command: cmd, entity: ID(tr.Entity)})
			if err != nil {
				t.Fatal(err)
			}
			rt := smp.Transmission{Entity: tr.Entity, Body: m.Append(nil, 3)}
			again, err = session.AppendBlock(nil, &rt)
			if err != nil {
				t.Fatal(err)
			}
			check("the answer", again, answer)
		case e.Ev == "xftpDownload":
			private := crypt.X25519Private(e.RcvDhPrivate)
			secret, err := private.DH(crypt.X25519Public(e.ServerDhPublic))
			if err != nil {
				t.Fatal(err)
			}
			check("the secret", secret[:], e.DhSecret)
			k := secret.BoxKey()
			box = k.Stream(crypt.NonceOf(e.Nonce))
			body = chunkOf(t, rec, i, chunks)
		case e.Ev == "xftpBodyPart":
			part := bytes.Clone(body[:16384])
			body = body[16384:]
			box.Seal(part)
			check("a part of the body", hashed(part), e.Part)
		case e.Ev == "xftpBodyTag":
			check("the tag", box.AppendTag(nil), e.Tag)
		case e.Event == "SFDONE":
			for _, text := range e.RcvDescrs {
				d, err := ParseDescription([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				check("the description", []byte(d.String()), []byte(text))
				check("the digest", d.Digest[:], up.Digest[:])
				descriptions = append(descriptions, text)
			}
		case e.Cmd == "recvFile":
			text := e.Descr
			if d, _, err := ParseURI(e.Descr); err == nil {
				check("the URI", []byte(d.URI("")), []byte(e.Descr))
				text = d.String()
			}
			if !slices.Contains(descriptions, text) {
				t.Errorf("event %d: a description that nobody sent", i)
			}
		}
	}
	for ev, n := range map[string]int{"xftpExchange": 9, "xftpDownload": 3, "xftpBodyPart": 12, "fileEncrypt": 2} {
		if seen[ev] != n {
			t.Errorf("%d events %s, want %d", seen[ev], ev, n)
		}
	}
}

// chunkOf finds the chunk of a download by trying: its first part tells.
func chunkOf(t *testing.T, rec recording, i int, chunks map[string][]byte) []byte {
	t.Helper()
	secret := crypt.Secret(rec.Events[i].DhSecret)
	k := secret.BoxKey()
	for _, c := range chunks {
		part := bytes.Clone(c[:16384])
		k.Stream(crypt.NonceOf(rec.Events[i].Nonce)).Seal(part)
		if bytes.Equal(hashed(part), rec.Events[i+1].Part) {
			return c
		}
	}
	t.Fatalf("event %d downloads an unknown chunk", i)
	return nil
}

// The description that an upload gives is the recorded one if the relay's ids and the keys are.
func TestRecordedDescription(t *testing.T) {
	var rec recording
	reference.Read(t, "transcript.json.gz", &rec)
	var up *Upload
	var n int
	for _, e := range rec.Events {
		switch {
		case e.Ev == "fileEncrypt":
			name := string(wire.NewReader(e.Header).Short())
			_, up = encryptWith(t, e.Key, e.Nonce, name, recordedFile()[:e.Size-int64(len(e.Header))])
		case e.Event == "SFDONE":
			up.Recipients = len(e.RcvDescrs)
			for _, text := range e.RcvDescrs {
				d, err := ParseDescription([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				for i, c := range d.Chunks {
					up.Chunks[i].State, up.Chunks[i].Server = ChunkUploaded, c.Replicas[0].Server
					key := *c.Replicas[0].Key.(*crypt.Ed25519Private)
					up.Chunks[i].Recipients = append(up.Chunks[i].Recipients, UploadRecipient{c.Replicas[0].ID, key})
				}
			}
			_, list, err := up.Descriptions()
			if err != nil {
				t.Fatal(err)
			}
			for i, d := range list {
				if n++; d.String() != e.RcvDescrs[i] {
					t.Errorf("%s\nwant\n%s", d, e.RcvDescrs[i])
				}
			}
		}
	}
	if n != 3 {
		t.Errorf("%d descriptions", n)
	}
}
