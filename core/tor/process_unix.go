//go:build unix

package tor

import (
	"os/exec"
	"syscall"
)

// setProcess keeps the keys of a terminal, such as Ctrl-C, from tor: this program ends it.
func setProcess(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
