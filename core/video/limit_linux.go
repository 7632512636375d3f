package video

import (
	"os"

	"golang.org/x/sys/unix"
)

// limit bounds what a program may use. One that does not let itself be limited is bounded by its time.
func limit(p *os.Process) {
	const seconds, memory = 10, 2 << 30
	_ = unix.Prlimit(p.Pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: seconds}, nil)
	_ = unix.Prlimit(p.Pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: memory, Max: memory}, nil)
}
