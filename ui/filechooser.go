package ui

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// fileChooser is the dialog that asks for a file, to be read or written. Which folder was looked at last is known until the program is locked
// or ends, and is kept nowhere.
type fileChooser struct {
	w      *Window
	save   bool
	filter []string // endings of the files that are listed; none for all
	chosen func(path string)

	dialog  *widget.Dialog
	path    *widget.Entry // of the folder, or of a file
	name    *widget.Entry // of the file to be written
	list    *fileList
	problem *widget.Note
	button  *widget.Button
	dir     string // that is shown
	read    int    // number of the folder that was asked for last
	files   []fileRow
	replace string // the file that was asked about
}

// fileRow is a file or folder in the list.
type fileRow struct {
	name   string
	folder bool
	detail string
}

// pictureFiles are the endings of pictures that can be read.
func pictureFiles() []string { return []string{".png", ".jpg", ".jpeg", ".gif", ".webp"} }

// openFile asks for a file to be read.
func (w *Window) openFile(filter []string, chosen func(path string)) {
	title := lang.L("Choose a file")
	if len(filter) > 0 {
		title = lang.L("Choose a picture")
	}
	c := &fileChooser{w: w, filter: filter, chosen: chosen}
	c.show(title, lang.L("Open"))
	w.win.Canvas().Focus(c.list)
}

// saveFile asks where a file is to be written, with a name to begin with. What is there already is to be replaced; see replaceFile.
func (w *Window) saveFile(name string, chosen func(path string)) {
	c := &fileChooser{w: w, save: true, chosen: chosen}
	c.name = widget.NewEntry(lang.L("Name of the file"))
	if name != "" {
		c.name.SetText(filepath.Base(name))
	}
	c.name.OnSubmitted = func(string) { c.done() }
	c.name.OnChanged = func(string) { c.ask("") }
	c.show(lang.L("Save the file"), lang.L("Save"))
	w.win.Canvas().Focus(c.name)
	c.name.CursorColumn = utf8.RuneCountInString(strings.TrimSuffix(c.name.Text, filepath.Ext(c.name.Text)))
	c.name.Refresh()
}

func (c *fileChooser) show(title, action string) {
	const width, most, around = 620, 330, 400 // around is about the height of all but the list
	c.list = newFileList(c)
	c.path = widget.NewEntry(lang.L("Folder"))
	c.path.OnSubmitted = c.typed
	up := widget.NewIconButton("up", lang.L("Folder above"), c.up)
	var known []fyne.CanvasObject
	for _, dir := range knownFolders() {
		button := widget.NewButton(dir.name, widget.ButtonText, func() { c.open(dir.path) })
		known = append(known, button)
	}
	c.problem = widget.NewNote(widget.ToneDanger, "")
	c.button = widget.NewButton(action, widget.ButtonPrimary, c.done)
	cancel := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, func() { c.dialog.Close() })
	height := max(120, min(most, c.w.win.Canvas().Size().Height-around))
	frame := widget.NewSurface(theme.ColorBackground, container.New(heightLayout(height), c.list))
	frame.Radius, frame.Margin = theme.FieldRadius, theme.Grid/2
	c.list.frame = frame
	column := widget.NewColumn(10, widget.NewFlow(0, known...), widget.NewBar(theme.Grid, 1, up, c.path), frame)
	if c.save {
		column.Add(c.name)
	}
	column.Add(c.problem)
	column.Add(buttonRow(cancel, c.button))
	c.dialog = newDialog(title, width, column)
	c.dialog.OnClosed = func() { c.read++ }
	c.enable()
	c.open(cmp.Or(c.w.place, homeFolder()))
	c.dialog.ShowOn(c.w.win.Canvas())
}

// open shows a folder, which is read on a goroutine of its own: it may be on another computer.
func (c *fileChooser) open(dir string) {
	c.read++
	number := c.read
	apart(c.w, func(context.Context) ([]fileRow, error) { return readFolder(dir, c.filter) }, func(files []fileRow, err error) {
		if number != c.read {
			return
		}
		if home := homeFolder(); err != nil && c.dir == "" && dir != home {
			c.open(home) // the one that was looked at last is gone
			return
		}
		if err != nil {
			c.ask(lang.L("This folder can't be opened."))
			return
		}
		c.dir, c.files, c.w.place = dir, files, dir
		c.path.SetText(dir)
		c.list.UnselectAll()
		c.list.ScrollToTop()
		c.list.at, c.list.chosen = 0, -1
		c.list.Highlight(0)
		c.list.Refresh()
		c.ask("")
		if len(files) == 0 && !c.save {
			c.problem.Set(widget.ToneInfo, lang.L("There is nothing to choose in this folder."))
			c.dialog.Refresh()
		}
	})
}

