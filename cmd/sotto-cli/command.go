package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/sotto-chat/sotto/core"
)

// command is a line of input. Which fields count depends on Cmd.
type command struct {
	ID         json.RawMessage `json:"id"`
	Cmd        string          `json:"cmd"`
	Name       string          `json:"name"`
	Profile    string          `json:"profile"`
	Passphrase string          `json:"passphrase"`
	Old        string          `json:"old"`
	Hidden     bool            `json:"hidden"`
	Seconds    int             `json:"seconds"`
	Relays     []string        `json:"relays"`
	Link       string          `json:"link"`
	Contact    int64           `json:"contact"`
	Message    int64           `json:"message"`
	Messages   []int64         `json:"messages"`
	Everyone   bool            `json:"everyone"`
	Emoji      string          `json:"emoji"`
	Done       bool            `json:"done"`
	Feature    core.Feature    `json:"feature"`
	Allow      core.Allow      `json:"allow"`
	TTL        int             `json:"ttl"`
	File       json.RawMessage `json:"file"` // a path, or the number of a file
	Caption    string          `json:"caption"`
	To         string          `json:"to"`
	Ask        bool            `json:"ask"`
	Size       *int64          `json:"size"`
	Text       string          `json:"text"`
	Reply      int64           `json:"reply"`
	Live       bool            `json:"live"`
	Limit      int             `json:"limit"`
	Before     int64           `json:"before"`
	Request    int64           `json:"request"`
	Code       string          `json:"code"`
	Greeting   string          `json:"greeting"`
	Auto       bool            `json:"auto"`
	On         bool            `json:"on"`
	Incognito  bool            `json:"incognito"`
	Long       bool            `json:"long"`
	Routing    core.Routing    `json:"routing"`
	Fallback   core.Fallback   `json:"fallback"`
	Mode       core.TorMode    `json:"mode"`
	Bridges    []string        `json:"bridges"`
	Settings   json.RawMessage `json:"settings"`
}

// needed are the members that commands can't do without, but for those whose absence has an error of its own, as that of a text or a
// name has.
var needed = map[string][]string{
	"profile.use": {"profile"}, "profile.delete": {"profile"}, "profile.hide": {"profile"}, "profile.show": {"profile"},
	"connect": {"link"}, "connect.plan": {"link"}, "accept": {"request"}, "reject": {"request"},
	"send": {"contact"}, "history": {"contact"}, "read": {"contact"}, "draft": {"contact"}, "clear": {"contact"},
	"contact.delete": {"contact"}, "contact.code": {"contact"}, "contact.verify": {"contact", "code"}, "contact.receipts": {"contact"},
	"rotate": {"contact"}, "resync": {"contact"},
	"mute": {"contact"}, "pin": {"contact"}, "archive": {"contact"}, "block": {"contact"}, "alias": {"contact"},
	"disappearing": {"contact", "seconds"}, "preferences.set": {"feature"},
	"edit": {"message"}, "live": {"message"}, "react": {"message", "emoji"}, "retry": {"message"}, "message.info": {"message"},
	"delete": {"message"}, "forward": {"message", "contact"}, "search": {"text"},
	"receive": {"file"}, "pause": {"file"}, "cancel": {"file"}, "tor": {"mode"},
}

// parse reads a command. With an error it has the id, if that can be read.
func parse(line []byte) (c command, err error) {
	switch {
	case len(line) > maxLine:
		return command{ID: idOf(line)}, fmt.Errorf("%w: the line has more than %d bytes", errCommand, maxLine)
	case !utf8.Valid(line):
		return command{ID: idOf(line)}, fmt.Errorf("%w: the line is not UTF-8", errCommand)
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return command{ID: idOf(line)}, decodeError(err)
	}
	if c.Cmd == "" {
		return c, fmt.Errorf("%w: it has no cmd", errCommand)
	}
	if len(needed[c.Cmd]) == 0 {
		return c, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(line, &members); err != nil {
		return c, decodeError(err)
	}
	for _, name := range needed[c.Cmd] {
		if name == "message" && len(c.Messages) > 0 {
			continue
		}
		if _, ok := members[name]; !ok {
			return c, fmt.Errorf("%w: %s needs %s", errCommand, c.Cmd, name)
		}
	}
	return c, nil
}

// idOf returns the id in a line that is not a command, nil if none comes before what is wrong.
func idOf(line []byte) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil
		}
		if name == "id" && utf8.Valid(value) {
			return slices.Clone(value)
		}
	}
	return nil
}

// jsonKind is what JSON calls a type.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list of them"
	}
	return "of the kind that it should be"
}
