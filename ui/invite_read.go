package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/qr"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// buildPaste makes the second tab.
func (d *newConversation) buildPaste() {
	d.entry = widget.NewTextEntry(lang.L("Paste the link that you were given"), 3)
	d.entry.OnChanged = d.look
	d.entry.OnPaste = func() bool {
		if d.w.app.Clipboard().Content() != "" {
			return false
		}
		d.pastePicture()
		return true
	}
	d.entry.OnKey = func(ev *fyne.KeyEvent) bool {
		if (ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter) && d.next != nil {
			d.next()
			return true
		}
		return ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter
	}
	d.problem = widget.NewNote(widget.ToneDanger, "")
	d.plan = container.NewStack()
	paste := widget.NewButton(lang.L("Paste"), widget.ButtonSecondary, d.pasteAny)
	paste.SetIcon("paste")
	file := widget.NewButton(lang.L("Picture…"), widget.ButtonSecondary, func() { d.w.chooseCode(d.readCode) })
	file.SetIcon("image")
	hint := widget.NewHint(lang.L("A code in a picture or screenshot can be pasted as well, or dropped onto this window."))
	buttons := []fyne.CanvasObject{paste, file}
	if d.w.opt.Screenshot != nil {
		screen := widget.NewButton(lang.L("My screen"), widget.ButtonSecondary, d.readScreen)
		screen.SetIcon("screen")
		buttons = append(buttons, screen)
	}
	if d.w.opt.Camera != nil {
		camera := widget.NewButton(lang.L("Camera…"), widget.ButtonSecondary, func() {
			d.w.scanCamera(func(text string) {
				if d.w.adder == d {
					d.found(text)
				}
			})
		})
		camera.SetIcon("camera")
		buttons = append(buttons, camera)
	}
	d.paste = widget.NewColumn(14, d.entry, widget.NewFlow(theme.Grid, buttons...), hint, d.problem, d.plan)
}

// offer fills in the link that is in the clipboard anyway, if it is not one's own. Only a full link
// can be looked at without asking a relay, which nobody has asked for yet.
func (d *newConversation) offer(text string) {
	if !strings.Contains(text, "/invitation#") {
		return
	}
	number := d.read
	ordered(d.w, func(ctx context.Context) (core.Plan, error) { return d.profile.Plan(ctx, text) }, func(plan core.Plan, err error) {
		if err == nil && !plan.Own && number == d.read && d.entry.Text == "" && d.w.adder == d {
			d.entry.SetText(text)
		}
	})
}

// found fills in a link that was read, which Enter opens then.
func (d *newConversation) found(text string) {
	d.entry.SetText(text)
	d.w.win.Canvas().Focus(d.entry)
}

// pasteAny takes a link or a picture from the clipboard.
func (d *newConversation) pasteAny() {
	if text := strings.TrimSpace(d.w.app.Clipboard().Content()); text != "" {
		d.found(text)
		return
	}
	d.pastePicture()
}

// pastePicture reads the code in the clipboard's picture.
func (d *newConversation) pastePicture() {
	if d.w.opt.Clipboard == nil {
		d.fail(lang.L("There is no text in the clipboard. Copy the link first."))
		return
	}
	d.readCode(func() (string, error) {
		img := d.w.opt.Clipboard(d.w.ctx)
		if img == nil {
			return "", errNoClipboard
		}
		return qr.Find(img)
	})
}

// chooseCode asks for a picture file, and hands over what reads its code.
func (w *Window) chooseCode(chosen func(read func() (string, error))) {
	w.openFile(pictureFiles(), func(path string) { chosen(func() (string, error) { return codeAt(path) }) })
}

// codeAt reads the code in a picture file.
func codeAt(path string) (string, error) {
	file, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return qr.Read(file)
}

// readScreen reads a code that is somewhere on the screen, as in a video call or on a web page.
func (d *newConversation) readScreen() {
	d.readCode(func() (string, error) {
		ctx, cancel := context.WithTimeout(d.w.ctx, lookTimeout)
		defer cancel()
		img, err := d.w.opt.Screenshot(ctx)
		if err != nil {
			return "", err
		}
		return qr.Find(img)
	})
}

// dropped sends files that were dropped onto a conversation, and reads the code in a picture that was dropped elsewhere.
func (w *Window) dropped(files []fyne.URI) {
	if len(files) == 0 || w.profile == nil || w.main == nil {
		return
	}
	if c, ok := w.main.content.(*conversation); ok && w.adder == nil && c.mayWrite() {
		if w.win.Canvas().Overlays().Top() == nil {
			paths := make([]string, len(files))
			for i, file := range files {
				paths[i] = file.Path()
			}
			c.attach(paths...)
		}
		return
	}
	if w.adder == nil {
		if w.win.Canvas().Overlays().Top() != nil {
			return
		}
		w.newConversation(files[0].Name())
		w.adder.entry.SetText("")
	}
	d := w.adder
	d.tabs.Select(tabPaste)
	d.readCode(func() (string, error) { return codeAt(files[0].Path()) })
}

// readCode shows the link that read finds, on a goroutine of its own.
func (d *newConversation) readCode(read func() (string, error)) {
	d.read++
	number := d.read
	d.tell(widget.ToneInfo, lang.L("Looking for a code in the picture…"))
	d.setPlan(nil)
	apart(d.w, func(context.Context) (string, error) { return read() }, func(text string, err error) {
		if number != d.read {
			return
		}
		if err != nil {
			d.fail(sentence(err))
			return
		}
		d.found(text)
		if d.entry.Text == text {
			d.look(text)
		}
	})
}

// tell shows how far it is, or what went wrong.
func (d *newConversation) tell(tone widget.Tone, text string) {
	d.problemText = text
	d.problem.Set(tone, text)
	d.resized()
}

// fail shows what went wrong.
func (d *newConversation) fail(text string) {
	d.tell(widget.ToneDanger, text)
	d.setPlan(nil)
}
