package transport

import (
	"errors"
	"testing"

	"github.com/sotto-chat/sotto/core/wire"
)

// The direct path leads to the first host that is no onion service, however its name is written.
func TestDirectPath(t *testing.T) {
	for _, c := range []struct {
		hosts []string
		want  string
	}{
		{[]string{"relay.example", "a.onion"}, "relay.example"},
		{[]string{"a.onion", "relay.example", "other.example"}, "relay.example"},
		{[]string{"a.onion.", "A.Onion", "relay.example"}, "relay.example"},
		{[]string{"a.onion."}, ""},
		{nil, ""},
	} {
		path, err := Direct(t.Context(), wire.Server{Hosts: c.hosts}, "")
		if path.Host != c.want || path.Proxy != nil || (err == nil) != (c.want != "") {
			t.Errorf("%q: %+v, %v", c.hosts, path, err)
		}
		var dial *DialError
		if c.want == "" && (!errors.Is(err, ErrHost) || !errors.As(err, &dial) || dial.Kind != KindOnion) {
			t.Errorf("%q: %v", c.hosts, err)
		}
	}
}
