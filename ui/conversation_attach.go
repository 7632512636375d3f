package ui

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/core/video"
	"github.com/sotto-chat/sotto/ui/widget"
)

// attached is a file that will be sent with the text.
type attached struct {
	view widget.ComposerAttachment
	size int // bytes of memory that are held for it besides view
	send func(ctx context.Context, p *core.Profile, contact int64, caption string, reply int64) error
}

// bytes is how much memory is held for a file.
func (a *attached) bytes() int {
	if a.view.Picture == nil {
		return a.size
	}
	return a.size + pixelBytes(a.view.Picture)
}

// pixelBytes is how much memory a picture takes.
func pixelBytes(img image.Image) int { return 4 * img.Bounds().Dx() * img.Bounds().Dy() }

// maxAttached is how many files can be sent at once.
const maxAttached = 20

// maxHeld is how much memory is taken at most by what is attached in all conversations, in bytes: pictures that were pasted are held
// as they are until they are sent, about eight of a large screen. They are not written to the disk, where nothing would protect them.
const maxHeld = 256 << 20

// chipSide is the side of the pictures in the composer, in pixels: enough for scale 2.
const chipSide = 160

// chooseFiles asks for a file to be sent.
func (c *conversation) chooseFiles() {
	c.w.openFile(nil, func(path string) { c.attach(path) })
}

// attach adds files to what will be sent.
func (c *conversation) attach(paths ...string) {
	if !c.mayWrite() || c.writing.edit != 0 {
		return
	}
	apart(c.w, func(context.Context) (list []attached, err error) {
		for _, path := range paths {
			a, err := attachedAt(path)
			if err != nil {
				return list, err
			}
			list = append(list, a)
		}
		return list, nil
	}, func(list []attached, err error) {
		c.hold(list)
		if err != nil && !c.left {
			c.warn(sentence(err))
		}
	})
}

// attachedAt looks at a file that is to be sent.
func attachedAt(path string) (a attached, err error) {
	f, err := openRegular(path)
	switch {
	case errors.Is(err, core.ErrNotRegular):
		return a, core.ErrNotRegular
	case err != nil:
		return a, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return a, errors.Join(errNoFile, err)
	case info.Size() > core.MaxFile:
		return a, core.ErrFileTooLarge
	}
	a = attached{send: sendPath(path), view: widget.ComposerAttachment{Icon: "file", Name: filepath.Base(path), Detail: byteSize(info.Size())}}
	if info.Size() <= picture.MaxBytes {
		a.view.Picture = pictureIn(f)
	}
	if v, err := video.Read(f, info.Size()); err == nil {
		a.view.Icon = "video"
		a.view.Detail = strings.TrimSpace(minutes(v.Duration) + "  " + a.view.Detail)
	}
	return a, nil
}

// pictureIn returns a small form of the picture in a file, or nil if it is none.
func pictureIn(f *os.File) image.Image {
	head := make([]byte, 32)
	if n, _ := f.ReadAt(head, 0); picture.Format(head[:n]) == "" {
		return nil
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, picture.MaxBytes))
	if err != nil {
		return nil
	}
	img, err := picture.Thumbnail(data, chipSide)
	if err != nil {
		return nil
	}
	return img
}

func (c *conversation) addAttached(list ...attached) {
	list, rest := c.w.fitting(len(c.attached), list)
	if rest != "" {
		c.warn(rest)
	}
	c.endLive()
	c.attached = append(c.attached, list...)
	c.showAttached()
	c.composer.Focus()
}

// hold attaches files to the conversation, or keeps them until it is opened again. They are forgotten when the profile is locked.
func (c *conversation) hold(list []attached) {
	if p := c.here(); p != nil {
		p.addAttached(list...)
		return
	}
	held := c.w.attached[c.key()]
	if list, _ = c.w.fitting(len(held), list); len(list) > 0 && c.isOpen() {
		c.w.attached[c.key()] = append(held, list...)
	}
}

// fitting is the part of a list of files that can be attached where n are already. The text tells why the rest can't; it is empty if all
// can.
func (w *Window) fitting(n int, list []attached) (fit []attached, rest string) {
	if n = max(maxAttached-n, 0); len(list) > n {
		list, rest = list[:n], lang.L("Up to {{.Count}} files can be sent at once.", map[string]any{"Count": maxAttached})
	}
	held := 0
	count := func(list []attached) {
		for i := range list {
			held += list[i].bytes()
		}
	}
	for _, waiting := range w.attached {
		count(waiting)
	}
	if w.main != nil {
		if c, ok := w.main.content.(*conversation); ok && !c.left {
			count(c.attached)
		}
	}
	for i, a := range list {
		if held += a.bytes(); held > maxHeld && held > a.bytes() { // one alone is never too much
			return list[:i], lang.L("Too many pictures wait to be sent. Send or remove some of them first.")
		}
	}
	return list, rest
}

