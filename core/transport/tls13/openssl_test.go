//go:build unix

package tls13

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
)

// openssl runs the openssl command in dir.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("this test needs the openssl command: install the package openssl (apt install openssl, brew install openssl)")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
	}
}

// opensslIdentity makes a chain as a relay has it in dir and returns the identity's fingerprint.
func opensslIdentity(t *testing.T, dir, algorithm string) [32]byte {
	t.Helper()
	extensions := "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,nonRepudiation,keyAgreement\nextendedKeyUsage=serverAuth\n"
	if err := os.WriteFile(filepath.Join(dir, "leaf.ext"), []byte(extensions), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"genpkey -algorithm " + algorithm + " -out ca.key",
		"req -new -x509 -days 999999 -key ca.key -subj /CN=SMP\\ server\\ CA/O=SimpleX -addext basicConstraints=critical,CA:true -out ca.crt",
		"genpkey -algorithm " + algorithm + " -out leaf.key",
		"req -new -key leaf.key -subj /CN=localhost -out leaf.csr",
		"x509 -req -days 999999 -in leaf.csr -copy_extensions none -extfile leaf.ext -CA ca.crt -CAkey ca.key -CAcreateserial -out leaf.crt",
	} {
		fields := strings.Fields(strings.ReplaceAll(args, "\\ ", "\x00"))
		for i := range fields {
			fields[i] = strings.ReplaceAll(fields[i], "\x00", " ")
		}
		openssl(t, dir, fields...)
	}
	data, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("openssl wrote no certificate")
	}
	return crypt.Fingerprint(block.Bytes)
}

// opensslServer is a running "openssl s_server".
type opensslServer struct {
	address string
	stdin   *os.File
	stdout  *bufio.Reader
}

func startOpenSSL(t *testing.T, dir string, args ...string) *opensslServer {
	t.Helper()
	args = append([]string{"s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-tls1_3", "-num_tickets", "2",
		"-cert", "leaf.crt", "-key", "leaf.key", "-cert_chain", "ca.crt", "-alpn", "smp/1,h2"}, args...)
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	// A command of s_server is what it reads at once, so its input has to keep the bounds of writes.
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(ends[0])
	syscall.CloseOnExec(ends[1])
	stdin, input := os.NewFile(uintptr(ends[0]), "stdin"), os.NewFile(uintptr(ends[1]), "input")
	t.Cleanup(func() { stdin.Close() })
	cmd.Stdin = input
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Start()
	input.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // it may have ended by itself
		cmd.Wait()
	})
	s := &opensslServer{stdin: stdin, stdout: bufio.NewReader(stdout)}
	s.address = strings.TrimSpace(s.expect(t, "ACCEPT "))
	return s
}

// expect reads the server's output up to the line that has prefix and returns the rest of it.
func (s *opensslServer) expect(t *testing.T, prefix string) string {
	t.Helper()
	var seen strings.Builder
	for {
		line, err := s.stdout.ReadString('\n')
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return rest
		}
		seen.WriteString(line)
		if err != nil {
			t.Fatalf("openssl ended without %q: %v\n%s", prefix, err, &seen)
		}
	}
}

func TestOpenSSL(t *testing.T) {
	for _, algorithm := range []string{"ed25519", "ed448"} {
		dir := t.TempDir()
		fingerprint := opensslIdentity(t, dir, algorithm)
		for _, group := range []string{"X448", "X25519"} {
			for _, request := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, request %v", algorithm, group, request), func(t *testing.T) {
					args := []string{"-groups", group}
					if request {
						args = append(args, "-verify", "1")
					}
					testOpenSSL(t, startOpenSSL(t, dir, args...), fingerprint)
				})
			}
		}
	}
}

// testOpenSSL has a conversation with the server, in which it updates its keys, asks the client
// to update its own, and asks for a certificate.
func testOpenSSL(t *testing.T, s *opensslServer, fingerprint [32]byte) {
	raw, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Client(testContext(t), raw, Config{ALPN: "smp/1", Fingerprint: fingerprint})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.ALPN() != "smp/1" || len(conn.ServerChain()) != 2 || len(conn.ClientFinished()) != 32 {
		t.Errorf("ALPN %q, %d certificates, Finished of %d bytes", conn.ALPN(), len(conn.ServerChain()), len(conn.ClientFinished()))
	}
	conn.SetDeadline(time.Now().Add(testTimeout))
	answers := bufio.NewReader(conn)
	for round, command := range []string{"", "k", "K", "c", "K"} { // see s_server(1)
		if command != "" {
			fmt.Fprintf(s.stdin, "%s\n", command)
		}
		line := fmt.Sprintf("line %d from the server\n", round)
		s.stdin.WriteString(line)
		if got, err := answers.ReadString('\n'); err != nil || got != line {
			t.Fatalf("after command %q: read %q, %v", command, got, err)
		}
		if _, err := fmt.Fprintf(conn, "answer %d\n", round); err != nil {
			t.Fatal(err)
		}
		s.expect(t, fmt.Sprintf("answer %d", round))
	}
}
