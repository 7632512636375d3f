package ui

import (
	"context"
	"image"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// galleryPage is how many files are read at once.
const galleryPage = 100

// showGallery shows the pictures and files of a conversation, the newest first.
func (w *Window) showGallery(id int64) {
	contact, profile := w.contact(id), w.profile
	if contact == nil || profile == nil {
		return
	}
	body, problem := widget.NewColumn(16), widget.NewNote(widget.ToneDanger, "")
	// What can be done with files is done by a conversation of which no messages are shown.
	c := &conversation{w: w, id: id, profile: profile, state: contact.State, texts: make(map[int64]shown)}
	c.media = newMedia(c)
	c.list = widget.NewMessageList(c)
	page := newPlainPage(lang.L("Pictures and files"), widget.NewColumn(0, problem, body), func() { w.openContact(id) })
	page.head.keepBack()
	page.head.set(lang.L("Pictures and files"), w.contactName(contact))
	page.left = func() { c.left = true }
	c.tell = func(text string) {
		problem.Set(widget.ToneDanger, text)
		page.scroll.Refresh()
	}
	var items []core.Item
	var more bool
	fill := func() {
		body.Objects = c.gallery(items)
		if more {
			body.Add(container.NewCenter(widget.NewButton(lang.L("Show older ones"), widget.ButtonSecondary, func() { page.update(galleryMore{}) })))
		}
		body.Refresh()
		page.scroll.Refresh()
	}
	read := func(before int64) {
		ordered(w, func(ctx context.Context) ([]core.Item, error) { return profile.Files(ctx, id, before, galleryPage) }, func(list []core.Item, err error) {
			if c.left {
				return
			}
			if err != nil {
				c.tell(sentence(err))
				return
			}
			if before == 0 {
				items = nil
			}
			items, more = append(items, list...), len(list) == galleryPage
			fill()
		})
	}
	c.media.changed = fill
	page.update = func(change any) {
		switch e := change.(type) {
		case galleryMore:
			read(items[len(items)-1].ID)
		case core.ItemChanged:
			if e.Item.Contact == id && e.Item.File != nil {
				read(0)
			}
		case core.ItemAdded:
			if e.Item.Contact == id && e.Item.File != nil {
				read(0)
			}
		case core.ItemsRemoved:
			if e.Contact == id {
				read(0)
			}
		}
	}
	w.main.setPage(page, pageBeside)
	read(0)
}

// galleryMore asks for older files.
type galleryMore struct{}

// tileSide is the side of a picture in the gallery, in pixels.
const tileSide float32 = 128

// gallery shows pictures and videos as tiles, and other files as rows below them.
func (c *conversation) gallery(items []core.Item) []fyne.CanvasObject {
	if len(items) == 0 {
		return []fyne.CanvasObject{widget.NewEmptyState("image", lang.L("Nothing yet"), lang.L("Pictures and files that you send to each other are listed here."), "", nil)}
	}
	c.items = slices.Clone(items)
	slices.Reverse(c.items) // as they are in a conversation
	tiles := container.NewGridWrap(fyne.NewSize(tileSide, tileSide))
	rows := widget.NewColumn(0)
	source := &pictureSource{c: c, newest: true}
	for i := range items {
		item := &items[i]
		if !item.Deleted.IsZero() || item.File == nil {
			continue
		}
		if isViewed(item) {
			id := item.ID
			source.items = append(source.items, *item)
			tile := newTile(c.media.picture(item), item.Content == "video", func() { source.show(source.index(id)) })
			tile.sharp = c.media.pictures[pictureKey{item.ID, pictureFile}] != nil || item.Content == "video" && c.media.preview(item) != nil
			tiles.Add(tile)
			continue
		}
		at := item.Time.In(c.w.zone())
		row := widget.NewRow(item.File.Name, dayName(at, c.w.opt.Now()), func() { c.galleryMenu(item) })
		size := byteSize(item.File.Size)
		if item.File.State != core.FileDone {
			if a := c.attachment(item); a != nil && a.Detail != "" {
				size = a.Detail
			}
		}
		row.SetHint(lang.L("{{.Name}}, {{.Size}}", map[string]any{"Name": c.author(item.Own), "Size": size}))
		icon := contentIcon(item.Content)
		row.SetIcon(icon)
		if len(rows.Objects) > 0 {
			rows.Add(widget.NewLine())
		}
		rows.Add(roomy(row))
	}
	var objects []fyne.CanvasObject
	if len(tiles.Objects) > 0 {
		objects = append(objects, section(lang.L("PICTURES AND VIDEOS"), tiles))
	}
	if len(rows.Objects) > 0 {
		objects = append(objects, section(lang.L("FILES"), rowsCard(rows)))
	}
	return objects
}

// galleryMenu offers what can be done with a file.
func (c *conversation) galleryMenu(item *core.Item) {
	id := item.ID
	menu := widget.Menu{Items: append(c.fileItems(item), widget.MenuItem{Icon: "chat", Text: lang.L("Show in the conversation"), Do: func() {
		c.w.openContact(c.id)
		if page, ok := c.w.main.content.(*conversation); ok {
			page.goTo(id)
		}
	}})}
	size := c.w.win.Canvas().Size()
	widget.ShowMenu(c.w.win.Canvas(), fyne.NewPos(size.Width/2, size.Height/3), menu)
}

// tile is a picture, or the picture of a video, that can be tapped.
type tile struct {
	fynewidget.BaseWidget
	content *widget.Surface
	sharp   bool // it shows the file, not the preview, which is all that there is of a video
	tapped  func()
}

var (
	_ fyne.Tappable      = (*tile)(nil)
	_ fyne.Focusable     = (*tile)(nil)
	_ desktop.Cursorable = (*tile)(nil)
)

func newTile(img image.Image, video bool, tapped func()) *tile {
	icon := "image"
	if video {
		icon = "video"
	}
	var shown fyne.CanvasObject = container.NewCenter(widget.NewIcon(icon, 32, theme.ColorSecondary))
	if img != nil {
		square := canvas.NewImageFromImage(picture.Cut(img, middle(img.Bounds()), int(2*tileSide), int(2*tileSide)))
		square.CornerRadius = theme.FieldRadius
		shown = square
		if video {
			disc := canvas.NewCircle(theme.Color(theme.ColorMedia))
			sign := container.NewStack(disc, widget.NewInset(widget.NewIcon("play", 18, theme.ColorOnMedia), 9))
			shown = container.NewStack(square, container.NewCenter(sign))
		}
	}
	t := &tile{content: widget.NewSurface(theme.ColorPanel, shown), tapped: tapped}
	t.content.Radius, t.content.Border = theme.FieldRadius, theme.ColorLine
	t.ExtendBaseWidget(t)
	return t
}

// CreateRenderer implements fyne.Widget.
func (t *tile) CreateRenderer() fyne.WidgetRenderer { return fynewidget.NewSimpleRenderer(t.content) }

func (t *tile) Tapped(*fyne.PointEvent) { t.tapped() }
func (t *tile) Cursor() desktop.Cursor  { return desktop.PointerCursor }
func (t *tile) TypedRune(rune)          {}
func (t *tile) FocusGained()            { t.ring(theme.ColorAccent) }
func (t *tile) FocusLost()              { t.ring(theme.ColorLine) }

func (t *tile) ring(ink fyne.ThemeColorName) {
	t.content.Border = ink
	t.content.Refresh()
}

func (t *tile) TypedKey(ev *fyne.KeyEvent) {
	if ev.Name == fyne.KeySpace || ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter {
		t.tapped()
	}
}
