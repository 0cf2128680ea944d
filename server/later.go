package server

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

// cost is what a message of a client costs.
func (c *conn) cost() int {
	if c.is(flagTold) {
		return messageCost + toldCost
	}
	return messageCost
}

// putOff has the loop go on with a client in its next turns; what it has sent
// beyond its slice is held by its inbound.
func (l *loop) putOff(slot uint32, c *conn) {
	if !c.is(flagLater) {
		c.set(flagLater)
		l.count.putOff.Add(1)
		l.later.slots = append(l.later.slots, slot)
		l.ring()
	}
}

// takeLater goes on with the first client whose slice was at its end. There has
// to be one.
func (l *loop) takeLater() {
	q := &l.later
	slot := q.slots[q.next]
	q.next++
	if c := l.conn(slot); c != nil && c.is(flagLater) {
		c.clear(flagLater)
		l.takeRest(slot, c)
	}
	q.recycle()
}

func (l *loop) takeRest(slot uint32, c *conn) {
	defer l.survive(slot, c.gen)
	in := c.in
	if in == nil || in.held {
		return
	}
	c.lastRead = l.wheel.Now() // a pong may stand in what has not been read
	if c.form.plain() {
		l.takeLines(slot, c, l.hand(in), laterSlice, true)
		return
	}
	if c.in != nil {
		l.takeFrames(slot, c, in, l.hand(in), laterSlice, true)
	}
}
