package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/core/video"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// Files of messages, see package chat.
type (
	FileState          = chat.FileState
	FileProgress       = chat.FileProgress
	NewFile            = chat.NewFile
	ReceiveOptions     = chat.ReceiveOptions
	UnknownRelaysError = chat.UnknownRelaysError
)

// The states of files.
const (
	FileOffered     = chat.FileOffered
	FileWaiting     = chat.FileWaiting
	FilePaused      = chat.FilePaused
	FileUploading   = chat.FileUploading
	FileDownloading = chat.FileDownloading
	FileDone        = chat.FileDone
	FileFailed      = chat.FileFailed
	FileCancelled   = chat.FileCancelled
)

// Errors of files, see package chat.
var (
	ErrNoFile       = chat.ErrNoFile
	ErrNotHere      = chat.ErrNotHere
	ErrFileTooLarge = chat.ErrFileTooLarge
	ErrFileState    = chat.ErrFileState
	ErrLegacyFile   = chat.ErrLegacyFile
	ErrDiskFull     = chat.ErrDiskFull
	// ErrDamagedFile tells that the copy of a file on this computer is damaged or was deleted.
	ErrDamagedFile = blob.ErrDamaged
)

// MaxFile is the size of the longest file that can be sent, in bytes.
const MaxFile = chat.MaxFile

// filesDir is the folder of a profile for its files, in the profile's.
const filesDir = "files"

// settingFiles is the setting of a profile for what it receives unasked.
const settingFiles = "files"

// defaultAutomatic is what the other programs of the network receive unasked at most, in bytes (presets.md §8).
const defaultAutomatic = 1_047_552

// AutomaticFiles returns up to which size pictures, voice messages and videos are received unasked, in bytes.
func (p *Profile) AutomaticFiles() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.automatic
}

