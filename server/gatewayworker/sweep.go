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

// sweep closes connections whose time limit has passed, and sends keepalives to
// workers.
func (l *innerLoop) sweep(now time.Time) {
	for e := l.silent.Front(); e != nil; e = l.silent.Front() {
		c := e.Value.(*innerConn)
		if now.Sub(c.lastIn) < l.cfg.SilentTimeout {
			break // lastIn is not set before a connection's first command
		}
		l.close(c, closeSilent)
	}
	for _, c := range l.conns {
		if c.worker != nil {
			l.checkStuck(c, now)
		}
		switch {
		case c.held > 0 && !c.stopped && c.job == nil && now.Sub(c.lastIn) >= l.cfg.StallTimeout:
			l.close(c, closeStalled)
		case c.worker == nil && c.waiting() > 0 && now.Sub(c.lastOut) >= l.cfg.StallTimeout:
			l.close(c, closeUnread)
		case c.worker != nil && !l.local && !now.Before(c.keepaliveAt):
			c.keepaliveAt = now.Add(keepaliveEvery)
			if c.waiting() == 0 {
				l.send(c, wire.AppendFrame(nil, &wire.Header{Command: wire.Ping, Flags: wire.FlagPlain}, nil, nil))
				l.flush(c)
			}
		}
	}
}
