package main

import (
	"bytes"
	"crypto/rand"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/qr"
)

// asProgram makes the test binary run the program instead of the tests.
const asProgram = "SOTTO_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	if dir := os.Getenv(asRelay); dir != "" {
		panic(runRelay(dir))
	}
	xgb.Logger = log.New(io.Discard, "", 0)
	os.Exit(m.Run())
}

// Two windows of the first size fit beside each other.
const (
	screenWidth, screenHeight = 2240, 780
	left, right               = 5, 1120 // where their windows are
)

// TestConversation lets two people start the program for the first time, connect and talk, as they would: with the keyboard, the
// mouse and their eyes.
func TestConversation(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	s := newScreen(t, screenWidth, screenHeight)
	alice := s.open("alice", left, append(r.flags(), "--data", t.TempDir())...)
	bob := s.open("bob", right, append(r.flags(), "--data", t.TempDir())...)

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
	}
	for _, w := range []*window{alice, bob} {
		w.shows("Talk with somebody")
		w.keep("empty")
	}
	alice.titled("Alice – Sotto")

	// Alice shows her code, Bob opens the link.
	alice.key("ctrl+n")
	alice.shows("Save as picture")
	alice.keep("code")
	alice.click("Copy link")
	alice.shows("Copied")
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

	// What was sent last can be changed.
	bob.key("Up", "End")
	bob.typeText(" at noon")
	bob.key("Return")
	alice.shows("green door at noon", "edited")
	alice.keep("talk")
	bob.keep("talk")
	bob.key("ctrl+m")
	bob.shows("Pin")
	bob.keep("menu")
}

// newConversation has two people connected, with their windows beside each other and the conversation open in both.
func newConversation(t *testing.T) (r *testRelay, s *screen, alice, bob *person) {
	t.Helper()
	r = newRelay(t)
	people := newPeople(t, r, "Alice", "Bob")
	alice, bob = people[0], people[1]
	befriend(t, r, alice, bob)
	s = newScreen(t, screenWidth, screenHeight)
	alice.openAt(s, left, "Bob")
	bob.openAt(s, right, "Alice")
	return r, s, alice, bob
}

// TestFiles sends a file and a picture from one window to the other.
func TestFiles(t *testing.T) {
	t.Parallel()
	_, s, alice, bob := newConversation(t)

	// A file is dropped, asked for, and saved.
	content := make([]byte, 300_000)
	_, _ = rand.Read(content)
	path := filepath.Join(t.TempDir(), "minutes.dat")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	alice.drop(path)
	alice.shows("minutes.dat")
	alice.typeText("Before Friday please")
	alice.keep("attached")
	alice.key("Return")
	bob.shows("minutes.dat", "Before Friday please")
	bob.keep("offered")
	bob.click("minutes.dat") // receives it
	bob.until("the file can be saved", func() bool {
		bob.clickAt(bob.point("minutes.dat"), 3)
		bob.shows("Copy text")
		if strings.Contains(fold(bob.text(0)), fold("Save as")) {
			return true
		}
		bob.key("Escape")
		return false
	})
	bob.click("Save as")
	bob.shows("Save the file")
	bob.keep("save")
	bob.key("Return")
	saved := filepath.Join(s.home, "minutes.dat")
	bob.saves(saved, content)

	// A picture is pasted, and seen by the other side.
	pink := color.RGBA{0xd0, 0x20, 0x80, 0xff}
	img := image.NewRGBA(image.Rect(0, 0, 240, 160))
	draw.Draw(img, img.Rect, image.NewUniform(pink), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	s.copyPicture(b.Bytes())
	bob.key("ctrl+v")
	bob.until("the picture is attached", func() bool { return bob.painted(pink) > 500 })
	bob.key("Return")
	alice.until("the picture arrives", func() bool { return alice.painted(pink) > 10_000 })
	alice.keep("picture")
}

// saves waits until the program has written a file.
func (w *window) saves(path string, content []byte) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; w.heard() {
		if got, err := os.ReadFile(path); err == nil && bytes.Equal(got, content) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is not saved", filepath.Base(path))
		}
	}
}

