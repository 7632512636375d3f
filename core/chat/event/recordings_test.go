package event

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/sotto-chat/sotto/core/internal/reference"
)

// recording is a body that the reference client has sent (version 5.7, chat versions 1-8).
type recording struct {
	Step   string
	Layer  string // "A_MSG" or "connInfo"
	Form   string // "json", "json array" or "compressed"
	Events []string
	Ntf    string        // "T", "F" or empty
	Text   string        // the JSON
	Hex    reference.Hex // the body, if it is not the JSON
}

func (r recording) body() []byte {
	if len(r.Hex) == 0 {
		return []byte(r.Text)
	}
	return r.Hex
}

func recordings(t testing.TB) []recording {
	t.Helper()
	var recs []recording
	reference.Read(t, "recordings.json.gz", &recs)
	if len(recs) < 150 {
		t.Fatalf("only %d recordings", len(recs))
	}
	return recs
}

func sameJSON(t *testing.T, got, want []byte) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every recorded body parses completely, and what is written again means the same.
func TestRecordings(t *testing.T) {
	known := map[string]bool{}
	for _, rec := range recordings(t) {
		t.Run(rec.Step, func(t *testing.T) {
			msgs, errs := Parse(rec.body())
			if len(errs) > 0 || len(msgs) != len(rec.Events) {
				t.Fatalf("%d messages of %d, errors %v", len(msgs), len(rec.Events), errs)
			}
			raws := []json.RawMessage{json.RawMessage(rec.Text)}
			if rec.Form == "json array" {
				if err := json.Unmarshal([]byte(rec.Text), &raws); err != nil {
					t.Fatal(err)
				}
			}
			for i, m := range msgs {
				if m.Event.Name() != rec.Events[i] {
					t.Errorf("event %q, want %q", m.Event.Name(), rec.Events[i])
				}
				if _, ok := decoders[rec.Events[i]]; ok {
					known[rec.Events[i]] = true
				}
				b, err := Encode(m, MessageLimits(1, false))
				if err != nil {
					t.Fatal(err)
				}
				sameJSON(t, b, raws[i])
			}
		})
	}
	for name := range decoders {
		if !known[name] {
			t.Errorf("no recording of %s", name)
		}
	}
}

// The notification flags of single messages are those of the reference.
func TestRecordedNotifications(t *testing.T) {
	n := 0
	for _, rec := range recordings(t) {
		// A batch of history has the flag as a batch.
		if rec.Layer != "A_MSG" || rec.Ntf == "" || rec.Form == "json array" && rec.Events[0] == "x.grp.msg.forward" {
			continue
		}
		msgs, _ := Parse(rec.body())
		any := false
		for _, m := range msgs {
			any = any || Notifies(m.Event)
		}
		if any != (rec.Ntf == "T") {
			t.Errorf("%s: %v: flag %v, recorded %s", rec.Step, rec.Events, any, rec.Ntf)
		}
		n++
	}
	if n < 100 {
		t.Errorf("only %d flags compared", n)
	}
}

// Messages of a forwarded message parse too.
func TestRecordedForwards(t *testing.T) {
	n := 0
	for _, rec := range recordings(t) {
		msgs, _ := Parse(rec.body())
		for _, m := range msgs {
			g, ok := m.Event.(Group)
			if !ok || g.Event != "x.grp.msg.forward" {
				continue
			}
			var params struct{ Msg Message }
			if err := json.Unmarshal(g.Params, &params); err != nil || params.Msg.Event == nil {
				t.Errorf("%s: %v", rec.Step, err)
			}
			n++
		}
	}
	if n == 0 {
		t.Error("no forwarded message")
	}
}

// The compressed recording has the form that this package writes.
func TestRecordedCompression(t *testing.T) {
	n := 0
	for _, rec := range recordings(t) {
		if rec.Form != "compressed" {
			continue
		}
		n++
		msgs, _ := Parse(rec.body())
		body, err := Encode(msgs[0], MessageLimits(8, true))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(body[:3], rec.body()[:3]) {
			t.Errorf("starts with %x, recorded %x", body[:3], rec.body()[:3])
		}
	}
	if n != 1 {
		t.Errorf("%d compressed recordings", n)
	}
}
