package server

import (
	"context"
	"time"
)

const (
	drainPoll = 10 * time.Millisecond
	// drainSlice is how many clients a loop begins to close in one turn.
	drainSlice = 500
	// drainUnit is what one client costs of the credit that drainPace gives.
	drainUnit = 1000
	// stopTicks is how long a socket that is no client yet may take for its
	// handshake once its loop drains. The answer is that the gateway stops.
	stopTicks = uint32(time.Second / tickLen)
)

// drained says how the clients of a drain have ended.
type drained struct {
	inOrder    uint64 // had everything, the close frame included, and left
	unanswered uint64 // had everything, but did not answer the close frame
	cutOff     uint64 // still had something to read
	notReading uint64 // of those: had taken nothing any more
}

// drain closes every client with 1001, behind what waits for it. The error is
// ctx's, or that of DrainTimeout where ctx has no deadline, and tells that some are
// still there.
func (s *Server) drain(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(s.config.DrainTimeout)
		limited, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		ctx = limited
	}
	left := time.Until(deadline)
	clients := int64(0)
	for _, l := range s.loops {
		clients += l.count.connections.Load()
	}
	rate, raised := drainRate(int64(s.config.DrainRate), clients, left)
	s.log.Info("closing clients", "clients", clients, "per_second", rate, "raised", raised, "within", left.Round(time.Millisecond).String())
	for _, l := range s.loops {
		l.post(command{kind: cmdDrain, matched: drainPace(rate, l.count.connections.Load(), clients)})
	}
	return s.await(ctx, func() bool { return s.sockets.Load() == 0 })
}

// logEnds tells how the clients of a drain have ended.
func (s *Server) logEnds(before drained, began time.Time) {
	d := s.ends()
	cut, unanswered := d.cutOff-before.cutOff, d.unanswered-before.unanswered
	s.log.Info("clients are closed", "in_order", d.inOrder-before.inOrder-cut-unanswered, "unanswered", unanswered,
		"cut_off", cut, "not_reading", d.notReading-before.notReading, "took", time.Since(began).Round(time.Millisecond).String())
}

// drainRate is how many clients are closed a second, 0 for all at once: as asked
// for, or as many more as to have begun with the last one after half of the time.
func drainRate(asked, clients int64, left time.Duration) (rate int64, raised bool) {
	half := max(left/2, tickLen)
	if asked == 0 || asked >= clients {
		return asked, false
	}
	least := (clients*int64(time.Second) + int64(half) - 1) / int64(half)
	return max(asked, least), least > asked
}

// drainPace is the share of a loop in rate, in drainUnits a tick.
func drainPace(rate, clients, all int64) int {
	if rate == 0 || clients == 0 {
		return drainUnit << 20
	}
	return int(max(rate*drainUnit*clients/(all*ticksPerSecond), 1))
}

// ends adds up what the loops have counted. inOrder are all closes of the
// shutdown, the others included.
func (s *Server) ends() (d drained) {
	for _, l := range s.loops {
		d.inOrder += l.count.closes[closeShutdown].Load()
		d.unanswered += l.count.unanswered.Load()
		d.cutOff += l.count.cutOff.Load()
		d.notReading += l.count.notReading.Load()
	}
	return d
}

// await waits for a condition, or for the loops to end. It returns ctx's error if
// ctx is done before.
func (s *Server) await(ctx context.Context, done func() bool) error {
	t := time.NewTicker(drainPoll)
	defer t.Stop()
	for !done() {
		// Not by the deadline: a clock that is read may be ahead of ctx's timer, and
		// who gives up has to say so.
		select {
		case <-ctx.Done():
			if done() {
				return nil
			}
			return ctx.Err()
		case <-s.ended:
			return nil
		case <-t.C:
		}
	}
	return nil
}

// beginDrain takes in the last sockets that were accepted, and begins.
func (l *loop) beginDrain(pace int) {
	l.land()
	l.drain, l.credit = pace, max(pace, drainUnit)
}

// draining tells whether there are clients that can be closed now.
func (l *loop) draining() bool {
	return l.drain > 0 && l.credit >= drainUnit && l.drained < l.slots.extent()
}

// drainSome closes the next clients. Sockets that are no clients yet are given
// a moment for their handshake, so that they can be told.
func (l *loop) drainSome() {
	for n := 0; n < drainSlice && l.draining(); l.drained++ {
		c := l.conn(l.drained)
		if c == nil {
			continue
		}
		switch c.state {
		case connOpen:
			n++
			l.credit -= drainUnit
			if l.catchUp(l.drained, c) && l.startClose(l.drained, c, closeShutdown, closeFrames[closeShutdown], false) {
				if c.left = 0; c.head != 0 {
					c.left = c.waiting + uint32(l.sys.unsent(int(c.fd)))
				}
			}
		case connProxy, connHandshake, connRefusing, connVerifying:
			if by := l.wheel.Now() + stopTicks; before(by, c.due) {
				l.closeBy(l.drained, c, stopTicks)
			}
		}
	}
}

// cut counts a client of the drain whose connection is ended before it has left.
func (l *loop) cut(c *conn) {
	if c.state == connOpen && l.drain == 0 || c.state == connClosing && c.close != closeShutdown ||
		c.state != connOpen && c.state != connClosing || !c.is(flagServed) {
		return
	}
	switch left := c.waiting + uint32(l.sys.unsent(int(c.fd))); {
	case left == 0 && c.state == connClosing:
		l.count.unanswered.Add(1)
	case c.left > 0 && left >= c.left && c.state == connClosing:
		l.count.notReading.Add(1)
		l.count.cutOff.Add(1)
	default:
		l.count.cutOff.Add(1)
	}
}
