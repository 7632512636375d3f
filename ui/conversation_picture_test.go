package ui

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// evening is a picture of a sky above a dark shore.
func evening() image.Image {
	const w, h = 480, 300
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{uint8(40 + y*2/3), uint8(70 + y/3), uint8(140 - y/4), 255}
			if dx, dy := x-340, y-150; dx*dx+dy*dy < 26*26 {
				c = color.RGBA{250, 210, 140, 255}
			}
			if shore := 205 + (x%160-80)*(x%160-80)/260; y > shore {
				c = color.RGBA{24, 34, 48, 255}
			}
			img.Set(x, y, c)
		}
	}
	return img
}

func jpegOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// talkOf puts messages into the conversation that is open.
func (b *bench) talkOf(c *conversation, items ...core.Item) {
	b.Helper()
	for i := range items {
		item := &items[i]
		item.ID, item.Contact = int64(i+1), 1
		if item.Kind == "" {
			item.Kind = chat.KindText
		}
		if item.Time.IsZero() {
			item.Time = ago(time.Duration(len(items)-i) * time.Minute)
		}
		if item.State == "" {
			item.State = chat.StateReceived
			if item.Own {
				item.State = chat.StateDelivered
			}
		}
	}
	c.items, c.newID = items, 0
	clear(c.texts)
	c.list.Reset()
	c.update(b.contact(1))
	b.win.Canvas().Unfocus()
}

func styledTalk() []core.Item {
	return []core.Item{
		{Text: "The door code is #4711#, and the map is at [example.org](https://example.com/login)"},
		{Own: true, Text: "Thanks! Is it *the green* door?", Quote: &core.Quote{Item: 1, Text: "The door code is #4711#, and the map"}, Edited: true},
		{Text: "Yes", Forwarded: true, Reactions: []core.Reaction{{Emoji: "👍", Own: true, Theirs: true}, {Emoji: "❤", Theirs: true}}},
		{Kind: chat.KindFeature, Text: "voice", Content: chat.WhoNobody},
		{Own: true, Text: "not for long", TTL: time.Hour},
		{Own: true, Deleted: noon, Text: "a secret"},
		{Kind: chat.KindDisappearing, Content: chat.Offer, TTL: 7 * 24 * time.Hour},
		{Text: "🎉"},
		{Text: "Read this: https://example.org/relays", Content: "link",
			Preview: &core.LinkPreview{URL: "https://example.org/relays", Title: "Relays that know nothing", Description: "Why a messenger does without accounts, and what that costs."}},
		{Text: "I am just wri", Live: true},
	}
}

func filesTalk(t *testing.T) []core.Item {
	preview, err := picture.Preview(evening())
	if err != nil {
		t.Fatal(err)
	}
	return []core.Item{
		{Content: "image", Image: preview, Text: "The view from the bridge", File: &core.File{Name: "bridge.jpg", Size: 345_000, State: core.FileOffered}},
		{Own: true, Content: "file", File: &core.File{Name: "minutes of the meeting.pdf", Size: 2_300_000, State: core.FileWaiting}},
		{Content: "file", File: &core.File{Name: "book.epub", Size: 1_200_000, State: core.FileDone}},
		{Content: "voice", Duration: 67 * time.Second, File: &core.File{Name: "voice.m4a", Size: 120_000, State: core.FileDone}},
		{Content: "file", File: &core.File{Name: "archive.zip", Size: 480_000_000, State: core.FileFailed, Failure: chat.FailureDamaged, Relay: "files.example.org"}},
	}
}

