package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// appFile is the file that keeps what belongs to no profile. Nothing in it came from a
// conversation, and no name is in it.
const appFile = "app.json"

// ErrAppFile tells that app.json is not as the program writes it.
var ErrAppFile = errors.New("app.json is damaged: restore it from a backup, or correct it")

// Appearance is what the window remembers, for all profiles.
type Appearance struct {
	Width  float32 `json:"width,omitempty"` // of the window, in the units of the toolkit
	Height float32 `json:"height,omitempty"`
	Theme  string  `json:"theme,omitempty"`
}

// appState is the content of app.json.
type appState struct {
	Profiles   []string   `json:"profiles"`          // ids, in the order in which they are shown
	Current    string     `json:"current,omitempty"` // id of the one that was used last
	Appearance Appearance `json:"appearance,omitzero"`
}

// profileID is the form of the ids of profiles: 16 random bytes in hexadecimal.
var profileID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func readApp(dir string) (s appState, err error) {
	b, err := os.ReadFile(filepath.Join(dir, appFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrAppFile, err)
	}
	for _, id := range s.Profiles {
		if !profileID.MatchString(id) { // it becomes part of a path
			return s, fmt.Errorf("%w: a profile's id is not 32 hexadecimal digits", ErrAppFile)
		}
	}
	return s, nil
}

// write replaces app.json: after a crash it is the old one or the new one.
func (s appState) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, appFile)
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", appFile, err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("writing %s: %w", appFile, err)
	}
	return nil
}

func (s appState) clone() appState {
	s.Profiles = slices.Clone(s.Profiles)
	return s
}
