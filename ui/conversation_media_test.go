package ui

import (
	"bytes"
	"fmt"
	"image"
	"image/color/palette"
	"image/gif"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/core/video"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// notes opens the notes of a profile, which need no relay.
func notes(t *testing.T) (*bench, *conversation) {
	t.Helper()
	return notesIn(t, t.TempDir())
}

// notesIn is notes with a folder.
func notesIn(t *testing.T, dir string) (*bench, *conversation) {
	t.Helper()
	b := openBench(t, dir, theme.Light, nil, "Alice")
	b.openNotes()
	b.wait("the notes", func() bool { c, ok := b.main.content.(*conversation); return ok && c.loaded })
	return b, b.conversation()
}

// moving is a GIF of some frames.
func moving(t *testing.T, frames, side int) []byte {
	t.Helper()
	g := new(gif.GIF)
	for n := range frames {
		img := image.NewPaletted(image.Rect(0, 0, side, side), palette.WebSafe)
		for i := range img.Pix {
			img.Pix[i] = uint8(n * 7)
		}
		g.Image, g.Delay = append(g.Image, img), append(g.Delay, 6)
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, g); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPicturesTogether(t *testing.T) {
	b, c := notes(t)
	c.attach(writePicture(t, "one.png"), writePicture(t, "two.png"), writePicture(t, "three.png"))
	b.wait("they are attached", func() bool { return len(c.attached) == 3 })
	c.say("three of them")
	b.wait("the messages", func() bool { return len(c.items) == 3 })
	if a := []bool{c.At(0).Album, c.At(1).Album, c.At(2).Album}; a[0] || !a[1] || !a[2] || c.At(2).Text != "three of them" {
		t.Errorf("albums %v", a)
	}
	b.wait("the pictures", func() bool { return c.media.pictures[pictureKey{c.items[1].ID, pictureFile}] != nil })
	c.list.OnAttachment(1)
	v, ok := b.win.Canvas().Overlays().Top().(*widget.Viewer)
	if !ok || v.At() != 1 {
		t.Fatal("the second picture is not shown")
	}
	v.Close()
	if c.list.Current() >= 0 || len(c.menuItems(&c.items[0])) == 0 {
		t.Error("a picture of several has no menu")
	}
}

// TestAlbums tells which pictures stand together.
func TestAlbums(t *testing.T) {
	c := &conversation{newID: -1}
	one := func() core.Item {
		return core.Item{Kind: chat.KindText, Content: "image", Time: noon, File: &core.File{State: core.FileDone}}
	}
	for name, change := range map[string]func(a, b *core.Item){
		"a text above":    func(a, _ *core.Item) { a.Text = "x" },
		"both sides":      func(a, _ *core.Item) { a.Own = true },
		"later":           func(_, b *core.Item) { b.Time = noon.Add(albumPause + time.Second) },
		"an answer":       func(_, b *core.Item) { b.Quote = &core.Quote{} },
		"another time":    func(_, b *core.Item) { b.TTL = time.Hour },
		"forwarded":       func(_, b *core.Item) { b.Forwarded = true },
		"taken back":      func(a, _ *core.Item) { a.Deleted = noon },
		"a failed file":   func(_, b *core.Item) { b.File.State = core.FileFailed },
		"not sent":        func(_, b *core.Item) { b.State = chat.StateFailed },
		"a video":         func(a, _ *core.Item) { a.Content = "video" },
		"nothing at all":  func(a, _ *core.Item) { *a = core.Item{Content: "image"} },
		"the first new":   func(_, b *core.Item) { b.ID, c.newID = 7, 7 },
		"a notice before": func(a, _ *core.Item) { *a = core.Item{Kind: chat.KindFeature} },
	} {
		first, second := one(), one()
		change(&first, &second)
		c.items = []core.Item{first, second}
		if c.album(1) {
			t.Errorf("together: %s", name)
		}
		c.newID = -1
	}
	c.items, c.newID = nil, -1
	for range 2*widget.MaxAlbum + 3 {
		c.items = append(c.items, one())
	}
	for i := range c.items {
		if c.album(i) == (i%widget.MaxAlbum == 0) {
			t.Errorf("picture %d", i)
		}
	}
}

func TestAnimatedPicture(t *testing.T) {
	b, c := notes(t)
	path := filepath.Join(t.TempDir(), "party.gif")
	if err := os.WriteFile(path, moving(t, 6, 40), 0o600); err != nil {
		t.Fatal(err)
	}
	c.attach(path)
	b.wait("it is attached", func() bool { return len(c.attached) == 1 })
	c.say("")
	b.wait("it moves", func() bool { return len(c.items) == 1 && len(c.At(0).Attachment.Frames) == 6 })
	// In the viewer, too.
	source := &pictureSource{c: c, items: c.items}
	frames := 0
	source.Load(0, func(f []widget.Frame, failure string) {
		if failure != "" {
			t.Error(failure)
		}
		frames = len(f)
	})
	b.wait("the viewer has it", func() bool { return frames == 6 })

	// It stays still where nothing is to move.
	b.changeLook(func(a *core.Appearance) { a.Still = true })
	if len(c.At(0).Attachment.Frames) > 0 {
		t.Error("it moves")
	}
	b.changeLook(func(a *core.Appearance) { a.Still = false })
	b.still = true
	if len(c.At(0).Attachment.Frames) > 0 {
		t.Error("it moves, which the desktop does not want")
	}
	b.still = false

	// What is out of sight makes room for what is not.
	if c.media.motions[99] = make([]widget.Frame, maxMotion/400); true {
		for i := range c.media.motions[99] {
			c.media.motions[99][i].Image = image.NewGray(image.Rect(0, 0, 20, 20))
		}
	}
	b.resize(900, 600)
	if !c.media.makeRoom(1000) || len(c.media.motions) != 1 {
		t.Errorf("%d animations are kept", len(c.media.motions))
	}
	if c.media.makeRoom(maxMotion) {
		t.Error("there is room for more than there may be")
	}
}

// TestAnimatedWebP sends an animation of the other kind.
func TestAnimatedWebP(t *testing.T) {
	b, c := notes(t)
	c.attach("../core/picture/testdata/moving.webp")
	b.wait("it is attached", func() bool { return len(c.attached) == 1 && c.attached[0].view.Picture != nil })
	c.say("")
	b.wait("it moves", func() bool { return len(c.items) == 1 && len(c.At(0).Attachment.Frames) == 6 })
}

func TestVideoIsSent(t *testing.T) {
	b, c := notes(t)
	t.Setenv("PATH", "") // no program that makes pictures of videos
	c.attach("../core/video/testdata/short.mp4")
	b.wait("it is attached", func() bool { return len(c.attached) == 1 })
	if v := c.attached[0].view; v.Icon != "video" || v.Detail == "" || v.Detail[:4] != "0:03" {
		t.Errorf("%+v", v)
	}
	c.say("look")
	b.wait("it is there with a picture", func() bool { return len(c.items) == 1 && c.At(0).Attachment.Picture != nil })
	if a := c.At(0).Attachment; a.Kind != widget.AttachmentVideo || a.Duration != "0:03" {
		t.Errorf("%+v", a)
	}
	if c.menuItems(&c.items[0]) == nil {
		t.Error("something is asked")
	}
}

// shownIn returns the viewer that is open.
func (b *bench) shownIn() *widget.Viewer {
	b.Helper()
	v, ok := b.win.Canvas().Overlays().Top().(*widget.Viewer)
	if !ok {
		b.Fatalf("a %T is open", b.win.Canvas().Overlays().Top())
	}
	return v
}

// typeKey types a key into what has the keyboard.
func (b *bench) typeKey(name fyne.KeyName) {
	b.Helper()
	b.win.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: name})
}

