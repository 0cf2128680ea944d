package loadtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// past sums up the lives of connections that ended as intended.
type past struct {
	expected, lost uint64 // messages
	lostOn         int
}

// beginLife makes the streams expect, for connection i, all pushes that begin
// from now on.
func (l *loop) beginLife(i int) {
	for n, st := range l.swarm.streams {
		base := st.of(l.global(i)).begun.Load()
		if st.kind != Broadcast && l.swarm.cfg.boundLater {
			base = math.MaxUint32 // until it is bound or a message arrives
		}
		l.tracks[i*len(l.swarm.streams)+n] = trackFrom(base)
	}
}

// beginBound makes the streams that need a binding expect, for connection i,
// all pushes that begin from now on, if the connection has not been reopened
// since it was bound.
func (l *loop) beginBound(i int, clientID string) {
	if c := &l.conns[i]; c.phase != phaseOpen || c.id != clientID {
		return
	}
	for n, st := range l.swarm.streams {
		t := &l.tracks[i*len(l.swarm.streams)+n]
		// A message that arrived after the server executed the bind has already
		// set the beginning.
		if st.kind != Broadcast && t.next == math.MaxUint32 {
			*t = trackFrom(st.of(l.global(i)).begun.Load())
		}
	}
}

// endLife accounts for what connection i received. Messages in flight when it
// said goodbye may be missing; a message before one that arrived may not.
func (l *loop) endLife(i int) {
	lost := uint64(0)
	for n := range l.swarm.streams {
		t := &l.tracks[i*len(l.swarm.streams)+n]
		l.past.expected += uint64(t.next - t.base)
		lost += uint64(t.next - t.base - t.received())
		*t = trackFrom(math.MaxUint32) // it expects nothing until it is back
	}
	l.past.lost += lost
	if lost > 0 {
		l.past.lostOn++
	}
}

// everywhere runs f on all loops at the same time and waits for it.
func (s *Swarm) everywhere(f func(*loop)) error {
	var wait sync.WaitGroup
	ended := make([]bool, len(s.loops))
	for n, l := range s.loops {
		wait.Go(func() { ended[n] = !l.do(func() { f(l) }) })
	}
	wait.Wait()
	for _, e := range ended {
		if e {
			return errClosed
		}
	}
	return nil
}

// Cut resets every open connection at once, without a closing handshake, as
// when the network fails. Reopen brings them back.
func (s *Swarm) Cut() error {
	s.lives.Store(true)
	return s.everywhere(func(l *loop) {
		for i := range l.conns {
			l.cut(i)
		}
	})
}

// cut resets connection i; false if it is not open.
func (l *loop) cut(i int) bool {
	c := &l.conns[i]
	if c.phase != phaseOpen {
		return false
	}
	l.endLife(i)
	c.tls = nil // no close_notify either
	// With a linger time of zero the kernel sends a reset, and the port is free
	// at once.
	_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	l.drop(c)
	c.phase = phaseNew
	l.swarm.opened.Add(-1)
	return true
}

// Reopen reconnects what Cut has cut, as fast as Config.InFlight allows, and
// returns when all are open, or with an *OpenError if one is lost.
func (s *Swarm) Reopen(ctx context.Context) error {
	err := s.everywhere(func(l *loop) {
		l.again = indices{}
		for i := range l.conns {
			if l.conns[i].phase == phaseNew {
				l.again.push(i)
			}
		}
	})
	if err != nil {
		return err
	}
	return s.awaitOpen(ctx)
}

// Replace makes these connections start the closing handshake (RFC 6455 section
// 7.1.2), wait for the server's answer and reconnect, without waiting for any
// of it. Connections that are not open are left alone; open is how many were
// open.
func (s *Swarm) Replace(connections ...int) (open int, err error) {
	return s.renew(connections, (*loop).leave)
}

// Break resets these connections at once and makes them reconnect, without
// waiting for it. Connections that are not open are left alone; open is how
// many were open.
func (s *Swarm) Break(connections ...int) (open int, err error) {
	return s.renew(connections, func(l *loop, i int) bool {
		if !l.cut(i) {
			return false
		}
		l.again.push(i)
		return true
	})
}

// renew ends these connections with end and counts those for which it returned
// true.
func (s *Swarm) renew(connections []int, end func(l *loop, i int) bool) (open int, err error) {
	s.lives.Store(true)
	for _, i := range connections {
		if i < 0 || i >= s.cfg.Connections {
			return open, fmt.Errorf("no connection %d", i)
		}
		l := s.loops[i%len(s.loops)]
		if !l.do(func() {
			if end(l, i/len(s.loops)) {
				open++
			}
		}) {
			return open, errClosed
		}
	}
	return open, nil
}

// leave sends the close frame of connection i; false if it is not open.
func (l *loop) leave(i int) bool {
	c := &l.conns[i]
	if c.phase != phaseOpen {
		return false
	}
	l.sendClose(c, 1000)
	c.phase, c.started = phaseLeaving, Now()
	l.timeline.ended(c.started)
	l.waiting.push(i)
	l.swarm.opened.Add(-1)
	return true
}

// lifePoll is how often waitLives checks.
const lifePoll = 20 * time.Millisecond

// waitLives is WaitDelivered for connections that come and go: it checks every
// one of them.
func (s *Swarm) waitLives(ctx context.Context) error {
	for {
		missing, err := s.missing()
		switch n := s.died.Load(); {
		case err != nil:
			return err
		case missing == 0:
			return nil
		case n > 0:
			return fmt.Errorf("%d messages have not arrived, and %d connections were lost", missing, n)
		}
		select {
		case <-time.After(lifePoll):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%d messages have not arrived", missing), context.Cause(ctx))
		}
	}
}

// missing is how many messages the open connections have yet to receive.
func (s *Swarm) missing() (uint64, error) {
	var all atomic.Uint64
	err := s.everywhere(func(l *loop) { all.Add(l.missing()) })
	return all.Load(), err
}

// missing is the loop's part of Swarm.missing.
func (l *loop) missing() (n uint64) {
	for i := range l.conns {
		if l.conns[i].phase != phaseOpen {
			continue
		}
		for k, st := range l.swarm.streams {
			t := &l.tracks[i*len(l.swarm.streams)+k]
			want, got := t.owed(st.of(l.global(i)).sent.Load()), t.received()
			n += uint64(max(want, got) - got)
		}
	}
	return n
}

// ForgetLatencies drops the latencies measured so far; counts stay.
func (s *Swarm) ForgetLatencies() error {
	return s.everywhere(func(l *loop) {
		for _, h := range l.latency {
			h.Reset()
		}
		l.connected.Reset()
		for _, times := range l.arrivals {
			clear(times)
		}
	})
}
