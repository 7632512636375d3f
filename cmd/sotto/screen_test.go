package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/damage"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
)

// patience is how long a test waits for something that has to happen: far longer than anything takes.
const patience = 3 * time.Minute

// screen is an X server of its own, without a monitor, and a window manager on it. The test has its eyes, its keyboard
// and its mouse, and programs to copy and to drag things from.
type screen struct {
	t       *testing.T
	display string
	home    string // of the programs
	shots   string // folder with the pictures that are kept

	conn   *xgb.Conn
	root   xproto.Window
	source xproto.Window // of what is copied and dragged
	keys   map[xproto.Keysym]stroke

	pongs   chan uint32   // what programs answer that were asked whether they are there
	changed chan struct{} // holds one when something has changed that nobody has looked at yet
	pings   uint32
	mu      sync.Mutex
	offered map[xproto.Atom]map[xproto.Atom][]byte // what there is of a selection, by its type
}

// stroke is how a character is typed.
type stroke struct {
	code  xproto.Keycode
	shift bool
}

// newScreen starts a screen of the given size.
func newScreen(t *testing.T, width, height int) *screen {
	t.Helper()
	for _, tool := range []string{"Xvfb", "openbox", "tesseract"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("this test needs %s; on Debian and Ubuntu: apt-get install xvfb openbox tesseract-ocr libgl1-mesa-dri", tool)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", width, height), "-nolisten", "tcp", "-noreset")
	server.ExtraFiles = []*os.File{w}
	start(t, server)
	w.Close()
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb did not start: %v", err)
	}
	s := &screen{t: t, display: ":" + strings.TrimSpace(number), home: t.TempDir(), shots: t.ArtifactDir(),
		pongs: make(chan uint32, 16), changed: make(chan struct{}, 1), offered: map[xproto.Atom]map[xproto.Atom][]byte{}}
	// A cursor that blinks would keep every window being drawn.
	if err := os.MkdirAll(filepath.Join(s.home, ".config", "fyne"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.home, ".config", "fyne", "settings.json"), []byte(`{"no_animations":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.connect()
	manager := s.command("openbox")
	start(t, manager)
	s.until("the window manager starts", func() bool { return len(s.property(s.root, "_NET_SUPPORTING_WM_CHECK")) > 0 })
	return s
}

// connect lets the test see and use the screen.
func (s *screen) connect() {
	s.t.Helper()
	var err error
	if s.conn, err = xgb.NewConnDisplay(s.display); err == nil {
		err = xtest.Init(s.conn)
	}
	if err == nil {
		if err = damage.Init(s.conn); err == nil {
			_, err = damage.QueryVersion(s.conn, 1, 1).Reply()
		}
	}
	if err != nil {
		s.t.Fatalf("the X server: %v", err)
	}
	setup := xproto.Setup(s.conn)
	s.root = setup.DefaultScreen(s.conn).Root
	s.keys = map[xproto.Keysym]stroke{}
	mapping, err := xproto.GetKeyboardMapping(s.conn, setup.MinKeycode, byte(setup.MaxKeycode-setup.MinKeycode)+1).Reply()
	if err != nil {
		s.t.Fatalf("the keyboard: %v", err)
	}
	per := int(mapping.KeysymsPerKeycode)
	for shift := range min(per, 2) {
		for i := 0; i*per < len(mapping.Keysyms); i++ {
			key := mapping.Keysyms[i*per+shift]
			if _, ok := s.keys[key]; !ok {
				s.keys[key] = stroke{setup.MinKeycode + xproto.Keycode(i), shift == 1}
			}
		}
	}
	xproto.ChangeWindowAttributes(s.conn, s.root, xproto.CwEventMask, []uint32{xproto.EventMaskSubstructureNotify | xproto.EventMaskPropertyChange})
	if s.source, err = xproto.NewWindowId(s.conn); err == nil {
		err = xproto.CreateWindowChecked(s.conn, xproto.WindowClassCopyFromParent, s.source, s.root, 0, 0, 1, 1, 0,
			xproto.WindowClassInputOutput, xproto.WindowClassCopyFromParent, 0, nil).Check()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.listen()
	}()
	s.t.Cleanup(func() {
		s.conn.Close()
		<-done
	})
}

// start starts a program that is ended with the test.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd) })
}

// end ends a program, the hard way.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have ended already
	_ = cmd.Wait()
}

// command makes a command whose windows are on the screen.
func (s *screen) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "XDG_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "DISPLAY="+s.display, "WAYLAND_DISPLAY=", "HOME="+s.home, "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent",
		"LIBGL_ALWAYS_SOFTWARE=1", "LANG=en_US.UTF-8", "FYNE_SCALE=1", "FYNE_THEME=light")
	return cmd
}

// program makes a command that runs Sotto.
func (s *screen) program(args ...string) *exec.Cmd {
	s.t.Helper()
	program, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.command(program, append([]string{"--tor-binary", "/nonexistent/tor"}, args...)...)
	cmd.Env = append(cmd.Env, asProgram+"=1")
	return cmd
}

// until waits for a condition on what can be seen on the screen.
func (s *screen) until(what string, ok func() bool) {
	s.t.Helper()
	if !s.await(ok) {
		s.t.Fatalf("it did not happen: %s", what)
	}
}

// await looks at a condition whenever something has changed on the screen, and tells whether it came true.
func (s *screen) await(ok func() bool) bool {
	for deadline := time.After(patience); !ok(); {
		select {
		case <-s.changed:
		case <-deadline:
			return false
		}
	}
	return true
}

func (s *screen) atom(name string) xproto.Atom {
	r, err := xproto.InternAtom(s.conn, false, uint16(len(name)), name).Reply()
	if err != nil {
		return 0 // of a screen that is gone
	}
	return r.Atom
}

// property returns a property of a window, nil if there is none.
func (s *screen) property(w xproto.Window, name string) []byte {
	r, err := xproto.GetProperty(s.conn, false, w, s.atom(name), xproto.GetPropertyTypeAny, 0, 1<<16).Reply()
	if err != nil {
		return nil
	}
	return r.Value
}

// title is the title of a window.
func (s *screen) title(w xproto.Window) string { return string(s.property(w, "_NET_WM_NAME")) }

// windows returns the windows that a person can see, in the order in which they were opened.
func (s *screen) windows() (list []xproto.Window) {
	for b := s.property(s.root, "_NET_CLIENT_LIST"); len(b) >= 4; b = b[4:] {
		list = append(list, xproto.Window(binary.LittleEndian.Uint32(b)))
	}
	return list
}

// tell sends a message to a window.
func (s *screen) tell(w xproto.Window, to xproto.Window, mask uint32, kind string, data ...uint32) {
	s.t.Helper()
	data = append(data, make([]uint32, 5-len(data))...)
	e := xproto.ClientMessageEvent{Format: 32, Window: w, Type: s.atom(kind), Data: xproto.ClientMessageDataUnionData32New(data)}
	if err := xproto.SendEventChecked(s.conn, false, to, mask, string(e.Bytes())).Check(); err != nil {
		s.t.Fatalf("%s: %v", kind, err)
	}
}

// offer puts something into a selection, in one or more types: into the clipboard, or what is dragged.
func (s *screen) offer(selection string, data map[string][]byte) {
	s.t.Helper()
	types := map[xproto.Atom][]byte{}
	for name, b := range data {
		types[s.atom(name)] = b
	}
	at := s.atom(selection)
	s.mu.Lock()
	s.offered[at] = types
	s.mu.Unlock()
	if err := xproto.SetSelectionOwnerChecked(s.conn, s.source, at, xproto.TimeCurrentTime).Check(); err != nil {
		s.t.Fatal(err)
	}
}

// copyText and copyPicture put something into the clipboard.
func (s *screen) copyText(text string) {
	s.offer("CLIPBOARD", map[string][]byte{"UTF8_STRING": []byte(text), "STRING": []byte(text)})
}

func (s *screen) copyPicture(picture []byte) {
	s.offer("CLIPBOARD", map[string][]byte{"image/png": picture})
}

// listen gives other programs what they ask for, and hears what they answer, until the screen is gone.
func (s *screen) listen() {
	targets, protocols := s.atom("TARGETS"), s.atom("WM_PROTOCOLS")
	for {
		e, err := s.conn.WaitForEvent()
		if e == nil && err == nil {
			return
		}
		if d, ok := e.(damage.NotifyEvent); ok {
			damage.Subtract(s.conn, d.Damage, 0, 0) // so that the next one is told too
		}
		select {
		case s.changed <- struct{}{}:
		default: // it is going to be looked at
		}
		if m, ok := e.(xproto.ClientMessageEvent); ok && m.Type == protocols && m.Format == 32 {
			select {
			case s.pongs <- m.Data.Data32[1]:
			default: // nobody waits
			}
		}
		r, ok := e.(xproto.SelectionRequestEvent)
		if !ok {
			continue
		}
		s.mu.Lock()
		types := s.offered[r.Selection]
		s.mu.Unlock()
		data, kind, format := types[r.Target], r.Target, 8
		if r.Target == targets {
			kind, format = xproto.AtomAtom, 32
			for t := range types {
				data = binary.LittleEndian.AppendUint32(data, uint32(t))
			}
		}
		answer := xproto.SelectionNotifyEvent{Time: r.Time, Requestor: r.Requestor, Selection: r.Selection, Target: r.Target, Property: r.Property}
		if data == nil {
			answer.Property = 0
		} else {
			xproto.ChangeProperty(s.conn, xproto.PropModeReplace, r.Requestor, r.Property, kind, byte(format), uint32(len(data)*8/format), data)
		}
		xproto.SendEvent(s.conn, false, r.Requestor, 0, string(answer.Bytes()))
	}
}

// window is a running program and its window.
type window struct {
	*screen
	name string
	cmd  *exec.Cmd
	id   xproto.Window
	shot int

	seen []byte // the pixels that were read last,
	read []word // and what was read
}

// open starts the program and moves its window to x.
func (s *screen) open(name string, x int, args ...string) *window {
	s.t.Helper()
	w := &window{screen: s, name: name, cmd: s.program(args...)}
	log, err := os.OpenFile(filepath.Join(s.shots, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	w.cmd.Stderr = log
	start(s.t, w.cmd)
	w.find(x, func(id xproto.Window) bool {
		pid := s.property(id, "_NET_WM_PID")
		return len(pid) == 4 && int(binary.LittleEndian.Uint32(pid)) == w.cmd.Process.Pid
	})
	return w
}

// find waits for a window and moves it to x.
func (w *window) find(x int, is func(id xproto.Window) bool) {
	w.t.Helper()
	w.screen.until("the window of "+w.name+" opens", func() bool {
		for _, id := range w.windows() {
			if is(id) {
				w.id = id
				return true
			}
		}
		return false
	})
	id, err := damage.NewDamageId(w.conn)
	if err == nil {
		err = damage.CreateChecked(w.conn, id, xproto.Drawable(w.id), damage.ReportLevelNonEmpty).Check()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	xproto.ChangeWindowAttributes(w.conn, w.id, xproto.CwEventMask,
		[]uint32{xproto.EventMaskPropertyChange | xproto.EventMaskFocusChange | xproto.EventMaskStructureNotify})
	const y = 30
	xproto.ConfigureWindow(w.conn, w.id, xproto.ConfigWindowX|xproto.ConfigWindowY, []uint32{uint32(x), y})
}

// until waits for a condition. If it does not come, it tells what the window shows.
func (w *window) until(what string, ok func() bool) {
	w.t.Helper()
	if !w.await(ok) {
		w.keep("at-the-end")
		w.t.Fatalf("%s: it did not happen: %s\nthe window shows: %s", w.name, what, w.text(0))
	}
}

// focus gives the window the keyboard.
func (w *window) focus() {
	w.t.Helper()
	w.until("it gets the keyboard", func() bool {
		if f, err := xproto.GetInputFocus(w.conn).Reply(); err == nil && f.Focus == w.id {
			return true
		}
		const pager = 2 // who asks for it
		w.tell(w.id, w.root, xproto.EventMaskSubstructureNotify|xproto.EventMaskSubstructureRedirect, "_NET_ACTIVE_WINDOW", pager)
		return false
	})
}

// named are the keys that are no characters.
var named = map[string]xproto.Keysym{
	"space": ' ', "Return": 0xff0d, "Tab": 0xff09, "Escape": 0xff1b, "BackSpace": 0xff08, "Menu": 0xff67, "Home": 0xff50, "End": 0xff57,
	"Left": 0xff51, "Up": 0xff52, "Right": 0xff53, "Down": 0xff54, "shift": 0xffe1, "ctrl": 0xffe3, "alt": 0xffe9,
}

// press presses or releases a key.
func (s *screen) press(key xproto.Keysym, down bool) {
	s.t.Helper()
	at, ok := s.keys[key]
	if !ok {
		s.t.Fatalf("there is no key %#x", key)
	}
	kind := byte(xproto.KeyRelease)
	if down {
		kind = xproto.KeyPress
	}
	if err := xtest.FakeInputChecked(s.conn, kind, byte(at.code), 0, s.root, 0, 0, 0).Check(); err != nil {
		s.t.Fatal(err)
	}
}

// key types keys and combinations such as "ctrl+n".
func (w *window) key(keys ...string) {
	w.t.Helper()
	w.focus()
	for _, combination := range keys {
		parts := strings.Split(combination, "+")
		syms := make([]xproto.Keysym, len(parts))
		for i, name := range parts {
			if syms[i] = named[name]; syms[i] == 0 {
				syms[i] = xproto.Keysym(name[0])
			}
			w.press(syms[i], true)
		}
		for i := len(syms) - 1; i >= 0; i-- {
			w.press(syms[i], false)
		}
	}
}

// typeText types a text, of characters that the keyboard has.
func (w *window) typeText(text string) {
	w.t.Helper()
	w.focus()
	for _, r := range text {
		shift := w.keys[xproto.Keysym(r)].shift
		if shift {
			w.press(named["shift"], true)
		}
		w.press(xproto.Keysym(r), true)
		w.press(xproto.Keysym(r), false)
		if shift {
			w.press(named["shift"], false)
		}
	}
}

// heard waits until the program has taken everything that was typed and all that the mouse did. Twice, because what was taken
// last is being worked on when the first answer comes.
func (w *window) heard() {
	w.t.Helper()
	for range 2 {
		w.pings++
		w.tell(w.id, w.id, 0, "WM_PROTOCOLS", uint32(w.atom("_NET_WM_PING")), w.pings, uint32(w.id))
		for deadline, answer := time.After(patience), uint32(0); answer != w.pings; {
			select {
			case answer = <-w.pongs:
			case <-deadline:
				w.t.Fatalf("%s: the program does not answer", w.name)
			}
		}
	}
}

// mouse moves the mouse over the window, or presses and releases one of its buttons there.
func (w *window) mouse(at image.Point, events ...[2]byte) {
	w.t.Helper()
	w.focus()
	to, err := xproto.TranslateCoordinates(w.conn, w.id, w.root, int16(at.X), int16(at.Y)).Reply()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range append([][2]byte{{xproto.MotionNotify, 0}}, events...) {
		if err := xtest.FakeInputChecked(w.conn, e[0], e[1], 0, w.root, to.DstX, to.DstY, 0).Check(); err != nil {
			w.t.Fatal(err)
		}
		w.heard() // the toolkit moves the mouse after it has seen the buttons
	}
}

// clickAt clicks with a button of the mouse, of which the first is the left one.
func (w *window) clickAt(at image.Point, button byte) {
	w.t.Helper()
	w.mouse(at, [2]byte{xproto.ButtonPress, button}, [2]byte{xproto.ButtonRelease, button})
}

// click waits until the window shows a text of one or more words, and clicks on it.
func (w *window) click(text string) {
	w.t.Helper()
	w.clickAt(w.point(text), 1)
}

// point moves the mouse to a text of the window, and follows it until it stays.
func (w *window) point(text string) image.Point {
	w.t.Helper()
	at := w.where(text)
	for {
		w.mouse(at)
		again := w.where(text)
		if d := again.Sub(at); d.X*d.X+d.Y*d.Y < 20 {
			return again
		}
		at = again
	}
}

// where waits until the window shows a text, and tells where. Of several it is the lowest.
func (w *window) where(text string) (at image.Point) {
	w.t.Helper()
	w.until("it shows "+strconv.Quote(text)+" to click on", func() bool {
		words, want := w.words(), fold(text)
		found := false
		for i := range words {
			got := ""
			for _, next := range words[i:] {
				if got += fold(next.text); len(got) >= len(want) {
					break
				}
			}
			middle := words[i].box.Min.Add(words[i].box.Max).Div(2)
			if got == want && fold(words[i].text) != "" && (!found || middle.Y > at.Y) {
				at, found = middle, true
			}
		}
		return found
	})
	return at
}

// drop drops files onto the middle of the window.
func (w *window) drop(paths ...string) {
	w.t.Helper()
	list := ""
	for _, path := range paths {
		list += "file://" + path + "\r\n"
	}
	w.offer("XdndSelection", map[string][]byte{"text/uri-list": []byte(list)})
	g, err := xproto.GetGeometry(w.conn, xproto.Drawable(w.id)).Reply()
	if err != nil {
		w.t.Fatal(err)
	}
	at, err := xproto.TranslateCoordinates(w.conn, w.id, w.root, int16(g.Width/2), int16(g.Height/2)).Reply()
	if err != nil {
		w.t.Fatal(err)
	}
	const version = 5 << 24
	source := uint32(w.source)
	w.tell(w.id, w.id, 0, "XdndEnter", source, version, uint32(w.atom("text/uri-list")))
	w.tell(w.id, w.id, 0, "XdndPosition", source, 0, uint32(at.DstX)<<16|uint32(at.DstY), 0, uint32(w.atom("XdndActionCopy")))
	w.tell(w.id, w.id, 0, "XdndDrop", source)
}

// picture is what the window looks like, nil if it is not wholly to be seen.
func (w *window) picture() *image.RGBA {
	g, err := xproto.GetGeometry(w.conn, xproto.Drawable(w.id)).Reply()
	if err != nil {
		return nil
	}
	const allPlanes = 1<<32 - 1
	r, err := xproto.GetImage(w.conn, xproto.ImageFormatZPixmap, xproto.Drawable(w.id), 0, 0, g.Width, g.Height, allPlanes).Reply()
	if err != nil {
		return nil
	}
	img := image.NewRGBA(image.Rect(0, 0, int(g.Width), int(g.Height)))
	for i := 0; i+3 < len(r.Data) && i+3 < len(img.Pix); i += 4 {
		img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = r.Data[i+2], r.Data[i+1], r.Data[i], 0xff
	}
	return img
}

// keep keeps a picture of the window for people to look at.
func (w *window) keep(what string) {
	w.shot++
	img := w.picture()
	if img == nil {
		return
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err == nil {
		_ = os.WriteFile(filepath.Join(w.shots, fmt.Sprintf("%s-%02d-%s.png", w.name, w.shot, what)), b.Bytes(), 0o600) // it is for people only
	}
}

// word is a word that was read from the window, with its box in pixels.
type word struct {
	text string
	box  image.Rectangle
}

// words reads the window, unless nothing has changed since.
func (w *window) words() []word {
	img := w.picture()
	if img == nil {
		return nil
	}
	if bytes.Equal(img.Pix, w.seen) {
		return w.read
	}
	if words, ok := readWords(img); ok {
		w.seen, w.read = img.Pix, words
	}
	return w.read
}

// readWords reads the words in a picture.
func readWords(img *image.RGBA) (words []word, ok bool) {
	const zoom = 3 // letters are small for a program that reads paper
	page, blocks := layOut(img)
	if len(blocks) == 0 {
		return nil, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// One thread costs half of what two cost that wait for each other.
	cmd := exec.CommandContext(ctx, "tesseract", "-", "-", "--psm", "6", "tsv")
	cmd.Env = append(os.Environ(), "OMP_THREAD_LIMIT=1")
	cmd.Stdin = bytes.NewReader(enlarge(page, zoom))
	table, err := cmd.Output()
	if err != nil {
		return nil, false
	}
	for line := range strings.Lines(string(table)) {
		row := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(row) < 12 || row[0] == "level" || strings.TrimSpace(row[11]) == "" {
			continue
		}
		number := func(i int) int {
			n, _ := strconv.Atoi(row[i]) // the program writes numbers there
			return n / zoom
		}
		box := image.Rect(number(6), number(7), number(6)+number(8), number(7)+number(9))
		i, _ := slices.BinarySearchFunc(blocks, (box.Min.Y+box.Max.Y)/2, func(b block, y int) int { return b.at.Y + b.box.Dy() + margin/2 - y })
		b := blocks[min(i, len(blocks)-1)]
		words = append(words, word{row[11], box.Add(b.box.Min.Sub(b.at))})
	}
	return words, true
}

// block is a piece of text in a picture, which lies at another place on a page.
type block struct {
	box image.Rectangle
	at  image.Point
}

const margin = 16 // between the blocks of a page, in pixels

// layOut makes a page for a program that reads paper: what looks like letters in a picture, black on white in a single column.
// Left to itself that program takes codes and buttons for drawings, and the words beside them along.
func layOut(img *image.RGBA) (*image.Gray, []block) {
	const (
		faint         = 24     // a difference in brightness that may belong to a letter
		width, height = 60, 28 // of the largest letters, or of letters that touch each other
		apart, below  = 10, 3  // how far letters of one block are from each other
	)
	ink := inkOf(img)
	var letters []image.Rectangle
	seen := make([]bool, len(ink.Pix))
	var todo []int
	for start := range ink.Pix {
		if seen[start] || ink.Pix[start] < faint {
			continue
		}
		first := image.Pt(start%ink.Stride, start/ink.Stride)
		box := image.Rectangle{first, first}
		seen[start], todo = true, append(todo[:0], start)
		for i := 0; i < len(todo); i++ {
			at := image.Pt(todo[i]%ink.Stride, todo[i]/ink.Stride)
			box = box.Union(image.Rectangle{at, at.Add(image.Pt(1, 1))})
			for _, next := range []image.Point{{at.X - 1, at.Y}, {at.X + 1, at.Y}, {at.X, at.Y - 1}, {at.X, at.Y + 1}} {
				if j := next.Y*ink.Stride + next.X; next.In(ink.Rect) && !seen[j] && ink.Pix[j] >= faint {
					seen[j], todo = true, append(todo, j)
				}
			}
		}
		if box.Dx() <= width && box.Dy() <= height {
			letters = append(letters, box)
			continue
		}
		for _, j := range todo {
			ink.Pix[j] = 0
		}
	}
	// Letters that are near to each other are a block.
	for i := 0; i < len(letters); i++ {
		wide := image.Rect(letters[i].Min.X-apart, letters[i].Min.Y-below, letters[i].Max.X+apart, letters[i].Max.Y+below)
		for j := i + 1; j < len(letters); j++ {
			if letters[j].Overlaps(wide) {
				letters[i] = letters[i].Union(letters[j])
				letters = slices.Delete(letters, j, j+1)
				i-- // once more, with the larger one
				break
			}
		}
	}
	slices.SortStableFunc(letters, func(a, b image.Rectangle) int { return a.Min.Y - b.Min.Y })
	var blocks []block
	at, widest := image.Pt(margin, margin), 0
	for _, box := range letters {
		blocks = append(blocks, block{box, at})
		at.Y += box.Dy() + margin
		widest = max(widest, box.Dx())
	}
	page := image.NewGray(image.Rect(0, 0, widest+2*margin, at.Y))
	for i := range page.Pix {
		page.Pix[i] = 0xff
	}
	for _, b := range blocks {
		darkest := 1
		for y := b.box.Min.Y; y < b.box.Max.Y; y++ {
			for x := b.box.Min.X; x < b.box.Max.X; x++ {
				darkest = max(darkest, int(ink.GrayAt(x, y).Y))
			}
		}
		for y := range b.box.Dy() {
			for x := range b.box.Dx() {
				d := int(ink.GrayAt(b.box.Min.X+x, b.box.Min.Y+y).Y)
				page.SetGray(b.at.X+x, b.at.Y+y, color.Gray{uint8(255 - 255*d/darkest)})
			}
		}
	}
	return page, blocks
}

// inkOf tells by how much each pixel of a picture differs from what is around it most.
func inkOf(img *image.RGBA) *image.Gray {
	const (
		cell         = 8
		wide, height = 16, 8 // the surroundings on each side of a cell
		shades       = 8     // taken for one
	)
	grey := image.NewGray(image.Rect(0, 0, img.Rect.Dx(), img.Rect.Dy()))
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			p := img.Pix[y*img.Stride+4*x:]
			grey.Pix[y*grey.Stride+x] = uint8((299*int(p[0]) + 587*int(p[1]) + 114*int(p[2])) / 1000)
		}
	}
	ink := image.NewGray(grey.Rect)
	for top := 0; top < grey.Rect.Dy(); top += cell {
		for left := 0; left < grey.Rect.Dx(); left += cell {
			var often, sum [256 / shades]int
			around := image.Rect(left-wide, top-height, left+cell+wide, top+cell+height).Intersect(grey.Rect)
			for y := around.Min.Y; y < around.Max.Y; y++ {
				for _, v := range grey.Pix[y*grey.Stride+around.Min.X : y*grey.Stride+around.Max.X] {
					often[v/shades]++
					sum[v/shades] += int(v)
				}
			}
			most := 0
			for i := range often {
				if often[i] > often[most] {
					most = i
				}
			}
			ground := sum[most] / often[most]
			for y := top; y < min(top+cell, grey.Rect.Max.Y); y++ {
				for x := left; x < min(left+cell, grey.Rect.Max.X); x++ {
					d := int(grey.Pix[y*grey.Stride+x]) - ground
					ink.Pix[y*ink.Stride+x] = uint8(max(d, -d))
				}
			}
		}
	}
	return ink
}

// enlarge returns a picture as a PGM file, smoothly enlarged.
func enlarge(img *image.Gray, zoom int) []byte {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	out := fmt.Appendf(nil, "P5 %d %d 255\n", width*zoom, height*zoom)
	grey := func(y int) []int {
		row := make([]int, width)
		for x := range row {
			row[x] = int(img.Pix[y*img.Stride+x])
		}
		return row
	}
	above := grey(0)
	for y := range height {
		below := grey(min(y+1, height-1))
		for j := range zoom {
			left := above[0]*(zoom-j) + below[0]*j
			for x := range width {
				next := min(x+1, width-1)
				right := above[next]*(zoom-j) + below[next]*j
				for i := range zoom {
					out = append(out, byte((left*(zoom-i)+right*i)/(zoom*zoom)))
				}
				left = right
			}
		}
		above = below
	}
	return out
}

// listEnd is where the rail and the list of a wide window end and the conversation begins, in pixels.
const listEnd = 365

// text returns all words that the window shows at the right of x.
func (w *window) text(x int) string {
	var b strings.Builder
	for _, word := range w.words() {
		if word.box.Min.X >= x {
			b.WriteString(word.text + " ")
		}
	}
	return b.String()
}

// fold leaves of a text what the eyes of a program can't mistake: no case, no spaces, no marks, and one of letters that look the same.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(r); r {
		case 'l', '1', '|', '!':
			return 'i'
		case '0':
			return 'o'
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return r
	}, text)
}

// shows waits until the window shows texts.
func (w *window) shows(texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		w.until("it shows "+strconv.Quote(text), func() bool { return strings.Contains(fold(w.text(0)), fold(text)) })
	}
}

// count tells how often the open conversation shows a text.
func (w *window) count(text string) int { return strings.Count(fold(w.text(listEnd)), fold(text)) }

// titled waits until the window has a title.
func (w *window) titled(title string) {
	w.t.Helper()
	w.until("its title is "+strconv.Quote(title), func() bool { return w.title(w.id) == title })
}