// TestViewPicturesAndVideos steps through the pictures and the videos of a conversation, and has a video played.
func TestViewPicturesAndVideos(t *testing.T) {
	dir, runtime := t.TempDir(), t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	b, c := notesIn(t, dir)
	preview, err := picture.Preview(evening())
	if err != nil {
		t.Fatal(err)
	}
	keep := func(name string, kind event.ContentType) core.Item {
		return b.keepFile(c, core.NewFile{Name: name, Type: kind, Preview: preview, Duration: 67 * time.Second}, jpegOf(t, evening()))
	}
	keep("one.jpg", "image")
	keep("list.txt", "file")
	film := keep("boat.mp4", "video")
	last := keep("two.jpg", "image")
	copied := func(name string) func() bool {
		return func() bool {
			copies, err := filepath.Glob(filepath.Join(runtime, "*", name))
			return err == nil && len(copies) == 1
		}
	}
	if !c.can(2, "View") || c.can(1, "View") {
		t.Error("not what is shown can be viewed")
	}
	b.do(c, 2, "View")
	if v := b.shownIn(); v.At() != 1 {
		t.Errorf("number %d is shown", v.At())
	}
	b.typeKey(fyne.KeyRight)
	b.typeKey(fyne.KeyLeft)
	b.typeKey(fyne.KeySpace)
	b.wait("the copy for the other program", copied("boat.mp4"))
	lose(t, b.filesOf(dir))
	b.typeKey(fyne.KeyReturn)
	b.wait("why it can't be played", func() bool { return b.says("The copy on this computer is damaged or gone.") })
	b.typeKey(fyne.KeyEscape)

	// What was not read yet comes while the viewer is open.
	c.items = c.items[3:]
	c.list.Reset()
	c.view(last.ID)
	v := b.shownIn()
	b.wait("those before it", func() bool { return v.At() == 2 })
	b.typeKey(fyne.KeyHome)
	if v.At() != 0 {
		t.Errorf("number %d is the first one", v.At())
	}
	b.typeKey(fyne.KeyEscape)

	// In the gallery the newest one comes first, and files that are no pictures have a menu.
	list := b.keepFile(c, core.NewFile{Name: "more.txt", Type: "file"}, []byte("bread"))
	b.showGallery(c.id)
	tiles := func() (list []*tile) {
		for _, o := range laidOut(b.win.Content()) {
			if t, ok := o.(*tile); ok {
				list = append(list, t)
			}
		}
		return list
	}
	b.wait("the tiles", func() bool { return len(tiles()) == 3 })
	tiles()[1].TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	v = b.shownIn()
	if title, _ := (&pictureSource{c: c, items: []core.Item{film}}).Video(0); v.At() != 1 || title != "1:07" {
		t.Errorf("number %d is shown", v.At())
	}
	b.settle()
	b.typeKey(fyne.KeyEnd)
	if v.At() != 2 {
		t.Errorf("number %d is the last one", v.At())
	}
	b.typeKey(fyne.KeyEscape)
	b.tapRow(list.File.Name)
	b.typeKey(fyne.KeyDown)
	b.typeKey(fyne.KeyReturn)
	b.wait("the copy of what is in the gallery", copied("more.txt"))
}

