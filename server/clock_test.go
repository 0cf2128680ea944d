package server

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/kernel"
)

// stoppedClock is a clock for quotas, tokens and ticks that a test moves.
type stoppedClock struct {
	ahead atomic.Int64

	mu      sync.Mutex
	tickers []int           // eventfds that the loops take for their timerfds
	pinged  map[string]bool // by the address of a peer: it owes a pong
}

var clockStart = time.Now()

// stopClock makes the clock of a system one that stands still. Its loops still tick by
// themselves, at the same time.
func stopClock(t testing.TB, sys *kernel.Calls) *stoppedClock {
	k := &stoppedClock{pinged: map[string]bool{}}
	sys.Now, sys.Elapsed, sys.Ticker = k.now, k.elapsed, k.ticker
	read, write := sys.Read, sys.Write
	sys.Write = func(fd int, p []byte) (int, error) {
		if len(p) > 1 && p[0] == 0x89 {
			k.note(fd, true)
		}
		return write(fd, p)
	}
	sys.Read = func(fd int, p []byte) (int, error) {
		n, err := read(fd, p)
		if n > 1 && p[0] == 0x8a {
			k.note(fd, false)
		}
		return n, err
	}
	end, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(end)
		<-ended
		for _, fd := range k.tickers {
			_ = unix.Close(fd)
		}
	})
	go func() {
		defer close(ended)
		every := time.NewTicker(kernel.Tick)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				k.tick()
			case <-end:
				return
			}
		}
	}()
	return k
}

// startOnClock is startServer with a clock that stands still.
func startOnClock(t testing.TB, change func(*Config)) (*testServer, *stoppedClock) {
	sys := kernel.Linux
	k := stopClock(t, &sys)
	return startServerOn(t, &sys, change), k
}

func (k *stoppedClock) now() time.Time          { return clockStart.Add(k.elapsed()) }
func (k *stoppedClock) elapsed() time.Duration  { return time.Duration(k.ahead.Load()) }
func (k *stoppedClock) advance(d time.Duration) { k.ahead.Add(int64(d)) }

// ticker is what a loop takes for its timerfd. The clock keeps one of its own for the
// same file, since the loop closes its.
func (k *stoppedClock) ticker(time.Duration) (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	own, err := unix.Dup(fd)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tickers = append(k.tickers, own)
	return fd, err
}

// tick has every loop tick.
func (k *stoppedClock) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, fd := range k.tickers {
		_, _ = unix.Write(fd, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// note notes that a ping went to the peer of a socket, or that a pong came.
func (k *stoppedClock) note(fd int, ping bool) {
	if peer, err := unix.Getpeername(fd); err == nil {
		k.mu.Lock()
		k.pinged[peerName(peer)] = ping
		k.mu.Unlock()
	}
}

// peerName is a peer's address as the registry has it.
func peerName(a unix.Sockaddr) string {
	if four, ok := a.(*unix.SockaddrInet4); ok {
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), uint16(four.Port)).String()
	}
	return ""
}

// pass is advance tick by tick, with what the loops of a server do at each.
func (k *stoppedClock) pass(s *testServer, ticks int) {
	for range ticks {
		k.advance(kernel.Tick)
		k.tick()
		s.settle() // it may be in the turn in which the tick came,
		s.settle() // but not twice
	}
}

// eventually is eventually while time passes, a tick at each look: far faster
// than outside, so what is to come must not need anybody else to be in time.
func (k *stoppedClock) eventually(s *testServer, what string, is func() bool) {
	s.t.Helper()
	eventually(s.t, what, func() bool {
		k.pass(s, 1)
		return is()
	})
}

// awaitPong waits until a client has answered the pings that it was sent.
func (k *stoppedClock) awaitPong(s *testServer, id string) {
	s.t.Helper()
	info, err := s.Client(ctx, id)
	if err != nil {
		return // it has gone
	}
	eventually(s.t, "a pong", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return !k.pinged[info.RemoteAddr]
	})
}
