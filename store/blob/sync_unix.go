//go:build !windows

package blob

import (
	"errors"
	"fmt"
	"os"
)

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	return nil
}
