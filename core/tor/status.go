package tor

import (
	"errors"
	"fmt"
	"time"
)

// State is what Tor is doing.
type State string

// The states. After Close it is Off for good; from all others it can go to any.
const (
	Off           State = "off"
	Starting      State = "starting"      // the process starts, or is looked for
	Paused        State = "paused"        // the process runs, without a connection to the network
	Bootstrapping State = "bootstrapping" // it connects to the Tor network
	Ready         State = "ready"
	Waiting       State = "waiting" // it ended or can't be reached; the next attempt is at Retry
	Failed        State = "failed"  // it can't run so; only Retry or another configuration helps
)

// Phase is a part of bootstrapping.
type Phase string

// The phases, in their order.
const (
	PhaseStart      Phase = "start"      // nothing done yet
	PhaseTransport  Phase = "transport"  // connecting through a pluggable transport
	PhaseProxy      Phase = "proxy"      // connecting to the proxy of the network
	PhaseConnecting Phase = "connecting" // to a first relay or bridge
	PhaseDirectory  Phase = "directory"  // loading the list of relays
	PhaseCircuit    Phase = "circuit"    // making the first circuit
	PhaseDone       Phase = "done"
)

// phases are the phases of Tor's tags (control-spec, "Bootstrap phases").
var phases = map[string]Phase{
	"starting": PhaseStart,
	"conn_pt":  PhaseTransport, "conn_done_pt": PhaseTransport, "ap_conn_pt": PhaseTransport, "ap_conn_done_pt": PhaseTransport,
	"conn_proxy": PhaseProxy, "conn_done_proxy": PhaseProxy, "ap_conn_proxy": PhaseProxy, "ap_conn_done_proxy": PhaseProxy,
	"conn": PhaseConnecting, "conn_dir": PhaseConnecting, "conn_done": PhaseConnecting, "handshake": PhaseConnecting,
	"handshake_dir": PhaseConnecting, "handshake_done": PhaseConnecting, "onehop_create": PhaseConnecting,
	"requesting_status": PhaseDirectory, "loading_status": PhaseDirectory, "loading_keys": PhaseDirectory,
	"requesting_descriptors": PhaseDirectory, "loading_descriptors": PhaseDirectory, "enough_dirinfo": PhaseDirectory,
	"ap_conn": PhaseCircuit, "ap_conn_done": PhaseCircuit, "conn_or": PhaseCircuit, "handshake_or": PhaseCircuit,
	"ap_handshake": PhaseCircuit, "ap_handshake_done": PhaseCircuit, "circuit_create": PhaseCircuit,
	"done": PhaseDone,
}

// Status is the state of Tor with what there is to tell about it.
type Status struct {
	State State

	// How far bootstrapping is, and what Tor calls that in English, of up to 200 bytes.
	Percent int
	Phase   Phase
	Summary string

	// Problem tells why Tor is Waiting or Failed, and while it is Bootstrapping what stands in the way;
	// Tor goes on trying then. It is nil if there is none.
	Problem *Problem

	// Retry is the time of the next attempt while Tor is Waiting.
	Retry time.Time
}

// same tells whether nothing differs that a person would see.
func (s Status) same(o Status) bool {
	kind := func(p *Problem) ProblemKind {
		if p == nil {
			return ""
		}
		return p.Kind
	}
	return s.State == o.State && s.Percent == o.Percent && s.Phase == o.Phase && s.Retry.Equal(o.Retry) && kind(s.Problem) == kind(o.Problem)
}

// ProblemKind tells what is wrong with Tor, and so what a person can do.
type ProblemKind string

