package widget

import (
	"image"

	"fyne.io/fyne/v2"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Measures of attachments, in pixels.
const (
	pictureLimit float32 = 300 // no picture in a bubble is wider or higher
	pictureLeast float32 = 80  // narrow pictures are cut, so that the signs on them have room
	gridGap      float32 = 3
	fileWidth    float32 = 240
	discSide     float32 = 44 // the round button in the middle of a picture
	previewImage float32 = 150
)

// mediaSize returns how large the attachment is shown in a bubble whose content may have the given width.
func (r *messageRow) mediaSize(limit float32) (w, h float32) {
	a := r.message.Attachment
	var gap float32
	if r.message.Text != "" {
		gap = 6
	}
	switch {
	case a == nil:
		return 0, 0
	case a.Kind == AttachmentVoice:
		return min(limit, fileWidth), 46 + gap
	case !a.isPicture():
		return min(limit, fileWidth), 48 + gap
	case len(r.album) > 0:
		w = min(limit, pictureLimit)
		return w, gridHeight(len(r.album), w)
	}
	width, height := a.Width, a.Height
	if p := a.thumbnail(); (width < 1 || height < 1) && p != nil {
		width, height = p.Bounds().Dx(), p.Bounds().Dy()
	}
	w = min(limit, pictureLimit)
	if width < 1 || height < 1 {
		return w, w * 2 / 3
	}
	h = w * float32(height) / float32(width)
	if h > pictureLimit {
		w, h = max(w*pictureLimit/h, min(w, pictureLeast)), pictureLimit
	}
	return w, max(h, pictureLeast)
}

// thumbnail is the picture of an attachment, or nil.
func (a *Attachment) thumbnail() image.Image {
	if a.Picture == nil || a.Picture.Bounds().Empty() {
		return nil
	}
	return a.Picture
}

// drawAttachment draws the attachment in a box and returns what follows below it.
func (r *messageRow) drawAttachment(colors bubbleColors, s rowState, x, y, w, h float32) float32 {
	a := r.message.Attachment
	switch {
	case a.Kind == AttachmentVoice:
		r.drawVoice(colors, x, y, w)
		return y + h
	case !a.isPicture():
		r.drawFile(colors, x, y, w)
		return y + h
	case len(r.album) > 0:
		r.drawAlbum(s, x, y, w, h)
	default:
		r.rect(theme.Color(theme.ColorTrack), theme.Grid, x, y, w, h)
		r.drawPicture(&r.message, theme.Grid, x, y, w, h)
		r.hits = append(r.hits, hitBox{kind: hitAttachment, x: x, y: y, w: w, h: h})
		r.drawOverlay(a, x, y, w, h)
	}
	return y + h + 6
}

// drawPicture draws the picture of a message, or the frame that is due.
func (r *messageRow) drawPicture(m *Message, radius, x, y, w, h float32) {
	a := m.Attachment
	if len(a.Frames) > 1 && r.frameOf != nil {
		img := r.cover(r.frameOf(m.ID, a.Frames), radius, x, y, w, h)
		r.moving = append(r.moving, moving{m.ID, a.Frames, img})
	} else if p := a.thumbnail(); p != nil {
		r.cover(p, radius, x, y, w, h)
	}
}

// drawOverlay draws what lies on a picture: the round button, the progress around it, and words in the corner.
func (r *messageRow) drawOverlay(a *Attachment, x, y, w, h float32) {
	icon := a.Icon
	if icon == "" && a.Kind == AttachmentVideo {
		icon = "play"
	}
	cx, cy := x+w/2, y+h/2
	if icon != "" {
		const side = 22
		r.rect(theme.Color(theme.ColorMedia), discSide/2, cx-discSide/2, cy-discSide/2, discSide, discSide)
		r.icon(icon, theme.ColorOnMedia, cx-side/2, cy-side/2, side)
		r.drawRing(a, theme.ColorOnMedia, cx, cy, discSide-6)
	}
	label := a.Duration
	if a.Detail != "" {
		if label != "" {
			label += "  "
		}
		label += a.Detail
	}
	if label == "" {
		return
	}
	const pad, height, edge = 7, 20, 8
	label = ellipsize(label, theme.TextCaption, fyne.TextStyle{}, w-2*edge-2*pad)
	tw := textWidth(label, theme.TextCaption, false)
	r.rect(theme.Color(theme.ColorMedia), height/2, x+edge, y+edge, tw+2*pad, height)
	r.text1(label, theme.TextCaption, false, theme.ColorOnMedia, x+edge+pad, y+edge, tw, height)
}

// drawRing draws how far a transfer is, as a ring with the given diameter; a quarter of it while nothing has moved yet.
func (r *messageRow) drawRing(a *Attachment, ink fyne.ThemeColorName, cx, cy, side float32) {
	if part, running := a.running(); running {
		r.arc(theme.Color(ink), 360*part, cx, cy, side)
	}
}

// running reports how much of a transfer is to be shown as done, and whether there is one.
func (a *Attachment) running() (part float32, running bool) {
	switch {
	case a.Progress > 0 && a.Progress < 1:
		return max(a.Progress, 0.03), true
	case a.Waiting:
		return 0.25, true
	default:
		return 0, false
	}
}

// fileDisc draws the round button of a file or a voice message.
func (r *messageRow) fileDisc(icon string, x, y float32) {
	const side = 22
	a := r.message.Attachment
	r.rect(theme.Color(theme.ColorAccent), fileDisc/2, x, y, fileDisc, fileDisc)
	r.icon(icon, theme.ColorOnAccent, x+(fileDisc-side)/2, y+(fileDisc-side)/2, side)
	r.drawRing(a, theme.ColorOnAccent, x+fileDisc/2, y+fileDisc/2, fileDisc-4)
}

const fileDisc, fileGap float32 = 40, 10

func (r *messageRow) drawFile(colors bubbleColors, x, y, w float32) {
	a := r.message.Attachment
	icon := a.Icon
	if icon == "" {
		icon = "file"
	}
	r.fileDisc(icon, x, y+2)
	line := lineHeight(theme.TextSmall)
	tw := w - fileDisc - fileGap
	left := x + fileDisc + fileGap
	name := ellipsizeMiddle(a.Name, theme.TextSmall, fyne.TextStyle{Bold: true}, tw)
	r.text1(name, theme.TextSmall, true, theme.ColorText, left, y+4, tw, line)
	detail := ellipsize(a.Detail, theme.TextCaption, fyne.TextStyle{}, tw)
	r.text1(detail, theme.TextCaption, false, colors.secondary, left, y+4+line, tw, lineHeight(theme.TextCaption))
	r.hits = append(r.hits, hitBox{kind: hitAttachment, x: x, y: y, w: w, h: fileDisc + 4})
}

// drawVoice draws the button, the curve of the loudness with what was played in the accent colour, and the time.
func (r *messageRow) drawVoice(colors bubbleColors, x, y, w float32) {
	const step, bar, top, height = 4, 2.4, 4, 24
	a := r.message.Attachment
	icon := a.Icon
	if icon == "" {
		icon = "play"
	}
	r.fileDisc(icon, x, y+2)
	r.hits = append(r.hits, hitBox{kind: hitAttachment, x: x, y: y, w: fileDisc, h: fileDisc + 4})
	left, right := x+fileDisc+fileGap, x+w
	n := int((right - left) / step)
	for i, v := range resample(a.Loudness, n) {
		ink := faint(colors.secondary)
		if float32(i)+0.5 < a.Played*float32(n) {
			ink = theme.Color(theme.ColorAccent)
		}
		bh := max(3, height*float32(v)/255)
		r.rect(ink, bar/2, left+float32(i)*step, y+top+(height-bh)/2, bar, bh)
	}
	r.hits = append(r.hits, hitBox{kind: hitWave, x: left, y: y, w: float32(n) * step, h: top + height + 2})
	label := a.Duration
	if a.Detail != "" {
		label += "  " + a.Detail
	}
	label = ellipsize(label, theme.TextCaption, fyne.TextStyle{}, right-left-40)
	r.text1(label, theme.TextCaption, false, colors.secondary, left, y+top+height+1, right-left, 16)
	if a.Speed != "" {
		const pad = 6
		sw := textWidth(a.Speed, theme.TextCaption, true)
		bx := right - sw - 2*pad
		r.rect(theme.Color(colors.quote), 8, bx, y+top+height+1, sw+2*pad, 16)
		r.text1(a.Speed, theme.TextCaption, true, theme.ColorAccent, bx+pad, y+top+height+1, sw, 16)
		r.hits = append(r.hits, hitBox{kind: hitSpeed, x: bx - 2, y: y + top + height - 2, w: sw + 2*pad + 4, h: 22})
	}
}

// resample returns n steps of a curve, the loudest of each part.
func resample(curve []byte, n int) []byte {
	out := make([]byte, max(n, 0))
	if len(curve) == 0 {
		return out
	}
	for i := range out {
		from := i * len(curve) / n
		to := max(from+1, (i+1)*len(curve)/n)
		for _, v := range curve[from:min(to, len(curve))] {
			out[i] = max(out[i], v)
		}
	}
	return out
}

// previewLayout is a link preview, broken into lines.
type previewLayout struct {
	title, description textLayout
	host               string
	width, height      float32
	image              float32 // height of the picture
}

const previewPad float32 = 10

func layoutPreview(p *LinkPreview, limit float32) previewLayout {
	l := previewLayout{width: min(limit, 340)}
	inner := l.width - 2*previewPad
	bold := fyne.TextStyle{Bold: true}
	l.title = layoutText(ellipsizeLines(p.Title, theme.TextSmall, bold, inner), nil, theme.TextSmall, bold, inner)
	l.description = layoutText(ellipsizeLines(p.Description, theme.TextSmall, fyne.TextStyle{}, inner), nil, theme.TextSmall, fyne.TextStyle{}, inner)
	l.host = ellipsize(p.Host, theme.TextCaption, fyne.TextStyle{}, inner)
	if p.Picture != nil && !p.Picture.Bounds().Empty() {
		b := p.Picture.Bounds()
		l.image = max(60, min(previewImage, l.width*float32(b.Dy())/float32(b.Dx())))
	}
	l.height = l.image + 15
	if p.Title != "" {
		l.height += lineHeight(theme.TextSmall) * float32(len(l.title.lines))
	}
	if p.Description != "" {
		l.height += lineHeight(theme.TextSmall) * float32(len(l.description.lines))
	}
	if p.Host != "" {
		l.height += lineHeight(theme.TextCaption)
	}
	return l
}

func (r *messageRow) drawPreview(l *previewLayout, colors bubbleColors, x, y, w float32) float32 {
	p := r.message.Preview
	r.rect(theme.Color(colors.quote), theme.Grid, x, y, w, l.height)
	r.hits = append(r.hits, hitBox{kind: hitPreview, x: x, y: y, w: w, h: l.height})
	bottom := y + l.height
	if l.image > 0 {
		r.cover(p.Picture, theme.Grid, x, y, w, l.image)
		y += l.image
	}
	y += 7
	inner := w - 2*previewPad
	if p.Title != "" {
		r.layout(&l.title, theme.ColorText, theme.ColorText, x+previewPad, y, inner)
		y += lineHeight(theme.TextSmall) * float32(len(l.title.lines))
	}
	if p.Description != "" {
		r.layout(&l.description, colors.secondary, colors.secondary, x+previewPad, y, inner)
		y += lineHeight(theme.TextSmall) * float32(len(l.description.lines))
	}
	if l.host != "" {
		r.text1(l.host, theme.TextCaption, false, theme.ColorAccent, x+previewPad, y, inner, lineHeight(theme.TextCaption))
	}
	return bottom + 6
}
