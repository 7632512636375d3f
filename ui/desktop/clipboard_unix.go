//go:build unix && !darwin

package desktop

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"log"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// The clipboard of X (Inter-Client Communication Conventions Manual, chapter 2) is a promise: who has copied something answers those who
// want to paste it. What is too large for one answer goes in pieces ("INCR"). The toolkit does that for text.
const (
	clipboardPiece = 128 << 10        // bytes of a piece, less than any server's longest request
	clipboardTime  = 10 * time.Second // how long the other program may take for all of it
	maxPasting     = 16               // programs that get their pieces at the same time
)

// quietX keeps what the library says about servers that go away from the standard error.
var quietX = sync.OnceFunc(func() { xgb.Logger = log.New(io.Discard, "", 0) })

// clipboardX is a connection with a window that nobody sees, which the clipboard works with.
type clipboardX struct {
	conn                                          *xgb.Conn
	window                                        xproto.Window
	clipboard, targets, png, incr, property, hint xproto.Atom
}

// connectClipboard connects to the X server. The error is ErrUnavailable.
func connectClipboard() (*clipboardX, error) {
	quietX()
	conn, err := xgb.NewConn()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	c := &clipboardX{conn: conn}
	if err := c.prepare(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return c, nil
}

func (c *clipboardX) prepare() (err error) {
	if c.window, err = xproto.NewWindowId(c.conn); err != nil {
		return err
	}
	root := xproto.Setup(c.conn).DefaultScreen(c.conn).Root
	if err := xproto.CreateWindowChecked(c.conn, 0, c.window, root, 0, 0, 1, 1, 0, xproto.WindowClassInputOnly, 0,
		xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange}).Check(); err != nil {
		return err
	}
	for name, atom := range map[string]*xproto.Atom{"CLIPBOARD": &c.clipboard, "TARGETS": &c.targets, "image/png": &c.png, "INCR": &c.incr,
		"SOTTO_CLIPBOARD": &c.property, "x-kde-passwordManagerHint": &c.hint} {
		answer, err := xproto.InternAtom(c.conn, false, uint16(len(name)), name).Reply()
		if err != nil {
			return err
		}
		*atom = answer.Atom
	}
	return nil
}

// next returns the next event, nil once the connection is closed. Errors are about windows of others that went away.
func (c *clipboardX) next() xgb.Event {
	for {
		if event, err := c.conn.WaitForEvent(); event != nil || err == nil {
			return event
		}
	}
}

// ClipboardPicture returns the picture in the clipboard, or nil if there is none. It may take until ctx ends, but not long.
func ClipboardPicture(ctx context.Context) image.Image {
	c, err := connectClipboard()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, clipboardTime)
	defer cancel()
	stop := context.AfterFunc(ctx, c.conn.Close) // which ends all waiting
	file := c.read()
	if stop() {
		c.conn.Close()
	}
	for c.next() != nil {
	}
	return decodeClipboard(file)
}

// read returns the file of the picture in the clipboard, or nil.
func (c *clipboardX) read() []byte {
	xproto.ConvertSelection(c.conn, c.window, c.clipboard, c.png, c.property, xproto.TimeCurrentTime)
	for {
		switch event := c.next().(type) {
		case nil:
			return nil
		case xproto.SelectionNotifyEvent:
			if event.Property != c.property {
				return nil
			}
			answer := c.take()
			switch {
			case answer == nil:
				return nil
			case answer.Type == c.png:
				return answer.Value
			case answer.Type == c.incr:
				return c.pieces()
			}
			return nil
		}
	}
}

// take returns the property that another program has written, and deletes it, which asks that program for the next piece.
func (c *clipboardX) take() *xproto.GetPropertyReply {
	answer, err := xproto.GetProperty(c.conn, true, c.window, c.property, xproto.GetPropertyTypeAny, 0, maxClipboardFile/4).Reply()
	if err != nil || answer.BytesAfter > 0 {
		return nil
	}
	return answer
}