// painted counts the pixels of about one colour.
func (w *window) painted(c color.RGBA) (n int) {
	img := w.picture()
	if img == nil {
		return 0
	}
	near := func(a, b byte) bool { return max(a, b)-min(a, b) < 24 }
	for i := 0; i < len(img.Pix); i += 4 {
		if p := img.Pix[i:]; near(p[0], c.R) && near(p[1], c.G) && near(p[2], c.B) {
			n++
		}
	}
	return n
}

// TestProfiles adds a profile, goes from one to the other, hides one, and locks the program.
func TestProfiles(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	alice := newPeople(t, r, "Alice")[0]
	s := newScreen(t, screenWidth/2, screenHeight)
	alice.openAt(s, left, "")
	alice.shows("Talk with somebody")

	const railMiddle, railStep = 32, 52 // of the rail, and from one of its avatars to the next
	alice.clickAt(image.Pt(railMiddle, railMiddle+railStep), 1)
	alice.shows("Add a profile")
	alice.typeText("Mallory")
	alice.keep("add")
	alice.key("Return")
	alice.titled("Mallory – Sotto")
	alice.key("ctrl+1")
	alice.titled("Alice – Sotto")
	alice.key("ctrl+2")
	alice.titled("Mallory – Sotto")
	alice.shows("Mallory")
	alice.keep("second")

	// Hidden, it opens by its passphrase alone.
	const secret = "seven green bottles"
	alice.key("ctrl+,")
	alice.click("Privacy and lock")
	alice.shows("Hide this profile")
	alice.keep("privacy")
	alice.click("Hide...")
	alice.shows("The same again")
	alice.typeText(secret)
	alice.key("Tab")
	alice.typeText(secret)
	alice.key("Return")
	alice.shows("Talk with somebody")
	alice.key("ctrl+,")
	alice.click("Privacy and lock")
	alice.shows("Guarded by a passphrase", "This profile is hidden")
	alice.click("Close now")
	alice.titled("Alice – Sotto")
	alice.key("ctrl+2") // there is none
	alice.heard()
	alice.titled("Alice – Sotto")
	alice.keep("hidden")
	alice.key("ctrl+k")
	alice.typeText("seven red bottles")
	alice.key("Return")
	alice.shows("Nothing found")
	alice.key("ctrl+a")
	alice.typeText(secret)
	alice.key("Return")
	alice.titled("Sotto") // which tells other programs nothing
	alice.shows("Mallory")
	alice.key("ctrl+1")
	alice.titled("Alice – Sotto")

	// Locked, the program shows nothing, and closes what is hidden.
	alice.key("ctrl+l")
	alice.click("Set a passphrase")
	alice.shows("The same again")
	alice.typeText("open sesame")
	alice.key("Tab")
	alice.typeText("open sesame")
	alice.key("Return")
	alice.shows("Lock now")
	alice.key("ctrl+l")
	alice.titled("Sotto")
	alice.shows("Sotto is locked")
	alice.keep("locked")
	alice.typeText("open barley")
	alice.key("Return")
	alice.shows("This is not the passphrase")
	alice.typeText("open sesame")
	alice.key("Return")
	alice.titled("Alice – Sotto")
	alice.key("ctrl+2")
	alice.key("ctrl+shift+p")
	alice.shows("Open a hidden profile")
	alice.titled("Alice – Sotto")
	alice.typeText(secret)
	alice.key("Return")
	alice.titled("Sotto") // which tells other programs nothing
	alice.shows("Mallory")
	alice.keep("opened")
}

