package widget

import (
	"image"
	"math"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// ViewerSource gives a Viewer its pictures and videos.
type ViewerSource interface {
	Len() int
	// Title returns what is shown above picture i, such as who sent it, and when.
	Title(i int) (title, detail string)
	// Video tells whether i is a video, and how long that is, in words; empty if it is not known.
	Video(i int) (length string, ok bool)
	// Load reads picture i and calls done on the main goroutine, at once or later, with its frames, of which most have one, or with
	// what went wrong in words. Of a video it reads the picture that stands for it, and there may be none.
	Load(i int, done func(frames []Frame, failure string))
}

// Viewer shows pictures and videos in front of everything, one at a time. The wheel, + and - zoom, 0 fits the picture into the window
// again, a drag and, while it is larger than the window, the arrow keys move it; otherwise Left and Right go to the next ones. A double
// tap switches between the two sizes. Of a video it shows a picture as large as the window, with a sign on it: a tap, Space and Enter
// have it played. Escape and a tap beside the picture close it.
type Viewer struct {
	fynewidget.BaseWidget

	// OnPlay is called when a video is to be played.
	OnPlay func(i int)
	// OnClosed is called once the viewer is gone.
	OnClosed func()
	// OnSave is called by a button, which is hidden while it is nil.
	OnSave func(i int)
	// After takes the place of After where time passes otherwise.
	After func(d time.Duration, f func()) (stop func() bool)

	source   ViewerSource
	at       int
	loads    int // how often load was called: what comes of an earlier one is not shown
	canvas   fyne.Canvas
	typedKey func(*fyne.KeyEvent)
	bubble   tooltipBubble

	stage                   *viewerStage
	title, detail, note     *Label
	foot                    *Label // below a video, and what Tell says
	close, save, left, next *IconButton
	in, out, fit            *IconButton
}

var (
	_ fyne.Widget = (*Viewer)(nil)
	_ tooltipHost = (*Viewer)(nil)
)

// NewViewer returns a viewer that begins with picture at. Set the callbacks, then call ShowOn.
func NewViewer(source ViewerSource, at int) *Viewer {
	v := &Viewer{source: source, at: at, bubble: newTooltipBubble()}
	v.stage = newViewerStage(v)
	v.title, v.detail, v.note = NewLabel("", theme.TextBody), NewLabel("", theme.TextCaption), NewLabel("", theme.TextBody)
	v.foot = NewLabel("", theme.TextSmall)
	v.title.Bold, v.title.OneLine, v.detail.OneLine = true, true, true
	v.note.Alignment, v.foot.Alignment = fyne.TextAlignCenter, fyne.TextAlignCenter
	for _, l := range []*Label{v.title, v.detail, v.note, v.foot} {
		l.Color = theme.ColorOnMedia
	}
	button := func(icon, name string, do func()) *IconButton {
		b := NewIconButton(icon, name, do)
		b.colorName = theme.ColorOnMedia
		b.escaped = func() bool { v.Close(); return true }
		return b
	}
	v.close = button("close", lang.L("Close"), v.Close)
	v.save = button("download", lang.L("Save…"), func() { v.OnSave(v.at) })
	v.left = button("chevron-left", lang.L("Previous"), func() { v.show(v.at - 1) })
	v.next = button("chevron-right", lang.L("Next"), func() { v.show(v.at + 1) })
	v.in = button("plus", lang.L("Larger"), func() { v.stage.zoomBy(1.5, v.stage.middle()) })
	v.out = button("minus", lang.L("Smaller"), func() { v.stage.zoomBy(1/1.5, v.stage.middle()) })
	v.fit = button("fit", lang.L("Fit"), func() { v.stage.setZoom(1) })
	v.ExtendBaseWidget(v)
	return v
}

// ShowOn shows the viewer on a canvas. It has the keyboard until it is closed.
func (v *Viewer) ShowOn(c fyne.Canvas) {
	if v.canvas != nil {
		return
	}
	if v.After != nil {
		v.stage.motion.after = v.After
	}
	v.canvas, v.typedKey = c, c.OnTypedKey()
	c.SetOnTypedKey(v.stage.TypedKey)
	c.Overlays().Add(v)
	v.Resize(c.Size())
	c.Focus(v.stage)
	v.load()
}

// Close takes the viewer away.
func (v *Viewer) Close() {
	if v.canvas == nil {
		return
	}
	c := v.canvas
	v.canvas = nil
	v.stage.motion.rest()
	c.Overlays().Remove(v)
	c.SetOnTypedKey(v.typedKey)
	if v.OnClosed != nil {
		v.OnClosed()
	}
}

func (v *Viewer) cancel() { v.Close() }

// At returns the number of the picture that is shown.
func (v *Viewer) At() int { return v.at }

// Changed tells that the source has other pictures now, among which the one that is shown has number at.
func (v *Viewer) Changed(at int) {
	v.at = at
	v.Refresh()
}

// Tell says something about what is shown, such as why it can't be played, until another one is.
func (v *Viewer) Tell(text string) {
	v.foot.SetText(text)
	v.Refresh()
}

func (v *Viewer) play() {
	if v.OnPlay != nil {
		v.OnPlay(v.at)
	}
}

func (v *Viewer) show(i int) {
	if i >= 0 && i < v.source.Len() && i != v.at {
		v.at = i
		v.load()
	}
}

func (v *Viewer) load() {
	v.loads++
	load := v.loads
	title, detail := v.source.Title(v.at)
	v.title.SetText(title)
	v.detail.SetText(detail)
	v.note.SetText(lang.L("Loading…"))
	v.foot.SetText("")
	length, video := v.source.Video(v.at)
	v.stage.setVideo(length, video)
	if video {
		v.note.SetText("")
		v.foot.SetText(lang.L("Space or Enter plays it with another program."))
	}
	v.stage.set(nil)
	v.source.Load(v.at, func(frames []Frame, failure string) {
		if load != v.loads || v.canvas == nil {
			return
		}
		v.note.SetText(failure)
		v.stage.set(frames)
		v.Refresh()
	})
	v.Refresh()
}

func (v *Viewer) showTooltip(text string, at fyne.Position, size fyne.Size) {
	v.bubble.show(text, at.Subtract(v.Position()), size, v.Size())
	canvas.Refresh(v)
}

func (v *Viewer) hideTooltip() {
	v.bubble.hide()
	canvas.Refresh(v)
}

const (
	viewerBar  float32 = 60 // above the picture
	viewerFoot float32 = 48 // below a video
)

// CreateRenderer implements fyne.Widget.
func (v *Viewer) CreateRenderer() fyne.WidgetRenderer {
	ground := canvas.NewRectangle(nil)
	return newRenderer(&renderer{
		widget: v,
		objects: append([]fyne.CanvasObject{ground, v.stage, v.note, v.foot, v.title, v.detail, v.left, v.next, v.out, v.fit, v.in, v.save, v.close},
			v.bubble.objects()...),
		still:   len(v.bubble.objects()),
		minSize: func() fyne.Size { return fyne.NewSize(200, 200) },
		layout: func(size fyne.Size) {
			const edge, gap = 16, 4
			ground.Resize(size)
			place(v.stage, 0, viewerBar, size.Width, size.Height-viewerBar) // what scrolls is clipped by the toolkit
			y := (viewerBar - buttonHeight) / 2
			x := size.Width - edge + 4
			for _, b := range []*IconButton{v.close, v.save, v.in, v.fit, v.out} {
				if b.Visible() {
					x -= buttonHeight + gap
					place(b, x, y, buttonHeight, buttonHeight)
				}
			}
			place(v.title, edge, 11, x-2*edge, lineHeight(theme.TextBody))
			place(v.detail, edge, 12+lineHeight(theme.TextBody), x-2*edge, lineHeight(theme.TextCaption))
			place(v.note, edge, size.Height/2-10, size.Width-2*edge, 20)
			foot := lineHeight(theme.TextSmall) * float32(len(v.foot.lay(size.Width-2*edge).lines))
			place(v.foot, edge, size.Height-viewerFoot/2-foot/2, size.Width-2*edge, foot)
			place(v.left, edge-8, (size.Height-buttonHeight)/2, buttonHeight, buttonHeight)
			place(v.next, size.Width-edge-buttonHeight+8, (size.Height-buttonHeight)/2, buttonHeight, buttonHeight)
		},
		update: func() {
			ground.FillColor = theme.Color(theme.ColorStage)
			ground.Refresh()
			v.save.Hidden = v.OnSave == nil || v.stage.img == nil && !v.stage.video
			v.in.Hidden, v.out.Hidden, v.fit.Hidden = v.stage.video, v.stage.video, v.stage.video
			v.left.Hidden = v.at == 0
			v.next.Hidden = v.at >= v.source.Len()-1
			v.bubble.update()
		},
	})
}

// viewerMost is how much larger than fitting into the window a picture can be shown.
const viewerMost = 16

// Sizes of what lies on the picture of a video, in pixels, and how large it is where there is none.
const (
	playDisc    float32 = 72
	playSign    float32 = 40
	videoWidth  float32 = 640
	videoHeight float32 = 360
)

// viewerStage shows one picture at a size and a place.
type viewerStage struct {
	fynewidget.BaseWidget

	viewer  *Viewer
	frames  []Frame // none while it is read
	start   time.Time
	motion  motion
	img     image.Image // the first of them
	picture *canvas.Image
	zoom    float32       // 1 fits into the window
	centre  fyne.Position // of the picture, relative to the middle of the stage

	video       bool
	ground      *canvas.Rectangle // where a video has no picture
	disc, badge *canvas.Rectangle
	sign        *glyph
	length      *words
}

var (
	_ fyne.Focusable      = (*viewerStage)(nil)
	_ fyne.Scrollable     = (*viewerStage)(nil)
	_ fyne.Draggable      = (*viewerStage)(nil)
	_ fyne.Tappable       = (*viewerStage)(nil)
	_ fyne.DoubleTappable = (*viewerStage)(nil)
	_ desktop.Cursorable  = (*viewerStage)(nil)
)

func newViewerStage(v *Viewer) *viewerStage {
	s := &viewerStage{viewer: v, motion: newMotion(), picture: &canvas.Image{FillMode: canvas.ImageFillStretch}, zoom: 1,
		ground: &canvas.Rectangle{CornerRadius: theme.Grid}, disc: &canvas.Rectangle{CornerRadius: playDisc / 2}, badge: &canvas.Rectangle{CornerRadius: theme.FieldRadius}, sign: newGlyph(), length: newWords(theme.TextCaption, false)}
	s.ExtendBaseWidget(s)
	return s
}

func (s *viewerStage) set(frames []Frame) {
	var img image.Image
	if len(frames) > 0 && frames[0].Image != nil && !frames[0].Image.Bounds().Empty() {
		img = frames[0].Image
	}
	s.motion.rest()
	s.frames, s.start = frames, s.motion.now()
	s.img, s.zoom, s.centre = img, 1, fyne.Position{}
	if s.video {
		s.centre.Y = -viewerFoot / 2
	}
	s.picture.Image = img
	s.picture.Hidden = img == nil
	s.picture.Refresh()
	s.Refresh()
	if len(frames) > 1 && img != nil {
		s.play()
	}
}

// setVideo tells whether what is shown from now on is a video.
func (s *viewerStage) setVideo(length string, video bool) {
	s.video = video
	s.length.set(length, theme.ColorOnMedia)
}

// play shows the frame that is due, and waits for the next one.
func (s *viewerStage) play() {
	n, rest := frameAt(s.frames, s.motion.now().Sub(s.start))
	if img := s.frames[n].Image; img != s.picture.Image {
		s.picture.Image = img
		s.picture.Refresh()
	}
	s.motion.wait(rest, s.play)
}

func (s *viewerStage) middle() fyne.Position { return fyne.NewPos(s.Size().Width/2, s.Size().Height/2) }

// fitted is the size of the picture that fits into the stage; small ones keep their size, but those of videos, which are only
// previews.
func (s *viewerStage) fitted() fyne.Size {
	const edge, side = 16, 56 // of a video there is room for the buttons beside it
	var w, h float32
	switch {
	case s.img != nil:
		w, h = float32(s.img.Bounds().Dx()), float32(s.img.Bounds().Dy())
	case s.video:
		w, h = videoWidth, videoHeight
	default:
		return fyne.Size{}
	}
	f := min(1, (s.Size().Width-2*edge)/w, (s.Size().Height-edge)/h)
	if s.video {
		f = min((s.Size().Width-2*side)/w, (s.Size().Height-viewerFoot)/h)
	}
	return fyne.NewSize(max(w*f, 1), max(h*f, 1))
}

func (s *viewerStage) shown() fyne.Size {
	f := s.fitted()
	return fyne.NewSize(f.Width*s.zoom, f.Height*s.zoom)
}

func (s *viewerStage) setZoom(zoom float32) { s.zoomBy(zoom/s.zoom, s.middle()) }

// zoomBy makes the picture larger; what is at a position of the stage stays there.
func (s *viewerStage) zoomBy(f float32, at fyne.Position) {
	if s.video {
		return // its picture is small
	}
	zoom := max(1, min(s.zoom*f, viewerMost))
	f = zoom / s.zoom
	s.zoom = zoom
	d := at.Subtract(s.middle())
	s.centre = fyne.NewPos(d.X+(s.centre.X-d.X)*f, d.Y+(s.centre.Y-d.Y)*f)
	s.move(0, 0)
}

// move moves the picture, not further than its edges.
func (s *viewerStage) move(dx, dy float32) {
	if s.video {
		return
	}
	size := s.shown()
	limit := func(v, picture, stage float32) float32 {
		room := max(0, (picture-stage)/2)
		return max(-room, min(v, room))
	}
	s.centre = fyne.NewPos(limit(s.centre.X+dx, size.Width, s.Size().Width), limit(s.centre.Y+dy, size.Height, s.Size().Height))
	s.Refresh()
}

// Scrolled implements fyne.Scrollable.
func (s *viewerStage) Scrolled(ev *fyne.ScrollEvent) {
	s.zoomBy(float32(math.Pow(1.01, float64(max(-60, min(ev.Scrolled.DY, 60))))), ev.Position)
}

// Dragged implements fyne.Draggable.
func (s *viewerStage) Dragged(ev *fyne.DragEvent) { s.move(ev.Dragged.DX, ev.Dragged.DY) }

// DragEnd implements fyne.Draggable.
func (s *viewerStage) DragEnd() {}

// Tapped implements fyne.Tappable.
func (s *viewerStage) Tapped(ev *fyne.PointEvent) {
	size := s.shown()
	d := ev.Position.Subtract(s.middle()).Subtract(s.centre)
	switch {
	case d.X < -size.Width/2 || d.X > size.Width/2 || d.Y < -size.Height/2 || d.Y > size.Height/2:
		s.viewer.Close()
	case s.video:
		s.viewer.play()
	}
}

// DoubleTapped implements fyne.DoubleTappable.
func (s *viewerStage) DoubleTapped(ev *fyne.PointEvent) {
	switch {
	case s.video:
		s.Tapped(ev)
	case s.zoom > 1:
		s.setZoom(1)
	default:
		s.zoomBy(2.5, ev.Position)
	}
}

// Cursor implements desktop.Cursorable.
func (s *viewerStage) Cursor() desktop.Cursor {
	if s.zoom > 1 || s.video {
		return desktop.PointerCursor
	}
	return desktop.DefaultCursor
}

// FocusGained implements fyne.Focusable.
func (s *viewerStage) FocusGained() {}

// FocusLost implements fyne.Focusable.
func (s *viewerStage) FocusLost() {}

// TypedRune implements fyne.Focusable.
func (s *viewerStage) TypedRune(r rune) {
	switch r {
	case '+', '=':
		s.zoomBy(1.5, s.middle())
	case '-':
		s.zoomBy(1/1.5, s.middle())
	case '0':
		s.setZoom(1)
	}
}

// TypedKey implements fyne.Focusable.
func (s *viewerStage) TypedKey(ev *fyne.KeyEvent) {
	const step = 60
	large := s.zoom > 1
	key := ev.Name
	if !large {
		key = MirrorKey(key) // to the next picture; a large one moves as the arrow says
	}
	if s.video && (key == fyne.KeySpace || key == fyne.KeyReturn || key == fyne.KeyEnter) {
		s.viewer.play()
		return
	}
	switch key {
	case fyne.KeyEscape:
		s.viewer.Close()
	case fyne.KeyLeft:
		if large {
			s.move(step, 0)
			return
		}
		s.viewer.show(s.viewer.at - 1)
	case fyne.KeyRight, fyne.KeySpace:
		if large && ev.Name == fyne.KeyRight {
			s.move(-step, 0)
			return
		}
		s.viewer.show(s.viewer.at + 1)
	case fyne.KeyUp:
		s.move(0, step)
	case fyne.KeyDown:
		s.move(0, -step)
	case fyne.KeyPageUp:
		s.viewer.show(s.viewer.at - 1)
	case fyne.KeyPageDown:
		s.viewer.show(s.viewer.at + 1)
	case fyne.KeyHome:
		s.viewer.show(0)
	case fyne.KeyEnd:
		s.viewer.show(s.viewer.source.Len() - 1)
	}
}

// CreateRenderer implements fyne.Widget.
func (s *viewerStage) CreateRenderer() fyne.WidgetRenderer {
	return newRenderer(&renderer{
		widget:  s,
		objects: []fyne.CanvasObject{s.ground, s.picture, s.disc, s.sign.Raster, s.badge, s.length.box},
		still:   allStill,
		minSize: func() fyne.Size { return fyne.NewSize(100, 100) },
		layout: func(fyne.Size) {
			size := s.shown()
			middle := s.middle()
			at := middle.Add(s.centre).SubtractXY(size.Width/2, size.Height/2)
			place(s.picture, at.X, at.Y, size.Width, size.Height)
			place(s.ground, at.X, at.Y, size.Width, size.Height)
			place(s.disc, middle.X-playDisc/2, middle.Y+s.centre.Y-playDisc/2, playDisc, playDisc)
			place(s.sign, middle.X-playSign/2, middle.Y+s.centre.Y-playSign/2, playSign, playSign)
			const pad, height, edge = 8, 22, 10
			w := textWidth(s.length.text, theme.TextCaption, false) + 2*pad
			x := at.X + MirrorX(edge, w, size.Width)
			place(s.badge, x, at.Y+edge, w, height)
			s.length.center(x, at.Y+edge, w, height, 0)
		},
		update: func() {
			s.ground.Hidden = !s.video || s.img != nil
			s.disc.Hidden, s.sign.Hidden = !s.video, !s.video
			s.badge.Hidden = !s.video || s.length.text == ""
			s.length.box.Hidden = s.badge.Hidden
			s.ground.FillColor = faint(theme.ColorSecondary)
			s.badge.FillColor, s.disc.FillColor = theme.Color(theme.ColorMedia), theme.Color(theme.ColorMedia)
			s.sign.set("play", theme.ColorOnMedia)
		},
	})
}
