package desktop

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
)

// Screenshot returns a picture of the main screen. The system asks the person the first time. The error is
// ErrUnavailable if there is no way to get one.
func Screenshot(ctx context.Context) (image.Image, error) {
	dir, err := os.MkdirTemp("", "sotto")
	if err != nil {
		return nil, fmt.Errorf("looking at the screen: %w", err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "screen.png")
	if err := exec.CommandContext(ctx, "/usr/sbin/screencapture", "-x", "-t", "png", name).Run(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("reading the screenshot: %w", err)
	}
	return img, nil
}