// SetAutomaticFiles sets up to which size pictures, voice messages and videos are received unasked, 0 for never.
func (p *Profile) SetAutomaticFiles(ctx context.Context, size int64) error {
	size = min(max(size, 0), MaxFile)
	err := p.db.Update(ctx, func(tx *store.Tx) error {
		return tx.SetSetting(settingFiles, strconv.AppendInt(nil, size, 10))
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.automatic = size
	return nil
}

func (p *Profile) loadFiles(tx *store.Tx) error {
	p.automatic = defaultAutomatic
	b, err := tx.Setting(settingFiles)
	if err != nil || b == nil {
		return err
	}
	if p.automatic, err = strconv.ParseInt(string(b), 10, 64); err != nil {
		return fmt.Errorf("setting %s: %w", settingFiles, err)
	}
	return nil
}

// fileRelays returns the relays that files are uploaded to.
func (p *Profile) fileRelays() ([]xftp.Relay, error) {
	if p.core.relays != nil {
		if len(p.core.files) == 0 {
			return nil, ErrNoFileRelay
		}
		return p.core.files, nil
	}
	choice := p.Relays()
	if p.core.embedded || choice.Kind == RelaysThisComputer {
		server, err := p.core.localFiles()
		return []xftp.Relay{{Server: server, Password: p.core.local.password()}}, err
	}
	_, list, err := choice.parse()
	if err == nil && len(list) == 0 {
		err = ErrNoFileRelay
	}
	return list, err
}

// knowsFileRelay tells whether a relay may be asked for a file without asking the person, though it sees where this computer is: it
// is one of the profile's own or in this program, or, for who uses public relays, any of those.
func (p *Profile) knowsFileRelay(server wire.Server) bool {
	if p.core.isLocal(server) {
		return true
	}
	if p.core.relays == nil && p.Relays().Kind == RelaysPublic && operator(server) != "" {
		return true
	}
	list, err := p.fileRelays()
	return err == nil && slices.ContainsFunc(list, func(r xftp.Relay) bool { return r.Server.SameAs(server) })
}

// SendFile sends a file to a contact; see [chat.Chat.SendFile].
func (p *Profile) SendFile(ctx context.Context, contact int64, f NewFile) (Item, error) {
	return p.chat.SendFile(ctx, contact, f)
}

// SendPath sends the file at a path. Of a JPEG, PNG or WebP picture only the pixels are sent, scaled down if they are many, and
// of an animated GIF or WebP only the frames; a video in an MP4 or QuickTime file loses its metadata and subtitles: nothing tells where, when, or with which
// camera it was taken. Every other file is sent as it is, with all that is in it: also a picture or a video that is damaged, too
// large to be decoded, or of another format. The error is that of SendFile, or tells why the file can't be read.
func (p *Profile) SendPath(ctx context.Context, contact int64, path, caption string, reply int64) (Item, error) {
	f, info, err := openRegular(path)
	if err != nil {
		return Item{}, fmt.Errorf("reading the file to be sent: %w", err)
	}
	defer f.Close()
	file := NewFile{Name: filepath.Base(path), Content: f, Size: info.Size(), Caption: caption, Reply: reply, Type: event.TypeFile}
	if err := asPicture(&file, f); err != nil {
		return Item{}, fmt.Errorf("reading the file to be sent: %w", err)
	}
	if file.Type == event.TypeFile {
		asVideo(ctx, &file, f, path)
	}
	return p.SendFile(ctx, contact, file)
}

// openRegular opens a file for reading. The error is ErrNotRegular if it is something else: to open a named pipe would take until
// somebody writes to it.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// asPicture makes a file that is a picture what is sent of it. Others are left as they are.
func asPicture(file *NewFile, f io.ReaderAt) error {
	head := make([]byte, min(file.Size, 16))
	if _, err := f.ReadAt(head, 0); err != nil {
		return err
	}
	if file.Size > picture.MaxBytes || picture.Format(head) == "" {
		return nil
	}
	data := make([]byte, file.Size)
	if _, err := f.ReadAt(data, 0); err != nil {
		return err
	}
	clean, err := picture.CleanAnimation(data)
	ext := picture.Format(clean)
	if err != nil { // it does not move, or moves too much
		if clean, ext, err = picture.Clean(data); err != nil {
			return nil
		}
	}
	img, err := picture.Decode(clean)
	if err != nil {
		return nil
	}
	preview, err := picture.Preview(img)
	if err != nil {
		return nil
	}
	file.Name = strings.TrimSuffix(file.Name, filepath.Ext(file.Name)) + "." + ext
	file.Type, file.Content, file.Size, file.Preview = event.TypeImage, bytes.NewReader(clean), int64(len(clean)), preview
	return nil
}

// Errors of ReadPicture.
var (
	// ErrNotPicture tells that a file is none that can be shown.
	ErrNotPicture = picture.ErrFormat
	// ErrPictureTooLarge tells that a picture would need more memory or time than it should.
	ErrPictureTooLarge = picture.ErrTooLarge
)

// ReadPicture makes a file for SetPicture of the picture at a path: its pixels, scaled down, and nothing that tells where, when, or with
// which camera it was taken. The error is ErrNotRegular, wraps ErrNotPicture or ErrPictureTooLarge, or tells why it can't be read.
func ReadPicture(path string) ([]byte, error) {
	f, _, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("reading a picture: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, picture.MaxBytes+1)) // one more is too large
	if err != nil {
		return nil, fmt.Errorf("reading a picture: %w", err)
	}
	img, err := picture.Decode(data)
	if err != nil {
		return nil, err
	}
	return picture.Shrink(img, picture.AvatarSide, MaxPicture)
}

// asVideo makes a file that is a video one without metadata and with a preview: the picture that is in it for that, or one that a program of this
// computer makes, or a blank one.
func asVideo(ctx context.Context, file *NewFile, f io.ReaderAt, path string) {
	info, err := video.Read(f, file.Size)
	if err != nil {
		return
	}
	clean, err := video.Clean(f, file.Size)
	if err != nil {
		return
	}
	img, err := picture.Decode(info.Cover)
	if err != nil {
		img, err = video.Still(ctx, path, min(time.Second, info.Duration/3))
	}
	if err != nil {
		img = video.Blank(info.Size)
	}
	if preview, err := picture.Preview(img); err == nil {
		file.Type, file.Content, file.Preview, file.Duration = event.TypeVideo, clean, preview, info.Duration
	}
}

// ErrNotRegular tells that a path is that of a folder or a device.
var ErrNotRegular = errors.New("only files can be sent: make an archive of a folder")

// ReceiveFile receives the file of a message; see [chat.Chat.ReceiveFile].
func (p *Profile) ReceiveFile(ctx context.Context, item int64, o ReceiveOptions) error {
	return p.chat.ReceiveFile(ctx, item, o)
}

// PauseFile stops a file on its way, until ReceiveFile.
func (p *Profile) PauseFile(ctx context.Context, item int64) error {
	return p.chat.PauseFile(ctx, item)
}

// CancelFile gives a file up; see [chat.Chat.CancelFile].
func (p *Profile) CancelFile(ctx context.Context, item int64) error {
	return p.chat.CancelFile(ctx, item)
}

// OpenFile opens the file of a message. The error is ErrNoItem, ErrNoFile, ErrNotHere or ErrDamagedFile, also that of reading it.
func (p *Profile) OpenFile(ctx context.Context, item int64) (io.ReadSeekCloser, File, error) {
	return p.chat.OpenFile(ctx, item)
}

// SaveFile puts a copy of the file of a message at a path, where nothing may be yet.
func (p *Profile) SaveFile(ctx context.Context, item int64, path string) error {
	return p.chat.SaveFile(ctx, item, path)
}

// Files returns messages with files, the newest first; see [chat.Chat.Files].
func (p *Profile) Files(ctx context.Context, contact, before int64, limit int) ([]Item, error) {
	return p.chat.Files(ctx, contact, before, limit)
}

// FileProgress returns how far the file of a message is that is on its way.
func (p *Profile) FileProgress(item int64) (FileProgress, bool) { return p.chat.Progress(item) }
