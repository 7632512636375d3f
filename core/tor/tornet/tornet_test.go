package tornet

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLaunch starts a network and ends it. That it carries traffic is what the tests of its users show.
func TestLaunch(t *testing.T) {
	n, err := Launch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	authority := 0
	for _, line := range n.Client() {
		if strings.HasPrefix(line, "DirAuthority ") && strings.Contains(line, " 127.0.0.1:") {
			authority++
		}
	}
	if authority != authorities || len(n.nodes) != authorities+relays {
		t.Errorf("%d nodes; lines for clients: %q", len(n.nodes), n.Client())
	}
	n.Close()
	for _, node := range n.nodes {
		if node.cmd.ProcessState == nil {
			t.Error("a node has not ended")
		}
	}
	if _, err := os.Stat(n.dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}
