package main

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// timerSlack is how late, in nanoseconds, a sleeping thread of a relay may wake up.
const timerSlack = 1_000_000

// slackSet is set in the environment of a relay whose threads have timerSlack.
const slackSet = "SOTTO_RELAY_TIMER_SLACK"

// relaxTimers lets the threads of this process sleep a little longer. While there is work, a thread of
// Go's runtime wakes up every 20 µs (50 µs more with the usual slack) to look after the others, which
// takes a tenth of the time of a relay that has one core. That thread is there before main, and
// only the parent of a thread can set its slack: so the program begins again, as the same process.
func relaxTimers() {
	if os.Getenv(slackSet) != "" {
		os.Unsetenv(slackSet)
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0) == nil {
		syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), slackSet+"=1")) // without it everything works, too
	}
}
