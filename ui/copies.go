package ui

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/sotto-chat/sotto/core"
)

// copies are files that other programs have opened. They lie readable in folders of their own, which only this user can look into,
// until they are wiped. Where the system has a folder in memory for such things they never reach the disk.
type copies struct {
	prefix string // of the names of the folders

	mu   sync.Mutex
	dirs []string
}

// newCopies returns copies of files of the profiles in a folder, by whose name they are found again if the program ends without wiping
// them. Nobody else uses that folder meanwhile. If it is empty they can't be found.
func newCopies(folder string) *copies {
	c := &copies{prefix: "sotto-"}
	if folder != "" {
		sum := sha256.Sum256([]byte(folder))
		c.prefix += hex.EncodeToString(sum[:8]) + "-"
	}
	return c
}

// places are where the folders may be, the best one first.
func places() (list []string) {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		list = append(list, dir)
	}
	return append(list, os.TempDir())
}

// put writes a copy of the file of a message and returns its path.
func (c *copies) put(ctx context.Context, p *core.Profile, id int64, name string) (path string, err error) {
	dir, err := c.make()
	if err != nil {
		return "", errors.Join(errNoTemp, err)
	}
	path = filepath.Join(dir, filepath.Base(name))
	return path, p.SaveFile(ctx, id, path)
}

// make makes a folder.
func (c *copies) make() (dir string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, place := range places() {
		if dir, err = os.MkdirTemp(place, c.prefix); err == nil { // with mode 0700
			c.dirs = append(c.dirs, dir)
			return dir, nil
		}
	}
	return "", err
}

// wipeLeft wipes what an earlier run of the program has left because it was killed. What can't be wiped now is with the others.
func (c *copies) wipeLeft() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []string
	for _, place := range places() {
		list, _ := os.ReadDir(place) // as far as it can be read
		for _, entry := range list {
			dir := filepath.Join(place, entry.Name())
			if strings.HasPrefix(entry.Name(), c.prefix) && entry.IsDir() && !slices.Contains(c.dirs, dir) && isPrivate(entry) {
				left = append(left, dir)
			}
		}
	}
	left, err := wipeAll(left)
	c.dirs = append(c.dirs, left...)
	return err
}

// isPrivate tells whether nobody but this user can look into a folder, as into those that are made here. Others may have made one of the same
// name where everybody can: that this one can't be opened.
func isPrivate(entry os.DirEntry) bool {
	info, err := entry.Info()
	return err == nil && (runtime.GOOS == "windows" || info.Mode().Perm() == 0o700)
}

// wipe overwrites and deletes all copies.
func (c *copies) wipe() (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirs, err = wipeAll(c.dirs)
	return err
}

// wipeAll overwrites and deletes folders. It returns those that it could not delete.
func wipeAll(dirs []string) (left []string, err error) {
	for _, dir := range dirs {
		err = errors.Join(err, overwriteAll(dir))
		if e := os.RemoveAll(dir); e != nil {
			err, left = errors.Join(err, e), append(left, dir)
		}
	}
	return left, err
}

// wipeCopies wipes what other programs have opened, beside the main goroutine. What can't be wiped now is when the window closes.
func (w *Window) wipeCopies() {
	apart(w, func(context.Context) (nothing, error) { return nothing{}, w.copies.wipe() }, func(nothing, error) {})
}

// overwriteAll fills the files of a folder with zeros.
func overwriteAll(dir string) error {
	root, err := os.OpenRoot(dir) // which no link leads out of
	if err != nil {
		return err
	}
	defer root.Close()
	files, err := os.ReadDir(dir)
	for _, file := range files {
		if file.Type().IsRegular() {
			err = errors.Join(err, overwrite(root, file.Name()))
		}
	}
	return err
}

// overwrite fills a file with zeros.
func overwrite(root *os.Root, name string) error {
	f, err := root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = io.Copy(f, io.LimitReader(zeros{}, info.Size()))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// copyFile writes the file of a message to a path that was chosen for it.
func copyFile(ctx context.Context, p *core.Profile, id int64, path string) error {
	f, _, err := p.OpenFile(ctx, id)
	if err != nil {
		return err
	}
	err = replaceFile(path, func(w io.Writer) error {
		_, err := io.Copy(w, reader{ctx, f})
		return err
	})
	return errors.Join(err, f.Close())
}

// replaceFile writes a file. What is at its path stays until the new file is complete, and if that fails. Errors of the place are errNoPlace.
func replaceFile(path string, write func(w io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".sotto-")
	if err != nil {
		return errors.Join(errNoPlace, err)
	}
	if err = write(placeWriter{f}); err == nil {
		if err = f.Sync(); err != nil {
			err = errors.Join(errNoPlace, err)
		}
	}
	if failed := f.Close(); failed != nil {
		err = errors.Join(err, errNoPlace, failed)
	}
	if err == nil {
		if err = os.Rename(f.Name(), path); err == nil {
			return nil
		}
		err = errors.Join(errNoPlace, err)
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// placeWriter tells what goes wrong with a place from what goes wrong with a file that is put there.
type placeWriter struct{ io.Writer }

func (w placeWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if err != nil {
		err = errors.Join(errNoPlace, err)
	}
	return n, err
}

// reader reads until a context ends.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// programs are the endings of files that desktops run or install instead of showing them, or whose programs do what is in them.
var programs = []string{".appimage", ".apk", ".app", ".application", ".bat", ".bash", ".cmd", ".com", ".command", ".cpl", ".csh", ".deb", ".desktop", ".dll", ".dmg", ".exe",
	".flatpak", ".flatpakref", ".gadget", ".hta", ".inf", ".iso", ".jar", ".jnlp", ".js", ".jse", ".ksh", ".lnk", ".msc", ".msh", ".msi", ".msix", ".msp", ".pif", ".pkg", ".pl",
	".ps1", ".psm1", ".py", ".pyc", ".rb", ".reg", ".rpm", ".run", ".scf", ".scr", ".sct", ".service", ".sh", ".snap", ".so", ".terminal", ".tool", ".url", ".vb", ".vbe", ".vbs",
	".webloc", ".workflow", ".ws", ".wsf", ".wsh", ".xbe", ".zsh"}

// isProgram tells whether a file may do anything with the computer when it is opened.
func isProgram(name string) bool {
	ext := strings.ToLower(filepath.Ext(strings.TrimRight(name, ". ")))
	return ext == "" || slices.Contains(programs, ext)
}
