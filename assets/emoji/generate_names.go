//go:build ignore

// Generate makes the files in names, with what emoji are called in the languages of the interface, from the data of emojibase (MIT)
// and, for Arabic, which that does not have, of the Unicode CLDR (Unicode license):
//
//	npm pack emojibase-data cldr-annotations-full cldr-annotations-derived-full    # unpack all into one folder
//	go run generate_names.go package
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// words are the name of an emoji and other words that describe it.
type words struct {
	name string
	tags []string
}

func main() {
	log.SetFlags(0)
	folder := os.Args[1]
	table, err := os.ReadFile("table.tsv")
	check(err)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	check(err)
	check(os.MkdirAll("names", 0o755))
	for _, language := range []string{"ar", "de", "es", "fr", "ja"} {
		known := map[string]words{}
		if language == "ar" {
			cldr(known, filepath.Join(folder, "annotations", language, "annotations.json"), "annotations")
			cldr(known, filepath.Join(folder, "annotationsDerived", language, "annotations.json"), "annotationsDerived")
		} else {
			emojibase(known, filepath.Join(folder, language, "data.json"))
		}
		var out strings.Builder
		missing := 0
		for line := range strings.Lines(string(table)) {
			w := known[bare(strings.Split(line, "\t")[1])]
			if w.name == "" {
				missing++
			}
			fmt.Fprintf(&out, "%s\t%s\n", w.name, strings.Join(w.tags, " "))
		}
		packed := enc.EncodeAll([]byte(out.String()), nil)
		check(os.WriteFile(filepath.Join("names", language+".zst"), packed, 0o644))
		fmt.Println(language, len(packed), "bytes,", missing, "without a name")
	}
}

func bare(s string) string { return strings.ReplaceAll(s, "\ufe0f", "") }

func emojibase(known map[string]words, file string) {
	var list []struct {
		Emoji string
		Label string
		Tags  []string
	}
	read(file, &list)
	for _, e := range list {
		known[bare(e.Emoji)] = words{e.Label, e.Tags}
	}
}

func cldr(known map[string]words, file, section string) {
	var all map[string]struct {
		Annotations map[string]struct{ Default, TTS []string }
	}
	read(file, &all)
	for emoji, a := range all[section].Annotations {
		if len(a.TTS) > 0 {
			known[bare(emoji)] = words{a.TTS[0], a.Default}
		}
	}
}

func read(file string, v any) {
	data, err := os.ReadFile(file)
	check(err)
	check(json.Unmarshal(data, v))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
