package ui

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// fakeTor is a SOCKS proxy that stands in for a Tor that runs already. It leads nowhere.
func fakeTor(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = true
			mu.Unlock()
			work.Go(func() { defer c.Close(); refuse(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return l.Addr().String()
}

// refuse speaks SOCKS5 (RFC 1928 and 1929) and refuses to connect.
func refuse(c net.Conn) {
	read := func(n byte) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c, b); err != nil {
			return make([]byte, n)
		}
		return b
	}
	if !slices.Contains(read(read(2)[1]), 2) { // to find out whether it speaks SOCKS
		c.Write([]byte{5, 0xff})
		return
	}
	c.Write([]byte{5, 2})
	read(read(2)[1])
	read(read(1)[0])
	c.Write([]byte{1, 0})
	read(4)
	c.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
}

// throughTor opens a window that reaches the network through a Tor that runs already.
func throughTor(t *testing.T, mode theme.Mode) *bench {
	t.Helper()
	b := newBench(t, mode, "Alice")
	b.settle()
	if err := b.core.SetTor(core.TorSettings{Mode: core.TorOnly, Socks: fakeTor(t)}); err != nil {
		t.Fatal(err)
	}
	b.wait("Tor is there", func() bool { return b.tor.State == core.TorReady })
	return b
}

// pick chooses a card by its title in the dialog that is open.
func (b *bench) pick(title string) {
	b.Helper()
	for _, o := range laidOut(b.win.Canvas().Overlays().Top()) {
		if card, ok := o.(*choiceCard); ok && card.title.Text == title {
			card.Tapped(&fyne.PointEvent{})
			return
		}
	}
	b.Fatalf("there is no choice %q", title)
}

// With a Tor that is not installed nothing is sent, and the person is told what to do.
func TestTorIsMissing(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.showNetwork()
	b.tapRow("All profiles")
	b.pick("Through Tor only")
	b.tap("Save")
	b.wait("Tor fails", func() bool { return b.tor.State == core.TorFailed && b.win.Canvas().Overlays().Top() == nil })
	if b.tor.Problem == nil || b.tor.Problem.Kind != core.TorProblemMissing || !b.says("apt install tor") {
		t.Errorf("the problem is %v", b.tor.Problem)
	}
	if state, _ := b.network(); state != widget.NetworkOffline {
		t.Errorf("the shield shows state %v", state)
	}
	if line := b.connectionLine(&core.Contact{State: chat.ContactConnected}); line != "waiting for Tor" {
		t.Errorf("a conversation says %q", line)
	}
	b.tap("Try again")
	b.settle()
	b.cancelTor()
	b.tap("Stop using Tor")
	b.wait("Tor is off", func() bool { return b.core.Tor().Mode == core.TorDirect && b.tor.State == core.TorOff })
}

func TestTorIsThere(t *testing.T) {
	b := throughTor(t, theme.Light)
	b.relays = nil
	b.main.refreshRail()
	if state, text := b.network(); state != widget.NetworkTor || !strings.Contains(text, "through Tor") {
		t.Errorf("the shield shows state %v, %q", state, text)
	}
	if line := b.connectionLine(&core.Contact{State: chat.ContactConnected}); line != "through Tor, end-to-end encrypted" {
		t.Errorf("a conversation says %q", line)
	}
	page := b.showTor(b.showNetwork)
	b.wait("the circuits can't be had", func() bool { return page.err != nil })
	if !errors.Is(page.err, core.ErrTorControl) || !b.says("control address") {
		t.Errorf("the circuits are %v", page.err)
	}
	b.tap("New circuits")
	b.settle()
	b.escape()
	if _, ok := b.main.content.(*networkPage); !ok {
		t.Errorf("a %T is shown", b.main.content)
	}
}

// A profile can have a choice of its own, and go back to that of all.
func TestTorOfOneProfile(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.showNetwork()
	b.tapRow("Alice")
	b.pick("Through Tor only")
	b.tap("Save")
	b.wait("it is kept", func() bool { _, own := b.profile.TorMode(); return own && b.win.Canvas().Overlays().Top() == nil })
	if b.usesTor() != core.TorOnly || b.core.Tor().Mode != core.TorDirect {
		t.Error("the choice is not that of the profile alone")
	}
	b.tapRow("Alice")
	b.pick("Like all profiles")
	b.tap("Save")
	b.wait("it is as for all", func() bool { _, own := b.profile.TorMode(); return !own })
}

// A window that was started for Tor only offers nothing else.
func TestTorLocked(t *testing.T) {
	b := openBenchWith(t, t.TempDir(), theme.Light, core.Options{Relays: []string{core.EmbeddedRelay}, TorOnly: true}, "Alice")
	b.settle()
	b.showNetwork()
	if !b.says("--tor-only") {
		t.Error("nobody is told that the mode can't be changed")
	}
	if state, _ := b.network(); state == widget.NetworkDirect || b.usesTor() != core.TorOnly {
		t.Errorf("the shield shows state %v", state)
	}
}

func TestBridges(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.showTor(b.showNetwork)
	b.chooseBridges()
	b.pick("Bridges of your own")
	entry := b.entry()
	b.tap("Save")
	if !b.says("Paste at least one line") {
		t.Error("no line is taken for some")
	}
	entry.SetText("# from a friend\nobfs4 192.0.2.1:443 0123456789ABCDEF0123456789ABCDEF01234567 cert=x iat-mode=0\n\nnot a bridge")
	b.tap("Save")
	if !b.says("Line 4 is not that of a bridge") {
		t.Error("the wrong line is not named")
	}
	entry.SetText("obfs4 192.0.2.1:443 0123456789ABCDEF0123456789ABCDEF01234567 cert=x iat-mode=0\n192.0.2.2:9001")
	b.tap("Save")
	b.wait("they are kept", func() bool { return b.win.Canvas().Overlays().Top() == nil })
	if got := b.core.Tor().Bridges; len(got) != 2 || !b.says("2 of your own") {
		t.Errorf("the bridges are %q", got)
	}
	b.chooseBridges()
	b.pick("Snowflake")
	b.tap("Save")
	b.wait("they are kept", func() bool { return b.win.Canvas().Overlays().Top() == nil })
	if got := b.core.Tor().Bridges; len(got) != 1 || got[0] != core.TorSnowflake {
		t.Errorf("the bridges are %q", got)
	}
	b.chooseUpstream()
	b.entry().SetText("gopher://192.0.2.1")
	b.tap("Save")
	b.wait("it is refused", func() bool { return b.says("not the address of a proxy") })
	b.entry().SetText("socks5://192.0.2.1:1080")
	b.tap("Save")
	b.wait("it is kept", func() bool { return b.core.Tor().Upstream != "" && b.win.Canvas().Overlays().Top() == nil })
	b.chooseExisting()
	b.entry().SetText("nowhere")
	b.tap("Save")
	b.wait("it is refused", func() bool { return b.says("not the address of a running Tor") })
}

// Whoever chooses Tor at the first start, and this computer as the relay, gets both before anything is sent.
func TestFirstStartThroughTor(t *testing.T) {
	b := openBenchWith(t, t.TempDir(), theme.Light, core.Options{})
	s := b.starting
	s.name.SetText("Alice")
	s.forward()
	s.network.choose(1)
	s.forward()
	s.relays.choices.choose(2)
	s.forward()
	b.wait("the main screen", func() bool { return b.main != nil })
	if tor := b.core.Tor(); tor.Mode != core.TorOnly || !tor.OnionRelay {
		t.Errorf("the choices about Tor are %+v", tor)
	}
	b.settle()
	b.showNetwork()
	if !b.says("Reachable from anywhere") {
		t.Error("the onion address is not on the page")
	}
}

func TestTorWords(t *testing.T) {
	for _, kind := range []core.TorProblemKind{core.TorProblemMissing, core.TorProblemTransport, core.TorProblemConfig, core.TorProblemFolder, core.TorProblemClock,
		core.TorProblemOffline, core.TorProblemBlocked, core.TorProblemBridges, core.TorProblemProxy, core.TorProblemDied, core.TorProblemControl,
		core.TorProblemAccess, core.TorProblemNotThere, core.TorProblemInUse} {
		if text := torProblem(&core.TorProblem{Kind: kind}); strings.Contains(text, "does not work:") || !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "snowflake.") {
			t.Errorf("%s: %q", string(kind), text)
		}
	}
	for _, test := range []struct {
		skew time.Duration
		want string
	}{{0, "is wrong"}, {time.Minute, "1 minute ahead"}, {-2 * time.Hour, "2 hours behind"}, {72 * time.Hour, "3 days ahead"}} {
		if text := clockProblem(test.skew); !strings.Contains(text, test.want) {
			t.Errorf("%v: %q", test.skew, text)
		}
	}
}

