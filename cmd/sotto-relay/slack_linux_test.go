package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTimerSlack starts the program itself: it is the same process when it has begun again, with the same arguments.
func TestTimerSlack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "relay")
	made, err := runLine(t, "init", "--data", dir, "--host", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "start", "--data", dir, "--listen", "127.0.0.1:0", "--files-listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if address, _, _ := strings.Cut(made, "\n"); !strings.HasPrefix(line, address+":") || err != nil { // the port is another one
		t.Errorf("it prints %q, not %q and a port: %v", line, address, err)
	}
	slack, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", cmd.Process.Pid))
	if err != nil || strings.TrimSpace(string(slack)) != fmt.Sprint(timerSlack) {
		t.Errorf("the timer slack is %q: %v", slack, err)
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
	if err != nil || strings.Count(string(env), slackSet) != 1 {
		t.Errorf("it did not begin again once: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	io.Copy(io.Discard, lines)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
