package xftp

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sotto-chat/sotto/core/wire"
)

// maxName leaves room for what a program adds to a name that is taken, such as " (12)".
const maxName = wire.MaxShort - 15

// SafeName makes a file name of what a peer sent that can be used in any folder on any system: without
// folders, control characters and signs that have a meaning somewhere, not hidden, of 1 to 240 bytes, and
// with its extension.
func SafeName(name string) string {
	name = strings.TrimRight(strings.ReplaceAll(strings.ToValidUTF8(name, "_"), `\`, "/"), "/")
	name = name[strings.LastIndexByte(name, '/')+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"/|?*`, r):
			return '_'
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d': // also what turns the direction of the text around
			return -1
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimLeft(name, ". "), ". ")
	if stem, _, _ := strings.Cut(name, "."); reservedNames[strings.ToUpper(strings.TrimRight(stem, " "))] {
		name = "_" + name
	}
	if name == "" {
		return "file"
	}
	return shorten(name, maxName)
}

// maxExtension is the longest extension that is kept.
const maxExtension = 20

// shorten cuts a name to at most n bytes of whole characters and keeps its extension.
func shorten(name string, n int) string {
	if len(name) <= n {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > maxExtension {
		ext = ""
	}
	for n -= len(ext); n > 0 && !utf8.RuneStart(name[n]); n-- {
	}
	return name[:n] + ext
}

// reservedNames are devices on Windows, with any extension.
var reservedNames = map[string]bool{
	"CON": true, "PRN": true, "AUX": true, "NUL": true,
	"COM1": true, "COM2": true, "COM3": true, "COM4": true, "COM5": true, "COM6": true, "COM7": true, "COM8": true, "COM9": true,
	"LPT1": true, "LPT2": true, "LPT3": true, "LPT4": true, "LPT5": true, "LPT6": true, "LPT7": true, "LPT8": true, "LPT9": true,
}
