//go:build unix && !darwin

package desktop

import (
	"bufio"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// startX starts an X server for the test.
func startX(t *testing.T) {
	t.Helper()
	program, err := exec.LookPath("Xvfb")
	if err != nil {
		t.Fatalf("%v: install the package xvfb (packaging/setup.sh test does)", err)
	}
	cmd := exec.Command(program, "-displayfd", "1", "-screen", "0", "320x240x24", "-nolisten", "tcp", "-noreset")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	number, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not start: %v", err)
	}
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(number))
	t.Setenv("WAYLAND_DISPLAY", "")
}

// TestScreenshotX looks at a screen with a green window.
func TestScreenshotX(t *testing.T) {
	startX(t)
	quietX()
	conn, err := xgb.NewConn()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	screen := xproto.Setup(conn).DefaultScreen(conn)
	id, err := xproto.NewWindowId(conn)
	if err != nil {
		t.Fatal(err)
	}
	err = xproto.CreateWindowChecked(conn, screen.RootDepth, id, screen.Root, 20, 10, 100, 50, 0, xproto.WindowClassInputOutput, screen.RootVisual,
		xproto.CwBackPixel|xproto.CwOverrideRedirect, []uint32{0x10c020, 1}).Check()
	if err != nil {
		t.Fatal(err)
	}
	if err := xproto.MapWindowChecked(conn, id).Check(); err != nil {
		t.Fatal(err)
	}
	img, err := Screenshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, 320, 240) || img.At(25, 15) != (color.RGBA{0x10, 0xc0, 0x20, 0xff}) || img.At(300, 200) == img.At(25, 15) {
		t.Errorf("the picture is %v, %v, %v", img.Bounds(), img.At(25, 15), img.At(300, 200))
	}
}

func TestFromX(t *testing.T) {
	for _, bad := range []struct {
		data  int
		depth byte
	}{{0, 24}, {4*6 - 1, 24}, {4*6 + 4, 24}, {4 * 6, 16}} {
		if _, err := fromX(make([]byte, bad.data), 3, 2, bad.depth); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// screens is a portal.
type screens struct {
	conn *dbus.Conn

	mu     sync.Mutex
	answer screensAnswer
}

type screensAnswer struct {
	code   uint32
	uri    any
	handle string // in place of the one that was asked for
	silent bool
}

func (s *screens) set(a screensAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

func (s *screens) Screenshot(sender dbus.Sender, _ string, options map[string]dbus.Variant) (dbus.ObjectPath, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ReplaceAll(strings.TrimPrefix(string(sender), ":"), ".", "_")
	path := dbus.ObjectPath(portalPath + "/request/" + name + "/" + options["handle_token"].Value().(string))
	if s.answer.handle != "" {
		return dbus.ObjectPath(s.answer.handle), nil
	}
	if !s.answer.silent {
		s.conn.Emit(path, portalRequest+".Response", s.answer.code, map[string]dbus.Variant{"uri": dbus.MakeVariant(s.answer.uri)})
	}
	return path, nil
}

func TestScreenshotPortal(t *testing.T) {
	t.Setenv("DISPLAY", "localhost:0")
	startBus(t)
	if _, err := Screenshot(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a portal: %v", err)
	}
	s := new(screens)
	conn := serve(t, s, portalPath, portal, portalScreenshot)
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	dir := t.TempDir()
	write := func(name string, fill func(f *os.File) error) string {
		t.Helper()
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(fill(f), f.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("a screenshot.png", func(f *os.File) error { return png.Encode(f, image.NewGray(image.Rect(0, 0, 30, 20))) })
	s.set(screensAnswer{uri: "file://" + strings.ReplaceAll(good, " ", "%20")})
	img, err := Screenshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, 30, 20) {
		t.Errorf("the picture is %v", img.Bounds())
	}
	if _, err := os.Stat(good); !errors.Is(err, os.ErrNotExist) {
		t.Error("the screenshot stays on the disk")
	}
	text := write("text.png", func(f *os.File) error { _, err := f.WriteString("no picture"); return err })
	for _, bad := range []any{"", uint32(1), "http://example.com/x.png", "file:x.png", "file://" + good, "file://" + text, "file://" + dir} {
		s.set(screensAnswer{uri: bad})
		if _, err := Screenshot(t.Context()); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	s.set(screensAnswer{code: 1, uri: ""})
	if _, err := Screenshot(t.Context()); !errors.Is(err, ErrCanceled) {
		t.Errorf("the person says no: %v", err)
	}
	s.set(screensAnswer{code: 2, uri: ""})
	if _, err := Screenshot(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the portal gives up: %v", err)
	}
	s.set(screensAnswer{handle: "/old"})
	if _, err := Screenshot(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("an old portal: %v", err)
	}
	s.set(screensAnswer{silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := Screenshot(ctx)
		done <- err
	}()
	cancel()
	if err := next(t, "the end", done); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
