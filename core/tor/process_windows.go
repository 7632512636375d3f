package tor

import (
	"os/exec"
	"syscall"
)

// setProcess keeps a window for tor from opening, and the keys of a terminal from it.
func setProcess(cmd *exec.Cmd) {
	const createNoWindow = 0x08000000 // processthreadsapi.h, CREATE_NO_WINDOW
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: createNoWindow | syscall.CREATE_NEW_PROCESS_GROUP}
}
