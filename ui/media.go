package ui

import (
	"context"
	"errors"
	"image"
	"io"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/picture"
)

const (
	// pictureSide is the longest side of a picture in a bubble, in pixels: enough for scale 2.
	pictureSide = 600
	// previewSide is the same of a small preview.
	previewSide = 240
	// maxPictures bounds the decoded pictures that are kept.
	maxPictures = 64
	// decoders is how many pictures are decoded at once.
	decoders = 2
)

// pictureKind says which picture of a message it is.
type pictureKind int

const (
	picturePreview pictureKind = iota // that came with the message
	pictureFile                       // the file itself, made smaller
	pictureLink                       // of a link preview
)

type pictureKey struct {
	item int64
	kind pictureKind
}

// media keeps the pictures of the messages of a conversation, decoded. All come from other people: they are decoded on goroutines of
// their own, and those that can't be are nil.
type media struct {
	c        *conversation
	pictures map[pictureKey]image.Image // nil while it is being decoded, and if it can't be
	order    []pictureKey               // the oldest one first
	turn     chan struct{}
	changed  func() // called after a picture was decoded; may be nil
}

func newMedia(c *conversation) *media {
	return &media{c: c, pictures: make(map[pictureKey]image.Image), turn: make(chan struct{}, decoders)}
}

// get returns a picture, or nil and shows the message again once read has it.
func (m *media) get(key pictureKey, side int, read func(ctx context.Context) ([]byte, error)) image.Image {
	if img, ok := m.pictures[key]; ok {
		return img
	}
	if len(m.order) >= maxPictures {
		delete(m.pictures, m.order[0])
		m.order = m.order[1:]
	}
	m.pictures[key] = nil
	m.order = append(m.order, key)
	apart(m.c.w, func(ctx context.Context) (image.Image, error) {
		select {
		case m.turn <- struct{}{}:
			defer func() { <-m.turn }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		data, err := read(ctx)
		if err != nil {
			return nil, err
		}
		return picture.Thumbnail(data, side)
	}, func(img image.Image, err error) {
		if _, wanted := m.pictures[key]; err != nil || !wanted || m.c.left {
			return
		}
		m.pictures[key] = img
		if i := m.c.index(key.item); i >= 0 {
			m.c.list.Changed(i)
		}
		if m.changed != nil {
			m.changed()
		}
	})
	return nil
}

// preview returns the small picture that came with a message.
func (m *media) preview(item *core.Item) image.Image {
	if len(item.Image) == 0 || !item.Deleted.IsZero() {
		return nil
	}
	data := item.Image
	return m.get(pictureKey{item.ID, picturePreview}, previewSide, func(context.Context) ([]byte, error) { return data, nil })
}

// linkPicture returns the picture of the link preview of a message.
func (m *media) linkPicture(item *core.Item) image.Image {
	data := item.Preview.Image
	if len(data) == 0 {
		return nil
	}
	return m.get(pictureKey{item.ID, pictureLink}, pictureSide, func(context.Context) ([]byte, error) { return data, nil })
}

// picture returns the picture that a message is about: the file if it is here, otherwise the preview.
func (m *media) picture(item *core.Item) image.Image {
	if item.Content == "image" && item.File != nil && item.File.State == core.FileDone || item.Own && item.Content == "image" && item.File != nil {
		id, profile := item.ID, m.c.profile
		if img := m.get(pictureKey{id, pictureFile}, pictureSide, func(ctx context.Context) ([]byte, error) { return readFile(ctx, profile, id) }); img != nil {
			return img
		}
	}
	return m.preview(item)
}

// forget drops the pictures of a message.
func (m *media) forget(id int64) {
	for _, kind := range []pictureKind{picturePreview, pictureFile, pictureLink} {
		delete(m.pictures, pictureKey{id, kind})
	}
}

// readFile reads the file of a message that is a picture. The error may be picture.ErrTooLarge.
func readFile(ctx context.Context, p *core.Profile, id int64) (data []byte, err error) {
	f, info, err := p.OpenFile(ctx, id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info.Size > picture.MaxBytes {
		return nil, picture.ErrTooLarge
	}
	return io.ReadAll(io.LimitReader(f, picture.MaxBytes))
}
