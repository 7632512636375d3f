package ui

import (
	"context"
	"image"
	"sync/atomic"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/ui/qr"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// scanCamera shows what the camera sees until there is a code in it, and hands over its text.
func (w *Window) scanCamera(found func(text string)) {
	view := &canvas.Image{FillMode: canvas.ImageFillContain}
	frame := widget.NewSurface(theme.ColorBackground, widget.NewFixed(view, 0, 300))
	frame.Radius, frame.Margin = theme.BubbleRadius, 8
	note := widget.NewNote(widget.ToneInfo, lang.L("Hold the code before the camera. The pictures stay on this computer and are not kept."))
	var d *widget.Dialog
	stop := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, func() { d.Close() })
	d = newDialog(lang.L("Scan a code"), 480, widget.NewColumn(14, frame, note, container.New(rowLayout{}, stop)))
	var shown atomic.Bool // the picture before is on the screen
	shown.Store(true)
	open := true
	cancel := apart(w, func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		text := ""
		err := w.opt.Camera(ctx, func(img image.Image) {
			if text != "" || ctx.Err() != nil {
				return
			}
			if t, err := qr.Find(img); err == nil {
				text = t
				cancel()
				return
			}
			if shown.CompareAndSwap(true, false) {
				w.later(func() {
					view.Image = img
					view.Refresh()
					shown.Store(true)
				})
			}
		})
		return text, err
	}, func(text string, err error) {
		switch {
		case !open:
		case text != "":
			d.Close()
			found(text)
		case err != nil:
			note.Set(widget.ToneDanger, sentence(err))
			d.Refresh()
		}
	})
	d.OnClosed = func() {
		open = false
		cancel()
	}
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(fyne.Focusable(stop))
}
