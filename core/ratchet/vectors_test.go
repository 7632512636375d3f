package ratchet

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/wire"
)

// The vectors were made by the reference software. Large values are there as SHA-256: our
// side makes them itself, byte for byte.

type hexBytes = reference.Hex

// state is a ratchet as the vectors show it.
type state struct {
	Version          [2]uint16 // current, maximum
	AD               hexBytes
	Private          hexBytes
	Root             hexBytes
	NextSend         hexBytes
	NextReceive      hexBytes
	Counters         [3]uint32  // sent, received, previous
	Send, Receive    []hexBytes // chain key, header key
	KEMSHA256        hexBytes   // of the public and the secret key
	CiphertextSHA256 hexBytes   //
	Flags            [4]bool    // supportKEM, enableKEM, sndKEM, rcvKEM
}

func stateOf(r *Ratchet) state {
	s := state{
		Version:     [2]uint16{r.current, r.max},
		AD:          bytes.Clone(r.ad[:]),
		Private:     bytes.Clone(r.private[:]),
		Root:        bytes.Clone(r.root[:]),
		NextSend:    bytes.Clone(r.nextSend[:]),
		NextReceive: bytes.Clone(r.nextRecv[:]),
		Counters:    [3]uint32{r.sent, r.received, r.previous},
		Flags:       [4]bool{r.largeHeaders, r.enableKEM, r.sendPQ, r.receivePQ},
	}
	if c := r.send; c != nil {
		s.Send = []hexBytes{bytes.Clone(c.key[:]), bytes.Clone(c.header[:])}
	}
	if c := r.receive; c != nil {
		s.Receive = []hexBytes{bytes.Clone(c.key[:]), bytes.Clone(c.header[:])}
	}
	if r.kem != nil {
		sum := sha256.Sum256(slices.Concat(r.kem.pair.public[:], r.kem.pair.secret[:]))
		s.KEMSHA256 = sum[:]
		if ct := r.kem.ciphertext; ct != nil {
			sum := sha256.Sum256(ct[:])
			s.CiphertextSHA256 = sum[:]
		}
	}
	return s
}

func checkState(t *testing.T, r *Ratchet, want state) {
	t.Helper()
	got := stateOf(r)
	if enableKEM := want.Flags[1]; !enableKEM && want.CiphertextSHA256 == nil {
		got.CiphertextSHA256 = nil // the reference forgets it when PQ is switched off; see NextKey
	}
	if reflect.DeepEqual(got, want) {
		return
	}
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s = %v, want %v", g.Type().Field(i).Name, g.Field(i), w.Field(i))
		}
	}
	t.FailNow()
}

// random is what one operation of the reference read from its source of randomness.
type random struct {
	X448     hexBytes
	KEMKey   hexBytes // g, f and the rejection secret of a KEM key, as they are encoded
	KEMInput hexBytes // the polynomial of an encapsulation
}

// newReader gives the bytes that make the recorded keys.
func newReader(recorded []random) *bytes.Reader {
	var b []byte
	for _, r := range recorded {
		b = append(b, r.X448...)
		if len(r.KEMKey) > 0 {
			b = append(b, slices.Concat(reference.KEMKeyDraws(r.KEMKey)...)...)
		}
		if len(r.KEMInput) > 0 {
			b = append(b, reference.KEMInputDraw(r.KEMInput)...)
		}
	}
	return bytes.NewReader(b)
}

func checkRead(t *testing.T, r *bytes.Reader) {
	t.Helper()
	if r.Len() > 0 {
		t.Fatalf("%d random bytes were not read", r.Len())
	}
}

// memory holds skipped keys as a store does.
type memory struct {
	keys    []SkippedKey
	lookups int
}

func (m *memory) HeaderKeys() ([]crypt.Secret, error) {
	m.lookups++
	var headers []crypt.Secret
	seen := map[crypt.Secret]bool{}
	for _, k := range m.keys {
		if !seen[k.Header] {
			seen[k.Header] = true
			headers = append(headers, k.Header)
		}
	}
	return headers, nil
}

func (m *memory) Lookup(id SkippedID) (BodyKey, bool, error) {
	m.lookups++
	for _, k := range m.keys {
		if k.SkippedID == id {
			return k.BodyKey, true, nil
		}
	}
	return BodyKey{}, false, nil
}

func (m *memory) apply(c Change) {
	if c.Remove != nil {
		m.keys = slices.DeleteFunc(m.keys, func(k SkippedKey) bool { return k.SkippedID == *c.Remove })
	}
	m.keys = append(m.keys, c.Add...)
	if n := len(m.keys) - MaxStoredKeys; n > 0 {
		m.keys = slices.Delete(m.keys, 0, n)
	}
}

