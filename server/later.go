package server

import "castgate/server/admission"

// What a client sends in one read may be tens of thousands of messages, or
// inflate to megabytes. So a loop takes it up in slices: a small one at once,
// enough for any honest client, and the rest turn by turn, one client a turn,
// between those of the others. Meanwhile the client's socket is not read, and
// its kernel and then the client itself have to wait.
//
// A slice is counted in units of about a nanosecond.
const (
	firstSlice = 64 << 10  // of a read
	laterSlice = 128 << 10 // of a turn

	messageCost = 32  // of a message or control frame, without what is done with it
	toldCost    = 512 // of telling Events of a message
	inflateByte = 2   // of a byte inflated
)

// What waits for its turn is copied, up to a read of each client. Beyond
// laterRoom bytes on one loop, reads are so short that it costs little.
const (
	laterRoom = 8 << 20
	shortRead = 4 << 10
)

// busy tells whether a client waits for its turn.
func (r *reader) busy() bool { return !r.later.empty() }

// turn goes on with one client.
func (r *reader) turn() {
	if !r.later.empty() {
		r.continueNext()
	}
}

// putOff has the loop go on with a client in its next turns; what it has sent
// beyond its slice is held by its inbound.
func (r *reader) putOff(slot uint32, c *conn) {
	if !c.is(flagLater) {
		c.set(flagLater)
		r.loop.count.putOff.Add(1)
		r.later.slots = append(r.later.slots, slot)
		r.loop.mail.ring()
	}
}

// continueNext goes on with the first client whose slice was at its end. There has
// to be one.
func (r *reader) continueNext() {
	q := &r.later
	slot := q.slots[q.next]
	q.next++
	if c := r.loop.conn(slot); c != nil && c.is(flagLater) {
		c.clear(flagLater)
		r.continueClient(slot, c)
	}
	q.recycle()
}

func (r *reader) continueClient(slot uint32, c *conn) {
	defer r.loop.survive(slot, c.gen)
	in := c.in
	if in == nil || in.held {
		return
	}
	c.silentSince = r.loop.clock.now() // a pong may stand in what has not been read
	if c.form.Plain() {
		r.parseLines(slot, c, r.takeHeldBack(in), laterSlice, true)
		return
	}
	if c.in != nil {
		r.parseFrames(slot, c, in, r.takeHeldBack(in), laterSlice, true)
	}
}

// meterReasons say, by meter, why a client above its limit is closed.
var meterReasons = [...]closeReason{admission.MeterMessages: closeMessageRate, admission.MeterBytes: closeByteRate}

// meter takes n out of a client's allowance. A client that has no more is closed, and
// what it still sends is ignored.
func (r *reader) meter(slot uint32, c *conn, which admission.Meter, n int) bool {
	if r.meters.Take(r.loop.srv.admission.Rules(), slot, which, n, r.loop.srv.now()) {
		return true
	}
	c.set(flagDeaf)
	why := meterReasons[which]
	r.loop.exit.startClose(slot, c, why, closeFrames[why], false)
	return false
}
