//go:build unix && !darwin

package desktop

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // forms in which portals write screenshots
	_ "image/png"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/godbus/dbus/v5"
	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// The portal that lets a program look at the screen (XDG Desktop Portal, "Screenshot" and "Request").
const (
	portal           = "org.freedesktop.portal.Desktop"
	portalPath       = "/org/freedesktop/portal/desktop"
	portalScreenshot = "org.freedesktop.portal.Screenshot"
	portalRequest    = "org.freedesktop.portal.Request"
)

const (
	maxScreen     = 128 << 20 // pixels of all screens together
	maxScreenFile = 256 << 20 // bytes of the file that a portal writes
)

// Screenshot returns a picture of all screens. Where the person is asked first it waits for the answer, as long
// as ctx allows. The error is ErrUnavailable if there is no way to get one, and ErrCanceled if the
// person said no.
func Screenshot(ctx context.Context) (image.Image, error) {
	// Under Wayland an X server shows the windows of X programs only. One that is reached over a network is left alone.
	if strings.HasPrefix(os.Getenv("DISPLAY"), ":") && os.Getenv("WAYLAND_DISPLAY") == "" {
		img, err := screenshotX()
		if err == nil {
			return img, nil
		}
		if img, portalErr := screenshotPortal(ctx); portalErr == nil || errors.Is(portalErr, ErrCanceled) {
			return img, portalErr
		}
		return nil, err
	}
	return screenshotPortal(ctx)
}

// screenshotX asks the X server.
func screenshotX() (image.Image, error) {
	quietX()
	conn, err := xgb.NewConn()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer conn.Close()
	setup := xproto.Setup(conn)
	screen := setup.DefaultScreen(conn)
	width, height := int(screen.WidthInPixels), int(screen.HeightInPixels)
	if width*height > maxScreen || setup.ImageByteOrder != xproto.ImageOrderLSBFirst {
		return nil, fmt.Errorf("%w: the screen has an unknown form", ErrUnavailable)
	}
	answer, err := xproto.GetImage(conn, xproto.ImageFormatZPixmap, xproto.Drawable(screen.Root), 0, 0,
		screen.WidthInPixels, screen.HeightInPixels, 1<<32-1).Reply()
	if err != nil {
		return nil, fmt.Errorf("looking at the screen: %w", err)
	}
	return fromX(answer.Data, width, height, answer.Depth)
}

// fromX makes a picture of what an X server sends: 4 bytes a pixel, blue, green, red and one that means nothing.
func fromX(data []byte, width, height int, depth byte) (image.Image, error) {
	if depth != 24 && depth != 32 || len(data) != 4*width*height {
		return nil, fmt.Errorf("%w: the screen has an unknown form", ErrUnavailable)
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := 0; i < len(data); i += 4 {
		img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = data[i+2], data[i+1], data[i], 0xff
	}
	return img, nil
}

// screenshotPortal asks the desktop, which may ask the person.
func screenshotPortal(ctx context.Context) (image.Image, error) {
	conn, err := sessionBus()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	token := make([]byte, 16)
	rand.Read(token)
	handle := "sotto" + hex.EncodeToString(token)
	sender := strings.ReplaceAll(strings.TrimPrefix(conn.Names()[0], ":"), ".", "_")
	request := dbus.ObjectPath(portalPath + "/request/" + sender + "/" + handle)
	signals := make(chan *dbus.Signal, 8)
	conn.Signal(signals)
	err = conn.AddMatchSignal(dbus.WithMatchSender(portal), dbus.WithMatchObjectPath(request), dbus.WithMatchInterface(portalRequest))
	if err != nil {
		return nil, fmt.Errorf("looking at the screen: %w", err)
	}
	var given dbus.ObjectPath
	options := map[string]dbus.Variant{"handle_token": dbus.MakeVariant(handle), "interactive": dbus.MakeVariant(false)}
	if err := call(ctx, conn.Object(portal, portalPath), portalScreenshot+".Screenshot", []any{"", options}, &given); err != nil {
		return nil, err
	}
	if given != request {
		return nil, fmt.Errorf("%w: the portal is too old", ErrUnavailable)
	}
	for {
		select {
		case s, ok := <-signals:
			if !ok {
				return nil, fmt.Errorf("%w: the bus has gone", ErrUnavailable)
			}
			if s.Path == request && s.Name == portalRequest+".Response" {
				return portalResponse(s.Body)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// portalResponse reads the file that the portal has written, and removes it.
func portalResponse(body []any) (image.Image, error) {
	var code uint32
	var results map[string]dbus.Variant
	if err := dbus.Store(body, &code, &results); err != nil {
		return nil, fmt.Errorf("answer of the portal: %w", err)
	}
	switch code {
	case 0:
	case 1:
		return nil, ErrCanceled
	default:
		return nil, fmt.Errorf("%w: the portal gave up", ErrUnavailable)
	}
	text, _ := results["uri"].Value().(string)
	uri, err := url.Parse(text)
	if err != nil || uri.Scheme != "file" || !filepath.IsAbs(uri.Path) {
		return nil, fmt.Errorf("%w: the portal names no file", ErrUnavailable)
	}
	f, err := os.Open(uri.Path)
	if err != nil {
		return nil, fmt.Errorf("reading the screenshot: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxScreenFile))
	if err != nil {
		return nil, fmt.Errorf("reading the screenshot: %w", err)
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil || size.Width <= 0 || size.Height <= 0 || size.Width > maxScreen/size.Height {
		return nil, errors.Join(errors.New("the screenshot is no picture"), err)
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("reading the screenshot: %w", err)
	}
	_ = os.Remove(uri.Path) // what was on the screen stays nowhere; a sandbox may not allow it
	return img, nil
}
