package disk

import (
	"os"
	"sync"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// A syncer writes the data of files to the disk by the kernel's asynchronous I/O. With fdatasync a thread
// would wait: each time Go's runtime finds another one to go on with, which it looks for every 20 µs as
// long as this happens. On one core that costs a relay more than a tenth of its time.
type syncer struct {
	mu      sync.Mutex
	context uintptr  // aio_context_t
	done    *os.File // eventfd, readable when a sync has ended
}

// Structures and constants of linux/aio_abi.h. Each field has its place there.
type (
	iocb struct {
		_      uint64
		_      uint64
		opcode uint16
		_      int16
		fd     uint32
		_      [4]uint64
		flags  uint32
		resfd  uint32
	}
	ioEvent struct {
		_   [2]uint64
		res int64
		_   int64
	}
)

const (
	iocbCmdFdsync = 3
	iocbFlagResfd = 1
)

// newSyncer makes a syncer, or returns nil if the kernel offers none.
func newSyncer() *syncer {
	s := new(syncer)
	if _, _, no := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&s.context)), 0); no != 0 {
		return nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		s.close()
		return nil
	}
	s.done = os.NewFile(uintptr(fd), "eventfd")
	return s
}

// sync does what SyncData of the file does. A nil syncer, and one that is at work, leave it to the file.
func (s *syncer) sync(f vfs.File) error {
	if s == nil || !s.mu.TryLock() {
		return f.SyncData()
	}
	defer s.mu.Unlock()
	if !s.submit(f.Fd()) {
		return f.SyncData() // on a file system without it
	}
	var count [8]byte
	if _, err := s.done.Read(count[:]); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	var e ioEvent
	if n, _, no := unix.Syscall6(unix.SYS_IO_GETEVENTS, s.context, 1, 1, uintptr(unsafe.Pointer(&e)), 0, 0); n != 1 {
		return os.NewSyscallError("io_getevents", no)
	}
	if e.res < 0 {
		return os.NewSyscallError("fdatasync", unix.Errno(-e.res))
	}
	return nil
}

func (s *syncer) submit(fd uintptr) bool {
	conn, err := s.done.SyscallConn() // Fd would make it block
	if err != nil {
		return false
	}
	var no unix.Errno
	err = conn.Control(func(done uintptr) {
		list := [1]*iocb{{opcode: iocbCmdFdsync, fd: uint32(fd), flags: iocbFlagResfd, resfd: uint32(done)}}
		_, _, no = unix.Syscall(unix.SYS_IO_SUBMIT, s.context, 1, uintptr(unsafe.Pointer(&list)))
	})
	return err == nil && no == 0
}

// close ends a syncer that is not at work.
func (s *syncer) close() {
	if s == nil {
		return
	}
	unix.Syscall(unix.SYS_IO_DESTROY, s.context, 0, 0)
	if s.done != nil {
		s.done.Close()
	}
}
