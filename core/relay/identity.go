package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/wire"
)

// What is in a relay's directory beside the identity. The settings are written last: a directory
// is that of a relay when they are there.
const (
	settingsFile = "relay.json"
	storeDir     = "queues"
)

// Errors of a relay's directory.
var (
	ErrInitialized    = errors.New("this folder is already that of a relay")
	ErrNotInitialized = errors.New("this folder is not that of a relay: run init first")
	ErrIdentity       = front.ErrIdentity
	ErrSettings       = errors.New("relay.json is damaged: correct it or restore it from a backup")
)

// Settings are what an operator decides once, when the relay is made. They are kept in
// relay.json and can be changed there while the relay doesn't run.
type Settings struct {
	Hosts    []string `json:"hosts,omitempty"`    // names in the relay's address, none if Address gets them
	Port     string   `json:"port,omitempty"`     // port in the relay's address, empty for 5223
	Password string   `json:"password,omitempty"` // needed to create queues and files; empty lets everybody
	// FilesPort is the port in the address of the file relay beside this one (package files), empty
	// if that was not decided.
	FilesPort string `json:"filesPort,omitempty"`
}

func (s Settings) check() error {
	address := "smp://" + wire.EncodeBase64(make([]byte, 32))
	if s.Password != "" {
		address += ":" + s.Password
	}
	hosts := s.Hosts
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
	}
	address += "@" + strings.Join(hosts, ",")
	for _, port := range []string{s.Port, s.FilesPort} {
		text := address
		if port != "" {
			text += ":" + port
		}
		if _, _, err := wire.ParseServerPassword(text); err != nil {
			return fmt.Errorf("relay settings: %w", err)
		}
	}
	return nil
}

// Init makes dir the directory of a new relay: an identity that never changes, a server
// certificate signed by it, and the settings. It returns the address of the relay, without
// hosts if the settings have none. It is ErrInitialized if dir has a relay already.
func Init(dir string, settings Settings) (wire.Server, error) {
	if err := settings.check(); err != nil {
		return wire.Server{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wire.Server{}, fmt.Errorf("making the relay's folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, settingsFile)); err == nil {
		return wire.Server{}, ErrInitialized
	}
	hash, err := front.WriteIdentity(dir, time.Now())
	if err != nil {
		return wire.Server{}, fmt.Errorf("making the relay's identity: %w", err)
	}
	return address(hash, settings, nil), writeSettings(dir, settings)
}

func writeSettings(dir string, s Settings) error {
	text, err := json.MarshalIndent(s, "", "\t")
	if err == nil {
		err = front.WriteFile(filepath.Join(dir, settingsFile), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing the relay's settings: %w", err)
	}
	return nil
}

// ChangeSettings changes the settings of the relay in dir, which must not be running.
func ChangeSettings(dir string, change func(*Settings)) error {
	s, err := ReadSettings(dir)
	if err != nil {
		return err
	}
	change(&s)
	if err := s.check(); err != nil {
		return err
	}
	return writeSettings(dir, s)
}

func address(hash wire.KeyHash, s Settings, hosts []string) wire.Server {
	if len(hosts) == 0 {
		hosts = s.Hosts
	}
	return wire.Server{Scheme: wire.SMP, KeyHash: hash, Hosts: hosts, Port: s.Port}
}

// ReadSettings returns the settings of the relay in dir, which may be running.
func ReadSettings(dir string) (s Settings, err error) {
	text, err := os.ReadFile(filepath.Join(dir, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, ErrNotInitialized
	}
	if err != nil {
		return s, fmt.Errorf("reading the relay's settings: %w", err)
	}
	if json.Unmarshal(text, &s) != nil {
		return s, ErrSettings
	}
	return s, s.check()
}

// ReadAddress returns the address and the password of the relay in dir, which may be running.
func ReadAddress(dir string, hosts ...string) (server wire.Server, password string, err error) {
	s, err := ReadSettings(dir)
	if err != nil {
		return wire.Server{}, "", err
	}
	hash, err := front.ReadHash(dir)
	if err != nil {
		return wire.Server{}, "", err
	}
	return address(hash, s, hosts), s.Password, nil
}