// exampleTor shows Tor in a state that it is not in.
func (b *bench) exampleTor(mode core.TorMode, status core.TorStatus) {
	b.Helper()
	s := b.core.Tor()
	s.Mode, s.OnionRelay = mode, true
	if err := b.core.SetTor(s); err != nil {
		b.Fatal(err)
	}
	status.Mode = mode
	b.relays = nil
	for i, host := range []string{"smp8.simplex.im", "smp4.simplexonflux.com"} {
		b.relays = append(b.relays, core.RelayStatus{Server: wire.Server{Hosts: []string{host, "example.onion"}}, Operator: []string{"SimpleX Chat", "Flux"}[i], State: core.RelayConnected, Since: ago(time.Hour)})
		if status.State != core.TorReady {
			b.relays[i].State = core.RelayConnecting
		}
	}
	b.torChanged(status)
	b.main.content.changed(nil)
}

func TestPicturesOfTor(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.fill()
		if err := b.profile.SetRelays(t.Context(), core.RelayChoice{Kind: core.RelaysThisComputer}); err != nil {
			t.Fatal(err)
		}
		b.unlisten() // so that nobody hears that there is no Tor in truth
		b.showNetwork()
		b.exampleTor(core.TorOnly, core.TorStatus{State: core.TorBootstrapping, Percent: 45, Phase: core.TorPhaseDirectory})
		b.compare(fmt.Sprintf("tor-connecting-%v", mode))
		b.exampleTor(core.TorOnly, core.TorStatus{State: core.TorBootstrapping, Percent: 5, Phase: core.TorPhaseConnecting,
			Problem: &core.TorProblem{Kind: core.TorProblemBlocked}})
		b.compare(fmt.Sprintf("tor-blocked-%v", mode))
		b.exampleTor(core.TorOnly, core.TorStatus{State: core.TorFailed, Problem: &core.TorProblem{Kind: core.TorProblemMissing}})
		b.compare(fmt.Sprintf("tor-missing-%v", mode))
		b.exampleTor(core.TorOnly, core.TorStatus{State: core.TorReady, Percent: 100, Phase: core.TorPhaseDone, Reachable: true,
			Onion: "beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion"})
		b.compare(fmt.Sprintf("tor-ready-%v", mode))
		b.main.content.(*networkPage).scroll.ScrollToBottom()
		b.compare(fmt.Sprintf("tor-onion-%v", mode))
		b.open(1)
		b.compare(fmt.Sprintf("tor-conversation-%v", mode))
		page := b.showTor(b.showNetwork)
		b.wait("the circuits", func() bool { return page.known })
		page.err, page.list = nil, []core.TorCircuit{
			{Built: true, Purpose: "HS_CLIENT_REND", Hops: 4, Created: ago(3 * time.Minute)},
			{Built: true, Purpose: "GENERAL", Hops: 3, Created: ago(9 * time.Minute)},
			{Purpose: "HS_SERVICE_INTRO", Hops: 1, Created: ago(time.Second)},
		}
		page.fill()
		b.compare(fmt.Sprintf("tor-page-%v", mode))
		page.scroll.ScrollToBottom()
		b.compare(fmt.Sprintf("tor-circuits-%v", mode))
		b.resize(420, 720)
		page.scroll.ScrollToTop()
		b.compare(fmt.Sprintf("tor-page-narrow-%v", mode))
		b.resize(firstWidth, firstHeight)
		b.chooseBridges()
		b.pick("Bridges of your own")
		b.entry().SetText("obfs4 192.0.2.1:443 0123")
		b.tap("Save")
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("tor-bridges-%v", mode))
		b.win.Canvas().Overlays().Top().(*widget.Dialog).Close()
		b.chooseExisting()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("tor-existing-%v", mode))
		b.win.Canvas().Overlays().Top().(*widget.Dialog).Close()
		b.showLog("12:03:10 [notice] Bootstrapped 5% (conn): Connecting to a relay\n12:03:41 [warn] Problem bootstrapping. Stuck at 5% (conn): Connecting to a relay.\n")
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("tor-log-%v", mode))
	})
}

