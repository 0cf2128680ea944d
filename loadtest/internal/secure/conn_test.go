package secure

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// A full socket does not split records: the rest of one goes first, and nothing
// is encrypted before that is sent.
func TestSecureFullSocket(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	s := &Conn{fd: pair[0]}
	big := make([]byte, 1<<20)
	_, _ = s.Write(big)
	if err := s.flush(); err != unix.EAGAIN || len(s.out) == 0 || len(s.out) == len(big) {
		t.Fatalf("%d bytes wait, %v", len(s.out), err)
	}
	if err := s.Send([]byte("more")); !errors.Is(err, unix.EAGAIN) { // tls, which is nil, is not asked
		t.Errorf("%v", err)
	}
	got := 0
	for buf := make([]byte, 1<<20); got < len(big); {
		n, err := unix.Read(pair[1], buf)
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
		got += max(n, 0)
		_ = s.flush()
	}
	if s.out != nil {
		t.Errorf("%d bytes are left", len(s.out))
	}
}
