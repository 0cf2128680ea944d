package gatewayworker

import (
	"time"

	wire "castgate/codec/gatewayworker"
)

const (
	// sweepEvery is how often deadlines are checked.
	sweepEvery = time.Second
	// keepaliveEvery is the pause between keepalives to a worker.
	keepaliveEvery = 25 * time.Second
)

// sweeper is the part of the inner loop that looks at the deadlines of connections.
type sweeper struct {
	loop  *innerLoop
	next  time.Time // when it looks again
	local bool      // advertised as 127.0.0.1: no keepalive
}

func newSweeper(l *innerLoop, local bool) sweeper { return sweeper{loop: l, local: local} }

// begin begins to wait for the next look.
func (s *sweeper) begin() { s.next = s.loop.now().Add(sweepEvery) }

// tick looks if it is time.
func (s *sweeper) tick(now time.Time) {
	if !now.Before(s.next) {
		s.sweep(now)
		s.next = now.Add(sweepEvery)
	}
}

// until is when it looks again.
func (s *sweeper) until() time.Time { return s.next }

// sweep closes connections whose time limit has passed, and sends keepalives to
// workers.
func (s *sweeper) sweep(now time.Time) {
	l := s.loop
	for c := l.connections.oldestSilent(); c != nil; c = l.connections.oldestSilent() {
		if now.Sub(c.lastIn) < l.cfg.SilentTimeout {
			break // lastIn is not set before a connection's first command
		}
		l.close(c, closeSilent)
	}
	for c := range l.connections.all() {
		if c.worker != nil {
			l.delivery.checkStuck(c, now)
		}
		switch {
		case c.held > 0 && !c.stopped && c.job == nil && now.Sub(c.lastIn) >= l.cfg.StallTimeout:
			l.close(c, closeStalled)
		case c.worker == nil && c.waiting() > 0 && now.Sub(c.lastOut) >= l.cfg.StallTimeout:
			l.close(c, closeUnread)
		case c.worker != nil && !s.local && !now.Before(c.keepaliveAt):
			c.keepaliveAt = now.Add(keepaliveEvery)
			if c.waiting() == 0 {
				l.writer.send(c, wire.AppendFrame(nil, &wire.Header{Command: wire.Ping, Flags: wire.FlagPlain}, nil, nil))
				l.writer.flush(c)
			}
		}
	}
}