func (m *memory) String() string {
	var lines []string
	for _, k := range m.keys {
		lines = append(lines, fmt.Sprintf("%x %d %x %x", k.Header, k.Number, k.Key, k.IV))
	}
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

// stored is the ratchet after a way through the store.
func stored(t testing.TB, r *Ratchet) *Ratchet {
	t.Helper()
	b, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	loaded := new(Ratchet)
	if err := loaded.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return loaded
}

func storedPrivate(t testing.TB, p *PrivateParams) *PrivateParams {
	t.Helper()
	b, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	loaded := new(PrivateParams)
	if err := loaded.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return loaded
}

func storedKey(t testing.TB, k *MessageKey) *MessageKey {
	t.Helper()
	b, err := k.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	loaded := new(MessageKey)
	if err := loaded.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return loaded
}

// step is one operation of a scenario or recording.
type step struct {
	Op, Party, From string
	I               int    // event of the recording
	Ratchet         string // names the ratchet within a recording
	Msg             string
	Random, Own     []random
	KEM             bool
	Enable          bool
	Text            string
	Params          hexBytes
	Version         uint16
	Peer1, Peer2    hexBytes
	PeerKEM         hexBytes
	PeerCiphertext  hexBytes
	PQ              *bool
	Plaintext       *hexBytes
	Padded          int
	SHA256          hexBytes
	Error           string
	Skipped         *[]string
	After           state
}

func (s *step) pq() PQ {
	switch {
	case s.PQ == nil:
		return PQKeep
	case *s.PQ:
		return PQOn
	}
	return PQOff
}

func (s *step) encrypt(t *testing.T, r *Ratchet) []byte {
	t.Helper()
	key, err := r.NextKey(s.pq(), len(*s.Plaintext), s.Padded)
	if err != nil {
		t.Fatal(err)
	}
	checkState(t, r, s.After)
	first, err := storedKey(t, key).Encrypt(*s.Plaintext, s.Padded)
	if err != nil {
		t.Fatal(err)
	}
	again, err := key.Encrypt(*s.Plaintext, s.Padded)
	if err != nil || !bytes.Equal(first, again) {
		t.Fatal("a second delivery is not the same:", err)
	}
	if sum := sha256.Sum256(first); !bytes.Equal(sum[:], s.SHA256) {
		t.Fatal("the message is not that of the reference")
	}
	return first
}

// errorName is the reference's name of an error.
func errorName(err error) string {
	var earlier *EarlierError
	var skipped *TooManySkippedError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &earlier):
		return fmt.Sprintf("CERatchetEarlierMessage %d", earlier.Behind)
	case errors.As(err, &skipped):
		return fmt.Sprintf("CERatchetTooManySkipped %d", skipped.Missing)
	case errors.Is(err, ErrDuplicate):
		return "CERatchetDuplicateMessage"
	case errors.Is(err, ErrHeader):
		return "CERatchetHeader"
	}
	return err.Error()
}

func (s *step) decrypt(t *testing.T, rand io.Reader, r *Ratchet, keys *memory, msg []byte) {
	t.Helper()
	plain, change, err := r.Decrypt(rand, msg, keys)
	if got := errorName(err); got != s.Error {
		t.Fatalf("error %v, want %q", err, s.Error)
	}
	keys.apply(change)
	checkState(t, r, s.After)
	if s.Error == "" && !bytes.Equal(plain, *s.Plaintext) {
		t.Fatal("the plaintext is wrong")
	}
	if s.Skipped != nil {
		want := slices.Clone(*s.Skipped)
		slices.Sort(want)
		if keys.String() != fmt.Sprint(want) {
			t.Fatalf("skipped keys are %v, want %v", keys, want)
		}
	}
}

