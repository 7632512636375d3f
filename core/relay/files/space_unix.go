//go:build linux || darwin || freebsd

package files

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes can be written to the disk of a folder. Without ok that is not known.
func freeSpace(dir string) (bytes int64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
