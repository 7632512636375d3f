package ui

import (
	"context"
	"errors"
	"image"
	"io"
	"path/filepath"
	"strings"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/core/voice"
	"github.com/sotto-chat/sotto/ui/widget"
)

const (
	// pictureSide is the longest side of a picture in a bubble, in pixels: enough for scale 2.
	pictureSide = 600
	// previewSide is the same of a small preview.
	previewSide = 240
	// maxPictures bounds the decoded pictures that are kept.
	maxPictures = 64
	// motionSide is the longest side of an animation in a bubble, and maxMotion how many pixels all of them have that are kept.
	motionSide = 320
	maxMotion  = 16 << 20
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
	motions  map[int64][]widget.Frame   // of animations; none while they are decoded, and if they don't move or there is no room
	waves    map[int64][]byte           // the loudness of voice messages; none while they are decoded, and if they can't be
	order    []pictureKey               // the oldest one first
	turn     chan struct{}
	changed  func() // called after a picture was decoded; may be nil
}

func newMedia(c *conversation) *media {
	return &media{c: c, pictures: make(map[pictureKey]image.Image), motions: make(map[int64][]widget.Frame), waves: make(map[int64][]byte), turn: make(chan struct{}, decoders)}
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
	inTurn(m, func(ctx context.Context) (image.Image, error) {
		data, err := read(ctx)
		if err != nil {
			return nil, err
		}
		return picture.Thumbnail(data, side)
	}, func(img image.Image) {
		if _, wanted := m.pictures[key]; !wanted {
			return
		}
		m.pictures[key] = img
		m.c.show(key.item)
		m.c.showReplyPicture(key, img)
		if m.changed != nil {
			m.changed()
		}
	})
	return nil
}

// inTurn decodes something, not much at once. What can't be decoded is not shown.
func inTurn[T any](m *media, decode func(ctx context.Context) (T, error), done func(T)) {
	apart(m.c.w, func(ctx context.Context) (result T, err error) {
		select {
		case m.turn <- struct{}{}:
			defer func() { <-m.turn }()
		case <-ctx.Done():
			return result, ctx.Err()
		}
		return decode(ctx)
	}, func(result T, err error) {
		if err == nil && !m.c.left {
			done(result)
		}
	})
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
	if item.Content == "image" && isHere(item) {
		id, profile := item.ID, m.c.profile
		if img := m.get(pictureKey{id, pictureFile}, pictureSide, func(ctx context.Context) ([]byte, error) { return readFile(ctx, profile, id) }); img != nil {
			return img
		}
	}
	return m.preview(item)
}

// frames returns the frames of the picture of a message if it moves, or none.
func (m *media) frames(item *core.Item) []widget.Frame {
	if item.Content != "image" || !isHere(item) || !mayMove(item.File.Name) || !m.c.w.moves() {
		return nil
	}
	id, profile := item.ID, m.c.profile
	if frames, ok := m.motions[id]; ok {
		return frames
	}
	m.motions[id] = nil
	inTurn(m, func(ctx context.Context) ([]widget.Frame, error) { return readFrames(ctx, profile, id, motionSide) }, func(frames []widget.Frame) {
		if _, wanted := m.motions[id]; wanted && len(frames) > 1 && m.makeRoom(pixels(frames)) {
			m.motions[id] = frames
			m.c.show(id)
		}
	})
	return nil
}

// mayMove tells whether files of this name can be animations.
func mayMove(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".gif" || ext == ".webp"
}

// makeRoom forgets animations that are not on screen until there is room for one of so many pixels.
func (m *media) makeRoom(n int) bool {
	first, last := m.c.list.VisibleRows()
	for id, frames := range m.motions {
		if i := m.c.index(id); len(frames) > 0 && (i < first || i > last) {
			delete(m.motions, id) // it is decoded again when it is scrolled to
			continue
		}
		n += pixels(frames)
	}
	return n <= maxMotion
}

// pixels is how many pixels an animation has.
func pixels(frames []widget.Frame) int {
	if len(frames) == 0 {
		return 0
	}
	b := frames[0].Image.Bounds()
	return len(frames) * b.Dx() * b.Dy()
}

// wave returns the loudness of a voice message over its time, or none.
func (m *media) wave(item *core.Item) []byte {
	if wave, ok := m.waves[item.ID]; ok {
		return wave
	}
	id, profile := item.ID, m.c.profile
	m.waves[id] = nil
	inTurn(m, func(ctx context.Context) ([]byte, error) {
		clip, err := readClip(ctx, profile, id)
		return voice.Waveform(clip.Samples, waveSteps), err
	}, func(wave []byte) {
		m.waves[id] = wave
		m.c.show(id)
	})
	return nil
}

// isHere tells whether the file of a message is on this computer.
func isHere(item *core.Item) bool {
	return item.File != nil && (item.Own || item.File.State == core.FileDone)
}

// forget drops the pictures of a message.
func (m *media) forget(id int64) {
	for _, kind := range []pictureKind{picturePreview, pictureFile, pictureLink} {
		delete(m.pictures, pictureKey{id, kind})
	}
	delete(m.motions, id)
	delete(m.waves, id)
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

// readFrames reads the picture of a message, with all its frames if it moves.
func readFrames(ctx context.Context, p *core.Profile, id int64, side int) ([]widget.Frame, error) {
	data, err := readFile(ctx, p, id)
	if err != nil {
		return nil, err
	}
	all, err := picture.Animation(data, side)
	if err != nil {
		return nil, err
	}
	frames := make([]widget.Frame, len(all))
	for i, f := range all {
		frames[i] = widget.Frame{Image: f.Image, Delay: f.Delay}
	}
	return frames, nil
}

// readClip reads and decodes a voice message.
func readClip(ctx context.Context, p *core.Profile, id int64) (clip voice.Clip, err error) {
	f, _, err := p.OpenFile(ctx, id)
	if err != nil {
		return clip, err
	}
	clip, err = voice.Decode(ctx, f)
	return clip, errors.Join(err, f.Close())
}

// moves tells whether pictures may move where they stand.
func (w *Window) moves() bool { return !w.still && !w.core.Appearance().Still }

// setPlaying has the pictures of the conversation that is shown move, if they may.
func (w *Window) setPlaying() {
	if w.main == nil {
		return
	}
	if c, ok := w.main.content.(*conversation); ok {
		c.list.SetPlaying(w.inFront && w.moves())
	}
}