// TestPicturesOfViewer compares a video in the viewer of the window with the pictures in testdata, also where one reads from the right.
func TestPicturesOfViewer(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		for _, tag := range []string{"en", "ar"} {
			if tag == "ar" {
				speak(t, tag)
			}
			b := newBench(t, mode, "Alice")
			b.fill()
			c := b.open(1)
			b.talkOf(c, mediaTalk(t)...)
			c.items[8].Image = jpegOf(t, evening())
			c.items[0].File.State = core.FileDone
			b.wait("the previews behind it", func() bool {
				for i := range c.items[:9] {
					if c.media.preview(&c.items[i]) == nil {
						return false
					}
				}
				return true
			})
			c.view(c.items[8].ID)
			b.wait("the picture", func() bool {
				for _, o := range laidOut(b.shownIn()) {
					if img, ok := o.(*canvas.Image); ok && img.Visible() && img.Image != nil {
						return true
					}
				}
				return false
			})
			b.compare(fmt.Sprintf("viewer-%s-%v", tag, mode))
			b.typeKey(fyne.KeySpace) // asks, as it came from somebody else
			if _, ok := b.top().(*widget.Viewer); ok {
				t.Error("it is opened without asking")
			}
			b.typeKey(fyne.KeyEscape)
			b.shownIn()
			b.typeKey(fyne.KeyEscape)
			if b.win.Canvas().Overlays().Top() != nil {
				t.Error("the viewer is still open")
			}
		}
	})
}

// mediaTalk has pictures that were sent together, videos and voice messages.
func mediaTalk(t *testing.T) []core.Item {
	t.Helper()
	preview, err := picture.Preview(evening())
	if err != nil {
		t.Fatal(err)
	}
	blank, err := picture.Preview(video.Blank(image.Pt(1920, 1080)))
	if err != nil {
		t.Fatal(err)
	}
	theirs := func(state core.FileState) core.Item {
		return core.Item{Content: "image", Image: preview, Time: ago(20 * time.Minute), File: &core.File{Name: "bridge.jpg", Size: 345_000, State: state}}
	}
	own := func(text string) core.Item {
		return core.Item{Own: true, Content: "image", Image: preview, Text: text, Time: ago(10 * time.Minute)}
	}
	liked := theirs(core.FileOffered)
	liked.Reactions = []core.Reaction{{Emoji: "❤", Own: true}}
	return []core.Item{
		theirs(core.FileOffered), theirs(core.FileDownloading), liked, theirs(core.FileOffered), theirs(core.FileFailed),
		own(""), own(""), own("From the bridge, an hour later"),
		{Content: "video", Image: blank, Duration: 83 * time.Second, File: &core.File{Name: "boat.mp4", Size: 8_300_000, State: core.FileDone}},
		{Content: "voice", Duration: 67 * time.Second, File: &core.File{Name: "voice.m4a", Size: 120_000, State: core.FileDone}},
	}
}

func TestPicturesOfMedia(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.fill()
		c := b.open(1)
		b.talkOf(c, mediaTalk(t)...)
		wave := make([]byte, waveSteps)
		for i := range wave {
			wave[i] = uint8(60 + i*i*37%180)
		}
		c.media.waves[10] = wave
		b.wait("the previews", func() bool {
			for i := range c.items[:9] {
				if c.media.preview(&c.items[i]) == nil {
					return false
				}
			}
			return true
		})
		c.list.Reset()
		b.compare(fmt.Sprintf("media-%v", mode))
		c.list.ScrollTo(0, false)
		b.compare(fmt.Sprintf("media-top-%v", mode))
		c.choose(3)
		c.list.Choose(6, true)
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("media-choosing-%v", mode))
		c.chooser.end()
		b.resize(460, 720)
		c.list.ScrollToEnd()
		c.failed(core.ErrDiskFull, func() {})
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("media-narrow-%v", mode))
	})
}
