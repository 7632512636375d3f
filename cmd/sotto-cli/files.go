package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
)

// path is the path that a command has as its file.
func (c command) path() (path string, err error) {
	if len(c.File) == 0 {
		return "", nil
	}
	if err := json.Unmarshal(c.File, &path); err != nil {
		return "", fmt.Errorf("%w: file is not a path", errCommand)
	}
	return path, nil
}

// file is the number of the file that a command is about.
func (c command) file() (id int64, err error) {
	if err := json.Unmarshal(c.File, &id); err != nil {
		return 0, fmt.Errorf("%w: file is not the number of one", errCommand)
	}
	return id, nil
}

// sendFile sends a file.
func sendFile(ctx context.Context, p *core.Profile, c command, path string) (object, error) {
	caption := c.Caption
	if caption == "" {
		caption = c.Text
	}
	item, err := p.SendPath(ctx, c.Contact, path, caption, c.Reply)
	return object{"message": item.ID, "file": item.ID}, err
}

// target is the path at which a copy of a file is to be put. Nothing may be there yet, in a folder that there is.
func target(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(path); err == nil {
		return "", errExists
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err == nil && !folder.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return "", fmt.Errorf("the folder for the file: %w", err)
	}
	return path, nil
}

// fileCommands are the commands about files of the profile in use.
var fileCommands = map[string]func(context.Context, *core.Profile, command) (object, error){
	"files": func(ctx context.Context, p *core.Profile, c command) (object, error) {
		limit := c.Limit
		if limit <= 0 {
			limit = defaultLimit
		}
		if c.Contact != 0 {
			if _, err := p.Contact(ctx, c.Contact); err != nil {
				return nil, err
			}
		}
		items, err := p.Files(ctx, c.Contact, c.Before, limit)
		list := []object{}
		for _, i := range items {
			o := fileObject(i)
			o["contact"], o["message"], o["own"], o["text"], o["time"] = i.Contact, i.ID, i.Own, i.Text, i.Time.UTC()
			o["done"], o["total"] = int64(0), i.File.Size
			if i.File.State == core.FileDone {
				o["done"] = i.File.Size
			} else if progress, ok := p.FileProgress(i.ID); ok {
				o["done"] = progress.Done
			}
			list = append(list, o)
		}
		return object{"files": list}, err
	},
	"receive": func(ctx context.Context, p *core.Profile, c command) (object, error) {
		id, err := c.file()
		if err != nil {
			return nil, err
		}
		to := c.To
		if to != "" {
			if to, err = target(to); err != nil {
				return nil, err
			}
		}
		return nil, p.ReceiveFile(ctx, id, core.ReceiveOptions{AnyRelay: !c.Ask, SaveTo: to})
	},
	"cancel": func(ctx context.Context, p *core.Profile, c command) (object, error) {
		id, err := c.file()
		if err != nil {
			return nil, err
		}
		return nil, p.CancelFile(ctx, id)
	},
	"pause": func(ctx context.Context, p *core.Profile, c command) (object, error) {
		id, err := c.file()
		if err != nil {
			return nil, err
		}
		return nil, p.PauseFile(ctx, id)
	},
	"files.automatic": func(ctx context.Context, p *core.Profile, c command) (object, error) {
		if c.Size != nil {
			if err := p.SetAutomaticFiles(ctx, *c.Size); err != nil {
				return nil, err
			}
		}
		return object{"size": p.AutomaticFiles()}, nil
	},
}

// fileObject describes the file of a message.
func fileObject(i core.Item) object {
	o := object{"id": i.ID, "file": i.ID, "name": i.File.Name, "size": i.File.Size, "state": i.File.State}
	if i.File.Failure != "" {
		o["failure"] = i.File.Failure
	}
	if i.File.Relay != "" {
		o["relay"] = i.File.Relay
	}
	return o
}

// fileTold is what was told of a file.
type fileTold struct {
	State   core.FileState
	Failure chat.Failure
	Contact int64
}

// tellFile tells the state of a file if it was not told.
func (a *announcer) tellFile(p *announced, i core.Item, event func(string, object)) {
	if i.File == nil {
		return
	}
	told := fileTold{i.File.State, i.File.Failure, i.Contact}
	if p.files[i.ID] == told {
		return
	}
	p.files[i.ID] = told
	o := fileObject(i)
	delete(o, "id")
	o["contact"], o["message"], o["done"], o["total"] = i.Contact, i.ID, int64(0), i.File.Size
	if i.File.State == core.FileDone {
		o["done"] = i.File.Size
	}
	event("file", o)
}

// tellProgress tells how far a file is on its way.
func (a *announcer) tellProgress(ctx context.Context, p *announced, c core.FileProgress) error {
	told, ok := p.files[c.Item]
	if !ok { // it goes on after a restart
		items, err := p.profile.Files(ctx, 0, c.Item+1, 1)
		if err != nil || len(items) == 0 || items[0].ID != c.Item {
			return err
		}
		told = fileTold{items[0].File.State, items[0].File.Failure, items[0].Contact}
		p.files[c.Item] = told
	}
	if told.State != core.FileUploading && told.State != core.FileDownloading {
		return nil
	}
	a.write(object{"event": "file", "profile": p.profile.ID(), "contact": told.Contact, "file": c.Item, "message": c.Item, "state": told.State,
		"done": c.Done, "total": c.Total, "speed": c.Speed})
	return nil
}
