package ui

import (
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/assets"
	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

func TestMain(m *testing.M) {
	test.NewApp() // before any text is measured
	if err := assets.LoadTranslations(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("fyne.io/fyne/v2/test.NewApp.func1"),
		goleak.IgnoreAnyFunction("fyne.io/fyne/v2/internal/async.(*UnboundedChan[...]).processing"))
}

// patience is how long a test waits for something that has to happen.
const patience = 60 * time.Second

// noon is what the clock of the pictures says.
var noon = time.Date(2026, time.March, 12, 12, 4, 0, 0, time.UTC)

// bench is a window on a canvas in memory, driven by a test. The test's goroutine is the main goroutine.
type bench struct {
	*testing.T
	*Window
	core  *core.Core
	app   fyne.App
	queue chan func()
	clip  fakeClipboard
	close func() // ends the program
}

// newBench opens a window on a new folder with profiles of the given names, who use the relay on this computer.
func newBench(t *testing.T, mode theme.Mode, names ...string) *bench {
	t.Helper()
	return openBench(t, t.TempDir(), mode, nil, names...)
}

// openBench opens a window on a folder. Relays may be nil for the relay on this computer.
func openBench(t *testing.T, dir string, mode theme.Mode, relays []string, names ...string) *bench {
	t.Helper()
	if relays == nil {
		relays = []string{core.EmbeddedRelay}
	}
	return openBenchWith(t, dir, mode, core.Options{Relays: relays}, names...)
}

// openBenchWith opens a window on a folder with options. There is no Tor, unless one is named.
func openBenchWith(t *testing.T, dir string, mode theme.Mode, opt core.Options, names ...string) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if opt.TorBinary == "" {
		opt.TorBinary = "/nonexistent/tor"
	}
	c, err := core.Open(ctx, dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetAppearance(core.Appearance{Theme: mode.String()}); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := c.CreateProfile(ctx, core.NewProfile{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{T: t, core: c, app: test.NewApp(), queue: make(chan func(), 4096)}
	var once sync.Once
	b.close = func() {
		once.Do(func() {
			b.Window.Close()
			if err := c.Close(); err != nil {
				t.Errorf("closing the core: %v", err)
			}
		})
	}
	t.Cleanup(b.close)
	win := b.app.NewWindow("Sotto")
	b.Window = New(b.app, win, Options{Core: c, Version: "1.0", Now: func() time.Time { return noon }, Do: func(f func()) { b.queue <- f },
		CopyPicture: b.clip.put})
	return b
}

// fakeClipboard is the clipboard for pictures.
type fakeClipboard struct {
	file []byte // of the picture in it
	err  error
}

func (c *fakeClipboard) put(file []byte) (clear func(), err error) {
	if c.err != nil {
		return nil, c.err
	}
	c.file = file
	return func() { c.file = nil }, nil
}

// wait does what the main goroutine is asked to do until ok.
func (b *bench) wait(what string, ok func() bool) {
	b.Helper()
	deadline := time.After(patience)
	for !ok() {
		select {
		case f := <-b.queue:
			f()
		case <-deadline:
			b.Fatalf("it did not happen: %s", what)
		}
	}
}

// settle does what is waiting, and all that was ordered before.
func (b *bench) settle() {
	b.Helper()
	done := false
	ordered(b.Window, func(context.Context) (nothing, error) { return nothing{}, nil }, func(nothing, error) { done = true })
	b.wait("ordered work", func() bool { return done })
}

// resize makes the window as large as given.
func (b *bench) resize(width, height float32) { b.win.Resize(fyne.NewSize(width, height)) }

// compare compares the window with a picture in testdata. With SOTTO_PICTURES set to a folder, pictures are kept there.
func (b *bench) compare(name string) {
	b.Helper()
	img := b.win.Canvas().Capture()
	if dir := os.Getenv("SOTTO_PICTURES"); dir != "" {
		keep(b.T, filepath.Join(dir, name+".png"), img)
	}
	test.AssertImageMatches(b.T, name+".png", img)
}

func keep(t *testing.T, name string, img image.Image) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

// networkList is the list of relays on the page about the network.
func (b *bench) networkList() *relayList {
	b.Helper()
	p, ok := b.main.content.(*networkPage)
	if !ok {
		b.Fatalf("a %T is shown", b.main.content)
	}
	return p.list
}

// laidOut are the objects of a screen or dialog that are to be seen.
func laidOut(o fyne.CanvasObject) []fyne.CanvasObject { return test.LaidOutObjects(o) }

// top is the dialog that is open, or what is behind it.
func (b *bench) top() fyne.CanvasObject {
	if o := b.win.Canvas().Overlays().Top(); o != nil {
		return o
	}
	return b.win.Content()
}

// says tells whether a text is among those that are shown.
func (b *bench) says(text string) bool {
	for _, o := range laidOut(b.top()) {
		if l, ok := o.(*widget.Label); ok && l.Visible() && strings.Contains(l.Text, text) {
			return true
		}
	}
	return false
}

// entry is the first field of the dialog that is open.
func (b *bench) entry() *widget.Entry {
	b.Helper()
	for _, o := range laidOut(b.top()) {
		if e, ok := o.(*widget.Entry); ok && e.Visible() {
			return e
		}
	}
	b.Fatal("there is no field")
	return nil
}

// tapRow taps the row with a title.
func (b *bench) tapRow(title string) {
	b.Helper()
	for _, o := range laidOut(b.top()) {
		if r, ok := o.(*widget.Row); ok && r.AccessibilityLabel() == title {
			r.Tapped(&fyne.PointEvent{})
			return
		}
	}
	b.Fatalf("there is no row %q", title)
}
