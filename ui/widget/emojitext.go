package widget

import (
	"image"
	"image/draw"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"github.com/clipperhouse/uax29/v2/graphemes"

	"github.com/sotto-chat/sotto/assets/emoji"
	"github.com/sotto-chat/sotto/ui/theme"
)

// Emoji in a text are pictures of our own: the toolkit has none for many of them and draws others badly.

// emojiSide is how large an emoji is beside text of the given size, and emojiAdvance how much room it takes.
func emojiSide(size float32) float32    { return float32(int(size*1.22 + 0.5)) }
func emojiAdvance(size float32) float32 { return emojiSide(size) + float32(int(size/10+0.5)) }

// measureText returns the width of a text on one line.
func measureText(s string, size float32, style fyne.TextStyle) float32 {
	var w float32
	for s != "" {
		start, end := emoji.Next(s)
		for text := s[:start]; text != ""; {
			n, font := theme.FontRun(text, style.Bold)
			run, _ := measureRun(text[:n], size, style, font)
			w += run.Width
			text = text[n:]
		}
		w += float32(graphemeCount(s[start:end])) * emojiAdvance(size)
		s = s[end:]
	}
	return w
}

// measureRun returns the size of a text in one font, which may be nil for the theme's own, and where its baseline is.
func measureRun(s string, size float32, style fyne.TextStyle, font fyne.Resource) (fyne.Size, float32) {
	return fyne.CurrentApp().Driver().RenderedTextSize(s, size, style, font)
}

func graphemeCount(s string) (n int) {
	for g := graphemes.FromString(s); s != "" && g.Next(); {
		n++
	}
	return n
}

// emojiRun draws a run of emoji.
type emojiRun struct {
	*canvas.Raster

	text string
}

func newEmojiRun() *emojiRun {
	e := &emojiRun{}
	e.Raster = canvas.NewRaster(func(w, h int) image.Image { return drawEmoji(e.text, w, h) })
	return e
}

// drawEmoji draws emoji beside one another; the height of the picture is the side of one.
func drawEmoji(text string, w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	n := graphemeCount(text)
	if n == 0 || w < 1 || h < 1 {
		return img
	}
	i := 0
	for g := graphemes.FromString(text); g.Next(); i++ {
		if e := emoji.Draw(g.Value(), h); e != nil {
			x := (w*i/n + w*(i+1)/n - h) / 2
			draw.Draw(img, image.Rect(x, 0, x+h, h), e, image.Point{}, draw.Src)
		}
	}
	return img
}
