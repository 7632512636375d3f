package vault

import (
	"sync"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// An index is the wal-index of a database: the memory in which the connections tell
// each other where in the log each page lies, and the locks on it ("WAL-Mode
// File Format", section 2). SQLite would share it with other processes through a
// file, which holds checksums of plaintext. A vault is open in one process, so the
// heap does.
type index struct {
	refs      int // guarded by the table
	mu        sync.Mutex
	regions   []uintptr // C memory
	shared    [sqlite3.SQLITE_SHM_NLOCK]int
	exclusive lockSet
}

// lockSet is a set of the locks of an index: bit i is lock i.
type lockSet uint32

// indexTable has the indexes of the databases that are open, by path.
type indexTable struct {
	mu     sync.Mutex
	byPath map[string]*index
}

func newIndexTable() *indexTable { return &indexTable{byPath: make(map[string]*index)} }

func (t *indexTable) acquire(path string) *index {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.byPath[path]
	if x == nil {
		x = new(index)
		t.byPath[path] = x
	}
	x.refs++
	return x
}

func (t *indexTable) release(tls *libc.TLS, path string, x *index) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.refs--; x.refs > 0 {
		return
	}
	delete(t.byPath, path)
	for _, p := range x.regions {
		libc.Xfree(tls, p)
	}
}

// unmapIndex gives up the file's part in its index.
func (f *file) unmapIndex(tls *libc.TLS) {
	if f.index == nil {
		return
	}
	f.index.unlock(f, f.shared|f.exclusive)
	f.vfs.indexes.release(tls, f.path, f.index)
	f.index = nil
}

func xShmMap(tls *libc.TLS, pFile uintptr, region, size, extend int32, out uintptr) int32 {
	f := fileOf(pFile)
	if f.index == nil {
		f.index = f.vfs.indexes.acquire(f.path)
	}
	x := f.index
	x.mu.Lock()
	defer x.mu.Unlock()
	*at[uintptr](out) = 0
	for int(region) >= len(x.regions) {
		if extend == 0 {
			return sqlite3.SQLITE_OK
		}
		p := libc.Xcalloc(tls, 1, libc.Tsize_t(size))
		if p == 0 {
			return sqlite3.SQLITE_NOMEM
		}
		x.regions = append(x.regions, p)
	}
	*at[uintptr](out) = x.regions[region]
	return sqlite3.SQLITE_OK
}

func xShmLock(_ *libc.TLS, pFile uintptr, first, n, flags int32) int32 {
	f := fileOf(pFile)
	if f.index == nil {
		return sqlite3.SQLITE_IOERR_SHMLOCK
	}
	set := lockSet(1)<<(first+n) - lockSet(1)<<first
	switch {
	case flags&sqlite3.SQLITE_SHM_UNLOCK != 0:
		f.index.unlock(f, set)
		return sqlite3.SQLITE_OK
	case flags&sqlite3.SQLITE_SHM_EXCLUSIVE != 0:
		return f.index.lockExclusive(f, set)
	default:
		return f.index.lockShared(f, set)
	}
}

func (x *index) lockShared(f *file, set lockSet) int32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.exclusive&set&^f.exclusive != 0 {
		return sqlite3.SQLITE_BUSY
	}
	for i := range x.shared {
		if (set&^f.shared)>>i&1 != 0 {
			x.shared[i]++
		}
	}
	f.shared |= set
	return sqlite3.SQLITE_OK
}

func (x *index) lockExclusive(f *file, set lockSet) int32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.exclusive&set&^f.exclusive != 0 {
		return sqlite3.SQLITE_BUSY
	}
	for i, holders := range x.shared {
		if set>>i&1 != 0 && holders > int(f.shared>>i&1) {
			return sqlite3.SQLITE_BUSY
		}
	}
	x.exclusive |= set
	f.exclusive |= set
	return sqlite3.SQLITE_OK
}

// unlock releases the locks in set that f holds.
func (x *index) unlock(f *file, set lockSet) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.shared {
		if (set&f.shared)>>i&1 != 0 {
			x.shared[i]--
		}
	}
	x.exclusive &^= set & f.exclusive
	f.shared &^= set
	f.exclusive &^= set
}

func xShmBarrier(_ *libc.TLS, pFile uintptr) {
	if x := fileOf(pFile).index; x != nil {
		// Passing through a mutex orders what this connection wrote before what
		// another one reads after its own barrier.
		x.mu.Lock()
		defer x.mu.Unlock()
	}
}

func xShmUnmap(tls *libc.TLS, pFile uintptr, _ int32) int32 {
	fileOf(pFile).unmapIndex(tls)
	return sqlite3.SQLITE_OK
}
