package swarm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest/clock"
)

// beginBound makes the streams that need a binding expect, for connection i, all
// pushes that begin from now on, if the connection has not been reopened since it was
// bound.
func (l *loop) beginBound(i int, clientID string) {
	if c := &l.conns[i]; c.phase == phaseOpen && c.id == clientID {
		l.ledger.beginBound(i)
	}
}

// everywhere runs f on all loops at the same time and waits for it.
func (s *Swarm) everywhere(f func(*loop)) error {
	var wait sync.WaitGroup
	ended := make([]bool, len(s.loops))
	for n, l := range s.loops {
		wait.Go(func() { ended[n] = !l.mail.do(func() { f(l) }) })
	}
	wait.Wait()
	for _, e := range ended {
		if e {
			return ErrClosed
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
	l.ledger.endLife(i)
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
		l.ramp.again = indices{}
		for i := range l.conns {
			if l.conns[i].phase == phaseNew {
				l.ramp.again.push(i)
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
		l.ramp.again.push(i)
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
		if !l.mail.do(func() {
			if end(l, i/len(s.loops)) {
				open++
			}
		}) {
			return open, ErrClosed
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
	l.outbound.close(c, 1000)
	c.phase, c.started = phaseLeaving, clock.Now()
	l.ledger.timeline.Ended(c.started)
	l.ramp.waiting.push(i)
	l.swarm.opened.Add(-1)
	return true
}

// lifePoll is how often waitLives checks.
const lifePoll = 20 * time.Millisecond

// waitLives is WaitDelivered for connections that come and go: it checks every
// one of them.
func (s *Swarm) waitLives(ctx context.Context) error {
	for {
		missing, err := s.Missing()
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

// Missing is how many messages the open connections have yet to receive.
func (s *Swarm) Missing() (uint64, error) {
	var all atomic.Uint64
	err := s.everywhere(func(l *loop) { all.Add(l.missing()) })
	return all.Load(), err
}

// missing is the loop's part of Swarm.Missing.
func (l *loop) missing() (n uint64) {
	for i := range l.conns {
		if l.conns[i].phase == phaseOpen {
			n += l.ledger.missing(i)
		}
	}
	return n
}

// ForgetLatencies drops the latencies measured so far; counts stay.
func (s *Swarm) ForgetLatencies() error {
	return s.everywhere(func(l *loop) { l.ledger.forgetLatencies() })
}
