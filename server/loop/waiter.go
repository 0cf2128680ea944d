package loop

import (
	"bytes"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/internal/waitlist"
	"castgate/server/reason"
	"castgate/server/token"
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
}

// waitingRoom are the waiters of a loop.
type waitingRoom struct {
	loop    *loop
	list    *waitlist.List[*waiter]
	passing bool // a pass is under way
	again   bool // and another follows
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
	return waitingRoom{loop: l, list: waitlist.New[*waiter](waitMemory / l.srv.config.Loops)}
}

// admitted asks whether a connection may become a client now. If not it waits,
// behind those of its network who do, or is refused.
func (q *waitingRoom) admitted(slot uint32, c *conn, r request, id *token.Identity) bool {
	if q.loop.srv.config.Events == nil {
		return true
	}
	from := q.loop.srv.Registry.address(q.loop.handle(slot, c)).Addr()
	if !q.list.Waits(from) {
		switch q.loop.srv.config.Events.Admit(from) {
		case gateway.AdmitNow:
			return true
		case gateway.AdmitNever:
			q.loop.entrance.refuse(slot, c, codec.HandshakeNoWorker)
			return false
		}
	}
	w := &waiter{slot: slot, gen: c.gen, id: id}
	place := q.list.Add(w, from, waiterCost+len(r.head)+len(r.answer))
	if place == nil {
		q.loop.entrance.refuse(slot, c, codec.HandshakeNoWorker)
		return false
	}
	w.request = request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer), session: r.session}
	c.state = connVerifying
	q.loop.reader.partial(c).waiting = place
	q.loop.count.Waiters.Add(1)
	if len(r.rest) > 0 {
		q.loop.heads.keep(slot, c, r.rest)
	}
	return false
}

// stopWaiting takes the waiter of an inbound out.
func (q *waitingRoom) stopWaiting(in *inbound) {
	q.list.Remove(in.waiting)
	q.loop.count.Waiters.Add(-1)
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
	q.list.Begin()
	q.readmitSome()
}

// readmitSome asks for the next waiters, and goes on with the others in later turns.
func (q *waitingRoom) readmitSome() {
	for range turnWaiters {
		line := q.list.Next()
		if line == nil {
			break
		}
		admission := q.loop.srv.config.Events.Admit(line.Address)
		if admission == gateway.AdmitLater {
			q.list.Refused(line)
			continue
		}
		w := q.list.First(line).Who
		q.goOn(w, q.loop.conn(w.slot), admission)
	}
	if q.list.Next() == nil && q.again {
		q.again = false
		q.list.Begin()
	}
	if q.passing = q.list.Next() != nil; q.passing {
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
