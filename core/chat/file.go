package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// FileState tells how far the file of a message is.
type FileState string

// The states of files. A file of ours is waiting, uploading and done; one of a contact is offered, waiting once it
// is asked for, downloading and done.
const (
	FileOffered     FileState = "offered"
	FileWaiting     FileState = "waiting"
	FilePaused      FileState = "paused"
	FileUploading   FileState = "uploading"
	FileDownloading FileState = "downloading"
	FileDone        FileState = "done"
	FileFailed      FileState = "failed" // see File.Failure
	FileCancelled   FileState = "cancelled"
)

// The reasons why files fail, besides FailureGone, FailureRefused, FailureFull and FailureOther.
const (
	FailureDisk    Failure = "disk full"
	FailureDamaged Failure = "damaged"    // a relay has returned something else, or the sender has described it wrongly
	FailureBlocked Failure = "blocked"    // the operator of a relay has blocked it
	FailureNoRelay Failure = "no relay"   // there is no relay for files
	FailureSource  Failure = "not kept"   // the copy on this computer is damaged or not there
	FailureSave    Failure = "not saved"  // it is here, but could not be put where it was to go
	FailureNoPeer  Failure = "no contact" // the contact can't be told about it any more
)

// Errors of files.
var (
	// ErrNoFile tells that a message has no file.
	ErrNoFile = errors.New("this message has no file")
	// ErrNotHere tells that a file was not received yet.
	ErrNotHere = errors.New("this file was not received yet")
	// ErrFileTooLarge tells that a file is longer than can be sent.
	ErrFileTooLarge = fmt.Errorf("a file can have up to %d GB", MaxFile>>30)
	// ErrFileState tells that what is asked for is not possible now.
	ErrFileState = errors.New("this is not possible with a file that is done, cancelled or not on its way")
	// ErrDiskFull tells that there is no room for a file.
	ErrDiskFull = errors.New("the disk is full: make room and try again")
)

// UnknownRelaysError tells that a file waits on relays that are not known, which would see the network address of this
// computer.
type UnknownRelaysError struct{ Hosts []string }

func (e *UnknownRelaysError) Error() string {
	return "the file waits on relays that are not known: " + strings.Join(e.Hosts, ", ")
}

// MaxFile is the size of the longest file that is sent, in bytes (presets.md §8).
const MaxFile = xftp.DefaultMaxSize

// Limits of what contacts send about a file: the description of one of 5 GiB has about 300 KB.
const maxDescription = 2 << 20 // bytes

// FilesConfig is what a Chat needs for files.
type FilesConfig struct {
	// Dir is the folder for files.
	Dir string
	// Network is how relays for files are reached; its sessions belong to this Chat only.
	Network xftp.Config
	// Relays returns those that files are uploaded to.
	Relays func() ([]xftp.Relay, error)
	// Trusted tells whether a relay may be asked for a file without asking the person: it is known, or does not see the network
	// address of this computer.
	Trusted func(server wire.Server) bool
	// Automatic tells up to which size pictures, voice messages and videos are received unasked, in bytes.
	Automatic func() int64
}

// FileProgress tells how far a file is.
type FileProgress struct {
	Item        int64
	Done, Total int64 // bytes
	Speed       int64 // bytes a second
}

func (FileProgress) chatEvent() {}

// NewFile is a file to be sent.
type NewFile struct {
	Name    string
	Content io.Reader
	Size    int64  // bytes of Content
	Caption string // may be empty
	Reply   int64  // the item that it answers, 0 for none

	// Type is event.TypeImage, TypeVideo, TypeVoice or TypeFile; Preview is a small picture for the first two, a JPEG or PNG
	// file, and Duration counts for videos and voice messages.
	Type     event.ContentType
	Preview  []byte
	Duration time.Duration
}

// workDir is the folder of files that are on their way, which are encrypted for who gets them.
func (c *Chat) workDir() string { return filepath.Join(c.cfg.Files.Dir, "transfers") }

