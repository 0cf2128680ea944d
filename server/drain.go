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
		l.mail.post(command{kind: cmdDrain, matched: drainPace(rate, l.count.connections.Load(), clients)})
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

// drainer closes the clients of a loop at a bounded rate, once the gateway stops.
type drainer struct {
	loop   *loop
	pace   int    // drainUnits that a tick adds to credit; 0 before begin
	credit int    // how many clients may be closed now, in drainUnits
	cursor uint32 // slot where closing goes on
}

// active tells whether the gateway stops: nobody becomes a client any more.
func (d *drainer) active() bool { return d.pace > 0 }

// tick adds the credit of a tick.
func (d *drainer) tick() {
	if !d.active() {
		return
	}
	d.credit += d.pace
	if d.due() {
		d.loop.mail.ring() // a turn closes the next
	}
}

// begin takes in the last sockets that were accepted, and begins.
func (d *drainer) begin(pace int) {
	d.loop.entrance.land()
	d.pace, d.credit = pace, max(pace, drainUnit)
}

// due tells whether there are clients that can be closed now.
func (d *drainer) due() bool {
	return d.active() && d.credit >= drainUnit && d.cursor < d.loop.slots.extent()
}

// turn closes the next clients. Sockets that are no clients yet are given
// a moment for their handshake, so that they can be told.
func (d *drainer) turn() {
	for n := 0; n < drainSlice && d.due(); d.cursor++ {
		c := d.loop.conn(d.cursor)
		if c == nil {
			continue
		}
		switch c.state {
		case connOpen:
			n++
			d.credit -= drainUnit
			if d.loop.fanout.catchUp(d.cursor, c) && d.loop.exit.startClose(d.cursor, c, closeShutdown, closeFrames[closeShutdown], false) {
				if c.left = 0; c.head != 0 {
					c.left = c.waiting + uint32(d.loop.sys.unsent(int(c.fd)))
				}
			}
		case connProxy, connHandshake, connRefusing, connVerifying:
			if by := d.loop.clock.now() + stopTicks; before(by, c.due) {
				d.loop.clock.closeBy(d.cursor, c, stopTicks)
			}
		}
	}
}

// cut counts a client of the drain whose connection is ended before it has left.
func (d *drainer) cut(c *conn) {
	if c.state == connOpen && !d.active() || c.state == connClosing && c.close != closeShutdown ||
		c.state != connOpen && c.state != connClosing || !c.is(flagServed) {
		return
	}
	switch left := c.waiting + uint32(d.loop.sys.unsent(int(c.fd))); {
	case left == 0 && c.state == connClosing:
		d.loop.count.unanswered.Add(1)
	case c.left > 0 && left >= c.left && c.state == connClosing:
		d.loop.count.notReading.Add(1)
		d.loop.count.cutOff.Add(1)
	default:
		d.loop.count.cutOff.Add(1)
	}
}
