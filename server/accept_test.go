package server

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/gateway"
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

// An error that accept goes on having, whatever it is, costs a few calls a
// second and one line of the log, and no client that is there.
func TestLastingAcceptErrorIsNoSpin(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENETDOWN, unix.EOPNOTSUPP, unix.EPROTO, unix.ECONNABORTED, unix.EINTR, unix.EAGAIN, unix.EMFILE, unix.ENOMEM} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			f := newFaulty()
			var log logBuffer
			s := startServerOn(t, &f.system, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			there := s.dial()
			const many = 1 << 40
			f.acceptE.Store(int64(errno))
			f.accepts.Store(many)
			f.blind.Store(true)
			if c, err := net.Dial("tcp", s.Addr().String()); err == nil { // ends the accept that waits
				defer func() { _ = c.Close() }()
			}
			eventually(t, "the fault", func() bool { return f.accepts.Load() < many })
			time.Sleep(4 * acceptPause)
			calls := many - f.accepts.Load()
			if calls > mostFailures+20 {
				t.Errorf("accept was called %d times in %v", calls, 4*acceptPause)
			}
			s.push(gateway.Targets{ClientIDs: []string{there.id}}, "meanwhile")
			there.expect("meanwhile")
			f.accepts.Store(0)
			// One that comes while the last EMFILE is acted on is told that there is no room.
			eventually(t, "a new client", func() bool { c, _ := s.tryDial(); return c != nil })
			if errno == unix.EMFILE {
				calls /= 2 // each is tried again with the spare descriptor
			}
			if s.stats().AcceptErrors < uint64(calls) {
				t.Errorf("%d errors counted of at least %d", s.stats().AcceptErrors, calls)
			}
			if n := log.count("clients cannot be accepted"); n != 1 {
				t.Errorf("%d lines in the log", n)
			}
		})
	}
}

// Two processes may accept from a socket that was passed to both: to be slower
// than the other is no error, and nothing to be told of.
func TestLostAcceptsAreNoErrors(t *testing.T) {
	f := newFaulty()
	var log logBuffer
	s := startServerOn(t, &f.system, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.acceptors[0].inherited = true
	f.blind.Store(true)
	f.acceptE.Store(int64(unix.EAGAIN))
	f.accepts.Store(4 * mostFailures)
	s.dial()
	if n := s.stats().AcceptErrors; n != 0 || f.accepts.Load() > 0 || log.count("clients cannot be accepted") != 0 {
		t.Errorf("%d errors, %d accepts were left to fail", n, f.accepts.Load())
	}
}

// One that cannot be told why it is turned away is turned away all the same,
// and counted.
func TestErrorsOfTurningAway(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.EPIPE, unix.ECONNRESET} {
		f := newFaulty()
		s := idleServer(t, &f.system)
		a := s.acceptors[0]
		for _, short := range []bool{false, true} {
			f.short.Store(short)
			if !short {
				f.writeE.Store(int64(errno))
			}
			fd, peer := socketPair(t)
			before := s.loops[0].count.handshakes[codec.HandshakeBusy].Load()
			a.turnAway(fd, netip.AddrPort{}, codec.HandshakeBusy)
			b := make([]byte, 1024)
			n, err := unix.Read(peer, b)
			if short != (n > 0) || err != nil {
				t.Errorf("%v: the peer read %d bytes, %v", errno, n, err)
			}
			if n > 0 {
				n, _ = unix.Read(peer, b)
			}
			if n != 0 {
				t.Errorf("%v: the peer is not closed", errno)
			}
			if d := s.loops[0].count.handshakes[codec.HandshakeBusy].Load() - before; d != 1 {
				t.Errorf("%v: counted %d times", errno, d)
			}
		}
	}
}

// A spare descriptor that cannot be had again is asked for at the next
// shortage; until then nobody is told that there is no room, that is all.
func TestNoSpareDescriptor(t *testing.T) {
	f := newFaulty()
	f.spare = func() int { return -1 }
	s := startServerOn(t, &f.system, nil)
	f.acceptE.Store(int64(unix.EMFILE))
	for range 3 {
		f.accepts.Store(1)
		if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
			defer func() { _ = c.Close() }()
		}
		eventually(t, "the fault", func() bool { return f.accepts.Load() <= 0 })
	}
	s.dial()
	if n := s.stats().AcceptErrors; n != 3 {
		t.Errorf("%d errors counted", n)
	}
}