func TestScenarios(t *testing.T) {
	var scenarios []struct {
		Name string
		Max  uint16
		Ops  []step
	}
	reference.Read(t, "scenarios.json.gz", &scenarios)
	for _, scenario := range scenarios {
		t.Run(scenario.Name, func(t *testing.T) {
			versions := wire.VersionRange{Min: MinVersion, Max: scenario.Max}
			private := map[string]*PrivateParams{}
			links := map[string]LinkParams{}
			replies := map[string]Params{}
			ratchets := map[string]*Ratchet{}
			keys := map[string]*memory{"alice": {}, "bob": {}}
			messages := map[string][]byte{}
			for i, s := range scenario.Ops {
				t.Logf("%d: %s %s %s", i, s.Party, s.Op, s.Msg)
				rand := newReader(s.Random)
				switch s.Op {
				case "link":
					own, err := NewPrivateParams(rand, s.KEM)
					if err != nil {
						t.Fatal(err)
					}
					private[s.Party] = storedPrivate(t, own)
					link := own.Link(Versions)
					link.Versions = versions
					if link.String() != s.Text {
						t.Fatal("the text of the link is wrong")
					}
					if links[s.Party], err = ParseLinkParams(s.Text); err != nil {
						t.Fatal(err)
					}
				case "join":
					r, reply, err := Join(rand, versions, links[s.From], s.KEM)
					if err != nil {
						t.Fatal(err)
					}
					checkState(t, r, s.After)
					if !bytes.Equal(reply.Append(nil), s.Params) {
						t.Fatal("the parameters of the reply are wrong")
					}
					in := wire.NewReader(s.Params)
					replies[s.Party] = ReadParams(in)
					if err := in.End(); err != nil {
						t.Fatal(err)
					}
					ratchets[s.Party] = r
				case "initiate":
					r, err := Initiate(private[s.Party], versions, replies[s.From], s.KEM)
					if err != nil {
						t.Fatal(err)
					}
					private[s.Party].Wipe()
					checkState(t, r, s.After)
					ratchets[s.Party] = r
				case "encrypt":
					messages[s.Msg] = s.encrypt(t, ratchets[s.Party])
				case "decrypt":
					s.decrypt(t, rand, ratchets[s.Party], keys[s.Party], messages[s.Msg])
				default:
					t.Fatal("unknown operation")
				}
				checkRead(t, rand)
				if r := ratchets[s.Party]; r != nil {
					ratchets[s.Party] = stored(t, r)
				}
			}
			if a, b := ratchets["alice"].VerificationCode(), ratchets["bob"].VerificationCode(); a != b {
				t.Error("the verification codes differ")
			}
		})
	}
}

func (s *step) peer() Params {
	p := Params{Version: s.Version, Key1: crypt.X448Public(s.Peer1), Key2: crypt.X448Public(s.Peer2)}
	if len(s.PeerKEM) > 0 {
		p.KEM = &KEMParams{PublicKey: (*sntrup761.PublicKey)(s.PeerKEM)}
		if len(s.PeerCiphertext) > 0 {
			p.KEM.Ciphertext = (*sntrup761.Ciphertext)(s.PeerCiphertext)
		}
	}
	return p
}

func (s *step) private(t *testing.T) *PrivateParams {
	t.Helper()
	rand := newReader(s.Own)
	own, err := NewPrivateParams(rand, s.KEM)
	if err != nil {
		t.Fatal(err)
	}
	checkRead(t, rand)
	return storedPrivate(t, own)
}

func TestRecordings(t *testing.T) {
	var recordings []struct {
		Name  string
		Maxes map[string]uint16
		Ops   []step
	}
	reference.Read(t, "recordings.json.gz", &recordings)
	for _, recording := range recordings {
		t.Run(recording.Name, func(t *testing.T) {
			ratchets := map[string]*Ratchet{}
			keys := map[string]*memory{}
			messages := map[string][]byte{}
			for _, s := range recording.Ops {
				t.Logf("event %d: %s %s", s.I, s.Party, s.Op)
				name := s.Party + s.Ratchet
				versions := wire.VersionRange{Min: MinVersion, Max: recording.Maxes[s.Party]}
				var r *Ratchet
				var err error
				rand := newReader(s.Random)
				switch s.Op {
				case "join":
					peer := s.peer()
					link := LinkParams{Versions: wire.VersionRange{Min: MinVersion, Max: s.Version}, Key1: peer.Key1, Key2: peer.Key2}
					if peer.KEM != nil {
						link.KEM = peer.KEM.PublicKey
					}
					r, _, err = Join(rand, versions, link, s.KEM)
				case "initiate":
					r, err = Initiate(s.private(t), versions, s.peer(), s.Enable)
				case "resync":
					r, err = Resync(rand, s.private(t), versions, s.peer(), s.Enable)
				case "encrypt":
					msg := s.encrypt(t, ratchets[name])
					messages[string(s.SHA256)] = msg
				case "decrypt":
					msg := messages[string(s.SHA256)]
					if msg == nil {
						t.Fatal("the message was not sent")
					}
					s.decrypt(t, rand, ratchets[name], keys[name], msg)
				default:
					t.Fatal("unknown operation")
				}
				if err != nil {
					t.Fatal(err)
				}
				checkRead(t, rand)
				if r != nil {
					checkState(t, r, s.After)
					ratchets[name], keys[name] = r, new(memory)
				}
				ratchets[name] = stored(t, ratchets[name])
			}
		})
	}
}
