package loop

import (
	"bytes"
	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/internal/quota"
	"castgate/server/reason"
	"castgate/server/token"
	"container/list"
	"net/netip"
)

// Connections whose request is good may have to wait until whoever is told of
// clients has room for them. They are asked for again in turn by network, and what
// they hold is shared by network, so that many of one network delay only
// themselves.

// waiter is a connection that becomes a client later: its request is good, but
// Events.Admit has said AdmitLater. In phase connVerifying it may go, and what
// it sends is kept or not read.
type waiter struct {
	slot, gen uint32
	request   request // its own copy; the zero value for plain clients
	id        *token.Identity
	cost      int // of waitingRoom.room
	line      *waitLine
	place     *list.Element // in line.waiters
}

// waitLine is the waiters of one network. It exists while there are some.
type waitLine struct {
	address netip.Addr // of the first of them
	network uint64
	waiters list.List // of *waiter, oldest first
	bytes   int
	in      *list.List    // it is in waitingRoom.asked or waitingRoom.refused
	place   *list.Element // in that list
}

// waitingRoom are the waiters of a loop.
type waitingRoom struct {
	loop     *loop
	room     quota.Room // of what they hold
	networks map[uint64]*waitLine
	asked    *list.List // *waitLine that are asked for in this pass, the next first
	refused  *list.List // *waitLine that wait for the next pass
	passing  bool       // a pass is under way
	again    bool       // and another follows
}

const (
	// waitMemory is how many bytes the requests of connections that wait to be
	// admitted may hold, on all loops together; beyond it they are refused.
	waitMemory = 64 << 20
	// waiterCost is what a waiter costs beside its request.
	waiterCost = 512
	// turnWaiters is how many waiters a loop asks for in one turn.
	turnWaiters = 64
)

func newWaitingRoom(l *loop) waitingRoom {
	return waitingRoom{
		loop: l, room: quota.NewRoom(waitMemory / l.srv.config.Loops),
		networks: map[uint64]*waitLine{}, asked: list.New(), refused: list.New(),
	}
}

// admitted asks whether a connection may become a client now. If not it waits,
// behind those of its network who do, or is refused.
func (q *waitingRoom) admitted(slot uint32, c *conn, r request, id *token.Identity) bool {
	if q.loop.srv.config.Events == nil {
		return true
	}
	from := q.loop.srv.Registry.address(q.loop.handle(slot, c)).Addr()
	line := q.networks[quota.Network(from)]
	if line == nil {
		switch q.loop.srv.config.Events.Admit(from) {
		case gateway.AdmitNow:
			return true
		case gateway.AdmitNever:
			q.loop.entrance.refuse(slot, c, codec.HandshakeNoWorker)
			return false
		}
	}
	w := &waiter{slot: slot, gen: c.gen, id: id, cost: waiterCost + len(r.head) + len(r.answer)}
	if !q.add(w, line, from) {
		q.loop.entrance.refuse(slot, c, codec.HandshakeNoWorker)
		return false
	}
	w.request = request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer), session: r.session}
	c.state = connVerifying
	q.loop.reader.partial(c).waiting = w
	q.loop.count.waiters.Add(1)
	if len(r.rest) > 0 {
		q.loop.heads.keep(slot, c, r.rest)
	}
	return false
}

// add puts a waiter at the end of its network's line, which is nil if there is
// none. It is false if there is no room.
func (q *waitingRoom) add(w *waiter, line *waitLine, from netip.Addr) bool {
	held := 0
	if line != nil {
		held = line.bytes
	}
	if q.room.Left(held) < w.cost {
		return false
	}
	if line == nil {
		line = &waitLine{address: from, network: quota.Network(from), in: q.refused}
		line.place = line.in.PushBack(line)
		q.networks[line.network] = line
	}
	q.weigh(line, w.cost)
	w.line, w.place = line, line.waiters.PushBack(w)
	return true
}

func (q *waitingRoom) weigh(line *waitLine, bytes int) {
	q.room.Weigh(line.bytes, line.bytes+bytes)
	line.bytes += bytes
}

// remove takes a waiter out of its line.
func (q *waitingRoom) remove(w *waiter) {
	line := w.line
	line.waiters.Remove(w.place)
	q.weigh(line, -w.cost)
	if line.waiters.Len() == 0 {
		line.in.Remove(line.place)
		delete(q.networks, line.network)
	}
}

// move puts a line at the end of a list.
func (line *waitLine) move(to *list.List) {
	line.in.Remove(line.place)
	line.in, line.place = to, to.PushBack(line)
}

// stopWaiting takes the waiter of an inbound out.
func (q *waitingRoom) stopWaiting(in *inbound) {
	q.remove(in.waiting)
	q.loop.count.waiters.Add(-1)
	in.waiting = nil
}

// Readmit has those that wait to be admitted asked for again. Any goroutine.
func (s *Loops) Readmit() {
	for _, l := range s.loops {
		l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.waiting.readmit() }})
	}
}

// readmit begins a pass, in which the networks are asked for in turn until each has
// no waiters any more or has been refused.
func (q *waitingRoom) readmit() {
	if q.again = q.passing; q.passing {
		return
	}
	q.begin()
	q.readmitSome()
}

// begin has all lines that were refused asked for. None is left from before.
func (q *waitingRoom) begin() {
	q.asked, q.refused = q.refused, q.asked
}

// readmitSome asks for the next waiters, and goes on with the others in later turns.
func (q *waitingRoom) readmitSome() {
	for range turnWaiters {
		front := q.asked.Front()
		if front == nil {
			break
		}
		line := front.Value.(*waitLine)
		admission := q.loop.srv.config.Events.Admit(line.address)
		if admission == gateway.AdmitLater {
			line.move(q.refused)
			continue
		}
		line.move(q.asked)
		w := line.waiters.Front().Value.(*waiter)
		q.goOn(w, q.loop.conn(w.slot), admission)
	}
	if q.asked.Front() == nil && q.again {
		q.again = false
		q.begin()
	}
	if q.passing = q.asked.Front() != nil; q.passing {
		q.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.waiting.readmitSome() }})
	}
}

// goOn makes a waiter a client, as it would have been at once, or refuses it.
func (q *waitingRoom) goOn(w *waiter, c *conn, admission gateway.Admission) {
	defer q.loop.survive(w.slot, w.gen)
	rest := c.in.pending
	q.loop.reader.releaseInbound(c) // it waits no longer
	if !q.loop.reader.resume(c) {
		q.loop.exit.closeNow(w.slot, c, reason.Internal)
		return
	}
	c.state = connHandshake
	switch {
	case admission == gateway.AdmitNever:
		q.loop.entrance.refuse(w.slot, c, codec.HandshakeNoWorker)
	case q.loop.drain.active():
		q.loop.entrance.refuse(w.slot, c, codec.HandshakeStopping)
	case !c.form.Plain():
		w.request.rest = rest
		q.loop.entrance.letIn(w.slot, c, w.request, w.id)
	default:
		if q.loop.entrance.letInPlain(w.slot, c); c.gen == w.gen && len(rest) > 0 {
			q.loop.reader.consume(w.slot, c, rest)
		}
	}
}