// The kinds of problems.
const (
	// Those of what was chosen or is installed. Tor is Failed until it changes.
	ProblemMissing   ProblemKind = "missing"   // no tor is installed: install it, or choose where it is
	ProblemTransport ProblemKind = "transport" // the program for the kind of bridge is missing or does not work: install it
	ProblemConfig    ProblemKind = "config"    // tor does not accept its configuration; Detail has its words
	ProblemFolder    ProblemKind = "folder"    // the data folder can't be used: permissions, or the disk

	// Those of the way to the network. Tor goes on trying.
	ProblemClock   ProblemKind = "clock"   // the computer's clock is wrong: set it; Skew tells by how much
	ProblemOffline ProblemKind = "offline" // there is no network: connect the computer
	ProblemBlocked ProblemKind = "blocked" // the network is there, but no Tor relay answers: try bridges
	ProblemBridges ProblemKind = "bridges" // no bridge answers, or none is the one that it should be: try others
	ProblemProxy   ProblemKind = "proxy"   // the proxy of the network does not answer or refuses: check its settings

	// Those of the process. It is started or looked for again.
	ProblemDied     ProblemKind = "died"     // tor ended by itself
	ProblemControl  ProblemKind = "control"  // tor does not answer as it should; it may not be Tor
	ProblemAccess   ProblemKind = "access"   // an existing tor refuses to be controlled: cookie or password
	ProblemNotThere ProblemKind = "notthere" // an existing tor does not run, or not at that address
	ProblemInUse    ProblemKind = "inuse"    // another tor has the data folder
)

// fatal tells whether trying again alone can't help.
func (k ProblemKind) fatal() bool {
	switch k {
	case ProblemMissing, ProblemTransport, ProblemConfig, ProblemFolder:
		return true
	}
	return false
}

// Problem is an error that tells what is wrong with Tor.
type Problem struct {
	Kind ProblemKind

	// Detail has the words of tor if there are any, of up to 400 bytes.
	Detail string

	// Skew is how far the computer's clock is ahead, for ProblemClock, as far as it is known.
	Skew time.Duration

	Err error // the cause; may be nil
}

func (p *Problem) Error() string {
	text := "tor: " + p.Kind.String()
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	if p.Err != nil {
		text += ": " + p.Err.Error()
	}
	return text
}

func (p *Problem) Unwrap() error { return p.Err }

func (k ProblemKind) String() string {
	switch k {
	case ProblemMissing:
		return "the program tor was not found"
	case ProblemTransport:
		return "the program for this kind of bridge does not work"
	case ProblemConfig:
		return "tor does not accept its configuration"
	case ProblemFolder:
		return "tor can't use its folder"
	case ProblemClock:
		return "the clock is wrong"
	case ProblemOffline:
		return "there is no network"
	case ProblemBlocked:
		return "no Tor relay answers"
	case ProblemBridges:
		return "no bridge answers"
	case ProblemProxy:
		return "the proxy of the network does not work"
	case ProblemDied:
		return "tor has ended"
	case ProblemControl:
		return "tor does not answer as it should"
	case ProblemAccess:
		return "tor refuses to be controlled"
	case ProblemNotThere:
		return "no tor was found at the address"
	case ProblemInUse:
		return "another tor uses the folder"
	}
	return "unknown problem"
}

// Errors of this package, beside *Problem.
var (
	// ErrNotReady tells that there is no way through Tor at the moment.
	ErrNotReady = errors.New("tor is not ready")

	// ErrClosed tells that Tor was closed.
	ErrClosed = errors.New("tor was closed")

	// ErrNoControl tells that an existing tor was given without the address for controlling it.
	ErrNoControl = errors.New("this tor can't be controlled: its control address is not known")
)

// problemOf returns what is wrong with the way to the network, by tor's reason and tag of a bootstrap
// problem (control-spec, "Bootstrap phases").
func (c *Config) problemOf(reason string, phase Phase, detail string) *Problem {
	p := &Problem{Kind: ProblemBlocked, Detail: clip(detail, maxDetail)}
	switch {
	case reason == "PT_MISSING":
		p.Kind = ProblemTransport
	case phase == PhaseProxy:
		p.Kind = ProblemProxy
	case reason == "NOROUTE":
		p.Kind = ProblemOffline
	case len(c.Bridges) > 0:
		p.Kind = ProblemBridges
	case c.Upstream != nil && phase != PhaseDirectory && phase != PhaseCircuit:
		p.Kind = ProblemProxy
	}
	return p
}

const (
	maxDetail  = 400
	maxSummary = 200
)

// clip makes text of tor fit to be shown: of up to n bytes, and without control characters.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}

// asProblem returns the *Problem in err, or one that died with it.
func asProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return &Problem{Kind: ProblemDied, Err: err}
}

func problemf(kind ProblemKind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Err: fmt.Errorf(format, args...)}
}