// SendFile sends a file to a contact. When it returns a copy is stored, which is all that is needed from then on.
// The error is ErrFileTooLarge, ErrDiskFull, ErrNotAllowed, one of those of Send, or that of the content.
func (c *Chat) SendFile(ctx context.Context, contact int64, f NewFile) (item Item, err error) {
	if f.Size > MaxFile {
		return item, ErrFileTooLarge
	}
	content := event.Content{Type: f.Type, Text: strings.ToValidUTF8(f.Caption, "\uFFFD"), Duration: int(f.Duration / time.Second)}
	switch f.Type {
	case event.TypeImage, event.TypeVideo:
		if content.Image, err = event.EncodeImage(f.Preview, event.MaxPreviewImage); err != nil {
			return item, fmt.Errorf("the preview of a picture: %w", err)
		}
	case event.TypeVoice, event.TypeFile:
	default:
		return item, fmt.Errorf("chat: a file can't be of type %q", f.Type)
	}
	// What can't be sent anyway is not copied first.
	err = c.db.View(ctx, func(tx *store.Tx) error { return mayFile(tx, contact, f.Type) })
	if err != nil {
		return item, err
	}
	ref, err := c.keep(ctx, f.Content, f.Size)
	if err != nil {
		return item, err
	}
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		if err := mayFile(tx, contact, f.Type); err != nil {
			return err
		}
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		i := &store.Item{Text: content.Text, Content: string(f.Type), FileName: xftp.SafeName(f.Name), FileSize: f.Size, Image: f.Preview,
			Duration: int64(content.Duration)}
		e := event.MsgNew{Content: content}
		if f.Reply != 0 {
			if e.Quote, err = quoteItem(tx, row, i, f.Reply); err != nil {
				return err
			}
		}
		if err := c.sendNewFile(tx, row, i, e, ref); err != nil {
			return err
		}
		item = newItem(i)
		return c.save(tx, row)
	})
	if err != nil {
		return Item{}, errors.Join(err, c.blobs.Remove(ref))
	}
	return item, nil
}

// sendNewFile is sendNew for a message with a file, a copy of which is stored.
func (c *Chat) sendNewFile(tx *store.Tx, row *store.Contact, i *store.Item, e event.MsgNew, ref blob.Ref) error {
	i.FileState = string(FileWaiting)
	if ContactState(row.State) == ContactNotes {
		i.FileState = string(FileDone)
	}
	e.File = event.NewFileInvitation(i.FileName, i.FileSize)
	if err := c.sendNew(tx, row, i, e); err != nil {
		return err
	}
	if i.FileState == string(FileWaiting) {
		tx.AfterCommit(func() { c.startTransfer(i.ID) })
	}
	return tx.InsertFile(&store.File{Item: i.ID, Blob: ref})
}

// copyFiles makes a copy of the file of each of some messages that has one, for sending it to somebody else. The error is
// ErrNotForwardable if one is not here.
func (c *Chat) copyFiles(ctx context.Context, items []int64) (refs []blob.Ref, err error) {
	for _, id := range items {
		r, _, err := c.OpenFile(ctx, id)
		switch {
		case errors.Is(err, ErrNoFile):
			refs = append(refs, blob.Ref{})
			continue
		case errors.Is(err, ErrNotHere):
			err = ErrNotForwardable
		case err == nil:
			var ref blob.Ref
			ref, err = c.keep(ctx, r, r.Size())
			r.Close()
			refs = append(refs, ref)
		}
		if err != nil {
			return nil, errors.Join(err, c.removeCopies(refs))
		}
	}
	return refs, nil
}

// removeCopies removes what copyFiles has made.
func (c *Chat) removeCopies(refs []blob.Ref) (err error) {
	for _, ref := range refs {
		err = errors.Join(err, c.blobs.Remove(ref))
	}
	return err
}

// mayFile tells whether a contact can be sent a file of a type.
func mayFile(tx *store.Tx, contact int64, t event.ContentType) error {
	row, err := findContact(tx, contact)
	if err != nil || ContactState(row.State) == ContactNotes {
		return err
	}
	if row.Connection == 0 || !hasPeer(row) {
		return ErrNotConnected
	}
	terms, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	feature := FeatureFiles
	if t == event.TypeVoice {
		feature = FeatureVoice
	}
	if me, _ := terms.may(feature); !me {
		return ErrNotAllowed
	}
	return nil
}

