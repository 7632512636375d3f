package smp

import "testing"

func TestHostModeChoose(t *testing.T) {
	const onion, public = "abc.onion", "relay.example"
	for _, c := range []struct {
		mode            HostMode
		hosts           []string
		socks, required bool
		want            string
		err             error
	}{
		{HostOnionViaSOCKS, []string{public, onion}, true, false, onion, nil},
		{HostOnionViaSOCKS, []string{onion, public}, false, false, public, nil},
		{HostOnionViaSOCKS, []string{onion}, false, false, onion, nil},
		{HostOnionViaSOCKS, []string{onion}, false, true, "", ErrHost},
		{HostOnion, []string{public, onion}, false, false, onion, nil},
		{HostOnion, []string{public}, true, false, public, nil},
		{HostOnion, []string{public}, true, true, "", ErrHost},
		{HostPublic, []string{onion, public}, true, true, public, nil},
		{HostPublic, []string{onion}, true, true, "", ErrHost},
		{HostPublic, nil, true, false, "", ErrHost},
	} {
		got, err := c.mode.Choose(c.hosts, c.socks, c.required)
		if got != c.want || err != c.err {
			t.Errorf("%v of %v, SOCKS %v, required %v: %q, %v", c.mode, c.hosts, c.socks, c.required, got, err)
		}
	}
}