func (c *conversation) showAttached() {
	views := make([]widget.ComposerAttachment, len(c.attached))
	for i, a := range c.attached {
		views[i] = a.view
	}
	c.composer.SetAttachments(views)
}

// detach takes a file away from what will be sent.
func (c *conversation) detach(i int) {
	c.attached = append(c.attached[:i:i], c.attached[i+1:]...)
	c.showAttached()
}

// paste attaches the picture in the clipboard. It tells whether nothing is to go into the text: there is no text, or too much.
func (c *conversation) paste() bool {
	switch text := c.w.app.Clipboard().Content(); {
	case len(text) > widget.MaxPaste:
		c.warn(lang.L("This text is too long for a message. Send it as a file."))
		return true
	case text != "" || c.w.opt.Clipboard == nil || c.writing.edit != 0:
		return false
	}
	apart(c.w, func(ctx context.Context) (a attached, err error) {
		img := c.w.opt.Clipboard(ctx)
		if img == nil {
			return a, errNoClipboard
		}
		return attached{send: sendPasted(img), size: pixelBytes(img), view: widget.ComposerAttachment{Picture: picture.Fit(img, chipSide), Name: lang.L("Picture")}}, nil
	}, func(a attached, err error) {
		if err == nil {
			c.hold([]attached{a})
		}
	})
	return true
}

// sendAttached sends files, the last one with the text, which then stands below them.
func (c *conversation) sendAttached(caption string, reply int64) {
	list := c.attached
	c.attached = nil
	c.showAttached()
	c.newest()
	s := c.sending(core.Draft{}, core.Draft{Text: caption, Reply: reply})
	profile, id := c.profile, c.id
	c.note.Set(widget.ToneInfo, lang.L("Encrypting what is sent…"))
	cancel := apart(c.w, func(ctx context.Context) (n int, err error) {
		for i, a := range list {
			text, answers := "", int64(0)
			if i == len(list)-1 {
				text = caption
			}
			if i == 0 {
				answers = reply
			}
			if err := a.send(ctx, profile, id, text, answers); err != nil {
				return i, err
			}
		}
		s.keep(ctx, nil)
		return len(list), nil
	}, func(n int, err error) {
		s.ended(err)
		if n > 0 {
			reply = 0
		}
		p := c.here()
		if p != nil {
			if contact := c.w.contact(id); contact != nil {
				p.update(contact)
			}
		}
		if err == nil {
			return
		}
		// What was not sent must not get lost.
		if p != nil {
			p.attached = append(list[n:len(list):len(list)], p.attached...)
			p.showAttached()
		} else {
			c.hold(list[n:])
		}
		if p != nil && errors.Is(err, context.Canceled) {
			p.giveBackText(caption, reply)
			return
		}
		c.giveBack(caption, reply, s.was, err, func() {
			c.attached = c.w.attached[c.key()]
			delete(c.w.attached, c.key())
			c.sendAttached(caption, reply)
		})
	})
	c.note.SetAction(lang.L("Cancel"), cancel)
	c.showFoot(c.mayWrite())
}

// sendPath sends the file at a path.
func sendPath(path string) func(context.Context, *core.Profile, int64, string, int64) error {
	return func(ctx context.Context, p *core.Profile, contact int64, caption string, reply int64) error {
		_, err := p.SendPath(ctx, contact, path, caption, reply)
		return err
	}
}

// sendPasted sends a picture that is no file: its pixels alone.
func sendPasted(img image.Image) func(context.Context, *core.Profile, int64, string, int64) error {
	return func(ctx context.Context, p *core.Profile, contact int64, caption string, reply int64) error {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			return err
		}
		file, ext, err := picture.Clean(b.Bytes())
		if err != nil {
			return err
		}
		preview, err := picture.Preview(img)
		if err != nil {
			return err
		}
		_, err = p.SendFile(ctx, contact, core.NewFile{Name: "picture." + ext, Content: bytes.NewReader(file), Size: int64(len(file)), Caption: caption, Reply: reply,
			Type: "image", Preview: preview})
		return notKept(err)
	}
}

// notKept tells errors about the folder of a profile from those about what is sent.
func notKept(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return errors.Join(errNotKept, err)
	}
	return err
}
