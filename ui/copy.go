package ui

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/ui/widget"
)

// copyText puts a text into the clipboard, and says so.
func (w *Window) copyText(text string) {
	widget.Copy(w.app.Clipboard(), text)
	w.toast(lang.L("Copied"))
}

// copyPicture puts a picture into the clipboard: what read returns on a goroutine of its own, without anything that a file may hold beside its
// pixels. done tells the person that it worked.
func (w *Window) copyPicture(read func(ctx context.Context) (image.Image, error), done func()) {
	put, p := w.opt.CopyPicture, w.profile
	apart(w, func(ctx context.Context) (clear func(), err error) {
		img, err := read(ctx)
		if err != nil {
			return nil, err
		}
		var file bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&file, img); err != nil {
			return nil, err
		}
		if clear, err = put(file.Bytes()); err != nil {
			return nil, errors.Join(errNoCopy, err)
		}
		return clear, nil
	}, func(clear func(), err error) {
		closed := w.locked || w.core.Profile(p.ID()) != p // in the meantime
		switch {
		case err != nil && !closed:
			w.tell(lang.L("Not copied"), pictureFailure(err))
		case err == nil:
			w.uncopy = clear
			if closed {
				w.forgetCopied()
				return
			}
			done()
		}
	})
}

// forgetTime is when the clipboard is emptied after the window was locked: asking another program what it has put there may take a while,
// which nobody should have to look at what was locked for.
const forgetTime = 200 * time.Millisecond

// forgetCopied empties the clipboard if what was copied here is still in it.
func (w *Window) forgetCopied() {
	if clear := w.uncopy; clear != nil {
		w.uncopy = nil
		apart(w, func(context.Context) (nothing, error) {
			clear()
			return nothing{}, nil
		}, func(nothing, error) {})
	}
	clear := widget.ForgetCopied()
	w.after(forgetTime, func() { clear(w.app.Clipboard()) })
}

// toast tells something for a moment.
func (w *Window) toast(text string) { widget.ShowToast(w.win.Canvas(), text, w.after) }

// copyable tells whether there is a picture in a message that can be copied, if only a small one.
func (w *Window) copyable(item *core.Item) bool {
	return w.opt.CopyPicture != nil && item.Content == "image" && item.Deleted.IsZero() && (isHere(item) || len(item.Image) > 0)
}

// copyImage copies the picture of a message: the file if it is here, otherwise the small one that came with the message.
func (c *conversation) copyImage(item *core.Item) {
	id, small, profile := item.ID, item.Image, c.profile
	here := isHere(item)
	c.w.copyPicture(func(ctx context.Context) (image.Image, error) {
		if here {
			data, err := readFile(ctx, profile, id)
			if err != nil {
				return nil, err
			}
			return picture.Decode(data)
		}
		return picture.Decode(small)
	}, func() { c.w.toast(lang.L("Copied")) })
}
