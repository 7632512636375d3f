package vault

import (
	"crypto/rand"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Buffers that are handed to the platform's layer lie in C memory, which the Go
// runtime does not move: SQLite's own, or from the stack of the libc thread.

func xRead(tls *libc.TLS, pFile, buf uintptr, n int32, off int64) int32 {
	f := fileOf(pFile)
	switch f.kind {
	case mainDatabase:
		return f.readDatabase(tls, buf, n, off)
	case writeAheadLog:
		return f.readLog(tls, buf, n, off)
	default:
		return f.readJournal(tls, buf, n, off)
	}
}

func xWrite(tls *libc.TLS, pFile, buf uintptr, n int32, off int64) int32 {
	f := fileOf(pFile)
	if f.vfs.readOnly {
		return sqlite3.SQLITE_READONLY
	}
	switch f.kind {
	case mainDatabase:
		return f.writeDatabase(tls, buf, n, off)
	case writeAheadLog:
		return f.writeLog(tls, buf, n, off)
	default:
		return f.writeJournal(tls, buf, n, off)
	}
}

func (f *file) readDatabase(tls *libc.TLS, buf uintptr, n int32, off int64) int32 {
	start := off - off%pageSize
	if off+int64(n) > start+pageSize {
		return sqlite3.SQLITE_IOERR_READ
	}
	if n == pageSize {
		return f.readPage(tls, buf, off)
	}
	// Part of a page: the header when the database is opened, or one overflow page.
	p := tls.Alloc(pageSize)
	defer tls.Free(pageSize)
	rc := f.readPage(tls, p, start)
	page, dst := bytesAt(p, pageSize), bytesAt(buf, n)
	defer clear(page)
	if rc == sqlite3.SQLITE_IOERR_DATA && off == 0 && n == 100 {
		// A crash tore page 1. The log has it, but SQLite wants to see a
		// header before it looks there.
		copy(dst, emptyPage1())
		return sqlite3.SQLITE_OK
	}
	copy(dst, page[off-start:])
	return rc
}

// readPage reads and opens one page. Where the file has ended before it, the page is
// zero and the result is SQLITE_IOERR_SHORT_READ, which SQLite expects of a
// database that is about to grow.
func (f *file) readPage(tls *libc.TLS, buf uintptr, off int64) int32 {
	page := bytesAt(buf, pageSize)
	switch rc := f.read(tls, f.inner, buf, pageSize, off); rc {
	case sqlite3.SQLITE_OK:
		if !f.open(page, off) {
			return sqlite3.SQLITE_IOERR_DATA
		}
		return sqlite3.SQLITE_OK
	case sqlite3.SQLITE_IOERR_SHORT_READ:
		if !isZero(page) { // the file ends within this page
			clear(page)
			return sqlite3.SQLITE_IOERR_DATA
		}
		return rc
	default:
		clear(page)
		return rc
	}
}

// writePage seals and writes one page.
func (f *file) writePage(tls *libc.TLS, buf uintptr, off int64) int32 {
	page := bytesAt(buf, pageSize)
	if !isZero(page[bodySize:]) {
		// SQLite uses bytes that are ours: this is no database that Create made.
		return sqlite3.SQLITE_IOERR_WRITE
	}
	p := tls.Alloc(pageSize)
	defer tls.Free(pageSize)
	sealed := bytesAt(p, pageSize)
	f.seal(sealed, page, off)
	if f.kind == rollbackJournal {
		if err := f.rememberSum(sealed); err != nil {
			return sqlite3.SQLITE_IOERR_WRITE
		}
	}
	return f.write(tls, f.inner, p, pageSize, off)
}

func (f *file) writeDatabase(tls *libc.TLS, buf uintptr, n int32, off int64) int32 {
	if n != pageSize || off%pageSize != 0 || off == 0 && bytesAt(buf, n)[20] != reserved {
		return sqlite3.SQLITE_IOERR_WRITE
	}
	return f.writePage(tls, buf, off)
}

func (f *file) readLog(tls *libc.TLS, buf uintptr, n int32, off int64) int32 {
	if off+int64(n) <= walHeaderSize {
		if f.vfs.hidden {
			return f.readLogHeader(tls, buf, n, off)
		}
		return f.read(tls, f.inner, buf, n, off) // version, salts and a checksum of these
	}
	within := (off - walHeaderSize) % frameSize
	switch {
	case within == 0 && n == frameSize:
		return f.readFrame(tls, buf, off)
	case within == frameHeaderSize && n == pageSize:
		return f.readPage(tls, buf, off)
	case within == frameWords+8 && n == 8:
		// The checksums alone, from which SQLite goes on after it has rewritten a frame.
		p := tls.Alloc(frameHeaderSize)
		defer tls.Free(frameHeaderSize)
		off -= frameWords + 8
		rc := f.read(tls, f.inner, p, frameHeaderSize, off)
		if rc == sqlite3.SQLITE_OK {
			h := bytesAt(p, frameHeaderSize)
			f.openFrameHeader(h, off)
			copy(bytesAt(buf, n), h[frameWords+8:])
		}
		return rc
	}
	return sqlite3.SQLITE_IOERR_READ
}

// readLogHeader reads the header of the log of a hidden vault, or a part of it.
func (f *file) readLogHeader(tls *libc.TLS, buf uintptr, n int32, off int64) int32 {
	p := tls.Alloc(walHeaderSize)
	defer tls.Free(walHeaderSize)
	rc := f.read(tls, f.inner, p, walHeaderSize, 0)
	if rc == sqlite3.SQLITE_OK {
		h := bytesAt(p, walHeaderSize)
		f.decryptLogHeader(h)
		copy(bytesAt(buf, n), h[off:])
	}
	return rc
}

// cutHiddenLog is xTruncate for the log of a hidden vault, which does not get smaller than it was made: its
// size would tell.
func (f *file) cutHiddenLog(tls *libc.TLS, size int64) int32 {
	if size < walHeaderSize {
		// All of it is in the database. What stays must not be taken for a log that ends where it is cut:
		// without its header it is none.
		p := tls.Alloc(walHeaderSize)
		defer tls.Free(walHeaderSize)
		rand.Read(bytesAt(p, walHeaderSize))
		rc := f.write(tls, f.inner, p, walHeaderSize, 0)
		if rc == sqlite3.SQLITE_OK {
			rc = goFunc[fileIntFunc](f.methods().FxSync)(tls, f.inner, sqlite3.SQLITE_SYNC_FULL)
		}
		if rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	p := tls.Alloc(8)
	defer tls.Free(8)
	if rc := goFunc[fileOutFunc](f.methods().FxFileSize)(tls, f.inner, p); rc != sqlite3.SQLITE_OK {
		return rc
	}
	size = max(size, hiddenLogSize)
	if *at[int64](p) <= size {
		return sqlite3.SQLITE_OK
	}
	return goFunc[truncateFunc](f.methods().FxTruncate)(tls, f.inner, size)
}

// openFrameHeader decrypts the header of a frame at off, sealFrameHeader encrypts it.
func (f *file) openFrameHeader(h []byte, off int64) {
	if f.vfs.hidden {
		f.decryptFrameHeader(h, off)
	} else {
		f.decryptWords(h[frameWords:], off+frameWords)
	}
}

func (f *file) sealFrameHeader(h []byte, off int64) {
	if f.vfs.hidden {
		f.encryptFrameHeader(h, off)
	} else {
		f.encryptWords(h[frameWords:], off+frameWords)
	}
}

// readFrame reads a frame as recovery does. A frame that was torn by a crash is not an
// error then, it is where the log ends: the salts are made wrong, so that SQLite
// takes it for that.
func (f *file) readFrame(tls *libc.TLS, buf uintptr, off int64) int32 {
	b := bytesAt(buf, frameSize)
	if rc := f.read(tls, f.inner, buf, frameSize, off); rc != sqlite3.SQLITE_OK {
		clear(b)
		return rc
	}
	words := b[frameWords:frameHeaderSize]
	f.openFrameHeader(b[:frameHeaderSize], off)
	if !f.open(b[frameHeaderSize:], off+frameHeaderSize) {
		for i := range words {
			words[i] ^= 0xff
		}
	}
	return sqlite3.SQLITE_OK
}

func (f *file) writeLog(tls *libc.TLS, buf uintptr, n int32, off int64) int32 {
	if off == 0 && n == walHeaderSize {
		if !f.vfs.hidden {
			return f.write(tls, f.inner, buf, n, off)
		}
		p := tls.Alloc(walHeaderSize)
		defer tls.Free(walHeaderSize)
		h := bytesAt(p, walHeaderSize)
		copy(h, bytesAt(buf, n))
		f.encryptLogHeader(h)
		return f.write(tls, f.inner, p, n, off)
	}
	within := (off - walHeaderSize) % frameSize
	switch {
	case off < walHeaderSize:
		return sqlite3.SQLITE_IOERR_WRITE
	case within == 0 && n == frameHeaderSize:
		p := tls.Alloc(frameHeaderSize)
		defer tls.Free(frameHeaderSize)
		h := bytesAt(p, frameHeaderSize)
		copy(h, bytesAt(buf, n))
		f.sealFrameHeader(h, off)
		return f.write(tls, f.inner, p, n, off)
	case within == frameHeaderSize && n == pageSize:
		return f.writePage(tls, buf, off)
	}
	return sqlite3.SQLITE_IOERR_WRITE
}

// A rollback journal ("Rollback Journals" in the SQLite file format) has headers, which
// begin at multiples of 512, and records: page number, page, checksum, in 4104
// bytes. So a page, and nothing else of its size, begins 4 bytes after a multiple
// of 8. A database of ours is in WAL mode and has no journal; the target of VACUUM
// INTO has one while it is being written.
func isJournalPage(n int32, off int64) bool { return n == pageSize && off%8 == 4 }

func (f *file) readJournal(tls *libc.TLS, buf uintptr, n int32, off int64) int32 {
	rc := f.read(tls, f.inner, buf, n, off)
	b := bytesAt(buf, n)
	switch {
	case rc != sqlite3.SQLITE_OK:
		clear(b)
	case isJournalPage(n, off):
		f.sumOffset = off + pageSize
		if err := f.rememberSum(b); err != nil {
			return sqlite3.SQLITE_IOERR_READ
		}
		if !f.open(b, off) {
			return sqlite3.SQLITE_IOERR_SHORT_READ // torn: the journal ends here
		}
	case n == 4 && off == f.sumOffset:
		f.maskSum(b)
	}
	return rc
}

func (f *file) writeJournal(tls *libc.TLS, buf uintptr, n int32, off int64) int32 {
	switch {
	case isJournalPage(n, off):
		f.sumOffset = off + pageSize
		return f.writePage(tls, buf, off)
	case n == 4 && off == f.sumOffset:
		p := tls.Alloc(4)
		defer tls.Free(4)
		copy(bytesAt(p, 4), bytesAt(buf, 4))
		f.maskSum(bytesAt(p, 4))
		return f.write(tls, f.inner, p, n, off)
	}
	return f.write(tls, f.inner, buf, n, off)
}

func isZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
