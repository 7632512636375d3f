package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	// ErrSetting is wrapped with which setting can't be as it is.
	ErrSetting = errors.New("a setting of the relay can't be used")
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

// check returns ErrSetting if there can be no address with the settings.
func (s Settings) check() error {
	if len(s.Hosts) > wire.MaxHosts {
		return fmt.Errorf("%w: %d hosts, there may be %d", ErrSetting, len(s.Hosts), wire.MaxHosts)
	}
	for _, host := range s.Hosts {
		if list, port, err := wire.ParseHosts(host); err != nil || port != "" || len(list) != 1 {
			return fmt.Errorf("%w: %q is not the name or the IP address of a host", ErrSetting, host)
		}
	}
	for _, port := range []string{s.Port, s.FilesPort} {
		if _, parsed, err := wire.ParseHosts("localhost:" + port); port != "" && (err != nil || parsed != port) {
			return fmt.Errorf("%w: port %q is not a number from 1 to 65535", ErrSetting, port)
		}
	}
	if s.Password == "" {
		return nil
	}
	text := "smp://" + wire.EncodeBase64(make([]byte, 32)) + ":" + s.Password + "@localhost"
	if _, parsed, err := wire.ParseServerPassword(text); err != nil || parsed != s.Password {
		return fmt.Errorf("%w: the password has a character that can't stand in an address (space @ : /), or more than 255", ErrSetting)
	}
	return nil
}

// Init makes dir the directory of a new relay: an identity that never changes, a server
// certificate signed by it, and the settings. It returns the address of the relay, without
// hosts if the settings have none. It is ErrInitialized if dir has a relay already. If only
// relay.json is missing, the relay is that of before with new settings.
func Init(dir string, settings Settings) (wire.Server, error) {
	if err := settings.check(); err != nil {
		return wire.Server{}, err
	}
	if settings.FilesPort != "" && settings.FilesPort == settings.Port {
		return wire.Server{}, fmt.Errorf("%w: port %s can't be both for messages and for files", ErrSetting, settings.Port)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wire.Server{}, fmt.Errorf("making the relay's folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, settingsFile)); err == nil {
		return wire.Server{}, ErrInitialized
	}
	hash, err := makeIdentity(dir)
	if err != nil {
		return wire.Server{}, err
	}
	return address(hash, settings, nil), writeSettings(dir, settings)
}

// makeIdentity makes an identity in dir and returns its fingerprint. One that is there, of a relay whose settings
// were lost, is kept: nobody could make it again. So are its remains if the relay has queues.
func makeIdentity(dir string) (wire.KeyHash, error) {
	id, err := front.ReadIdentity(dir)
	if err == nil {
		return id.Hash, nil
	}
	if _, e := os.Stat(filepath.Join(dir, storeDir)); e == nil {
		return wire.KeyHash{}, fmt.Errorf("this folder has the queues of a relay: %w", err)
	}
	hash, err := front.WriteIdentity(dir, time.Now())
	if err != nil {
		return wire.KeyHash{}, fmt.Errorf("making the relay's identity: %w", err)
	}
	return hash, nil
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