// fakeTray keeps what the tray shows.
type fakeTray struct {
	menu   *fyne.Menu
	unread bool
}

func (f *fakeTray) SetMenu(menu *fyne.Menu) { f.menu = menu }
func (f *fakeTray) SetUnread(unread bool)   { f.unread = unread }

func (f *fakeTray) item(t *testing.T, name string) *fyne.MenuItem {
	t.Helper()
	for _, i := range f.menu.Items {
		if i.Label == name {
			return i
		}
	}
	t.Fatalf("there is no %q in the tray", name)
	return nil
}

func TestTray(t *testing.T) {
	b := newBench(t, theme.Light, "Alice", "Work")
	b.settle()
	tray, told := &fakeTray{}, &fakeNotifier{}
	b.notifier = told
	b.opt.Tray = tray
	b.connectTray()
	if tray.unread || !tray.item(t, "Lock").Disabled || !tray.item(t, "Quit").IsQuit {
		t.Error("the tray shows what is not so")
	}
	other := b.profiles[1]
	if other.Current {
		other = b.profiles[0]
	}
	other.Unread = 2
	b.profileChanged(other)
	if !tray.unread {
		t.Error("unread messages are not marked")
	}
	tray.item(t, "Do not disturb").Action()
	if !b.core.Appearance().Quiet || !tray.item(t, "Do not disturb").Checked {
		t.Error("it does not become quiet")
	}
	b.setInFront(false)
	b.notify(other.ID, core.Item{Contact: 1, Kind: chat.KindText, Text: "hello", State: chat.StateReceived})
	b.settle()
	if len(b.notified) != 0 {
		t.Error("something is told while nobody wants to be disturbed")
	}
	b.changeLook(func(a *core.Appearance) { a.Tray = true })
	b.closeAsked()
	if !b.away || b.inFront {
		t.Error("the window stays")
	}
	tray.item(t, "Open Sotto").Action()
	if b.away {
		t.Error("the window does not come back")
	}
	if err := b.core.SetLock(t.Context(), "", "open sesame"); err != nil {
		t.Fatal(err)
	}
	b.fillTray()
	tray.item(t, "Lock").Action()
	b.wait("it is locked", func() bool { return b.locked })
	if tray.unread || !tray.item(t, "Lock").Disabled {
		t.Error("the tray tells what is behind the lock")
	}
}

