package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// The layout of a page on disk: the sealed body, its tag, the nonce. SQLite is told
// (byte 20 of the database header) that the last 40 bytes are not its own.
const (
	pageSize  = 4096
	nonceSize = chacha20poly1305.NonceSizeX
	tagSize   = chacha20poly1305.Overhead
	reserved  = nonceSize + tagSize
	bodySize  = pageSize - reserved
)

// The layout of a write-ahead log, "Write-Ahead Log File" in the SQLite file format:
// a header, then frames of a header and a page. The words of a frame header that
// follow the page number and the database size are two salts and two checksums.
const (
	walHeaderSize   = 32
	frameHeaderSize = 24
	frameSize       = frameHeaderSize + pageSize
	frameWords      = 8 // where the salts and checksums begin
	wordsSize       = 16
)

// fileKind is what a file is to SQLite. It is part of what a page is sealed for.
type fileKind byte

const (
	mainDatabase fileKind = iota + 1
	writeAheadLog
	rollbackJournal
)

// databaseKey is the secret from which all keys of a database are derived.
type databaseKey [32]byte

func (k *databaseKey) wipe() { clear(k[:]) }

// pageKeys are the derived keys. They are safe for concurrent use.
type pageKeys struct {
	page cipher.AEAD
	// words and tweak encrypt the checksums in a frame header, which would
	// otherwise tell 64 bits about the plaintext of every frame.
	words, tweak cipher.Block
	// sum encrypts the checksums in a rollback journal, for the same reason.
	sum [chacha20.KeySize]byte
}

func newPageKeys(key *databaseKey) (*pageKeys, error) {
	derived, err := hkdf.Key(sha256.New, key[:], nil, "sotto vault v1", 4*32)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	k := new(pageKeys)
	if k.page, err = chacha20poly1305.NewX(derived[:32]); err != nil {
		return nil, err
	}
	if k.words, err = aes.NewCipher(derived[32:64]); err != nil {
		return nil, err
	}
	if k.tweak, err = aes.NewCipher(derived[64:96]); err != nil {
		return nil, err
	}
	copy(k.sum[:], derived[96:])
	return k, nil
}

// wipe makes the keys unusable. The key schedules inside the cipher packages cannot
// be overwritten from outside; they become garbage.
func (k *pageKeys) wipe() {
	clear(k.sum[:])
	k.page, k.words, k.tweak = nil, nil, nil
}

// A sealer seals the pages of one file. It has scratch space of its own, so that
// nothing is allocated per page, and serves one goroutine at a time.
type sealer struct {
	keys *pageKeys
	kind fileKind
	ad   [9]byte
	t, x [aes.BlockSize]byte
	sum  [4]byte
}

// additional is what a page is bound to: the kind of its file and its place in it.
func (s *sealer) additional(off int64) []byte {
	s.ad[0] = byte(s.kind)
	binary.BigEndian.PutUint64(s.ad[1:], uint64(off))
	return s.ad[:]
}

// seal writes the sealed form of page, which is for offset off, to dst.
func (s *sealer) seal(dst, page []byte, off int64) {
	nonce := dst[pageSize-nonceSize : pageSize]
	rand.Read(nonce)
	s.keys.page.Seal(dst[:0], nonce, page[:bodySize], s.additional(off))
}

// open decrypts a page in place. The reserved bytes become zero, as SQLite wrote
// them: the checksums of the write-ahead log cover them. On failure the page is
// all zero.
func (s *sealer) open(page []byte, off int64) bool {
	nonce := page[pageSize-nonceSize : pageSize]
	_, err := s.keys.page.Open(page[:0], nonce, page[:pageSize-nonceSize], s.additional(off))
	if err != nil {
		clear(page)
		return false
	}
	clear(page[bodySize:])
	return true
}

// encryptWords and decryptWords are one block of XTS-AES-256 (IEEE 1619) whose data
// unit number is the offset of the block.
func (s *sealer) encryptWords(b []byte, off int64) { s.xts(b, off, s.keys.words.Encrypt) }
func (s *sealer) decryptWords(b []byte, off int64) { s.xts(b, off, s.keys.words.Decrypt) }

