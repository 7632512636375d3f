package chat

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/sotto-chat/sotto/store/blob"
)

func (c *Chat) keptDir() string { return filepath.Join(c.cfg.Files.Dir, "kept") }

// maxDecoys is the largest number of files that Decoy makes, and decoySizes bounds their sizes, in bytes: from
// those of small pictures to those of photographs.
const maxDecoys = 6

var decoySizes = [2]float64{4 << 10, 1 << 20}

// Decoy makes a folder like that of FilesConfig, with a random number of files of random sizes that nobody can
// read.
func Decoy(dir string, random io.Reader) error {
	c := &Chat{cfg: Config{Files: FilesConfig{Dir: dir}}}
	if err := os.MkdirAll(c.workDir(), 0o700); err != nil {
		return fmt.Errorf("chat: the folder for files: %w", err)
	}
	kept, err := blob.Open(c.keptDir())
	if err != nil {
		return err
	}
	n, err := fraction(random)
	if err != nil {
		return err
	}
	for range int(n * (maxDecoys + 1)) {
		at, err := fraction(random)
		if err != nil {
			return err
		}
		w, err := kept.Create(random)
		if err != nil {
			return err
		}
		// Evenly on a logarithmic scale.
		if _, err := io.CopyN(w, random, int64(decoySizes[0]*math.Pow(decoySizes[1]/decoySizes[0], at))); err != nil {
			w.Discard()
			return err
		}
		ref, err := w.Commit()
		if err != nil {
			return err
		}
		clear(ref.Key)
	}
	return nil
}

// fraction returns a random number from 0 to below 1.
func fraction(random io.Reader) (float64, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return 0, fmt.Errorf("reading randomness: %w", err)
	}
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53), nil
}