// A code that leads to this computer says so as long as nobody elsewhere can open it.
func TestCodeIsNotReached(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	if err := b.profile.SetRelays(t.Context(), core.RelayChoice{Kind: core.RelaysThisComputer}); err != nil {
		t.Fatal(err)
	}
	s := b.core.Tor()
	s.OnionRelay = true
	if err := b.core.SetTor(s); err != nil {
		t.Fatal(err)
	}
	b.wait("Tor fails", func() bool { return b.tor.State == core.TorFailed })
	b.newConversation("")
	b.wait("the code", func() bool { return b.adder.invitation != nil })
	b.wait("the relay", func() bool { return len(b.relays) == 1 && b.relays[0].State == core.RelayConnected })
	const unreached = "Nobody on another computer can open this"
	if !b.says(unreached) {
		t.Error("the code does not say that it can't be opened")
	}
	if state, text := b.network(); state != widget.NetworkOffline || !strings.Contains(text, "Tor is not there") {
		t.Errorf("the shield shows state %v: %s", state, text)
	}
	b.unlisten() // so that nobody hears that there is no Tor in truth
	b.torChanged(core.TorStatus{State: core.TorReady})
	if state, text := b.network(); !b.says(unreached) || state != widget.NetworkConnecting || !strings.Contains(text, "makes the address") {
		t.Errorf("the shield shows state %v: %s", state, text)
	}
	b.torChanged(core.TorStatus{State: core.TorReady, Reachable: true})
	if state, _ := b.network(); b.says(unreached) || state != widget.NetworkTor {
		t.Errorf("the code still can't be opened, and the shield shows state %v", state)
	}
	b.adder.dialog.Close()
	b.showNetwork()
	if !b.says("The relay on this computer") {
		t.Error("the page does not name the relay")
	}
}