// encryptLogHeader and decryptLogHeader encrypt the header of a log, two blocks of XTS.
func (s *sealer) encryptLogHeader(b []byte) {
	s.encryptWords(b[:aes.BlockSize], 0)
	s.encryptWords(b[aes.BlockSize:walHeaderSize], aes.BlockSize)
}

func (s *sealer) decryptLogHeader(b []byte) {
	s.decryptWords(b[:aes.BlockSize], 0)
	s.decryptWords(b[aes.BlockSize:walHeaderSize], aes.BlockSize)
}

// encryptFrameHeader and decryptFrameHeader encrypt a whole frame header, which is a block and a
// half: the words, and then the first block, which takes half of them along.
func (s *sealer) encryptFrameHeader(b []byte, off int64) {
	s.encryptWords(b[frameWords:frameHeaderSize], off+frameWords)
	s.encryptWords(b[:aes.BlockSize], off)
}

func (s *sealer) decryptFrameHeader(b []byte, off int64) {
	s.decryptWords(b[:aes.BlockSize], off)
	s.decryptWords(b[frameWords:frameHeaderSize], off+frameWords)
}

func (s *sealer) xts(b []byte, off int64, crypt func(dst, src []byte)) {
	clear(s.t[:])
	binary.LittleEndian.PutUint64(s.t[:], uint64(off))
	s.keys.tweak.Encrypt(s.t[:], s.t[:])
	for i := range s.x {
		s.x[i] = b[i] ^ s.t[i]
	}
	crypt(s.x[:], s.x[:])
	for i := range s.x {
		b[i] = s.x[i] ^ s.t[i]
	}
}

// rememberSum makes the mask for the checksum that follows a sealed page in a
// rollback journal. It comes from the page's nonce, so no two are the same.
func (s *sealer) rememberSum(sealed []byte) error {
	c, err := chacha20.NewUnauthenticatedCipher(s.keys.sum[:], sealed[pageSize-nonceSize:pageSize])
	if err != nil {
		return err
	}
	clear(s.sum[:])
	c.XORKeyStream(s.sum[:], s.sum[:])
	return nil
}

// maskSum encrypts or decrypts the checksum that follows the last page.
func (s *sealer) maskSum(b []byte) {
	for i := range s.sum {
		b[i] ^= s.sum[i]
	}
}

// emptyPage1 is a database without tables, in WAL mode, with the reserved bytes
// declared ("The Database Header" in the SQLite file format). SQLite cannot be
// told the number of reserved bytes through the driver, so a database begins with this.
var emptyPage1 = sync.OnceValue(func() []byte {
	p := make([]byte, pageSize)
	be := binary.BigEndian
	copy(p, "SQLite format 3\x00")
	be.PutUint16(p[16:], pageSize)
	p[18], p[19] = 2, 2 // write and read version: WAL
	p[20] = reserved
	p[21], p[22], p[23] = 64, 32, 32 // payload fractions, fixed by the format
	be.PutUint32(p[24:], 1)          // change counter
	be.PutUint32(p[28:], 1)          // pages in the database
	be.PutUint32(p[44:], 4)          // schema format
	be.PutUint32(p[56:], 1)          // text encoding: UTF-8
	be.PutUint32(p[92:], 1)          // change counter for which the page count is valid
	p[100] = 13                      // an empty leaf of a table b-tree
	be.PutUint16(p[105:], bodySize)  // where its cells would begin
	return p
})

func (k *pageKeys) sealedPage1() ([]byte, error) {
	s := sealer{keys: k, kind: mainDatabase}
	b := make([]byte, pageSize)
	s.seal(b, emptyPage1(), 0)
	return b, nil
}

// check tells whether the database at path was made with these keys. If its first
// page was torn by a crash, the log, from which that page will be repaired, has to
// answer.
func (k *pageKeys) check(path string) error {
	ok, err := k.opens(path, mainDatabase, 0)
	if ok || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if ok, _ := k.opens(path+"-wal", writeAheadLog, walHeaderSize+frameHeaderSize); ok {
		return nil
	}
	return ErrWrongKey
}

func (k *pageKeys) opens(path string, kind fileKind, off int64) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	page := make([]byte, pageSize)
	defer clear(page)
	if _, err := io.ReadFull(io.NewSectionReader(f, off, pageSize), page); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return false, fmt.Errorf("read page: %w", err)
	}
	s := sealer{keys: k, kind: kind}
	return s.open(page, off), nil
}
