package server

import (
	"time"

	"castgate/server/frames"
	"castgate/server/setting"
)

// Heartbeat is GatewayWorker's way to find clients that are gone
// (docs/gatewayworker-protocol.md section 7.3), beside the pings of RFC 6455
// that Config.PingInterval sends: an ordinary message, to which an application
// of the client's answers by sending any message. Pings and pongs do not count.
//
// A clock ticks every Interval/2, or every Interval if Limit is 0, for all
// clients of a loop alike. At the first tick after a client has connected or
// sent a message nothing happens. With a Limit, it is sent Data at the third,
// fifth and so on, and its connection is broken at tick 2*Limit+2, that is
// between (Limit+½)*Interval and (Limit+1)*Interval after. With Limit 0 it is
// sent Data from the second tick on, at each, and is never broken.
type Heartbeat struct {
	// Interval is 0, off, or 500ms to 24h.
	Interval time.Duration
	// Limit is how many times Data may go unanswered, 0 to 1000; 0 is any.
	Limit int
	// Data is the message; "" and, as in PHP, "0" send none.
	Data string
}

const (
	leastHeartbeat   = 2 * tickLen
	mostHeartbeat    = 24 * time.Hour
	maxHeartbeatMiss = 1000
	maxHeartbeatData = 1024
)

func (h *Heartbeat) validate() error {
	switch {
	case h.Interval != 0 && (h.Interval < leastHeartbeat || h.Interval > mostHeartbeat):
		return setting.Errorf("gatewayworker-ping-interval", "%v is not between %v and %v", h.Interval, leastHeartbeat, mostHeartbeat)
	case h.Limit < 0 || h.Limit > maxHeartbeatMiss:
		return setting.Errorf("gatewayworker-ping-limit", "%d is not between 0 and %d", h.Limit, maxHeartbeatMiss)
	case len(h.Data) > maxHeartbeatData:
		return setting.Errorf("gatewayworker-ping-data", "%d bytes are more than %d", len(h.Data), maxHeartbeatData)
	case h.Interval == 0 && h.Limit != 0:
		return setting.Errorf("gatewayworker-ping-limit", "has no effect without gatewayworker-ping-interval")
	case h.Interval == 0 && h.Data != "":
		return setting.Errorf("gatewayworker-ping-data", "has no effect without gatewayworker-ping-interval")
	case h.Interval != 0 && h.Limit == 0 && h.Data == "":
		return setting.Errorf("gatewayworker-ping-interval", "has no effect without gatewayworker-ping-limit or gatewayworker-ping-data")
	}
	return nil
}

// heartbeat is a loop's clock of Heartbeat and its walk over the clients.
// Owned by the loop.
type heartbeat struct {
	loop    *loop
	every   uint32 // ticks of the loop; 0 is off
	limit   uint32
	frame   *frames.Frame // nil for no data
	next    uint32        // tick of the loop at which it ticks
	count   uint32        // times it has ticked; what conn.left notes of a client
	walking bool          // the walk for count is under way
	cursor  uint32        // next slot it visits
}

func newHeartbeat(l *loop) heartbeat {
	c := &l.srv.config.Heartbeat
	every := c.Interval
	if c.Limit > 0 {
		every /= 2
	}
	b := heartbeat{loop: l, every: uint32((every + tickLen - 1) / tickLen), limit: uint32(c.Limit)}
	b.next = b.every
	if c.Data != "" && c.Data != "0" {
		b.frame = l.srv.encoder.Message([]byte(c.Data), false)
	}
	return b
}

// heard notes that a client has sent a message, or is new.
func (b *heartbeat) heard(c *conn) { c.left = b.count }

// busy tells whether a walk is under way.
func (b *heartbeat) busy() bool { return b.walking }

// turn goes on with the walk.
func (b *heartbeat) turn() {
	if b.walking {
		b.beatSome()
	}
}

// beat starts the walk of a tick that has come. One that is still under way is
// finished first; ticks that it was late for are left out.
func (b *heartbeat) beat(now uint32) {
	if b.every == 0 || b.walking || before(now, b.next) {
		return
	}
	if b.next += b.every; !before(now, b.next) {
		b.next = now + b.every
	}
	b.count++
	b.walking, b.cursor = true, 0
	b.loop.mail.ring()
}

// beatSome visits the next clients of the walk: a slice of a turn.
func (b *heartbeat) beatSome() {
	extent := b.loop.slots.extent()
	writes := turnWrites
	for visits := maxVisits; visits > 0 && writes > 0 && b.cursor < extent; visits-- {
		ch := b.loop.slots.chunkAt(b.cursor)
		if ch == nil {
			b.cursor += chunkLen - b.cursor%chunkLen
			continue
		}
		slot := b.cursor
		b.cursor++
		if c := &ch.conns[slot%chunkLen]; c.state == connOpen && b.beatOne(slot, c) {
			writes--
		}
	}
	b.walking = b.cursor < extent
}

// beatOne does to a client what the tick asks for; false if that was nothing.
// PHP's counter of a client is -1 after a message and grows with each tick.
func (b *heartbeat) beatOne(slot uint32, c *conn) bool {
	if c.held() {
		c.left = b.count // its messages may lie in the socket
		return false
	}
	n := int64(b.count-c.left) - 2 // the counter before this tick
	switch {
	case b.limit > 0 && n >= 2*int64(b.limit):
		b.loop.exit.abort(slot, c, closeHeartbeat)
		return true
	case b.frame == nil || n < 0 || b.limit > 0 && (n+1)%2 == 1:
		return false
	}
	b.loop.count.pings.Add(1)
	if b.loop.fanout.catchUp(slot, c) && b.loop.writer.deliver(slot, c, b.frame) && !c.is(flagBlocked) {
		b.loop.writer.flush(slot, c)
	}
	return true
}
