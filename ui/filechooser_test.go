package ui

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// folders makes a home with some files.
func folders(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	for name, content := range map[string]string{
		".config/user-dirs.dirs":       "# comment\nXDG_PICTURES_DIR=\"$HOME/Bilder\"\nXDG_DESKTOP_DIR=\"$HOME/\"\nXDG_DOWNLOAD_DIR=\"$HOME/gone\"\n",
		"Bilder/summer.PNG":            "png",
		"Bilder/notes.txt":             "text",
		"Bilder/2026/.keep":            "",
		"Bilder/2026/" + "b.jpg":       "b",
		"a list that is very long.txt": "list",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// fileList returns the list of the dialog that is open, once it shows a folder.
func (b *bench) fileList(dir string) *fileList {
	b.Helper()
	l := listIn(b.top())
	if l == nil {
		b.Fatal("no files are listed")
	}
	b.wait("the folder "+dir, func() bool { return l.c.dir == dir })
	return l
}

// listIn looks for the list without drawing it anew, which the toolkit's lists do not survive.
func listIn(o fyne.CanvasObject) *fileList {
	var inside []fyne.CanvasObject
	switch o := o.(type) {
	case *fileList:
		return o
	case *fyne.Container:
		inside = o.Objects
	case fyne.Widget:
		inside = test.WidgetRenderer(o).Objects()
	}
	for _, i := range inside {
		if l := listIn(i); l != nil {
			return l
		}
	}
	return nil
}

func press(f fyne.Focusable, keys ...fyne.KeyName) {
	for _, key := range keys {
		f.TypedKey(&fyne.KeyEvent{Name: key})
	}
}

// TestOpenFile chooses a picture with the keyboard.
func TestOpenFile(t *testing.T) {
	home := folders(t)
	b := newBench(t, theme.Light, "Alice")
	got := ""
	open := func() {
		b.openFile(pictureFiles(), func(path string) { got = path })
	}
	open()
	l := b.fileList(home)
	if len(l.c.files) != 1 || l.c.files[0].name != "Bilder" {
		t.Fatalf("it lists %v", l.c.files)
	}
	if !l.c.button.Disabled() {
		t.Error("nothing can be opened")
	}
	press(l, fyne.KeyReturn)
	b.fileList(filepath.Join(home, "Bilder"))
	if len(l.c.files) != 2 || l.c.files[0].name != "2026" || l.c.files[1].name != "summer.PNG" {
		t.Fatalf("it lists %v", l.c.files)
	}
	press(l, fyne.KeyReturn)
	b.fileList(filepath.Join(home, "Bilder", "2026"))
	press(l, fyne.KeyBackspace)
	b.fileList(filepath.Join(home, "Bilder"))
	l.TypedRune('s')
	press(l, fyne.KeyReturn)
	if got != filepath.Join(home, "Bilder", "summer.PNG") || b.win.Canvas().Overlays().Top() != nil {
		t.Errorf("%q was opened", got)
	}

	// The next time it begins there. What is typed is a folder or a file.
	open()
	l = b.fileList(filepath.Join(home, "Bilder"))
	l.OnSelected(1)
	if l.c.button.Disabled() {
		t.Error("what was tapped can't be opened")
	}
	l.c.path.OnSubmitted("nowhere")
	b.wait("why not", func() bool { return b.says("no such folder") })
	l.c.path.OnSubmitted("~/Bilder/2026")
	b.fileList(filepath.Join(home, "Bilder", "2026"))
	l.c.path.OnSubmitted("..")
	b.fileList(filepath.Join(home, "Bilder"))
	l.OnSelected(1)
	l.c.path.OnSubmitted("2026")
	b.fileList(filepath.Join(home, "Bilder", "2026"))
	if !l.c.button.Disabled() {
		t.Error("a file of another folder is still chosen")
	}
	if err := os.RemoveAll(filepath.Join(home, "Bilder")); err != nil {
		t.Fatal(err)
	}
	l.c.up()
	b.wait("the complaint", func() bool { return b.says("can't be opened") })
	got = ""
	press(l, fyne.KeyEscape)
	if got != "" || b.win.Canvas().Overlays().Top() != nil {
		t.Error("Escape does not close it")
	}
}

// TestSaveFile saves under a new name, and asks before it replaces a file.
func TestSaveFile(t *testing.T) {
	home := folders(t)
	b := newBench(t, theme.Light, "Alice")
	saved := 0
	save := func(name string) *fileList {
		b.saveFile(name, func(path string) {
			if err := replaceFile(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
				t.Error(err)
			}
			saved++
		})
		return b.fileList(home)
	}
	l := save("../../new.txt")
	if l.c.name.Text != "new.txt" {
		t.Errorf("it begins with %q", l.c.name.Text)
	}
	l.c.name.OnSubmitted("")
	b.wait("it is saved", func() bool { return saved == 1 })
	if got, err := os.ReadFile(filepath.Join(home, "new.txt")); err != nil || string(got) != "new" {
		t.Errorf("%q was saved: %v", got, err)
	}
	old := filepath.Join(home, "a list that is very long.txt")
	b.place = filepath.Join(home, "gone")
	l = save("")
	if !l.c.button.Disabled() {
		t.Error("a file without a name can be saved")
	}
	l.OnSelected(1) // after the folder
	if l.c.name.Text != filepath.Base(old) {
		t.Fatalf("the name is %q", l.c.name.Text)
	}
	b.tap("Save")
	b.wait("the question", func() bool { return b.says("Save once more") })
	l.c.name.SetText("another.txt")
	l.c.name.SetText(filepath.Base(old))
	b.tap("Save")
	b.wait("the question again, as the name was changed", func() bool { return b.says("Save once more") })
	if got, _ := os.ReadFile(old); string(got) != "list" || saved != 1 {
		t.Error("it is replaced without asking")
	}
	l.c.name.SetText("Bilder") // a folder is opened
	b.tap("Save")
	b.fileList(filepath.Join(home, "Bilder"))
	l.c.up()
	b.fileList(home)
	l.c.name.SetText(filepath.Base(old))
	b.tap("Save")
	b.wait("the question", func() bool { return b.says("Save once more") })
	b.tap("Save")
	b.wait("it is saved", func() bool { return saved == 2 })
	if got, _ := os.ReadFile(old); string(got) != "new" {
		t.Error("it is not replaced")
	}
}

// TestFileChooserPictures shows how it looks.
func TestFileChooserPictures(t *testing.T) {
	home := folders(t)
	for _, mode := range []theme.Mode{theme.Light, theme.Dark} {
		b := newBench(t, mode, "Alice")
		b.fill()
		b.resize(1100, 720)
		b.openFile(nil, func(string) {})
		l := b.fileList(home)
		l.c.path.SetText("/home/alice")
		b.compare("file-open-" + mode.String())
		b.top().(*widget.Dialog).Close()
		b.resize(420, 520)
		b.saveFile("sotto.png", func(string) {})
		l = b.fileList(home)
		l.c.path.SetText("/home/alice")
		b.compare("file-save-narrow-" + mode.String())
		b.top().(*widget.Dialog).Close()
	}
}