// keep stores a copy of a file.
func (c *Chat) keep(ctx context.Context, content io.Reader, size int64) (blob.Ref, error) {
	w, err := c.blobs.Create(c.rand)
	if err != nil {
		return blob.Ref{}, diskError(err)
	}
	n, err := io.Copy(w, &contextReader{ctx, io.LimitReader(content, size+1)})
	if err == nil && n != size {
		err = xftp.ErrChanged
	}
	if err != nil {
		w.Discard()
		return blob.Ref{}, diskError(err)
	}
	ref, err := w.Commit()
	return ref, diskError(err)
}

// diskError makes the errors of a full disk one.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, xftp.ErrDiskFull) {
		return fmt.Errorf("%w (%w)", ErrDiskFull, err)
	}
	return err
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// contextReaderAt ends with its context.
type contextReaderAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (r contextReaderAt) ReadAt(b []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(b, off)
}

// findFile returns an item with its file.
func findFile(tx *store.Tx, item int64) (*store.Item, *store.File, error) {
	i, _, err := findItem(tx, item)
	if err != nil {
		return nil, nil, err
	}
	f, err := tx.File(item)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, ErrNoFile
	}
	return i, f, err
}

// ReceiveOptions say how a file is received.
type ReceiveOptions struct {
	AnyRelay bool   // also from relays that are not known
	SaveTo   string // where a copy is put when it is here, which is then readable for others; empty for nowhere
}

// ReceiveFile receives the file of a message, as soon as it is there; it also goes on with one that has failed or is
// paused, of ours as well. The error is ErrNoItem, ErrNoFile, ErrFileState, ErrFileTooLarge or an *UnknownRelaysError.
func (c *Chat) ReceiveFile(ctx context.Context, item int64, o ReceiveOptions) error {
	saved := false
	err := c.db.Update(ctx, func(tx *store.Tx) error {
		i, f, err := findFile(tx, item)
		if err != nil {
			return err
		}
		switch FileState(i.FileState) {
		case FileDone:
			saved = o.SaveTo != ""
			return nil
		case FileCancelled:
			return ErrFileState
		}
		if i.FileSize > MaxFile {
			return ErrFileTooLarge
		}
		f.AnyRelay, f.SaveTo = f.AnyRelay || o.AnyRelay, o.SaveTo
		if f.Complete && !f.AnyRelay {
			if hosts := c.unknownRelays(f.Description); len(hosts) > 0 {
				return &UnknownRelaysError{hosts}
			}
		}
		if err := tx.SaveFile(f); err != nil {
			return err
		}
		switch FileState(i.FileState) {
		case FileOffered, FilePaused, FileFailed:
			return c.setFileState(tx, i, FileWaiting)
		}
		return nil
	})
	if err != nil || !saved {
		return err
	}
	return c.SaveFile(ctx, item, o.SaveTo)
}

// unknownRelays returns the hosts in a description that the person has to be asked about.
func (c *Chat) unknownRelays(description string) (hosts []string) {
	d, err := xftp.ParseDescription([]byte(description))
	if err != nil {
		return nil // which is told when it is to be used
	}
	defer d.Wipe()
	seen := map[string]bool{}
	for _, chunk := range d.Chunks {
		for _, r := range chunk.Replicas {
			if host := r.Server.Hosts[0]; !seen[host] && !c.cfg.Files.Trusted(r.Server) {
				seen[host] = true
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// PauseFile stops a file on its way, until ReceiveFile. The error is ErrNoItem, ErrNoFile or ErrFileState.
func (c *Chat) PauseFile(ctx context.Context, item int64) error {
	return c.stopFile(ctx, item, FilePaused)
}

// CancelFile gives a file up: a contact is told, and what is on relays is deleted, also of one of ours that is done, which the
// contact may have received before. The error is ErrNoItem, ErrNoFile or ErrFileState.
func (c *Chat) CancelFile(ctx context.Context, item int64) error {
	return c.stopFile(ctx, item, FileCancelled)
}

func (c *Chat) stopFile(ctx context.Context, item int64, state FileState) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		i, f, err := findFile(tx, item)
		if err != nil {
			return err
		}
		switch s := FileState(i.FileState); {
		case s == FileCancelled, s == FileDone && (state == FilePaused || f.Upload == nil), state == FilePaused && (s == FileOffered || s == FileFailed):
			return ErrFileState
		case s == state:
			return nil
		}
		if state == FileCancelled {
			if err := c.abandon(tx, i, f); err != nil {
				return err
			}
			if err := c.tellCancelled(tx, i); err != nil {
				return err
			}
		}
		return c.setFileState(tx, i, state)
	})
}

// abandon ends what is done for a file, and forgets it, also on relays.
func (c *Chat) abandon(tx *store.Tx, i *store.Item, f *store.File) error {
	up, err := forgetUpload(tx, f)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { c.dropTransfer(i.ID, up) })
	c.later(tx)
	f.SaveTo, f.Description = "", ""
	if !i.Own && FileState(i.FileState) != FileDone {
		f.Blob = blob.Ref{}
	}
	return tx.SaveFile(f)
}

