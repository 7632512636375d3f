package vault

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// A vfs is an operating system layer of SQLite ("The SQLite OS Interface or VFS") that
// encrypts what passes between SQLite and the layer of the platform beneath it.
// There is one for each open vault and access, so that a key lives no longer than
// its vault and reaches no other: SQLite also opens the target of VACUUM INTO
// with the layer of the connection.
type vfs struct {
	name     string
	keys     *pageKeys
	indexes  *indexTable
	readOnly bool
	hidden   bool    // nothing in the files may look like what it is
	parent   uintptr // the platform's sqlite3_vfs
	self     uintptr // C memory: our sqlite3_vfs
	cname    uintptr // C memory: its name
	files    int     // open files; guarded by registry
}

// A file is an open file of a vfs. SQLite uses a file from one connection only and a
// connection from one goroutine at a time.
type file struct {
	sealer
	vfs   *vfs
	path  string // of the main database, as SQLite names it
	inner uintptr
	read  transferFunc
	write transferFunc

	index      *index
	shared     lockSet
	exclusive  lockSet
	sumOffset  int64 // in a journal: where the checksum of the last page used lies
	deviceCaps int32
}

// cFile is what SQLite knows as a sqlite3_file of ours, in its memory. The
// platform's own sqlite3_file follows it.
type cFile struct {
	methods uintptr
	_       uintptr // keeps what follows aligned
}

const cFileSize = unsafe.Sizeof(cFile{})

// registry finds our values from the addresses that SQLite hands to the methods.
var registry = struct {
	sync.RWMutex
	layers map[uintptr]*vfs
	files  map[uintptr]*file
}{layers: make(map[uintptr]*vfs), files: make(map[uintptr]*file)}

var vfsCount atomic.Uint64

// Signatures of the methods of sqlite3_vfs and sqlite3_io_methods.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32
	accessFunc   = func(tls *libc.TLS, vfs, name uintptr, flags int32, out uintptr) int32
	fullPathFunc = func(tls *libc.TLS, vfs, name uintptr, n int32, out uintptr) int32
	transferFunc = func(tls *libc.TLS, file, buf uintptr, n int32, off int64) int32
	fileFunc     = func(tls *libc.TLS, file uintptr) int32
	fileIntFunc  = func(tls *libc.TLS, file uintptr, n int32) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	fileOutFunc  = func(tls *libc.TLS, file, out uintptr) int32
	controlFunc  = func(tls *libc.TLS, file uintptr, op int32, arg uintptr) int32
	shmMapFunc   = func(tls *libc.TLS, file uintptr, region, size, extend int32, out uintptr) int32
	shmLockFunc  = func(tls *libc.TLS, file uintptr, first, n, flags int32) int32
	barrierFunc  = func(tls *libc.TLS, file uintptr)
)

// pointer is the pointer to an address in C memory. It is not inlined because the
// compiler (Go 1.26) fails on copies between two addresses that it knows as integers.
//
//go:noinline
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

func at[T any](p uintptr) *T { return (*T)(pointer(p)) }

func bytesAt(p uintptr, n int32) []byte { return unsafe.Slice((*byte)(pointer(p)), n) }

// cPointer turns a top-level function into the C function pointer that the
// translated SQLite calls; goFunc is its inverse.
func cPointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