func TestPicturesOfMessages(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.fill()
		bob := b.contact(1)
		bob.Features = []core.FeatureState{
			{Feature: chat.FeatureTimedMessages, Mine: chat.Yes, Theirs: chat.Yes, MeAllowed: true, ContactAllowed: true},
			{Feature: chat.FeatureFullDelete, Mine: chat.No, Theirs: chat.No},
			{Feature: chat.FeatureReactions, Mine: chat.Yes, Theirs: chat.Yes, MeAllowed: true, ContactAllowed: true},
			{Feature: chat.FeatureVoice, Mine: chat.Yes, Theirs: chat.No},
			{Feature: chat.FeatureFiles, Mine: chat.Always, Theirs: chat.Always, MeAllowed: true, ContactAllowed: true},
		}
		bob.Disappearing, bob.DisappearingOffer = time.Hour, 7*24*time.Hour
		c := b.open(1)
		name := func(s string) string { return fmt.Sprintf("messages-%s-%v", s, mode) }
		close := func() { b.win.Canvas().Overlays().Top().(interface{ Close() }).Close() }

		b.talkOf(c, styledTalk()...)
		b.compare(name("styled"))
		c.menu(1, fyne.NewPos(640, 150))
		b.compare(name("menu"))
		b.win.Canvas().Overlays().Remove(b.win.Canvas().Overlays().Top())
		c.reply(9)
		c.composer.SetText("Good to know")
		b.win.Canvas().Unfocus()
		b.compare(name("reply"))
		c.cancel()
		c.composer.SetText("")
		c.choose(2)
		c.list.Choose(4, true)
		b.win.Canvas().Unfocus()
		b.compare(name("choosing"))
		c.chooser.end()
		c.askDelete([]int64{2})
		b.win.Canvas().Unfocus()
		b.compare(name("delete"))
		close()
		newDialog("About this message", 440, c.info(&c.items[1], core.Details{Written: ago(time.Hour), Sent: ago(time.Hour), Delivered: ago(59 * time.Minute),
			Route: chat.RouteProxied, Editions: []core.Edition{{Text: "Thanks! Is it the door?", Time: ago(time.Hour)}}})).ShowOn(b.win.Canvas())
		b.compare(name("info"))
		close()
		c.forward([]int64{2})
		b.win.Canvas().Unfocus()
		b.compare(name("forward"))
		close()
		c.search()
		c.find.field.Entry.SetText("door")
		b.settle()
		c.update(bob)
		c.find.show([]core.Hit{{Item: c.items[0], Ranges: [][2]int{{4, 8}}}, {Item: c.items[1], Ranges: [][2]int{{26, 30}}}})
		b.win.Canvas().Unfocus()
		b.compare(name("search"))
		c.find.close()
		c.chooseDisappearing(bob)
		b.win.Canvas().Unfocus()
		b.compare(name("disappearing"))
		close()

		b.talkOf(c, filesTalk(t)...)
		c.At(0)
		b.wait("the preview", func() bool { return c.media.preview(&c.items[0]) != nil })
		c.media.pictures[pictureKey{2, picturePreview}] = nil
		c.addAttached(attached{}, attached{})
		c.attached[0].view.Picture = picture.Fit(evening(), chipSide)
		c.attached[1].view.Icon, c.attached[1].view.Name, c.attached[1].view.Detail = "file", "lease.pdf", "1.2 MB"
		c.showAttached()
		b.win.Canvas().Unfocus()
		b.compare(name("files"))
		c.attached = nil
		c.showAttached()
		c.askRelays(1, []string{"files.example.org", "other.example.net"})
		b.win.Canvas().Unfocus()
		b.compare(name("relays"))
		close()
		c.carriers = []core.Carrier{{Host: "smp8.simplex.im", Operator: "SimpleX Chat", Receive: true, Reach: core.ReachDirect},
			{Host: "relay.example.org", Reach: core.ReachProxied, Proxy: "smp4.simplex.im", Sees: core.ReachDirect}}
		c.togglePanel()
		b.compare(name("panel"))
		c.togglePanel()

		b.main.hits = []core.Hit{{Item: styledTalk()[1], Ranges: [][2]int{{26, 30}}}}
		b.main.hits[0].Item.Contact, b.main.hits[0].Item.Kind, b.main.hits[0].Item.Time = 1, chat.KindText, ago(time.Hour)
		hits := b.main.hits
		b.main.search.Entry.SetText("door")
		b.settle()
		b.main.hits = hits
		b.main.refreshList()
		b.win.Canvas().Unfocus()
		b.compare(name("found"))
	})
}

