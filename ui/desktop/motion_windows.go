package desktop

import (
	"context"
	"unsafe"
)

var systemParametersInfo = user32.NewProc("SystemParametersInfoW")

// spiGetClientAreaAnimation asks whether windows may move what is in them (winuser.h).
const spiGetClientAreaAnimation = 0x1042

// LessMotion tells whether the person has asked the desktop for things not to move.
func LessMotion(context.Context) bool {
	var on int32
	ok, _, _ := systemParametersInfo.Call(spiGetClientAreaAnimation, 0, uintptr(unsafe.Pointer(&on)), 0)
	return ok != 0 && on == 0
}
