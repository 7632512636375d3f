package desktop

import (
	"context"
	"os/exec"
	"strings"
)

// LessMotion tells whether the person has asked the desktop for things not to move.
func LessMotion(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	value, err := exec.CommandContext(ctx, "/usr/bin/defaults", "read", "com.apple.universalaccess", "reduceMotion").Output()
	return err == nil && strings.TrimSpace(string(value)) == "1"
}
