package xftp

import (
	"errors"
	"fmt"
)

// ErrDiskFull tells that there was no room for a file. A transfer that ended with it goes on after
// room was made.
var ErrDiskFull = errors.New("xftp: the disk is full")

// diskError makes an ErrDiskFull of what the system says about a disk without room.
func diskError(doing string, err error) error {
	if isDiskFull(err) {
		return fmt.Errorf("xftp: %s: %w: %w", doing, ErrDiskFull, err)
	}
	return fmt.Errorf("xftp: %s: %w", doing, err)
}
