package ui

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"

	"github.com/sotto-chat/sotto/core"
)

// copies are files that other programs have opened. They lie readable in folders of their own, which only this user can look into,
// until they are wiped. Where the system has a folder in memory for such things they never reach the disk.
type copies struct {
	mu   sync.Mutex
	dirs []string
}

// put writes a copy of the file of a message and returns its path.
func (c *copies) put(ctx context.Context, p *core.Profile, id int64, name string) (path string, err error) {
	dir, err := os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "sotto-") // with mode 0700; empty is the system's folder
	if err != nil {
		if dir, err = os.MkdirTemp("", "sotto-"); err != nil {
			return "", errors.Join(errNoTemp, err)
		}
	}
	c.mu.Lock()
	c.dirs = append(c.dirs, dir)
	c.mu.Unlock()
	path = filepath.Join(dir, filepath.Base(name))
	return path, p.SaveFile(ctx, id, path)
}

// wipe overwrites and deletes all copies.
func (c *copies) wipe() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var (
		errs []error
		left []string
	)
	for _, dir := range c.dirs {
		files, err := os.ReadDir(dir)
		errs = append(errs, err)
		for _, file := range files {
			if file.Type().IsRegular() {
				errs = append(errs, overwrite(filepath.Join(dir, file.Name())))
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			errs, left = append(errs, err), append(left, dir)
		}
	}
	c.dirs = left
	return errors.Join(errs...)
}

// wipeCopies wipes what other programs have opened, beside the main goroutine. What can't be wiped now is when the window closes.
func (w *Window) wipeCopies() {
	apart(w, func(context.Context) (nothing, error) { return nothing{}, w.copies.wipe() }, func(nothing, error) {})
}

// overwrite fills a file with zeros.
func overwrite(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
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

// copyFile writes the file of a message to a place that was chosen for it, where nothing is left if that fails.
func copyFile(ctx context.Context, p *core.Profile, id int64, to fyne.URIWriteCloser) error {
	f, _, err := p.OpenFile(ctx, id)
	if err == nil {
		_, err = io.Copy(placeWriter{to}, reader{ctx, f})
		err = errors.Join(err, f.Close())
	}
	if failed := to.Close(); failed != nil {
		err = errors.Join(err, errNoPlace, failed)
	}
	if err != nil {
		err = errors.Join(err, storage.Delete(to.URI()))
	}
	return err
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