// pieces returns what comes in pieces, of which the last one is empty.
func (c *clipboardX) pieces() (file []byte) {
	for {
		switch event := c.next().(type) {
		case nil:
			return nil
		case xproto.PropertyNotifyEvent:
			if event.Atom != c.property || event.State != xproto.PropertyNewValue {
				continue
			}
			answer := c.take()
			if answer == nil || answer.Type != c.png || len(file)+len(answer.Value) > maxClipboardFile {
				return nil
			}
			if len(answer.Value) == 0 {
				return file
			}
			file = append(file, answer.Value...)
		}
	}
}

// SetClipboardPicture puts a picture, the file of a PNG, into the clipboard. It stays until something else is put there, until the program
// ends, or until clear is called, which does nothing else. Programs that keep a history of the clipboard are asked to leave the picture
// out. The error is ErrUnavailable.
func SetClipboardPicture(file []byte) (clear func(), err error) {
	c, err := connectClipboard()
	if err != nil {
		return nil, err
	}
	xproto.SetSelectionOwner(c.conn, c.window, c.clipboard, xproto.TimeCurrentTime)
	owner, err := xproto.GetSelectionOwner(c.conn, c.clipboard).Reply()
	if err != nil || owner.Owner != c.window {
		c.conn.Close()
		return nil, fmt.Errorf("%w: the clipboard is not given", ErrUnavailable)
	}
	go c.serve(file)
	return func() {
		_ = xproto.DestroyWindowChecked(c.conn, c.window).Check() // a window that is gone has no clipboard; it fails if the connection is closed
		c.conn.Close()
	}, nil
}

// transfer is where a picture goes to in pieces.
type transfer struct {
	window   xproto.Window
	property xproto.Atom
}

// serve answers who wants to paste, until the clipboard is somebody else's or the connection is closed.
func (c *clipboardX) serve(file []byte) {
	pasting := make(map[transfer][]byte) // what is left for each
	for {
		switch event := c.next().(type) {
		case nil:
			return
		case xproto.SelectionClearEvent:
			c.conn.Close()
		case xproto.SelectionRequestEvent:
			c.answer(event, file, pasting)
		case xproto.PropertyNotifyEvent:
			to := transfer{event.Window, event.Atom}
			left, ok := pasting[to]
			if !ok || event.State != xproto.PropertyDelete {
				continue
			}
			piece := left[:min(len(left), clipboardPiece)]
			c.write(to, c.png, 8, piece)
			pasting[to] = left[len(piece):]
			if len(piece) == 0 { // which tells that this was all
				delete(pasting, to)
			}
		}
	}
}

// answer gives a program what it asks for, or tells it that there is no such thing.
func (c *clipboardX) answer(r xproto.SelectionRequestEvent, file []byte, pasting map[transfer][]byte) {
	to := transfer{r.Requestor, r.Property}
	if to.property == xproto.AtomNone { // of programs from before 1994
		to.property = r.Target
	}
	given := to.property
	switch {
	case r.Selection != c.clipboard:
		given = xproto.AtomNone
	case r.Target == c.targets:
		var list []byte
		for _, atom := range []xproto.Atom{c.targets, c.png, c.hint} {
			list = binary.LittleEndian.AppendUint32(list, uint32(atom))
		}
		c.write(to, xproto.AtomAtom, 32, list)
	case r.Target == c.hint:
		c.write(to, c.hint, 8, []byte("secret"))
	case r.Target == c.png && len(file) <= clipboardPiece:
		c.write(to, c.png, 8, file)
	case r.Target == c.png:
		if len(pasting) >= maxPasting { // of which some have gone away
			clear(pasting)
		}
		pasting[to] = file
		xproto.ChangeWindowAttributes(c.conn, to.window, xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange})
		c.write(to, c.incr, 32, binary.LittleEndian.AppendUint32(nil, uint32(len(file))))
	default:
		given = xproto.AtomNone
	}
	told := xproto.SelectionNotifyEvent{Time: r.Time, Requestor: r.Requestor, Selection: r.Selection, Target: r.Target, Property: given}
	xproto.SendEvent(c.conn, false, r.Requestor, 0, string(told.Bytes()))
}

// write writes a property of a window of another program, in units of so many bits.
func (c *clipboardX) write(to transfer, kind xproto.Atom, bits byte, value []byte) {
	xproto.ChangeProperty(c.conn, xproto.PropModeReplace, to.window, to.property, kind, bits, uint32(len(value)/int(bits/8)), value)
}
