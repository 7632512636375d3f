package ui

import (
	"context"
	"errors"
	"image"
	"net/url"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// hasMedia tells whether a message holds a picture, a video, a voice message or a file that can be shown as such.
func hasMedia(i *core.Item) bool {
	switch i.Content {
	case "image", "video":
		return i.File != nil || len(i.Image) > 0
	case "voice", "file":
		return i.File != nil
	}
	return false
}

// attachment is what a message carries beside its text.
func (c *conversation) attachment(item *core.Item) *widget.Attachment {
	if !hasMedia(item) {
		return nil
	}
	a := &widget.Attachment{}
	switch item.Content {
	case "image":
		a.Kind, a.Picture, a.Frames = widget.AttachmentPicture, c.media.picture(item), c.media.frames(item)
	case "video":
		a.Kind, a.Picture, a.Duration = widget.AttachmentVideo, c.media.preview(item), minutes(item.Duration)
	case "voice":
		a.Kind, a.Duration = widget.AttachmentVoice, minutes(item.Duration)
	}
	f := item.File
	if f == nil {
		return a
	}
	a.Name, a.Detail = f.Name, byteSize(f.Size)
	switch f.State {
	case core.FileOffered:
		a.Icon = "download"
	case core.FileWaiting, core.FileUploading, core.FileDownloading:
		a.Icon, a.Waiting = "close", true
		if p, ok := c.profile.FileProgress(item.ID); ok && p.Total > 0 {
			a.Progress = min(max(float32(p.Done)/float32(p.Total), 0), 0.999)
			a.Waiting = p.Done == 0
			a.Detail = lang.L("{{.Done}} of {{.Size}}", map[string]any{"Done": byteSize(p.Done), "Size": byteSize(p.Total)})
		}
	case core.FilePaused:
		a.Icon, a.Detail = "download", lang.L("{{.Size}}, paused", map[string]any{"Size": byteSize(f.Size)})
		if item.Own {
			a.Icon = "upload"
		}
	case core.FileDone:
		if a.Kind == widget.AttachmentPicture || a.Kind == widget.AttachmentVideo { // which are to be looked at, not to be weighed
			a.Detail = ""
		}
	case core.FileFailed:
		a.Detail = lang.L("{{.Size}}, failed", map[string]any{"Size": byteSize(f.Size)})
		if f.Failure != chat.FailureLegacy {
			a.Icon = "retry"
		}
	case core.FileCancelled:
		a.Detail = lang.L("{{.Size}}, cancelled", map[string]any{"Size": byteSize(f.Size)})
	}
	if item.Content == "voice" {
		c.voiceView(item, a)
	}
	return a
}

// minutes is a duration such as "1:07".
func minutes(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return time.Time{}.Add(d).Format("4:05")
}

// fileFailure tells why a file could not be sent or received.
func fileFailure(f *core.File) string {
	relay := map[string]any{"Relay": f.Relay}
	switch f.Failure {
	case chat.FailureDisk:
		return lang.L("The disk is full. Make room and try again.")
	case chat.FailureGone, chat.FailureExpired:
		return lang.L("The file is not there any more. Ask for it once more.")
	case chat.FailureDamaged:
		if f.Relay != "" {
			return lang.L("The file arrived damaged: {{.Relay}} returned something else than was sent.", relay)
		}
		return lang.L("The file arrived damaged. Ask for it once more.")
	case chat.FailureLegacy:
		return lang.L("It was sent in a way that is not used any more. The other side needs a newer version of its app.")
	case chat.FailureBlocked:
		return lang.L("Who runs {{.Relay}} has blocked this file.", relay)
	case chat.FailureNoRelay:
		return lang.L("There is no relay for files. Choose one in the settings of the network.")
	case chat.FailureSource:
		return lang.L("The copy on this computer is damaged or gone.")
	case chat.FailureSave:
		return lang.L("It was received, but could not be saved where it was to go.")
	case chat.FailureNoPeer:
		return lang.L("The other side can't be told about it any more.")
	case chat.FailureFull:
		return lang.L("The relay has no room for it. Try again later.")
	case chat.FailureRefused:
		if f.Relay != "" {
			return lang.L("{{.Relay}} refused the file.", relay)
		}
		return lang.L("The relay refused the file.")
	}
	return lang.L("The transfer failed. Try again.")
}

// fileProgress shows how far a file is.
func (c *conversation) fileProgress(p core.FileProgress) {
	if i := c.index(p.Item); i >= 0 {
		c.list.Changed(i)
	}
}

// fileItems is what can be done with the file of a message.
func (c *conversation) fileItems(item *core.Item) (items []widget.MenuItem) {
	f := item.File
	if f == nil || !item.Deleted.IsZero() {
		return nil
	}
	id := item.ID
	add := func(icon, text string, do func()) {
		items = append(items, widget.MenuItem{Icon: icon, Text: text, Do: do})
	}
	if f.State == core.FileFailed {
		add("warning", fileFailure(f), nil)
	}
	switch f.State {
	case core.FileOffered:
		add("download", lang.L("Receive"), func() { c.receive(id, false) })
	case core.FilePaused, core.FileFailed:
		if f.Failure == chat.FailureLegacy {
			break
		}
		add("retry", lang.L("Go on"), func() { c.receive(id, false) })
	case core.FileWaiting, core.FileUploading, core.FileDownloading:
		add("pause", lang.L("Pause"), func() { c.fileWork(func(ctx context.Context) error { return c.profile.PauseFile(ctx, id) }) })
	}
	switch f.State {
	case core.FilePaused, core.FileFailed, core.FileWaiting, core.FileUploading, core.FileDownloading:
		add("close", lang.L("Cancel transfer"), func() { c.cancelFile(id) })
	}
	if f.State == core.FileDone || item.Own {
		if isViewed(item) {
			add("eye", lang.L("View"), func() { c.view(id) })
		}
		add("file", lang.L("Open with another program…"), func() { c.open(id) })
		add("download", lang.L("Save as…"), func() { c.saveAs(id) })
	}
	if len(items) > 0 {
		return items
	}
	return nil
}

// fileWork does something quick with a file, and tells if it did not work.
func (c *conversation) fileWork(do func(ctx context.Context) error) {
	ordered(c.w, only(do), func(_ nothing, err error) {
		if err != nil && !c.left {
			c.warn(sentence(err))
		}
	})
}

func (c *conversation) cancelFile(id int64) {
	c.fileWork(func(ctx context.Context) error { return c.profile.CancelFile(ctx, id) })
}

// attachmentTapped does what a tap on the file of a message is for.
func (c *conversation) attachmentTapped(i int) {
	item := &c.items[i]
	f, id := item.File, item.ID
	if f == nil {
		return
	}
	switch f.State {
	case core.FileOffered, core.FilePaused, core.FileFailed:
		c.receive(id, false)
	case core.FileWaiting, core.FileUploading, core.FileDownloading:
		c.cancelFile(id)
	case core.FileDone:
		switch item.Content {
		case "image":
			c.view(id)
		case "voice":
			c.play(id)
		default:
			c.open(id)
		}
	}
}

// receive receives a file, or goes on with one. Before relays are asked that are not known, the person is.
func (c *conversation) receive(id int64, anyRelay bool) {
	ordered(c.w, only(func(ctx context.Context) error {
		return c.profile.ReceiveFile(ctx, id, core.ReceiveOptions{AnyRelay: anyRelay})
	}), func(_ nothing, err error) {
		var unknown *core.UnknownRelaysError
		switch {
		case c.left || err == nil:
		case errors.As(err, &unknown):
			c.askRelays(id, unknown.Hosts)
		default:
			c.warn(sentence(err))
		}
	})
}

// fileChanged asks about the relays of a file that was asked for before they were known, and so was not received.
func (c *conversation) fileChanged(old *core.File, item *core.Item) {
	if !item.Own && old != nil && item.File != nil && old.State == core.FileWaiting && item.File.State == core.FileOffered {
		c.receive(item.ID, false)
	}
}

// askRelays asks whether a file is to be received from relays that are not known.
func (c *conversation) askRelays(id int64, hosts []string) {
	if c.w.win.Canvas().Overlays().Top() != nil {
		return // it can be asked for again
	}
	var d *widget.Dialog
	names := make([]string, len(hosts))
	for i, host := range hosts {
		names[i] = oneLine(host)
	}
	list := widget.NewLabel(strings.Join(names, "\n"), theme.TextBody)
	list.Bold = true
	not := widget.NewButton(lang.L("Not now"), widget.ButtonSecondary, func() { d.Close() })
	do := widget.NewButton(lang.L("Receive anyway"), widget.ButtonPrimary, func() {
		d.Close()
		c.receive(id, true)
	})
	d = newDialog(lang.L("Receive from these relays?"), 440, widget.NewColumn(12,
		widget.NewLabel(lang.N("This file waits on {{.Count}} relays that {{.Name}} has chosen:", len(hosts), map[string]any{"Count": len(hosts), "Name": c.name()}), theme.TextBody),
		list, widget.NewHint(lang.L("Whoever runs them would see your network address, and that it receives a file. Not what is in it, and not who you are. Through Tor they would not see it.")),
		widget.NewGap(1, 4), buttonRow(not, do)))
	d.ShowOn(c.w.win.Canvas())
	c.w.win.Canvas().Focus(not)
}

// saveAs asks where a copy of a file is to be put, and puts it there.
func (c *conversation) saveAs(id int64) {
	if i := c.index(id); i >= 0 && c.items[i].File != nil {
		c.saveFile(c.items[i], c.failed)
	}
}

// saveFile is saveAs for a message that need not be in the list. failed tells what went wrong, and offers to do it again.
func (c *conversation) saveFile(item core.Item, failed func(err error, again func())) {
	c.w.saveFile(item.File.Name, func(path string) { c.saveTo(item, path, failed) })
}

// saveTo writes a copy of a file.
func (c *conversation) saveTo(item core.Item, path string, failed func(err error, again func())) {
	apart(c.w, only(func(ctx context.Context) error { return copyFile(ctx, c.profile, item.ID, path) }), func(_ nothing, err error) {
		if err != nil && !c.left {
			failed(err, func() { c.saveFile(item, failed) })
		}
	})
}

// open opens a copy of a file with another program, after asking if it came from somebody else.
func (c *conversation) open(id int64) {
	if i := c.index(id); i >= 0 && c.items[i].File != nil {
		c.openFile(c.items[i], c.failed)
	}
}

// openFile is open for a message that need not be in the list. failed tells what went wrong, and offers to do it again.
func (c *conversation) openFile(item core.Item, failed func(err error, again func())) {
	w, id, f, own := c.w, item.ID, item.File, item.Own
	if isProgram(f.Name) && !own {
		w.tell(lang.L("Not opened"), lang.L("{{.Name}} may be a program, which could do anything with this computer. If you are sure about it, save it and start it yourself.",
			map[string]any{"Name": f.Name}))
		return
	}
	profile := c.profile
	var open func()
	open = func() {
		apart(w, func(ctx context.Context) (string, error) { return w.copies.put(ctx, profile, id, f.Name) }, func(path string, err error) {
			if err != nil {
				if !c.left {
					failed(err, open)
				}
				return
			}
			w.openURL(&url.URL{Scheme: "file", Path: path})
		})
	}
	if own {
		open()
		return
	}
	w.confirm(lang.L("Open with another program?"), lang.L("{{.Name}} leaves the protection of Sotto: the other program may keep traces of it, and a file can harm the program that opens it. The copy is deleted when Sotto is locked or closed.",
		map[string]any{"Name": f.Name}), lang.L("Open"), open)
}

// isViewed tells whether a message is a picture or a video that the viewer shows.
func isViewed(item *core.Item) bool {
	return (item.Content == "image" || item.Content == "video") && isHere(item) && item.Deleted.IsZero()
}

// view shows a picture or a video in front of everything, with those before and after it.
func (c *conversation) view(id int64) {
	s := &pictureSource{c: c}
	for i := range c.items {
		if isViewed(&c.items[i]) {
			s.items = append(s.items, c.items[i])
		}
	}
	s.show(s.index(id))
}

// maxViewed is how many files the viewer looks at for pictures and videos to show.
const maxViewed = 1000

// pictureSource gives the viewer the pictures and videos of a conversation.
type pictureSource struct {
	c     *conversation
	items []core.Item
	// newest says that the newest one comes first.
	newest bool
}

// index returns the number of a message, or -1.
func (s *pictureSource) index(id int64) int {
	return slices.IndexFunc(s.items, func(item core.Item) bool { return item.ID == id })
}

// show opens the viewer with what is known, and goes on with all that there is in the conversation.
func (s *pictureSource) show(at int) {
	if at < 0 || at >= len(s.items) {
		return
	}
	v := widget.NewViewer(s, at)
	tell := func(err error, _ func()) { v.Tell(sentence(err)) }
	v.OnSave = func(i int) { s.c.saveFile(s.items[i], tell) }
	v.OnPlay = func(i int) { s.c.openFile(s.items[i], tell) }
	v.After = s.c.w.after
	v.ShowOn(s.c.w.win.Canvas())
	closed := false
	v.OnClosed = func() { closed = true }
	profile, contact := s.c.profile, s.c.id
	apart(s.c.w, func(ctx context.Context) ([]core.Item, error) { return viewed(ctx, profile, contact) }, func(items []core.Item, err error) {
		if closed || err != nil { // then what is known is all
			return
		}
		if !s.newest {
			slices.Reverse(items)
		}
		id, known := s.items[v.At()].ID, s.items
		s.items = items
		if at := s.index(id); at >= 0 {
			v.Changed(at)
		} else {
			s.items = known // it has just come, or is gone already
		}
	})
}

// viewed returns the pictures and videos of a conversation, the newest first.
func viewed(ctx context.Context, p *core.Profile, contact int64) (items []core.Item, err error) {
	before := int64(0)
	for range maxViewed / galleryPage {
		page, err := p.Files(ctx, contact, before, galleryPage)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if isViewed(&page[i]) {
				items = append(items, page[i])
			}
		}
		if len(page) < galleryPage {
			break
		}
		before = page[len(page)-1].ID
	}
	return items, nil
}

