package ui

import (
	"context"
	"crypto/sha256"
	"errors"
	"image"
	"io"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

const (
	// thumbSide is the side of a decoded profile picture, in pixels: enough for the largest avatar at scale 2.
	thumbSide = 2 * int(widget.AvatarLarge)
	// maxThumbs bounds the decoded pictures that are kept.
	maxThumbs = 512
	// cropSide is the longest side of a picture of which a part is to be chosen, in pixels.
	cropSide = 640
)

// thumbs keeps decoded profile pictures, nil for those that are none.
type thumbs map[[sha256.Size]byte]image.Image

// get decodes a profile picture, which came from somebody else. It returns nil for what is none.
func (t thumbs) get(file []byte) image.Image {
	if len(file) == 0 {
		return nil
	}
	key := sha256.Sum256(file)
	img, ok := t[key]
	if !ok {
		if len(t) >= maxThumbs {
			clear(t)
		}
		if decoded, err := picture.Decode(file); err == nil {
			img = picture.Cut(decoded, middle(decoded.Bounds()), thumbSide, thumbSide)
		}
		t[key] = img
	}
	return img
}

// middle returns the largest square in the middle of a box.
func middle(b image.Rectangle) image.Rectangle {
	n := min(b.Dx(), b.Dy())
	return image.Rect(0, 0, n, n).Add(b.Min).Add(image.Pt((b.Dx()-n)/2, (b.Dy()-n)/2))
}

// profilePicture makes the file of a profile picture from a square part of a picture, small enough for contacts of all versions.
func profilePicture(img image.Image, square image.Rectangle) ([]byte, error) {
	for side := picture.AvatarSide; ; side -= 32 {
		part := picture.Cut(img, square, side, side)
		file, err := picture.Avatar(part, part.Bounds())
		if err != nil || len(file) <= core.MaxPicture || side <= 64 {
			return file, err
		}
	}
}

// changePicture shows the picture of the profile, and lets another one be chosen.
func (w *Window) changePicture() {
	p := w.profile
	problem := widget.NewNote(widget.ToneDanger, "")
	var (
		d       *widget.Dialog
		save    *widget.Button
		remove  *widget.Button
		img     image.Image     // that was chosen, nil for none
		cropper *widget.Cropper // of img
	)
	shown := container.NewStack(container.NewCenter(widget.NewAvatar(w.ownAvatar(), widget.AvatarLarge)))
	tell := func(tone widget.Tone, text string) {
		problem.Set(tone, text)
		d.Refresh()
	}
	show := func(o fyne.CanvasObject) {
		shown.Objects = []fyne.CanvasObject{o}
		shown.Refresh()
		remove.Hidden = img == nil
		save.Enable()
		tell(widget.ToneDanger, "")
	}
	choose := widget.NewButton(lang.L("Choose a picture…"), widget.ButtonSecondary, func() {
		w.choosePicture(func(read func() (image.Image, error)) {
			tell(widget.ToneInfo, lang.L("Reading the picture…"))
			apart(w, func(context.Context) (image.Image, error) { return read() }, func(read image.Image, err error) {
				if err != nil {
					tell(widget.ToneDanger, sentence(err))
					return
				}
				img = picture.Fit(read, cropSide)
				cropper = widget.NewCropper(img)
				show(container.NewCenter(cropper))
				w.win.Canvas().Focus(cropper)
			})
		})
	})
	choose.SetIcon("image")
	remove = widget.NewButton(lang.L("Remove"), widget.ButtonSecondary, func() {
		img, cropper = nil, nil
		view := w.ownAvatar()
		view.Picture = nil
		show(container.NewCenter(widget.NewAvatar(view, widget.AvatarLarge)))
	})
	remove.Hidden = w.ownAvatar().Picture == nil
	save = widget.NewButton(lang.L("Save"), widget.ButtonPrimary, func() {
		var square image.Rectangle
		if cropper != nil {
			square = cropper.Square()
		}
		from := img
		ordered(w, func(ctx context.Context) (file []byte, err error) {
			if from != nil {
				if file, err = profilePicture(from, square); err != nil {
					return nil, err
				}
			}
			return file, p.SetPicture(ctx, file)
		}, func(file []byte, err error) {
			if err != nil {
				tell(widget.ToneDanger, sentence(err))
				return
			}
			d.Close()
			if w.profile == p {
				w.pictures[p.ID()] = file
				w.main.refreshRail()
				w.refill()
			}
		})
	})
	save.Disable()
	d = newDialog(lang.L("Picture"), 440, widget.NewColumn(14, shown,
		widget.NewHint(lang.L("Only people you connect with see it, and those you talk with incognito don't. It is made square and small, and nothing but the picture itself is sent: no place and no camera.")),
		widget.NewFlow(theme.Grid, choose, remove), problem, buttonRow(save)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(choose)
}

// choosePicture asks for a picture file, and hands over what reads it.
func (w *Window) choosePicture(chosen func(read func() (image.Image, error))) {
	w.openFile(pictureFiles(), func(path string) {
		chosen(func() (image.Image, error) {
			file, err := openRegular(path)
			if err != nil {
				return nil, err
			}
			defer file.Close()
			return readPicture(file)
		})
	})
}

// readPicture reads a picture file. The error is errNoFile, or one of those of package picture.
func readPicture(r io.Reader) (image.Image, error) {
	file, err := io.ReadAll(io.LimitReader(r, picture.MaxBytes+1))
	if err != nil {
		return nil, errors.Join(errNoFile, err)
	}
	return picture.Decode(file)
}
