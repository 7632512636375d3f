package tor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Circuit is a way through the Tor network, without the relays on it.
type Circuit struct {
	ID      string
	Built   bool   // it can be used; otherwise it is being built
	Purpose string // as tor calls it, such as GENERAL, HS_CLIENT_REND or HS_SERVICE_INTRO
	Hops    int    // relays that it has by now
	Created time.Time
}

// maxCircuits bounds the list of circuits.
const maxCircuits = 1000

// Circuits returns the circuits of tor that are there or being built.
func (t *Tor) Circuits(ctx context.Context) ([]Circuit, error) {
	control, err := t.controlled()
	if err != nil {
		return nil, err
	}
	text, err := control.info(ctx, "circuit-status")
	if err != nil {
		return nil, err
	}
	return parseCircuits(text), nil
}

// parseCircuits reads the lines of circuit-status (control-spec, CIRC): id, state, path, then key=value.
func parseCircuits(text string) []Circuit {
	var all []Circuit
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || len(all) == maxCircuits {
			continue
		}
		c := Circuit{ID: clip(fields[0], 16)}
		switch fields[1] {
		case "BUILT":
			c.Built = true
		case "LAUNCHED", "EXTENDED", "GUARD_WAIT":
		default:
			continue // it has ended
		}
		if len(fields) > 2 && strings.HasPrefix(fields[2], "$") {
			c.Hops = strings.Count(fields[2], ",") + 1
		}
		args := parseArgs(line)
		c.Purpose = clip(strings.TrimSpace(args["PURPOSE"]), 40)
		c.Created, _ = time.Parse("2006-01-02T15:04:05.999999", strings.TrimSpace(args["TIME_CREATED"]))
		all = append(all, c)
	}
	return all
}

// NewCircuits makes everything that connects from now on use new circuits, even for an isolation that was
// used before. Connections that are open stay as they are: who wants them to move dials again.
// Tor itself does this at most once in ten seconds, and later if it is asked more often.
func (t *Tor) NewCircuits(ctx context.Context) error {
	if err := t.newSecret(); err != nil {
		return err
	}
	control, err := t.controlled()
	if err != nil {
		if errors.Is(err, ErrNoControl) {
			return nil // new isolation is enough
		}
		return err
	}
	if _, err := control.request(ctx, "SIGNAL NEWNYM"); err != nil {
		return fmt.Errorf("tor: asking for new circuits: %w", err)
	}
	return nil
}

// controlled returns the control connection.
func (t *Tor) controlled() (*controller, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.status.State == Off:
		return nil, ErrClosed
	case t.cfg.Existing != nil && t.cfg.Existing.Control == "":
		return nil, ErrNoControl
	case t.control == nil:
		return nil, t.notReady()
	}
	return t.control, nil
}
