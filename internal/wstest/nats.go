package wstest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// NATS is a NATS server of Debian's package, which knows nothing of castgate.
type NATS struct {
	*Process
	// Addr is host:port of its listener for clients.
	Addr string

	t            testing.TB
	path, config string
}

// FindNATS returns where Debian's server is, or an error if it is not installed.
func FindNATS() (path string, err error) {
	if path, err = exec.LookPath("nats-server"); err == nil {
		return path, nil
	}
	path = "/usr/sbin/nats-server" // which not everybody has in PATH
	if _, err = os.Stat(path); err != nil {
		return "", errors.New("nats-server is not installed; ci/deps.sh does that")
	}
	return path, nil
}

// NewNATS prepares a server; Start starts it. settings are lines of its configuration.
// Without the program the test is skipped, in CI it fails.
func NewNATS(t testing.TB, settings ...string) *NATS {
	t.Helper()
	n := &NATS{t: t, Addr: FreeAddr(t), config: filepath.Join(t.TempDir(), "nats.conf")}
	var err error
	if n.path, err = FindNATS(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	text := "listen: " + n.Addr + "\n" + strings.Join(settings, "\n")
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}

// Start starts the server, again after Kill.
func (n *NATS) Start() *NATS {
	n.t.Helper()
	n.Process = Spawn(n.t, exec.Command(n.path, "-c", n.config))
	return n
}

// Kill kills the server with SIGKILL and waits until it is gone.
func (n *NATS) Kill() {
	n.t.Helper()
	n.Signal(syscall.SIGKILL)
	n.Exited(n.t, Patience)
}

// URL is where clients find the server.
func (n *NATS) URL() string { return "nats://" + n.Addr }
