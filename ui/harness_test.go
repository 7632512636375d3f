package ui

import (
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/assets"
	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
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
}

// newBench opens a window on a new folder with profiles of the given names, who use the relay on this computer.
func newBench(t *testing.T, mode theme.Mode, names ...string) *bench {
	t.Helper()
	return openBench(t, t.TempDir(), mode, nil, names...)
}

// openBench opens a window on a folder. Relays may be nil for the relay on this computer.
func openBench(t *testing.T, dir string, mode theme.Mode, relays []string, names ...string) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if relays == nil {
		relays = []string{core.EmbeddedRelay}
	}
	c, err := core.Open(ctx, dir, core.Options{Relays: relays})
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
	closeAll := func() {
		once.Do(func() {
			b.Window.Close()
			if err := c.Close(); err != nil {
				t.Errorf("closing the core: %v", err)
			}
		})
	}
	t.Cleanup(closeAll)
	win := b.app.NewWindow("Sotto")
	b.Window = New(b.app, win, Options{Core: c, Version: "1.0", Now: func() time.Time { return noon }, Do: func(f func()) { b.queue <- f }})
	return b
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