// readFolder lists a folder, without what is hidden, the folders first.
func readFolder(dir string, filter []string) (files []fileRow, err error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range list {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, entry.Name())) // of what a link leads to
		switch {
		case err != nil:
		case info.IsDir():
			files = append(files, fileRow{name: entry.Name(), folder: true})
		case info.Mode().IsRegular() && (len(filter) == 0 || slices.Contains(filter, strings.ToLower(filepath.Ext(entry.Name())))):
			files = append(files, fileRow{name: entry.Name(), detail: byteSize(info.Size())})
		}
	}
	slices.SortStableFunc(files, func(a, b fileRow) int {
		if a.folder != b.folder {
			if a.folder {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), cmp.Compare(a.name, b.name))
	})
	return files, nil
}

// up shows the folder above.
func (c *fileChooser) up() { c.open(filepath.Dir(cmp.Or(c.dir, homeFolder()))) }

// openRegular opens a file that was chosen, which is none that reading waits for without end. The error is errNoFile.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = core.ErrNotRegular
	}
	if err != nil {
		return nil, errors.Join(errNoFile, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(errNoFile, err)
	}
	return file, nil
}

// look finds out what is at a path, on a goroutine of its own, unless something else is asked for meanwhile.
func (c *fileChooser) look(path string, then func(info os.FileInfo, err error)) {
	c.read++
	number := c.read
	apart(c.w, func(context.Context) (os.FileInfo, error) { return os.Stat(path) }, func(info os.FileInfo, err error) {
		if number == c.read {
			then(info, err)
		}
	})
}

// typed goes to the folder that was typed, or takes the file.
func (c *fileChooser) typed(path string) {
	if rest, ok := strings.CutPrefix(path, "~"); ok {
		path = filepath.Join(homeFolder(), rest)
	} else if !filepath.IsAbs(path) {
		path = filepath.Join(cmp.Or(c.dir, homeFolder()), path)
	}
	c.look(path, func(info os.FileInfo, err error) {
		switch {
		case err == nil && info.IsDir():
			c.open(filepath.Clean(path))
		case err == nil && !c.save && info.Mode().IsRegular():
			c.take(path)
		default:
			c.ask(lang.L("There is no such folder."))
		}
	})
}

// selected takes over the row that was tapped: a folder is opened, a file is chosen.
func (c *fileChooser) selected(i int) {
	switch {
	case i >= len(c.files):
	case c.files[i].folder:
		c.list.UnselectAll()
		c.open(filepath.Join(c.dir, c.files[i].name))
	case c.save:
		c.name.SetText(c.files[i].name)
		c.ask("")
	default:
		c.list.chosen = i
		c.ask("")
	}
}

// done takes the file that is chosen, or whose name was typed.
func (c *fileChooser) done() {
	if c.button.Disabled() {
		return
	}
	if !c.save {
		c.take(filepath.Join(c.dir, c.files[c.list.chosen].name))
		return
	}
	path := c.target()
	c.look(path, func(info os.FileInfo, err error) {
		switch {
		case path != c.target(): // another name was typed meanwhile
		case err == nil && info.IsDir():
			c.open(path)
		case err == nil && !info.Mode().IsRegular():
			c.ask(lang.L("Nothing can be saved there. Choose another place."))
		case err == nil && c.replace != path:
			c.ask(lang.L("There is a file of this name. Save once more to replace it."))
			c.replace = path
		default:
			c.take(path)
		}
	})
}

// target is where the file is to be written.
func (c *fileChooser) target() string { return filepath.Join(c.dir, filepath.Base(c.name.Text)) }

func (c *fileChooser) take(path string) {
	c.dialog.Close()
	c.chosen(path)
}

// ask says what stands in the way; nothing does if the text is empty.
func (c *fileChooser) ask(text string) {
	c.replace = ""
	c.problem.Set(widget.ToneWarning, text)
	c.enable()
	c.dialog.Refresh()
}

// enable lets the button be used if there is something to take.
func (c *fileChooser) enable() {
	if c.dir != "" && (c.save && strings.TrimSpace(c.name.Text) != "" || !c.save && c.list.chosen >= 0) {
		c.button.Enable()
	} else {
		c.button.Disable()
	}
}

// fileList lists the files of a fileChooser. It is used with the arrow keys, Enter, Backspace for the folder above, and the first letters of
// names.
type fileList struct {
	fynewidget.List

	c      *fileChooser
	frame  *widget.Surface // around it
	at     int             // the row with the keyboard
	chosen int             // or -1
}

