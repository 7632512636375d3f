package ui

import (
	"math"
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
)

// torPhase tells what Tor does while it connects.
func torPhase(phase core.TorPhase) string {
	switch phase {
	case core.TorPhaseTransport:
		return lang.L("Disguising the connection")
	case core.TorPhaseProxy:
		return lang.L("Reaching the proxy of your network")
	case core.TorPhaseConnecting:
		return lang.L("Reaching the Tor network")
	case core.TorPhaseDirectory:
		return lang.L("Loading the list of Tor's relays")
	case core.TorPhaseCircuit:
		return lang.L("Making the first way through Tor")
	default:
		return lang.L("Starting")
	}
}

// torProblem tells what keeps Tor from the network, and what to do about it.
func torProblem(p *core.TorProblem) string {
	words := map[string]any{"Detail": p.Detail}
	switch p.Kind {
	case core.TorProblemMissing:
		return torMissing()
	case core.TorProblemTransport:
		return lang.L("The program for this kind of bridge is not installed. On Debian and Ubuntu: apt install obfs4proxy snowflake-client. Or choose other bridges.")
	case core.TorProblemConfig:
		if p.Detail == "" {
			return lang.L("Tor does not accept its settings. Check the bridges and the proxy.")
		}
		return lang.L("Tor does not accept its settings: {{.Detail}}", words)
	case core.TorProblemFolder:
		return lang.L("Tor can't use its folder beside your profiles. Check its permissions, and whether the disk is full.")
	case core.TorProblemClock:
		return clockProblem(p.Skew)
	case core.TorProblemOffline:
		return lang.L("There is no network. Connect this computer; Tor goes on by itself.")
	case core.TorProblemBlocked:
		return lang.L("The network is there, but no relay of Tor answers: it may be blocked here. Try bridges, such as snowflake.")
	case core.TorProblemBridges:
		return lang.L("No bridge answers. Try other ones.")
	case core.TorProblemProxy:
		return lang.L("The proxy of your network does not answer or refuses. Check its address and password.")
	case core.TorProblemDied:
		return lang.L("Tor has ended by itself. It is started again.")
	case core.TorProblemControl:
		return lang.L("What answers there is not Tor, or a very old one. Check the address.")
	case core.TorProblemAccess:
		return lang.L("Your Tor does not let Sotto control it. Give its password, or let your account read its cookie.")
	case core.TorProblemNotThere:
		return lang.L("There is no Tor at the address that you gave. Start it, or let Sotto run its own.")
	case core.TorProblemInUse:
		return lang.L("Another program uses the folder of this Tor. Close it.")
	default:
		return lang.L("Tor does not work: {{.Detail}}", words)
	}
}

func torMissing() string {
	return lang.L("Tor is not installed on this computer. Install it, on Debian and Ubuntu by: apt install tor. Then try again.")
}

// clockProblem tells by how much the clock is wrong: ahead if d is above zero, by an unknown time if it is zero.
func clockProblem(d time.Duration) string {
	if d == 0 {
		return lang.L("The clock of this computer is wrong, and Tor needs it. Set the time and the time zone.")
	}
	off := map[string]any{"Time": roundTime(d.Abs())}
	if d > 0 {
		return lang.L("The clock of this computer is {{.Time}} ahead, and Tor needs it. Set the time and the time zone.", off)
	}
	return lang.L("The clock of this computer is {{.Time}} behind, and Tor needs it. Set the time and the time zone.", off)
}

// roundTime tells about how long a time is.
func roundTime(d time.Duration) string {
	unit := func(size time.Duration) int { return int(math.Round(float64(d) / float64(size))) }
	switch {
	case d < 90*time.Minute:
		n := max(1, unit(time.Minute))
		return lang.N("{{.Count}} minutes", n, map[string]any{"Count": n})
	case d < 36*time.Hour:
		n := unit(time.Hour)
		return lang.N("{{.Count}} hours", n, map[string]any{"Count": n})
	default:
		n := unit(24 * time.Hour)
		return lang.N("{{.Count}} days", n, map[string]any{"Count": n})
	}
}

// torWord tells in a word how Tor is.
func (w *Window) torWord() string {
	switch w.tor.State {
	case core.TorReady:
		return lang.L("connected")
	case core.TorBootstrapping:
		return percent(w.tor.Percent)
	case core.TorOff:
		return lang.L("not in use")
	case core.TorFailed, core.TorWaiting:
		return lang.L("not there")
	default:
		return lang.L("starting")
	}
}

func percent(n int) string { return lang.L("{{.Percent}} %", map[string]any{"Percent": n}) }