// Len implements widget.ViewerSource.
func (s *pictureSource) Len() int { return len(s.items) }

// Title implements widget.ViewerSource.
func (s *pictureSource) Title(i int) (title, detail string) {
	item, now := &s.items[i], s.c.w.opt.Now()
	at := item.Time.In(now.Location())
	return s.c.author(item.Own), lang.L("{{.Day}}, {{.Time}}", map[string]any{"Day": dayName(at, now), "Time": clock(at)})
}

// Video implements widget.ViewerSource.
func (s *pictureSource) Video(i int) (length string, ok bool) {
	item := &s.items[i]
	return minutes(item.Duration), item.Content == "video"
}

// pictureFailure tells why a picture can't be shown.
func pictureFailure(err error) string {
	switch {
	case errors.Is(err, picture.ErrTooLarge):
		return lang.L("This picture is too large to be shown here. Save it, or open it with another program.")
	case errors.Is(err, picture.ErrFormat):
		return lang.L("This picture is damaged, or of a kind that can't be shown here.")
	}
	return sentence(err)
}

// failed tells what went wrong with a file, and offers to do it again.
func (c *conversation) failed(err error, again func()) {
	c.warn(sentence(err))
	if c.tell != nil || c.left {
		return
	}
	c.note.SetAction(lang.L("Try again"), func() {
		if contact := c.w.contact(c.id); contact != nil {
			c.update(contact) // takes the warning away
		}
		again()
	})
	c.showFoot(c.composer.Visible())
}

// viewSide is the longest side of a picture in the viewer, in pixels.
const viewSide = 4096

// Load implements widget.ViewerSource.
func (s *pictureSource) Load(i int, done func(frames []widget.Frame, failure string)) {
	item := &s.items[i]
	if item.Content == "video" {
		file := item.Image
		apart(s.c.w, func(context.Context) (image.Image, error) { return picture.Thumbnail(file, viewSide) }, func(img image.Image, err error) {
			if err != nil {
				done(nil, "") // it has none, which does not matter
				return
			}
			done([]widget.Frame{{Image: img}}, "")
		})
		return
	}
	id, profile := item.ID, s.c.profile
	apart(s.c.w, func(ctx context.Context) ([]widget.Frame, error) { return readFrames(ctx, profile, id, viewSide) }, func(frames []widget.Frame, err error) {
		done(frames, pictureFailure(err))
	})
}