// TestInterruptions kills the relay and both programs in turn: nothing is lost, and nothing is shown twice.
func TestInterruptions(t *testing.T) {
	t.Parallel()
	r, s, alice, bob := newConversation(t)
	say := func(p *person, text string) {
		p.typeText(text)
		p.key("Return")
		p.until("it shows what was said", func() bool { return p.count(text) == 1 })
	}
	say(alice, "Bananas at the market")
	bob.shows("Bananas at the market")

	// Without the relay messages wait, and so does what is being written.
	end(r.cmd)
	say(alice, "Kiwis from the garden")
	say(bob, "Oranges in the cellar")
	alice.typeText("Lemons maybe")
	alice.key("Escape") // leaves the conversation
	alice.shows("Lemons maybe")
	alice.keep("no-relay")
	end(alice.cmd)
	end(bob.cmd)
	r.start()
	alice.openAt(s, left, "Bob")
	bob.openAt(s, right, "Alice")
	everything := func(p *person, texts ...string) {
		for _, text := range texts {
			p.until("it shows "+text+" once", func() bool { return p.count(text) == 1 })
		}
	}
	all := []string{"Bananas at the market", "Kiwis from the garden", "Oranges in the cellar"}
	everything(alice, append(all, "Lemons maybe")...)
	everything(bob, all...)

	// What is sent while the other program is gone waits on the relay.
	end(bob.cmd)
	alice.key("Return") // sends the draft
	all = append(all, "Lemons maybe")
	everything(alice, all...)
	bob.openAt(s, right, "Alice")
	everything(bob, all...)
	bob.keep("after")
}

// TestLinks opens links that lead nowhere, and some that come by other ways than the keyboard.
func TestLinks(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	people := newPeople(t, r, "Alice", "Bob", "Carol")
	alice, bob, carol := people[0], people[1], people[2]
	used := befriend(t, r, bob, carol)
	var fresh, own string
	bob.with(t, r, func(c *core.Core) {
		i, err := c.Current().Invite(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fresh = i.Link
	})
	alice.with(t, r, func(c *core.Core) {
		i, err := c.Current().Invite(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		own = i.Link
	})
	s := newScreen(t, screenWidth/2, screenHeight)
	alice.openAt(s, left, "")
	alice.key("ctrl+n")
	alice.shows("Save as picture")
	alice.key("Right")
	alice.shows("that you were given")
	paste := func(link string, answer ...string) {
		s.copyText(link)
		alice.key("ctrl+a", "ctrl+v")
		alice.shows(answer...)
		alice.keep("pasted")
	}
	paste("the rain in Spain", "There is no link")
	paste(own, "your own")
	paste(used, "opened this link already")

	// A picture without a code, and one with.
	dir := t.TempDir()
	picture := func(name string, img image.Image) string {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	alice.drop(picture("empty.png", image.NewGray(image.Rect(0, 0, 300, 300))))
	alice.shows("no QR code")
	modules, err := qr.Encode(fresh)
	if err != nil {
		t.Fatal(err)
	}
	const module, quiet = 4, 4
	side := (len(modules) + 2*quiet) * module
	code := image.NewGray(image.Rect(0, 0, side, side))
	draw.Draw(code, code.Rect, image.White, image.Point{}, draw.Src)
	for y, row := range modules {
		for x, dark := range row {
			if dark {
				at := image.Rect(x, y, x+1, y+1).Add(image.Pt(quiet, quiet))
				draw.Draw(code, image.Rect(at.Min.X*module, at.Min.Y*module, at.Max.X*module, at.Max.Y*module), image.Black, image.Point{}, draw.Src)
			}
		}
	}
	alice.drop(picture("code.png", code))
	alice.shows("One-time invitation")
	alice.keep("code")
	alice.key("Escape")

	// Another start hands its link over.
	if out, err := s.program(append(alice.args, "simplex:/"+strings.TrimPrefix(fresh, "https://127.0.0.1/")+"&h=127.0.0.1")...).CombinedOutput(); err != nil {
		t.Fatalf("the second program: %v: %s", err, out)
	}
	alice.shows("One-time invitation")
	alice.keep("handed-over")
	alice.key("Return")
	alice.shows("You can write as soon as", "Bob")
}

// TestDemo opens the two windows of the demo.
func TestDemo(t *testing.T) {
	t.Parallel()
	s := newScreen(t, screenWidth, screenHeight)
	demo := s.program("--demo", "--data", t.TempDir())
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- demo.Wait() }()
	t.Cleanup(func() { _ = demo.Process.Kill() }) // it may have ended
	for i, name := range []string{"Alice", "Bob"} {
		w := &window{screen: s, name: name}
		w.find([]int{left, right}[i], func(id xproto.Window) bool { return strings.HasPrefix(s.title(id), name) })
		w.shows("Talk with somebody")
		w.keep("demo")
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
		t.Fatal("the demo did not end when it was told to")
	}
	s.until("the windows of the demo are closed", func() bool { return len(s.windows()) == 0 })
}
