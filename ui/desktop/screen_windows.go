package desktop

import (
	"context"
	"fmt"
	"image"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	user32                 = windows.NewLazySystemDLL("user32.dll")
	gdi32                  = windows.NewLazySystemDLL("gdi32.dll")
	getSystemMetrics       = user32.NewProc("GetSystemMetrics")
	getDC                  = user32.NewProc("GetDC")
	releaseDC              = user32.NewProc("ReleaseDC")
	createCompatibleDC     = gdi32.NewProc("CreateCompatibleDC")
	createCompatibleBitmap = gdi32.NewProc("CreateCompatibleBitmap")
	selectObject           = gdi32.NewProc("SelectObject")
	bitBlt                 = gdi32.NewProc("BitBlt")
	getDIBits              = gdi32.NewProc("GetDIBits")
	deleteObject           = gdi32.NewProc("DeleteObject")
	deleteDC               = gdi32.NewProc("DeleteDC")
)

// Constants of the Windows API (winuser.h, wingdi.h).
const (
	smXVirtualScreen, smYVirtualScreen   = 76, 77
	smCXVirtualScreen, smCYVirtualScreen = 78, 79
	srcCopy, captureBlt                  = 0x00cc0020, 0x40000000
)

// bitmapInfo is BITMAPINFO with an empty table of colours.
type bitmapInfo struct {
	size                       uint32
	width, height              int32
	planes, bits               uint16
	compression, sizeImage     uint32
	xPelsPerMeter, yPerMeter   int32
	colorsUsed, colorImportant uint32
	colors                     uint32
}

// Screenshot returns a picture of all screens. The error is ErrUnavailable if there is no way to get one.
func Screenshot(context.Context) (image.Image, error) {
	metric := func(i uintptr) uintptr {
		n, _, _ := getSystemMetrics.Call(i)
		return n
	}
	x, y := metric(smXVirtualScreen), metric(smYVirtualScreen)
	w, h := metric(smCXVirtualScreen), metric(smCYVirtualScreen)
	width, height := int(int32(w)), int(int32(h))
	if width <= 0 || height <= 0 {
		return nil, fmt.Errorf("%w: there is no screen", ErrUnavailable)
	}
	failed := func(what string, err error) error { return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err) }
	screen, _, err := getDC.Call(0)
	if screen == 0 {
		return nil, failed("GetDC", err)
	}
	defer releaseDC.Call(0, screen)
	memory, _, err := createCompatibleDC.Call(screen)
	if memory == 0 {
		return nil, failed("CreateCompatibleDC", err)
	}
	defer deleteDC.Call(memory)
	bitmap, _, err := createCompatibleBitmap.Call(screen, w, h)
	if bitmap == 0 {
		return nil, failed("CreateCompatibleBitmap", err)
	}
	defer deleteObject.Call(bitmap)
	before, _, err := selectObject.Call(memory, bitmap)
	if before == 0 {
		return nil, failed("SelectObject", err)
	}
	ok, _, err := bitBlt.Call(memory, 0, 0, w, h, screen, x, y, srcCopy|captureBlt)
	selectObject.Call(memory, before)
	if ok == 0 {
		return nil, failed("BitBlt", err)
	}
	// A negative height has the first line on top.
	info := bitmapInfo{size: 40, width: int32(width), height: -int32(height), planes: 1, bits: 32}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	lines, _, err := getDIBits.Call(memory, bitmap, 0, h, uintptr(unsafe.Pointer(&img.Pix[0])), uintptr(unsafe.Pointer(&info)), 0)
	if int(lines) != height {
		return nil, failed("GetDIBits", err)
	}
	for i := 0; i < len(img.Pix); i += 4 {
		img.Pix[i], img.Pix[i+2], img.Pix[i+3] = img.Pix[i+2], img.Pix[i], 0xff
	}
	return img, nil
}
