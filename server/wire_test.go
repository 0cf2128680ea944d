package server

import (
	"testing"

	"golang.org/x/sys/unix"
)

// socketPair returns a socket as accept does, and its peer.
func socketPair(t *testing.T) (fd, peer int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	return pair[0], pair[1]
}
