package agent

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

type linkDataVectors struct {
	RootPublic, RootPrivate hexBytes
	Cases                   []struct {
		Name, Link              string
		Key, ID, Secret         hexBytes
		FixedSigned, UserSigned hexBytes
		FixedNonce, UserNonce   hexBytes
		FixedSHA256, UserSHA256 hexBytes
	}
}

// TestLinkData makes the blobs of the reference from what it signed, and opens them.
func TestLinkData(t *testing.T) {
	var v linkDataVectors
	reference.Read(t, "linkdata.json.gz", &v)
	root := crypt.Ed25519Private(v.RootPrivate)
	for _, c := range v.Cases {
		kind := LinkContact
		if c.Name == "invitation" {
			kind = LinkInvitation
		}
		id, secret := linkSecret(kind, c.Key)
		if !bytes.Equal(secret[:], c.Secret) || kind == LinkContact && id != smp.ID(c.ID) {
			t.Errorf("%s: another secret or id", c.Name)
		}
		var data smp.LinkData
		for _, p := range []struct {
			signed, nonce, sum hexBytes
			padded             int
			to                 *[]byte
		}{{c.FixedSigned, c.FixedNonce, c.FixedSHA256, paddedFixed, &data.Fixed}, {c.UserSigned, c.UserNonce, c.UserSHA256, paddedUser, &data.User}} {
			r := wire.NewReader(p.signed)
			sig, part := r.Short(), r.Tail()
			blob, err := sealLinkPart(bytes.NewReader(p.nonce), &secret, &root, part, p.padded)
			if err != nil {
				t.Fatal(err)
			}
			// A signature by one of the owners can't be made again; its bytes are taken.
			if !bytes.Equal(root.Sign(part), sig) {
				box, err := secret.Box(crypt.NonceOf(p.nonce), p.signed, p.padded)
				if err != nil {
					t.Fatal(err)
				}
				blob = append(append([]byte(nil), p.nonce...), box...)
			}
			if sum := sha256.Sum256(blob); !bytes.Equal(sum[:], p.sum) {
				t.Errorf("%s: blob has other bytes than the reference's", c.Name)
			}
			*p.to = blob
		}
		_, fixed, err := openLinkPart(&secret, data.Fixed)
		if err != nil {
			t.Fatal(err)
		}
		r := wire.NewReader(fixed)
		r.VersionRange()
		if _, err := parseEd25519(r); err != nil {
			t.Fatal(err)
		}
		inner := readLink(r)
		q := inner.Queues[0]
		short := &ShortLink{Kind: kind, Server: q.Server, ID: c.ID, Key: c.Key}
		got, err := openLinkData(short, q.SenderID, data)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if c.Link != "" && got.Link.String() != c.Link && c.Name == "invitation" {
			t.Errorf("%s: link\n%s, want\n%s", c.Name, got.Link, c.Link)
		}
		if c.Name == "contact2" && len(got.User) != 300 || c.Name != "contact2" && string(got.User) != "some user data" {
			t.Errorf("%s: user data %q", c.Name, got.User)
		}
		// Nothing that differs passes.
		other := *short
		other.Key = bytes.Repeat([]byte{1}, 32)
		for name, f := range map[string]func() (*LinkData, error){
			"another key":    func() (*LinkData, error) { return openLinkData(&other, q.SenderID, data) },
			"another sender": func() (*LinkData, error) { return openLinkData(short, "x", data) },
			"swapped": func() (*LinkData, error) {
				return openLinkData(short, q.SenderID, smp.LinkData{Fixed: data.User, User: data.Fixed})
			},
			"fixed twice": func() (*LinkData, error) {
				return openLinkData(short, q.SenderID, smp.LinkData{Fixed: data.Fixed, User: data.Fixed})
			},
			"empty": func() (*LinkData, error) { return openLinkData(short, q.SenderID, smp.LinkData{}) },
		} {
			if _, err := f(); !errors.Is(err, ErrLink) {
				t.Errorf("%s: %s: %v", c.Name, name, err)
			}
		}
	}
}

// Data in a layout of a newer version is told apart from damaged data.
func TestNewerLinkData(t *testing.T) {
	root := crypt.Ed25519Private{1}
	full, _, err := ParseLink(vectors(t).Full[0].Link)
	if err != nil {
		t.Fatal(err)
	}
	newer := wire.VersionRange{Min: 8, Max: 9}
	fixed, user := fixedPart(root.Public(), *full), []byte("I\x00\x02\x00\x07\x04data")
	for name, c := range map[string]struct {
		fixed, user []byte
		want        error
	}{
		"another key":         {append(newer.Append(nil), "another kind of key"...), user, ErrLinkVersion},
		"another link":        {append(wire.AppendShort(newer.Append(nil), root.Public().DER()), "another kind of link"...), user, ErrLinkVersion},
		"another letter":      {fixed, append(newer.Append([]byte{'Z'}), "data"...), ErrLinkVersion},
		"another list":        {fixed, append(newer.Append([]byte{'I'}), 0xfe, 1, 2), ErrLinkVersion},
		"damaged fixed part":  {fixed[:len(fixed)-40], user, ErrLink},
		"damaged user's part": {fixed, user[:len(user)-1], ErrLink},
		"empty":               {nil, nil, ErrLink},
		"good":                {fixed, user, nil},
	} {
		short := &ShortLink{Kind: LinkInvitation, Server: full.Queues[0].Server, Key: linkKey(c.fixed)}
		_, secret := linkSecret(LinkInvitation, short.Key)
		var data smp.LinkData
		if data.Fixed, err = sealLinkPart(rand.Reader, &secret, &root, c.fixed, paddedFixed); err != nil {
			t.Fatal(err)
		}
		if data.User, err = sealLinkPart(rand.Reader, &secret, &root, c.user, paddedUser); err != nil {
			t.Fatal(err)
		}
		_, err := openLinkData(short, full.Queues[0].SenderID, data)
		if !errors.Is(err, c.want) || c.want != ErrLinkVersion && errors.Is(err, ErrLinkVersion) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestShortLinkText(t *testing.T) {
	for _, c := range vectors(t).Short {
		_, l, err := ParseLink(c.Link)
		if err != nil {
			t.Fatal(err)
		}
		if l.String() != c.Link && !bytes.HasPrefix([]byte(c.Link), []byte("simplex:")) {
			t.Errorf("%s: %s, want %s", c.Name, l, c.Link)
		}
	}
}

func FuzzOpenLinkData(f *testing.F) {
	root := crypt.Ed25519Private{1}
	v := vectors(f)
	full, _, err := ParseLink(v.Full[0].Link)
	if err != nil {
		f.Fatal(err)
	}
	user, err := userPart(LinkInvitation, []byte("data"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fixedPart(root.Public(), *full), user)
	f.Fuzz(func(t *testing.T, fixed, user []byte) {
		short := &ShortLink{Kind: LinkInvitation, Server: full.Queues[0].Server, Key: linkKey(fixed)}
		_, secret := linkSecret(short.Kind, short.Key)
		a, err1 := sealLinkPart(bytes.NewReader(make([]byte, 24)), &secret, &root, fixed, paddedFixed)
		b, err2 := sealLinkPart(bytes.NewReader(make([]byte, 24)), &secret, &root, user, paddedUser)
		if err1 != nil || err2 != nil {
			return
		}
		if d, err := openLinkData(short, full.Queues[0].SenderID, smp.LinkData{Fixed: a, User: b}); err == nil && len(d.Link.Queues) == 0 {
			t.Error("a link without a queue")
		}
	})
}