func TestPicturesOfGallery(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.openNotes()
		b.wait("the notes", func() bool { _, ok := b.main.content.(*conversation); return ok })
		c := b.conversation()
		preview, err := picture.Preview(evening())
		if err != nil {
			t.Fatal(err)
		}
		file := jpegOf(t, evening())
		for i := range 3 {
			if _, err := b.profile.SendFile(t.Context(), c.id, core.NewFile{Name: fmt.Sprintf("evening %d.jpg", i), Content: bytes.NewReader(file), Size: int64(len(file)),
				Type: "image", Preview: preview}); err != nil {
				t.Fatal(err)
			}
		}
		film := []byte("not played here")
		if _, err := b.profile.SendFile(t.Context(), c.id, core.NewFile{Name: "boat.mp4", Content: bytes.NewReader(film), Size: int64(len(film)), Type: "video", Preview: preview,
			Duration: 67 * time.Second}); err != nil {
			t.Fatal(err)
		}
		text := []byte("The list of what is to be bought")
		if _, err := b.profile.SendFile(t.Context(), c.id, core.NewFile{Name: "shopping.txt", Content: bytes.NewReader(text), Size: int64(len(text)), Type: "file"}); err != nil {
			t.Fatal(err)
		}
		b.wait("the messages", func() bool { return len(c.items) == 5 })
		b.wait("the pictures", func() bool {
			for i := range 3 {
				if c.media.picture(&c.items[i]) == nil || c.media.pictures[pictureKey{c.items[i].ID, pictureFile}] == nil {
					return false
				}
			}
			return true
		})
		b.showGallery(c.id)
		tiles := func() (n int) {
			for _, o := range test.LaidOutObjects(b.win.Canvas().Content()) {
				if t, ok := o.(*tile); ok && t.sharp {
					n++
				}
			}
			return n
		}
		b.wait("the tiles", func() bool { return tiles() == 4 })
		b.tame()
		b.contacts[0].AvatarSeed = 77
		b.contacts[0].Last = nil
		b.contacts[0].Active = noon
		b.main.refresh()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("gallery-%v", mode))
		page := b.main.content.(*plainPage)
		if err := b.profile.Delete(t.Context(), []int64{b.fileNamed("evening 2.jpg")}, false); err != nil {
			t.Fatal(err)
		}
		b.wait("one is gone", func() bool { return tiles() == 3 })
		page.leave()
	})
}

// TestGalleryRows tells once how large a file is, and does not decode voice messages for that.
func TestGalleryRows(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.fill()
	c := b.open(1)
	rows := container.NewStack(c.gallery([]core.Item{
		{ID: 1, Content: "voice", File: &core.File{Name: "voice.m4a", Size: 120_000, State: core.FileDone}},
		{ID: 2, Content: "file", File: &core.File{Name: "a.zip", Size: 480_000, State: core.FileFailed}},
	})...)
	var got []string
	for _, o := range laidOut(rows) {
		if l, ok := o.(*widget.Label); ok && strings.HasPrefix(l.Text, "Bob, ") {
			got = append(got, l.Text)
		}
	}
	if want := []string{"Bob, 120 kB", "Bob, 480 kB, failed"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(c.media.waves) > 0 {
		t.Error("a voice message is decoded")
	}
}

// fileNamed returns the message with a file of a name.
func (b *bench) fileNamed(name string) int64 {
	b.Helper()
	items, err := b.profile.Files(b.Context(), 0, 0, 100)
	if err != nil {
		b.Fatal(err)
	}
	for _, item := range items {
		if item.File.Name == name {
			return item.ID
		}
	}
	b.Fatalf("there is no %q", name)
	return 0
}
