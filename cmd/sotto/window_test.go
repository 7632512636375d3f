package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/relay"
)

// asProgram makes the test binary run the program instead of the tests.
const asProgram = "SOTTO_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for something that has to happen.
const patience = 2 * time.Minute

// screen is an X server of its own, without a monitor, and a window manager on it.
type screen struct {
	t       *testing.T
	display string
	shots   string // folder with the pictures that are kept
}

// newScreen starts a screen of the given size.
func newScreen(t *testing.T, width, height int) *screen {
	t.Helper()
	for _, tool := range []string{"Xvfb", "xdotool", "openbox", "import", "convert", "tesseract"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("this test needs %s; on Debian and Ubuntu: apt-get install xvfb xdotool openbox imagemagick tesseract-ocr libgl1-mesa-dri", tool)
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
	s := &screen{t: t, display: ":" + strings.TrimSpace(number), shots: t.ArtifactDir()}
	start(t, s.command("openbox"))
	return s
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
	cmd.Env = append(os.Environ(), "DISPLAY="+s.display, "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent", "LIBGL_ALWAYS_SOFTWARE=1",
		"LANG=en_US.UTF-8", "FYNE_SCALE=1", "FYNE_THEME=light", "WAYLAND_DISPLAY=")
	return cmd
}

// do runs a tool and returns what it prints.
func (s *screen) do(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	template := s.command(name, args...)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = template.Env
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

func (s *screen) must(name string, args ...string) string {
	s.t.Helper()
	out, err := s.do(name, args...)
	if err != nil {
		s.t.Fatalf("%s %v: %v", name, args, err)
	}
	return out
}

// window is a running program and its window.
type window struct {
	*screen
	name string
	cmd  *exec.Cmd
	id   string
	shot int
}

// open starts the program and moves its window to x.
func (s *screen) open(name string, x int, args ...string) *window {
	s.t.Helper()
	program, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	w := &window{screen: s, name: name, cmd: s.command(program, args...)}
	w.cmd.Env = append(w.cmd.Env, asProgram+"=1")
	log, err := os.OpenFile(filepath.Join(s.shots, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	w.cmd.Stderr = log
	start(s.t, w.cmd)
	w.find(x)
	return w
}

// find waits for the window of the program and moves it to x.
func (w *window) find(x int) {
	w.t.Helper()
	w.until("the window opens", func() bool {
		ids, err := w.do("xdotool", "search", "--all", "--onlyvisible", "--pid", strconv.Itoa(w.cmd.Process.Pid), "--name", "Sotto")
		w.id, _, _ = strings.Cut(ids, "\n")
		return err == nil && w.id != ""
	})
	w.must("xdotool", "windowmove", w.id, strconv.Itoa(x), "30")
}

// until waits for a condition, which takes its time to look.
func (w *window) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			w.keep("at-the-end")
			w.t.Fatalf("%s: it did not happen: %s\nthe window shows: %s", w.name, what, strings.Join(strings.Fields(w.text()), " "))
		}
	}
}

// focus gives the window the keyboard.
func (w *window) focus() {
	w.t.Helper()
	w.must("xdotool", "windowactivate", "--sync", w.id)
}

func (w *window) key(keys ...string) {
	w.t.Helper()
	w.focus()
	w.must("xdotool", append([]string{"key", "--clearmodifiers"}, keys...)...)
}

func (w *window) typeText(text string) {
	w.t.Helper()
	w.focus()
	w.must("xdotool", "type", "--delay", "15", text)
}

// picture takes a picture of the window.
func (w *window) picture(name string) bool {
	_, err := w.do("timeout", "10", "import", "-window", w.id, name)
	return err == nil
}

// keep keeps a picture of the window for people to look at.
func (w *window) keep(what string) {
	w.shot++
	w.picture(filepath.Join(w.shots, fmt.Sprintf("%s-%02d-%s.png", w.name, w.shot, what)))
}

// word is a word that was read from the window, with its box in pixels.
type word struct {
	text                string
	x, y, width, height int
}

// words reads the window.
func (w *window) words() (words []word) {
	const zoom = 3
	dir := w.t.TempDir()
	picture, large := filepath.Join(dir, "window.png"), filepath.Join(dir, "large.png")
	if !w.picture(picture) {
		return nil
	}
	if _, err := w.do("convert", picture, "-colorspace", "Gray", "-resize", strconv.Itoa(100*zoom)+"%", large); err != nil {
		return nil
	}
	table, err := w.do("tesseract", large, "-", "--psm", "11", "tsv")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(table) {
		row := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(row) < 12 || row[0] == "level" || strings.TrimSpace(row[11]) == "" {
			continue
		}
		number := func(i int) int {
			n, _ := strconv.Atoi(row[i])
			return n / zoom
		}
		words = append(words, word{row[11], number(6), number(7), number(8), number(9)})
	}
	return words
}

// text returns all words that the window shows.
func (w *window) text() string {
	var b strings.Builder
	for _, word := range w.words() {
		b.WriteString(word.text + " ")
	}
	return b.String()
}

// shows waits until the window shows a text.
func (w *window) shows(text string) {
	w.t.Helper()
	w.until("it shows "+strconv.Quote(text), func() bool { return strings.Contains(w.text(), text) })
}

// click waits until the window shows a text of one or more words, and clicks on its last word.
func (w *window) click(text string) {
	w.t.Helper()
	want := strings.Fields(text)
	var at word
	w.until("it shows "+strconv.Quote(text)+" to click on", func() bool {
		words := w.words()
	next:
		for i := range words {
			for k := range want {
				if i+k >= len(words) || words[i+k].text != want[k] {
					continue next
				}
			}
			at = words[i+len(want)-1]
			return true
		}
		return false
	})
	w.focus()
	w.must("xdotool", "mousemove", "--window", w.id, strconv.Itoa(at.x+at.width/2), strconv.Itoa(at.y+at.height/2), "click", "1")
}

// titled waits until the window has a title.
func (w *window) titled(title string) {
	w.t.Helper()
	w.until("its title is "+strconv.Quote(title), func() bool {
		name, err := w.do("xdotool", "getwindowname", w.id)
		return err == nil && name == title
	})
}

// newRelay starts a relay and returns its address.
func newRelay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c, err := core.Open(t.Context(), dir, core.Options{Relays: []string{core.EmbeddedRelay}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	server, password, err := relay.ReadAddress(filepath.Join(dir, "relay"))
	if err != nil {
		t.Fatal(err)
	}
	return server.Text(password)
}

// TestConversation lets two people start the program for the first time, connect and talk, as they would: with the keyboard, the
// mouse and their eyes.
func TestConversation(t *testing.T) {
	address := newRelay(t)
	s := newScreen(t, 2300, 800)
	aliceDir, bobDir := t.TempDir(), t.TempDir()
	alice := s.open("alice", 10, "--data", aliceDir, "--relay", address)
	bob := s.open("bob", 1160, "--data", bobDir, "--relay", address)

	// The first start.
	for _, w := range []*window{alice, bob} {
		name := strings.ToUpper(w.name[:1]) + w.name[1:]
		w.shows("What is your name")
		w.keep("name")
		w.typeText(name)
		w.key("Return")
		w.shows("How do you reach the network")
		w.keep("network")
		w.key("Return")
		w.shows("Where do messages wait")
		w.keep("relays")
		w.key("Return")
		w.titled(name + " – Sotto")
		w.shows("Talk with somebody")
		w.keep("empty")
	}

	// Alice shows her code, Bob opens the link.
	alice.key("ctrl+n")
	alice.shows("Save as picture")
	alice.keep("code")
	alice.key("Tab", "Return") // Copy link
	bob.key("ctrl+n")
	bob.shows("Save as picture")
	bob.key("Right", "ctrl+v")
	bob.shows("One-time invitation")
	bob.keep("plan")
	bob.key("Return") // Connect

	// Both see each other, and talk.
	alice.shows("connected with Bob")
	bob.shows("connected with Alice")
	alice.keep("connected")
	alice.typeText("Are you there already")
	alice.key("Return")
	bob.shows("Are you there already")
	bob.typeText("By the green door")
	bob.key("Return")
	alice.shows("By the green door")
	alice.keep("talk")
	bob.keep("talk")

	// What was said is there after a crash, and what was sent meanwhile arrives.
	end(bob.cmd)
	alice.typeText("Where did you go")
	alice.key("Return")
	bob = s.open("bob", 1160, "--data", bobDir, "--relay", address)
	bob.titled("Bob – Sotto")
	bob.click("Alice")
	bob.shows("By the green door")
	bob.shows("Where did you go")
	bob.keep("after-crash")
	if out, err := s.do("xdotool", "getwindowname", alice.id); err != nil {
		t.Errorf("Alice's window is gone: %v %s", err, out)
	}
}

// TestFolderInUse opens the program twice on one folder: the second one tells the first, and ends.
func TestFolderInUse(t *testing.T) {
	s := newScreen(t, 1300, 800)
	dir := t.TempDir()
	c, err := core.Open(t.Context(), dir, core.Options{Relays: []string{core.EmbeddedRelay}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := c.CreateProfile(t.Context(), core.NewProfile{Name: "Alice"}); err != nil {
		t.Fatal(err)
	}
	events, cancel := c.Subscribe(16)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	second := s.command(program, "--data", dir)
	second.Env = append(second.Env, asProgram+"=1")
	if out, err := second.CombinedOutput(); err != nil {
		t.Fatalf("the second program: %v: %s", err, out)
	}
	for e := range events {
		if _, ok := e.Change.(core.LinkOpened); ok {
			return // it shows itself
		}
	}
	t.Error("the running program was not told")
}

// TestDemo opens the two windows of the demo.
func TestDemo(t *testing.T) {
	s := newScreen(t, 2300, 800)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	demo := s.command(program, "--demo", "--data", t.TempDir())
	demo.Env = append(demo.Env, asProgram+"=1")
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- demo.Wait() }()
	w := &window{screen: s, name: "demo"}
	for _, name := range []string{"Alice", "Bob"} {
		w.until("the window of "+name+" opens", func() bool {
			ids, err := w.do("xdotool", "search", "--onlyvisible", "--name", "^"+name)
			w.id, _, _ = strings.Cut(ids, "\n")
			return err == nil && w.id != ""
		})
		w.shows("Talk with somebody")
		w.keep("window")
	}
	if err := demo.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	case <-time.After(patience):
		_ = demo.Process.Kill()
		t.Error("the demo did not end when it was told to")
	}
	if ids, err := s.do("xdotool", "search", "--onlyvisible", "--name", "Sotto"); err == nil && ids != "" {
		t.Error("a window of the demo is still open")
	}
}