func newFileList(c *fileChooser) *fileList {
	l := &fileList{c: c, chosen: -1}
	l.Length = func() int { return len(c.files) }
	l.CreateItem = func() fyne.CanvasObject {
		icon := canvas.NewImageFromResource(nil)
		icon.FillMode = canvas.ImageFillContain
		icon.SetMinSize(fyne.NewSquareSize(20))
		name := widget.NewLabel("", theme.TextBody)
		name.OneLine = true
		return widget.NewInset(widget.NewBar(10, 1, icon, name, widget.NewHint("")), 4, 6)
	}
	l.UpdateItem = func(i int, o fyne.CanvasObject) {
		if i >= len(c.files) {
			return
		}
		row, f := o.(*fyne.Container).Objects[0].(*fyne.Container), c.files[i]
		icon := row.Objects[0].(*canvas.Image)
		icon.Resource = theme.Icon("file", theme.ColorSecondary)
		if f.folder {
			icon.Resource = theme.Icon("folder", theme.ColorAccent)
		}
		icon.Refresh()
		row.Objects[1].(*widget.Label).SetText(f.name)
		row.Objects[2].(*widget.Label).SetText(f.detail)
		row.Refresh()
	}
	l.OnSelected = c.selected
	l.OnUnselected = func(int) {
		l.chosen = -1
		c.enable()
	}
	l.OnHighlighted = func(i int) { l.at = i }
	l.HideSeparators = true
	l.ExtendBaseWidget(l)
	return l
}

// FocusGained implements fyne.Focusable.
func (l *fileList) FocusGained() {
	l.List.FocusGained()
	l.frame.Border = theme.ColorAccent
	l.frame.Refresh()
	widget.Reveal(l)
}

// FocusLost implements fyne.Focusable.
func (l *fileList) FocusLost() {
	l.List.FocusLost()
	l.frame.Border = ""
	l.frame.Refresh()
}

// TypedKey implements fyne.Focusable.
func (l *fileList) TypedKey(ev *fyne.KeyEvent) {
	switch ev.Name {
	case fyne.KeyEscape:
		widget.Escape(l)
	case fyne.KeyBackspace:
		l.c.up()
	case fyne.KeyReturn, fyne.KeyEnter:
		if l.at < len(l.c.files) && !l.c.files[l.at].folder && !l.c.save {
			l.Select(l.at)
			l.c.done()
			return
		}
		l.UnselectAll()
		l.Select(l.at)
	default:
		l.List.TypedKey(ev)
	}
}

// TypedRune implements fyne.Focusable: it goes to the next name that begins so.
func (l *fileList) TypedRune(r rune) {
	n := len(l.c.files)
	for by := range n {
		i := (l.at + 1 + by) % n
		if first, _ := utf8.DecodeRuneInString(l.c.files[i].name); unicode.ToLower(first) == unicode.ToLower(r) {
			l.Highlight(i)
			return
		}
	}
}

// heightLayout gives objects all the room there is, and at least a height.
type heightLayout float32

func (h heightLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		place(o, 0, 0, size.Width, size.Height)
	}
}

func (h heightLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(120, float32(h)) }

// knownFolder is a folder that many files are in.
type knownFolder struct{ name, path string }

// homeFolder is the one of the person.
func homeFolder() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return string(filepath.Separator)
	}
	return home
}

// knownFolders are those that are there.
func knownFolders() []knownFolder {
	home := homeFolder()
	list := []knownFolder{{lang.L("Home"), home}}
	paths := userDirs(home)
	if paths == nil {
		for _, name := range []string{"Desktop", "Documents", "Downloads", "Pictures"} {
			paths = append(paths, filepath.Join(home, name))
		}
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() && path != home {
			list = append(list, knownFolder{filepath.Base(path), path})
		}
	}
	root := filepath.VolumeName(home) + string(filepath.Separator)
	return append(list, knownFolder{lang.L("Computer"), root})
}

// userDirs reads which folders the desktop has for documents, pictures and the like, under names in the person's language (the file of
// xdg-user-dirs). It returns nil if there is no such file.
func userDirs(home string) (paths []string) {
	config := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(home, ".config")
	}
	f, err := os.Open(filepath.Join(config, "user-dirs.dirs"))
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, path, ok := strings.Cut(lines.Text(), "=")
		switch name {
		case "XDG_DESKTOP_DIR", "XDG_DOCUMENTS_DIR", "XDG_DOWNLOAD_DIR", "XDG_PICTURES_DIR":
			path = strings.Replace(strings.Trim(path, `"`), "$HOME", home, 1)
			if path = filepath.Clean(path); ok && filepath.IsAbs(path) && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths
}
