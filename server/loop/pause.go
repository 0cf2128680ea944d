package loop

import (
	"castgate/server/admission"
	"castgate/server/internal/table"
	"castgate/server/reason"
)

// handshakeRead is how much is read at once of a client whose TLS handshake is not
// done. What it sends behind its handshake, request and frames, waits in the
// kernel until the loop has the connection back.
const handshakeRead = 16 << 10

// room is where the next bytes of c may be read to; nothing if it has to wait.
func (r *reader) room(slot uint32, c *conn) []byte {
	switch {
	case c.is(flagLater):
		return nil
	case c.held():
		return r.wait(slot, c)
	case c.state == connVerifying && c.in != nil && len(c.in.pending) > 0:
		// One read of what came behind the head is kept while the token is checked.
		return r.wait(slot, c)
	case c.is(flagSecure) && c.state != connProxy:
		s := r.loop.secure.of(slot)
		if !s.Handshaking() || s.Dead() {
			break
		}
		if s.IsFull() {
			return r.wait(slot, c)
		}
		return r.rbuf[:handshakeRead]
	}
	if r.heldBack > laterRoom {
		return r.rbuf[:shortRead]
	}
	return r.rbuf
}

// wait is room for a connection that has none until resume.
func (r *reader) wait(slot uint32, c *conn) []byte {
	if !r.pause(c) {
		r.loop.exit.closeNow(slot, c, reason.Internal)
	}
	return nil
}

// pausing tells what the poller reports of a connection; see pause.
type pausing uint8

const (
	reading  pausing = iota // all that comes
	paused                  // nothing that the peer does
	awaiting                // that the peer has left
)

// pause has the poller no longer tell that c can be read, so that what it sends
// waits in the kernel. If c is not a client yet, the poller still tells when it
// leaves. False if the kernel does not let it.
func (r *reader) pause(c *conn) bool {
	if c.paused != reading {
		return true
	}
	if r.loop.sys.Unwatch(r.loop.poller, int(c.fd)) != nil {
		return false
	}
	c.paused = paused
	if c.is(flagBlocked) {
		return r.loop.sys.WatchOnlyRoom(r.loop.poller, int(c.fd)) == nil
	}
	return r.await(c)
}

// await has the poller tell when the peer leaves of a paused connection that is not
// a client yet. False if the kernel does not let it.
func (r *reader) await(c *conn) bool {
	if c.state != connVerifying {
		return true
	}
	c.paused = awaiting
	return r.loop.sys.WatchEnd(r.loop.poller, int(c.fd)) == nil
}

// resume undoes pause; false if the kernel does not let it.
func (r *reader) resume(c *conn) bool {
	was := c.paused
	c.paused = reading
	switch {
	case was == reading:
		return true
	case was == awaiting:
		return r.loop.sys.UnwatchRoom(r.loop.poller, int(c.fd)) == nil
	case !c.is(flagBlocked):
		return r.loop.sys.Watch(r.loop.poller, int(c.fd)) == nil
	}
	return r.loop.sys.Unwatch(r.loop.poller, int(c.fd)) == nil && r.loop.sys.Watch(r.loop.poller, int(c.fd)) == nil &&
		r.loop.sys.WatchRoom(r.loop.poller, int(c.fd)) == nil
}

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

// PutOff has the loop go on with a client in its next turns; what it has sent
// beyond its slice is held by its inbound.
func (r *reader) putOff(slot uint32, c *conn) {
	if !c.is(flagLater) {
		c.set(flagLater)
		r.loop.count.PutOff.Add(1)
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
var meterReasons = [...]reason.Close{admission.MeterMessages: reason.MessageRate, admission.MeterBytes: reason.ByteRate}

// meter takes n out of a client's allowance. A client that has no more is closed, and
// what it still sends is ignored.
func (r *reader) meter(slot uint32, c *conn, which admission.Meter, n int) bool {
	if r.meters.Take(r.loop.srv.admission.Rules(), slot, which, n, int64(r.loop.srv.Elapsed())) {
		return true
	}
	c.set(flagDeaf)
	why := meterReasons[which]
	r.loop.exit.startClose(slot, c, why, why.Frame(), false)
	return false
}

// A client that sends faster than whoever is told of its messages can take them
// is held: its socket is not read, so that TCP slows it down, and what was read
// already waits in its inbound. Pushes to it go on.

// held tells whether a client is not read.
func (c *conn) held() bool { return c.in != nil && c.in.held }

// holdClient stops reading a client until unholdClient. What has been read of it
// and not taken up stays in in, which is c's.
func (r *reader) holdClient(slot uint32, c *conn, in *inbound) {
	in.held = true
	r.loop.count.Held.Add(1)
	if !r.pause(c) {
		r.loop.exit.closeNow(slot, c, reason.Internal)
	}
}

// unholdClient reads a held client again. It returns whether the connection is still
// there.
func (r *reader) unholdClient(slot uint32, c *conn) bool {
	in := c.in
	in.held = false
	if !r.resume(c) {
		r.loop.exit.closeNow(slot, c, reason.Internal)
		return false
	}
	c.silentSince = r.loop.clock.now() // the time in which nobody listened does not count
	r.putOff(slot, c)
	return true
}

// Resume has clients read again of which Events.Message has said TakenEnough,
// by their connection ids. Any goroutine.
func (s *Loops) Resume(connections []uint32) {
	eachConnection(s, connections, resumeHeld)
}

func resumeHeld(l *loop, slot uint32, c *conn) {
	if c.held() {
		l.reader.unholdClient(slot, c)
	}
}

// Abandon breaks the connections of clients that nobody is there to serve, by
// their connection ids. Any goroutine.
func (s *Loops) Abandon(connections []uint32) {
	eachConnection(s, connections, func(l *loop, slot uint32, c *conn) {
		if c.state == connOpen {
			l.exit.abort(slot, c, reason.NoWorker)
		}
	})
}

// eachConnection has the loops do something with the connections of some ids
// that are still there.
func eachConnection(s *Loops, connections []uint32, do func(l *loop, slot uint32, c *conn)) {
	if s.IDs.Peers == nil || len(connections) == 0 {
		return
	}
	handles := make([]table.Handle, 0, len(connections))
	for _, id := range connections {
		if h := s.IDs.Peers.Handle(id); h != 0 {
			handles = append(handles, h)
		}
	}
	eachHandle(s.loops, handles, do)
}

// eachHandle has the loops do something with the connections that handles name and
// that are still there.
func eachHandle(loops []*loop, handles []table.Handle, do func(l *loop, slot uint32, c *conn)) {
	lists := make([][]table.Handle, len(loops))
	for _, h := range handles {
		lists[h.Loop()] = append(lists[h.Loop()], h)
	}
	for i, list := range lists {
		if len(list) == 0 {
			continue
		}
		loops[i].mail.post(command{kind: cmdFunc, run: func(l *loop) {
			for _, h := range list {
				if c := l.conn(h.Slot()); c != nil && c.gen == h.Gen() {
					do(l, h.Slot(), c)
				}
			}
		}})
	}
}
