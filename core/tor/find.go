package tor

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// FindTor returns the path of tor: the one that came with this program, beside its executable, or
// else that of the system. The error is a *Problem of the kind ProblemMissing.
func FindTor() (string, error) {
	if path := find("tor"); path != "" {
		return path, nil
	}
	return "", &Problem{Kind: ProblemMissing}
}

// programs are the pluggable transports that are known, and the programs for them in the order of preference.
var programs = map[string][]string{
	"obfs4":     {"lyrebird", "obfs4proxy"},
	"meek_lite": {"lyrebird", "obfs4proxy"},
	"webtunnel": {"lyrebird", "webtunnel-client"},
	"snowflake": {"snowflake-client", "lyrebird"},
}

// FindTransports returns the paths of the programs of the pluggable transports that came with this program
// or are installed, by the name of the transport.
func FindTransports() map[string]string {
	found := map[string]string{}
	for transport, names := range programs {
		for _, name := range names {
			if path := find(name); path != "" {
				found[transport] = path
				break
			}
		}
	}
	return found
}

// find returns the path of a program, empty if it is not there.
func find(name string) string {
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir := filepath.Dir(exe)
		for _, sub := range []string{".", "tor", "tor/pluggable_transports"} { // as in Tor's bundle for embedding
			dirs = append(dirs, filepath.Join(dir, filepath.FromSlash(sub)))
		}
	}
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	if path, err := exec.LookPath(name); err == nil && filepath.IsAbs(path) {
		return path
	}
	if runtime.GOOS == "windows" {
		return ""
	}
	// Debian has tor where only root looks for programs, and programs of macOS get a short search path.
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

// plugins returns the programs for the transports of the bridges, and the folder that tor must be
// started in for them. Tor takes no path with spaces, so those are relative to the folder.
func (c *Config) plugins() (plugins map[string]string, dir string, err error) {
	plugins = map[string]string{}
	known := c.Transports
	for _, b := range c.Bridges {
		if b.Transport == "" || plugins[b.Transport] != "" {
			continue
		}
		if known == nil {
			known = FindTransports()
		}
		path, err := exec.LookPath(known[b.Transport])
		if known[b.Transport] == "" || err != nil || !filepath.IsAbs(path) {
			return nil, "", &Problem{Kind: ProblemTransport, Detail: clip(b.Transport, maxDetail)}
		}
		if strings.ContainsFunc(path, isSpace) {
			parent, name := filepath.Split(path)
			if dir != "" && dir != parent || strings.ContainsFunc(name, isSpace) {
				return nil, "", problemf(ProblemTransport, "its path has spaces")
			}
			dir, path = parent, "."+string(filepath.Separator)+name
		}
		plugins[b.Transport] = path
	}
	return plugins, dir, nil
}

func isSpace(r rune) bool { return r <= ' ' }

// environment is what tor gets of the program's own: nothing that could hold a secret.
func environment() []string {
	keep := []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SystemRoot", "SystemDrive", "TEMP", "TMP",
		"USERPROFILE", "APPDATA", "LOCALAPPDATA"}
	var env []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if slices.ContainsFunc(keep, func(k string) bool { return k == name || runtime.GOOS == "windows" && strings.EqualFold(k, name) }) {
			env = append(env, e)
		}
	}
	return env
}
