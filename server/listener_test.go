package server

import (
	"bytes"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/codec"
)

// logBuffer is a log that the test reads while the server writes it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *logBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), text)
}

// A peer that cannot be told why it is turned away is turned away all the same,
// and counted.
func TestErrorsOfTurningAway(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.EPIPE, unix.ECONNRESET} {
		f := newFaulty()
		s := idleServer(t, &f.Calls)
		n := s.listeners[0]
		for _, short := range []bool{false, true} {
			f.short.Store(short)
			if !short {
				f.writeE.Store(int64(errno))
			}
			busy := func() uint64 {
				st, _ := s.Stats(t.Context())
				return st.Handshakes["busy"]
			}
			fd, peer := socketPair(t)
			before := busy()
			n.turnAway(fd, netip.AddrPort{}, codec.HandshakeBusy)
			b := make([]byte, 1024)
			got, err := unix.Read(peer, b)
			if short != (got > 0) || err != nil {
				t.Errorf("%v: the peer read %d bytes, %v", errno, got, err)
			}
			if got > 0 {
				got, _ = unix.Read(peer, b)
			}
			if got != 0 {
				t.Errorf("%v: the peer is not closed", errno)
			}
			if d := busy() - before; d != 1 {
				t.Errorf("%v: counted %d times", errno, d)
			}
		}
	}
}