func goFunc[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

// ioMethods is the method table of all our files. SQLite keeps its address, so it
// stays in C memory as long as the process lives.
var ioMethods = sync.OnceValues(func() (uintptr, error) {
	tls := libc.NewTLS()
	defer tls.Close()
	p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	if p == 0 {
		return 0, errors.New("out of memory")
	}
	*at[sqlite3.Tsqlite3_io_methods](p) = sqlite3.Tsqlite3_io_methods{
		FiVersion:               2, // without xFetch: memory-mapped pages would be ciphertext
		FxClose:                 cPointer[fileFunc](xClose),
		FxRead:                  cPointer[transferFunc](xRead),
		FxWrite:                 cPointer[transferFunc](xWrite),
		FxTruncate:              cPointer[truncateFunc](xTruncate),
		FxSync:                  cPointer[fileIntFunc](xSync),
		FxFileSize:              cPointer[fileOutFunc](xFileSize),
		FxLock:                  cPointer[fileIntFunc](xLock),
		FxUnlock:                cPointer[fileIntFunc](xUnlock),
		FxCheckReservedLock:     cPointer[fileOutFunc](xCheckReservedLock),
		FxFileControl:           cPointer[controlFunc](xFileControl),
		FxSectorSize:            cPointer[fileFunc](xSectorSize),
		FxDeviceCharacteristics: cPointer[fileFunc](xDeviceCharacteristics),
		FxShmMap:                cPointer[shmMapFunc](xShmMap),
		FxShmLock:               cPointer[shmLockFunc](xShmLock),
		FxShmBarrier:            cPointer[barrierFunc](xShmBarrier),
		FxShmUnmap:              cPointer[fileIntFunc](xShmUnmap),
	}
	return p, nil
})

// registering keeps the list of layers in SQLite as it is while the default one is copied, which is
// a part of that list.
var registering sync.Mutex

func registerVFS(keys *pageKeys, indexes *indexTable, readOnly, hidden bool) (*vfs, error) {
	if _, err := ioMethods(); err != nil {
		return nil, err
	}
	registering.Lock()
	defer registering.Unlock()
	tls := libc.NewTLS()
	defer tls.Close()
	v := &vfs{
		name:     "sotto-vault-" + strconv.FormatUint(vfsCount.Add(1), 10),
		keys:     keys,
		indexes:  indexes,
		readOnly: readOnly,
		hidden:   hidden,
		parent:   sqlite3.Xsqlite3_vfs_find(tls, 0),
	}
	if v.parent == 0 {
		return nil, errors.New("SQLite has no layer for this operating system")
	}
	v.self = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	cname, err := libc.CString(v.name)
	if err != nil || v.self == 0 {
		libc.Xfree(tls, v.self)
		return nil, errors.Join(errors.New("out of memory"), err)
	}
	v.cname = cname

	// The methods that are not replaced do not look at the vfs they are called with.
	c := at[sqlite3.Tsqlite3_vfs](v.self)
	*c = *at[sqlite3.Tsqlite3_vfs](v.parent)
	c.FpNext = 0
	c.FszOsFile += int32(cFileSize)
	c.FzName = v.cname
	c.FpAppData = 0
	c.FxOpen = cPointer[openFunc](xOpen)
	c.FxDelete = cPointer[deleteFunc](xDelete)
	c.FxAccess = cPointer[accessFunc](xAccess)
	c.FxFullPathname = cPointer[fullPathFunc](xFullPathname)

	registry.Lock()
	registry.layers[v.self] = v
	registry.Unlock()
	if rc := sqlite3.Xsqlite3_vfs_register(tls, v.self, 0); rc != sqlite3.SQLITE_OK {
		v.free(tls)
		return nil, fmt.Errorf("register the encrypting layer: SQLite error %d", rc)
	}
	return v, nil
}

// unregister removes the layer. It refuses as long as a file is open; a second call
// does nothing.
func (v *vfs) unregister() error {
	registry.RLock()
	open := v.files
	registry.RUnlock()
	if open > 0 {
		return errors.New("connections to the database are still open")
	}
	if v.self == 0 {
		return nil
	}
	registering.Lock()
	defer registering.Unlock()
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xsqlite3_vfs_unregister(tls, v.self)
	v.free(tls)
	return nil
}

func (v *vfs) free(tls *libc.TLS) {
	registry.Lock()
	delete(registry.layers, v.self)
	registry.Unlock()
	libc.Xfree(tls, v.self)
	libc.Xfree(tls, v.cname)
	v.self, v.cname = 0, 0
}

func layerOf(p uintptr) *vfs {
	registry.RLock()
	defer registry.RUnlock()
	return registry.layers[p]
}

func fileOf(p uintptr) *file {
	registry.RLock()
	defer registry.RUnlock()
	return registry.files[p]
}

// methods is the method table of the platform's file.
func (f *file) methods() *sqlite3.Tsqlite3_io_methods {
	return at[sqlite3.Tsqlite3_io_methods](at[sqlite3.Tsqlite3_file](f.inner).FpMethods)
}

func xOpen(tls *libc.TLS, pVfs, name, pFile uintptr, flags int32, outFlags uintptr) int32 {
	at[cFile](pFile).methods = 0
	v := layerOf(pVfs)
	if v == nil || name == 0 {
		return sqlite3.SQLITE_CANTOPEN
	}
	f := &file{vfs: v, path: libc.GoString(name), inner: pFile + cFileSize}
	f.keys = v.keys
	switch {
	case flags&sqlite3.SQLITE_OPEN_MAIN_DB != 0:
		f.kind = mainDatabase
	case flags&sqlite3.SQLITE_OPEN_WAL != 0:
		f.kind = writeAheadLog
		// SQLite makes the log if there is none; a reader must not leave one behind.
		if _, err := os.Lstat(f.path); v.readOnly && err != nil {
			flags |= sqlite3.SQLITE_OPEN_DELETEONCLOSE
		}
	case flags&sqlite3.SQLITE_OPEN_MAIN_JOURNAL != 0:
		f.kind = rollbackJournal
	default:
		// Temporary files, in plaintext, are not made: connections keep
		// temporary data in memory. Nothing here spans several databases, so
		// there are no super-journals either.
		return sqlite3.SQLITE_CANTOPEN
	}
	at[sqlite3.Tsqlite3_file](f.inner).FpMethods = 0
	rc := goFunc[openFunc](at[sqlite3.Tsqlite3_vfs](v.parent).FxOpen)(tls, v.parent, name, f.inner, flags, outFlags)
	if at[sqlite3.Tsqlite3_file](f.inner).FpMethods == 0 {
		return rc
	}
	m := f.methods()
	f.read = goFunc[transferFunc](m.FxRead)
	f.write = goFunc[transferFunc](m.FxWrite)
	// Neither atomic writes nor reads of parts of a page are what they were once
	// pages are sealed. A write never harms bytes beside it, on the other hand:
	// without that SQLite would pad and split the writes to its log.
	caps := goFunc[fileFunc](m.FxDeviceCharacteristics)(tls, f.inner)
	f.deviceCaps = caps&sqlite3.SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN | sqlite3.SQLITE_IOCAP_POWERSAFE_OVERWRITE

	registry.Lock()
	registry.files[pFile] = f
	v.files++
	registry.Unlock()
	at[cFile](pFile).methods, _ = ioMethods()
	return rc
}

func xClose(tls *libc.TLS, pFile uintptr) int32 {
	f := fileOf(pFile)
	f.unmapIndex(tls)
	rc := goFunc[fileFunc](f.methods().FxClose)(tls, f.inner)
	registry.Lock()
	delete(registry.files, pFile)
	f.vfs.files--
	registry.Unlock()
	return rc
}

func xDelete(tls *libc.TLS, pVfs, name uintptr, syncDir int32) int32 {
	v := layerOf(pVfs)
	if v.readOnly {
		return sqlite3.SQLITE_OK
	}
	return goFunc[deleteFunc](at[sqlite3.Tsqlite3_vfs](v.parent).FxDelete)(tls, v.parent, name, syncDir)
}

func xAccess(tls *libc.TLS, pVfs, name uintptr, flags int32, out uintptr) int32 {
	v := layerOf(pVfs)
	return goFunc[accessFunc](at[sqlite3.Tsqlite3_vfs](v.parent).FxAccess)(tls, v.parent, name, flags, out)
}

func xFullPathname(tls *libc.TLS, pVfs, name uintptr, n int32, out uintptr) int32 {
	v := layerOf(pVfs)
	return goFunc[fullPathFunc](at[sqlite3.Tsqlite3_vfs](v.parent).FxFullPathname)(tls, v.parent, name, n, out)
}

func xTruncate(tls *libc.TLS, pFile uintptr, size int64) int32 {
	f := fileOf(pFile)
	if f.vfs.readOnly {
		return sqlite3.SQLITE_READONLY
	}
	if f.vfs.hidden && f.kind == writeAheadLog {
		return f.cutHiddenLog(tls, size)
	}
	f.sumOffset = 0
	return goFunc[truncateFunc](f.methods().FxTruncate)(tls, f.inner, size)
}

func xSync(tls *libc.TLS, pFile uintptr, flags int32) int32 {
	f := fileOf(pFile)
	if f.vfs.readOnly {
		return sqlite3.SQLITE_OK
	}
	return goFunc[fileIntFunc](f.methods().FxSync)(tls, f.inner, flags)
}

func xFileSize(tls *libc.TLS, pFile, out uintptr) int32 {
	f := fileOf(pFile)
	return goFunc[fileOutFunc](f.methods().FxFileSize)(tls, f.inner, out)
}

func xLock(tls *libc.TLS, pFile uintptr, level int32) int32 {
	f := fileOf(pFile)
	return goFunc[fileIntFunc](f.methods().FxLock)(tls, f.inner, level)
}

func xUnlock(tls *libc.TLS, pFile uintptr, level int32) int32 {
	f := fileOf(pFile)
	return goFunc[fileIntFunc](f.methods().FxUnlock)(tls, f.inner, level)
}

func xCheckReservedLock(tls *libc.TLS, pFile, out uintptr) int32 {
	f := fileOf(pFile)
	return goFunc[fileOutFunc](f.methods().FxCheckReservedLock)(tls, f.inner, out)
}

func xFileControl(tls *libc.TLS, pFile uintptr, op int32, arg uintptr) int32 {
	f := fileOf(pFile)
	switch op {
	case sqlite3.SQLITE_FCNTL_MMAP_SIZE, // ciphertext must not be mapped
		sqlite3.SQLITE_FCNTL_CHUNK_SIZE,      // nor the file be extended with zeros
		sqlite3.SQLITE_FCNTL_EXTERNAL_READER: // asks the platform's shared memory, which is not used
		return sqlite3.SQLITE_NOTFOUND
	case sqlite3.SQLITE_FCNTL_PERSIST_WAL:
		if f.vfs.hidden {
			*at[int32](arg) = 1 // the log stays when the last connection is closed
			return sqlite3.SQLITE_OK
		}
	case sqlite3.SQLITE_FCNTL_SIZE_HINT:
		if f.vfs.readOnly {
			return sqlite3.SQLITE_NOTFOUND
		}
	}
	return goFunc[controlFunc](f.methods().FxFileControl)(tls, f.inner, op, arg)
}

func xSectorSize(tls *libc.TLS, pFile uintptr) int32 {
	f := fileOf(pFile)
	return goFunc[fileFunc](f.methods().FxSectorSize)(tls, f.inner)
}

func xDeviceCharacteristics(_ *libc.TLS, pFile uintptr) int32 {
	return fileOf(pFile).deviceCaps
}
