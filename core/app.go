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

	"github.com/sotto-chat/sotto/store/vault"
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
	Accent string  `json:"accent,omitempty"` // name of a colour, empty for the first one
	Scale  float32 `json:"scale,omitempty"`  // of everything that is shown, 0 for 1
	List   float32 `json:"list,omitempty"`   // width of the list of conversations, 0 for the first one
	Panel  bool    `json:"panel,omitempty"`  // the panel about a contact is open
	Notify string  `json:"notify,omitempty"` // how much is told outside of the window
	Silent bool    `json:"silent,omitempty"` // that is told without a sound
	Live   bool    `json:"live,omitempty"`   // messages can be shown to the other side while they are typed
	Quiet  bool    `json:"quiet,omitempty"`  // nothing is told for now: do not disturb
	Tray   bool    `json:"tray,omitempty"`   // closing the window leaves the program in the tray
	Still  bool    `json:"still,omitempty"`  // pictures don't move before they are opened
}

// appState is the content of app.json.
type appState struct {
	Profiles   []string    `json:"profiles"`          // ids, in the order in which they are shown
	Current    string      `json:"current,omitempty"` // id of the one that was used last
	Appearance Appearance  `json:"appearance,omitzero"`
	Tor        TorSettings `json:"tor,omitzero"`

	// Salt is 16 random bytes, by which keys are made from passphrases. It is there from the first start
	// on, whether there is such a key or not.
	Salt    []byte   `json:"salt,omitempty"`
	Lock    *appLock `json:"lock,omitempty"`    // nil if the program can't be locked
	Idle    int      `json:"idle,omitempty"`    // seconds without input after which it is locked, 0 for never
	Leaving []string `json:"leaving,omitempty"` // what is left of deleted profiles, see leaver
	Wiping  bool     `json:"wiping,omitempty"`  // everything is being deleted
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
	for _, id := range slices.Concat(s.Profiles, s.Leaving) {
		if !profileID.MatchString(id) { // it becomes part of a path
			return s, fmt.Errorf("%w: a profile's id is not 32 hexadecimal digits", ErrAppFile)
		}
	}
	if l := s.Lock; l != nil && (len(l.Key) != lockKeySize || len(l.Wipe) != vault.KeySize) || s.Salt != nil && len(s.Salt) != vault.SaltSize {
		return s, fmt.Errorf("%w: the lock or the salt has a wrong length", ErrAppFile)
	}
	return s, nil
}

// write replaces app.json: after a crash it is the old one or the new one, and nothing that is done later is on
// disk without it. The profiles can't be opened without the key in it.
func (s appState) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	if err := vault.WriteFile(filepath.Join(dir, appFile), append(b, '\n')); err != nil {
		return fmt.Errorf("writing %s: %w", appFile, err)
	}
	return nil
}

func (s appState) clone() appState {
	s.Profiles, s.Leaving = slices.Clone(s.Profiles), slices.Clone(s.Leaving)
	return s
}
