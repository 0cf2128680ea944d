package callers

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	// A socket file that nobody listens on, as a killed process leaves it.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	l := listening(t, "unix:"+path, roomFor(1))
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := Listen("unix:"+path, roomFor(1)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v", err)
	}
	dial(t, l) // the second one has left the file
	if c := accept(t, l); c.Addr().IsValid() {
		t.Errorf("a peer without address has %v", c.Addr())
	}
	_ = l.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is left: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:"+path, roomFor(1)); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("over a file: %v", err)
	}
}

// A successor that takes a path over listens there, and the one before removes
// nothing of its.
func TestTakenPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	shared := roomFor(1)
	shared.ReusePort = true
	first := listening(t, "unix:"+path, shared)
	second := listening(t, "unix:"+path, shared)
	for _, l := range []*Listener{first, second} {
		if l.Addr().String() != path || l.Addr().Network() != "unix" {
			t.Errorf("it listens on %s %v", l.Addr().Network(), l.Addr())
		}
	}
	_ = first.Close()
	dial(t, second)
	accept(t, second)
}

func TestTakenAddress(t *testing.T) {
	l := listening(t, "127.0.0.1:0", roomFor(1))
	if _, err := Listen(l.Addr().String(), roomFor(1)); err != syscall.EADDRINUSE {
		t.Errorf("%v", err)
	}
}