// resendFile uploads a file of ours again, whatever was done before.
func (c *Chat) resendFile(tx *store.Tx, i *store.Item) error {
	f, err := tx.File(i.ID)
	if err != nil {
		return err
	}
	if FileState(i.FileState) == FileDone {
		if err := c.abandon(tx, i, f); err != nil {
			return err
		}
	}
	return c.setFileState(tx, i, FileWaiting)
}

// tellCancelled tells the contact that a file of ours will not come.
func (c *Chat) tellCancelled(tx *store.Tx, i *store.Item) error {
	if !i.Own {
		return nil
	}
	row, err := findContact(tx, i.Contact)
	if err != nil {
		return err
	}
	if err := c.say(tx, row, noItem, event.FileCancel{MsgID: event.ID(i.Shared)}); !errors.Is(err, ErrNotConnected) {
		return err
	}
	return nil
}

// takeBackFile has the file of a message that its author takes back not go on. The caller stores the item.
func (c *Chat) takeBackFile(tx *store.Tx, i *store.Item) error {
	f, err := tx.File(i.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if err := c.abandon(tx, i, f); err != nil {
		return err
	}
	if FileState(i.FileState) != FileDone {
		i.FileState, i.FileFailure, i.FileRelay = string(FileCancelled), "", ""
	}
	return nil
}

// dropFiles ends what is done for the files of items, which the caller deletes.
func (c *Chat) dropFiles(tx *store.Tx, items []*store.Item) error {
	for _, i := range items {
		if i.FileName == "" {
			continue
		}
		f, err := tx.File(i.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		if err := c.abandon(tx, i, f); err != nil {
			return err
		}
	}
	return nil
}

// setFileState stores the state of a file, and stops or starts its transfer after the commit.
func (c *Chat) setFileState(tx *store.Tx, i *store.Item, state FileState) error {
	i.FileState, i.FileFailure, i.FileRelay = string(state), "", ""
	switch state {
	case FileWaiting:
		tx.AfterCommit(func() { c.startTransfer(i.ID) })
	case FilePaused, FileCancelled:
		tx.AfterCommit(func() { c.stopTransfer(i.ID) })
	}
	return c.saveItem(tx, i)
}

// fileReceived stores the file of a message that a contact has sent. The item was stored before.
func (c *Chat) fileReceived(tx *store.Tx, i *store.Item, invitation *event.FileInvitation) error {
	if i.ID == 0 || i.FileName == "" {
		return nil // it was there before, or was removed here
	}
	f := &store.File{Item: i.ID}
	if err := tx.InsertFile(f); err != nil {
		return err
	}
	if d := invitation.Descr; d != nil && (d.Text != "" || d.Complete) {
		return c.filePart(tx, i, f, *d)
	}
	return nil
}

// fileDescribed applies a part of a description (chat-protocol.md §6).
func (c *Chat) fileDescribed(tx *store.Tx, row *store.Contact, e event.MsgFileDescr) error {
	i, err := tx.ItemByShared(row.ID, false, []byte(e.MsgID))
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted here
	} else if err != nil {
		return err
	}
	f, err := tx.File(i.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it was announced without one
	} else if err != nil {
		return err
	}
	return c.filePart(tx, i, f, e.Descr)
}

// filePart adds a part of a description to a file.
func (c *Chat) filePart(tx *store.Tx, i *store.Item, f *store.File, d event.FileDescr) error {
	state := FileState(i.FileState)
	switch state {
	case FileOffered, FilePaused, FileFailed:
		if d.Part == 1 && (f.Part > 0 || state == FileFailed) { // the sender has uploaded it again
			f.Description, f.Part, f.Complete, f.Work = "", 0, false, ""
			if state == FileFailed {
				state = FileOffered
				if err := c.setFileState(tx, i, state); err != nil {
					return err
				}
			}
		}
	case FileWaiting:
	default:
		return nil // it is of no use any more
	}
	if f.Complete || state == FileFailed || d.Part <= f.Part && f.Part > 0 {
		return nil // it came before
	}
	// The only part of an invitation may have any number.
	if d.Part != f.Part+1 && !(f.Part == 0 && d.Complete) || len(f.Description)+len(d.Text) > maxDescription {
		return c.failFile(tx, i, FailureDamaged, "")
	}
	f.Description, f.Part, f.Complete = f.Description+d.Text, max(d.Part, 1), d.Complete
	if err := tx.SaveFile(f); err != nil || !f.Complete {
		return err
	}
	if state == FileOffered {
		if ok, err := c.automatic(tx, i); err != nil || !ok || len(c.unknownRelays(f.Description)) > 0 {
			return err
		}
		state = FileWaiting
	}
	if state != FileWaiting {
		return nil
	}
	return c.setFileState(tx, i, FileWaiting)
}

// automatic tells whether a file is received unasked.
func (c *Chat) automatic(tx *store.Tx, i *store.Item) (bool, error) {
	feature := FeatureFiles
	switch event.ContentType(i.Content) {
	case event.TypeVoice:
		feature = FeatureVoice
	case event.TypeImage, event.TypeVideo:
	default:
		return false, nil
	}
	if limit := c.cfg.Files.Automatic(); limit <= 0 || i.FileSize > limit {
		return false, nil
	}
	row, err := findContact(tx, i.Contact)
	if err != nil {
		return false, err
	}
	t, err := loadTerms(tx, row)
	_, contact := t.may(feature)
	return contact, err
}

// fileCancelled marks a file that its sender has given up.
func (c *Chat) fileCancelled(tx *store.Tx, row *store.Contact, e event.FileCancel) error {
	i, err := tx.ItemByShared(row.ID, false, []byte(e.MsgID))
	if errors.Is(err, store.ErrNotFound) || err == nil && (i.FileName == "" || FileState(i.FileState) == FileDone) {
		return nil
	} else if err != nil {
		return err
	}
	f, err := tx.File(i.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if err := c.abandon(tx, i, f); err != nil {
		return err
	}
	return c.setFileState(tx, i, FileCancelled)
}

// failFile marks a file as failed.
func (c *Chat) failFile(tx *store.Tx, i *store.Item, failure Failure, relay string) error {
	i.FileState, i.FileFailure, i.FileRelay = string(FileFailed), string(failure), relay
	tx.AfterCommit(func() { c.stopTransfer(i.ID) })
	return c.saveItem(tx, i)
}

// OpenFile opens the file of a message. The error is ErrNoItem, ErrNoFile, ErrNotHere, or wraps blob.ErrDamaged.
func (c *Chat) OpenFile(ctx context.Context, item int64) (r *blob.Reader, file File, err error) {
	var f *store.File
	err = c.db.View(ctx, func(tx *store.Tx) error {
		var i *store.Item
		if i, f, err = findFile(tx, item); err == nil {
			file = *newItem(i).File
		}
		return err
	})
	if err == nil && f.Blob.Name == "" {
		err = ErrNotHere
	}
	if err != nil {
		return nil, file, err
	}
	r, err = c.blobs.Reader(f.Blob)
	return r, file, err
}

// SaveFile puts a copy of the file of a message at a path, where nothing may be yet but the same file. The error is one of those of
// OpenFile, ErrDiskFull, or tells why it can't be written.
func (c *Chat) SaveFile(ctx context.Context, item int64, path string) error {
	var f *store.File
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		_, f, err = findFile(tx, item)
		return err
	})
	if err == nil && f.Blob.Name == "" {
		err = ErrNotHere
	}
	if err != nil {
		return err
	}
	return diskError(c.blobs.Export(ctx, f.Blob, path))
}

// Files returns up to limit messages with a file, the newest first, whose id is below before, or of all with before 0: of
// a contact, or of all contacts with contact 0.
func (c *Chat) Files(ctx context.Context, contact, before int64, limit int) (list []Item, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	err = c.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.ItemsWithFile(contact, before, min(max(limit, 0), maxPage))
		for _, row := range rows {
			list = append(list, newItem(row))
		}
		return err
	})
	return list, err
}
