package main

import (
	"errors"
	"net/url"
	"strings"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// errLink tells that a link doesn't lead to a queue.
var errLink = errors.New("no id of a queue can be found in this link; was it copied as a whole?")

// idInLink returns the sender id or link id that a link has, as people report it. What is no link is returned
// as it is.
func idInLink(text string) (string, error) {
	head, fragment, ok := strings.Cut(text, "#")
	if !ok {
		return text, nil
	}
	if _, queue, found := strings.Cut(head, "smp://"); found { // the address of the queue alone, as it stands in a long link
		return idOfQueue(queue)
	}
	head = strings.ToLower(strings.TrimSuffix(head, "/"))
	switch kind := head[strings.LastIndexByte(head, '/')+1:]; kind {
	case "contact", "invitation":
		return idInFull(fragment)
	case "i":
		fragment, _, _ = strings.Cut(fragment, "?")
		id, _, ok := strings.Cut(fragment, "/")
		if !ok {
			return "", errLink
		}
		return id, nil
	case "a", "c", "g", "r":
		fragment, _, _ = strings.Cut(fragment, "?")
		key, err := wire.DecodeBase64(fragment)
		if err != nil || len(key) != 32 {
			return "", errLink
		}
		// The relay never gets to know this key, which opens the data of the link (smp-commands.md §7).
		derived := crypt.HKDF(nil, key, "SimpleXContactLink", smp.IDSize+32)
		return wire.EncodeBase64(derived[:smp.IDSize]), nil
	}
	return "", errLink
}

// idInFull returns the id of the first queue in the part of a long link after the #.
func idInFull(fragment string) (string, error) {
	values, err := url.ParseQuery(strings.TrimLeft(fragment, "/?"))
	if err != nil {
		return "", errLink
	}
	_, queue, _ := strings.Cut(values.Get("smp"), "://")
	return idOfQueue(queue)
}

// idOfQueue returns the sender id in the address of a queue without its scheme.
func idOfQueue(queue string) (string, error) {
	_, id, ok := strings.Cut(queue, "/")
	if !ok {
		return "", errLink
	}
	id, _, _ = strings.Cut(id, "#")
	return id, nil
}
