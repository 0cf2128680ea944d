package loop

import (
	"castgate/server/frames"
	"castgate/server/heartbeat"
	"castgate/server/kernel"
	"castgate/server/reason"
)

// heartbeats is a loop's clock of GatewayWorker's heartbeat, and its walk over the clients
// when the clock ticks. Owned by the loop.
type heartbeats struct {
	loop    *loop
	clock   heartbeat.Clock
	frame   *frames.Frame // nil for no data
	walking bool          // the walk of a tick is under way
	cursor  uint32        // next slot it visits
}

func newHeartbeats(l *loop) heartbeats {
	c := l.srv.config.Heartbeat
	b := heartbeats{loop: l, clock: heartbeat.NewClock(c, kernel.Tick)}
	if m := c.Message(); m != "" {
		b.frame = l.srv.Encoder.Message([]byte(m), false)
	}
	return b
}

// heard notes that a client has sent a message, or is new.
func (b *heartbeats) heard(c *conn) { c.aux = b.clock.Count() }

// busy reports whether a walk is under way.
func (b *heartbeats) busy() bool { return b.walking }

// turn goes on with the walk.
func (b *heartbeats) turn() {
	if b.walking {
		b.visitSome()
	}
}

// tick starts the walk of a tick that is due. A walk that is still under way is
// finished first.
func (b *heartbeats) tick(now uint32) {
	if b.walking || !b.clock.Tick(now) {
		return
	}
	b.walking, b.cursor = true, 0
	b.loop.mail.ring()
}

// visitSome visits the next clients of the walk: a slice of a turn.
func (b *heartbeats) visitSome() {
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
		if c := &ch.conns[slot%chunkLen]; c.state == connOpen && b.visit(slot, c) {
			writes--
		}
	}
	b.walking = b.cursor < extent
}

// visit does to a client what the tick asks for; false if that was nothing.
func (b *heartbeats) visit(slot uint32, c *conn) bool {
	if c.held() {
		b.heard(c) // its messages may lie in the socket
		return false
	}
	switch b.clock.Due(c.aux) {
	case heartbeat.Break:
		b.loop.exit.abort(slot, c, reason.Heartbeat)
		return true
	case heartbeat.Send:
		b.loop.count.Pings.Add(1)
		if b.loop.fanout.catchUp(slot, c) && b.loop.writer.deliver(slot, c, b.frame) && !c.is(flagBlocked) {
			b.loop.writer.flush(slot, c)
		}
		return true
	case heartbeat.None:
	}
	return false
}
