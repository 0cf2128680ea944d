package server

import (
	"sync/atomic"
	"testing"
	"time"

	"castgate/server/kernel"
)

// stoppedClock is a clock for quotas, tokens and ticks that a test moves.
type stoppedClock struct{ ahead atomic.Int64 }

var clockStart = time.Now()

// stopClock makes the clock of a system one that stands still.
func stopClock(sys *kernel.Calls) *stoppedClock {
	k := new(stoppedClock)
	sys.Now, sys.Elapsed = k.now, k.elapsed
	return k
}

// startOnClock is startServer with a clock that stands still.
func startOnClock(t testing.TB, change func(*Config)) (*testServer, *stoppedClock) {
	sys := kernel.Linux
	k := stopClock(&sys)
	return startServerOn(t, &sys, change), k
}

func (k *stoppedClock) now() time.Time          { return clockStart.Add(k.elapsed()) }
func (k *stoppedClock) elapsed() time.Duration  { return time.Duration(k.ahead.Load()) }
func (k *stoppedClock) advance(d time.Duration) { k.ahead.Add(int64(d)) }

// pass is advance tick by tick, with what the loops of a server do at each.
func (k *stoppedClock) pass(s *testServer, ticks int) {
	for range ticks {
		k.advance(tickLen)
		for _, l := range s.loops {
			done := make(chan struct{})
			if !l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.clock.tick(); close(done) }}) {
				continue
			}
			select {
			case <-done:
			case <-s.ended:
			}
		}
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
func (s *testServer) awaitPong(id string) {
	s.t.Helper()
	eventually(s.t, "a pong", func() bool {
		answered := false
		s.on(id, func(_ *loop, _ uint32, c *conn) { answered = !c.is(flagPinged) })
		return answered
	})
}
