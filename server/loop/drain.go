package loop

import (
	"time"

	"castgate/codec"
	"castgate/server/kernel"
	"castgate/server/reason"
)

const (
	// drainSlice is how many clients a loop begins to close in one turn, and how many
	// requests it refuses.
	drainSlice = 500
	// doorSlice is how many slots a loop looks at in one turn for those that are no
	// clients yet.
	doorSlice = 1 << 14
	// drainUnit is what one client costs of the credit that drainPace gives.
	drainUnit = 1000
	// stopTicks is how long a socket that is no client yet may take for its
	// handshake once its loop drains. The answer is that the gateway stops.
	stopTicks = uint32(time.Second / kernel.Tick)
)

// drainer closes the clients of a loop at a bounded rate, once the gateway stops.
type drainer struct {
	loop   *loop
	pace   int    // drainUnits that a tick adds to credit; 0 before begin
	credit int    // how many clients may be closed now, in drainUnits
	cursor uint32 // slot where closing goes on
	door   uint32 // slot where the look for those that are no clients yet goes on
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
	d.loop.entrance.takeIn()
	d.pace, d.credit = pace, max(pace, drainUnit)
}

// due tells whether there is something to do now.
func (d *drainer) due() bool {
	return d.active() && (d.credit >= drainUnit && d.cursor < d.loop.slots.extent() || d.door < d.loop.slots.extent())
}

// turn answers the next ones at the door, and closes the next clients.
func (d *drainer) turn() {
	if !d.active() {
		return
	}
	d.answerDoor()
	for n := 0; n < drainSlice && d.credit >= drainUnit && d.cursor < d.loop.slots.extent(); d.cursor++ {
		c := d.loop.conn(d.cursor)
		if c == nil || c.state != connOpen {
			continue
		}
		n++
		d.credit -= drainUnit
		if d.loop.fanout.catchUp(d.cursor, c) && d.loop.exit.startClose(d.cursor, c, reason.Shutdown, reason.Shutdown.Frame(), false) {
			if c.aux = 0; !c.out.Empty() {
				c.aux = c.out.Bytes() + uint32(d.loop.sys.Unsent(int(c.fd)))
			}
		}
	}
}

// answerDoor refuses those whose requests wait for somebody: a worker, the hook, the
// check of a token. Others that are no clients yet are given a moment for the rest of
// their handshake, so that they can be told. None of them waits for the drain's pace.
func (d *drainer) answerDoor() {
	end := min(d.loop.slots.extent(), d.door+doorSlice)
	for n := 0; n < drainSlice && d.door < end; d.door++ {
		c := d.loop.conn(d.door)
		if c == nil {
			continue
		}
		switch c.state {
		case connVerifying:
			n++
			d.loop.entrance.refuse(d.door, c, codec.HandshakeStopping)
		case connProxy, connHandshake, connRefusing:
			if by := d.loop.clock.now() + stopTicks; before(by, c.deadline) {
				d.loop.clock.closeBy(d.door, c, stopTicks)
			}
		}
	}
}

// countCut counts a client of the drain whose connection is ended before it has left.
// A client that ends for a reason of its own meanwhile is none of the drain.
func (d *drainer) countCut(c *conn, why reason.Close) {
	if !d.active() || why != reason.Shutdown || !c.is(flagServed) {
		return
	}
	switch left := c.out.Bytes() + uint32(d.loop.sys.Unsent(int(c.fd))); {
	case left == 0 && c.state == connClosing:
		d.loop.count.Unanswered.Add(1)
	case c.aux > 0 && left >= c.aux && c.state == connClosing:
		d.loop.count.NotReading.Add(1)
		d.loop.count.CutOff.Add(1)
	default:
		d.loop.count.CutOff.Add(1)
	}
}

// Drained says how the clients of a drain have ended.
type Drained struct {
	InOrder    uint64 // had everything, the close frame included, and left
	Unanswered uint64 // had everything, but did not answer the close frame
	CutOff     uint64 // still had something to read
	NotReading uint64 // of those: had taken nothing any more
}

// ends adds up what the loops have counted. InOrder are all closes of the
// shutdown, the others included.
func (s *Loops) Ends() (d Drained) {
	for _, l := range s.loops {
		d.InOrder += l.count.Closes[reason.Shutdown].Load()
		d.Unanswered += l.count.Unanswered.Load()
		d.CutOff += l.count.CutOff.Load()
		d.NotReading += l.count.NotReading.Load()
	}
	return d
}

// Drain has all clients closed, rate of them a second, 0 for all at once.
func (s *Loops) Drain(rate int64) {
	clients := int64(s.Connected())
	for _, l := range s.loops {
		l.mail.post(command{kind: cmdDrain, matched: drainPace(rate, l.count.Connections.Load(), clients)})
	}
}

// drainPace is the share of a loop in rate, in drainUnits a tick.
func drainPace(rate, clients, all int64) int {
	if rate == 0 || clients == 0 {
		return drainUnit << 20
	}
	return int(max(rate*drainUnit*clients/(all*kernel.TicksPerSecond), 1))
}
