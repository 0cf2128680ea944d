package server

import (
	"bytes"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/token"
)

// waiter is a connection that becomes a client later: its request is good, but
// Events.Admit has said AdmitLater. In phase connVerifying it may go, and what
// it sends is kept or not read.
type waiter struct {
	slot, gen uint32
	request   request // its own copy; the zero value for plain clients
	id        *token.Identity
	cost      int64 // of Server.waitRoom
}

// waitingRoom are the connections of a loop that wait to be admitted.
type waitingRoom struct {
	loop        *loop
	waiters     []*waiter // oldest first
	readmitting bool      // readmitSome goes on with them
}

// waitMemory is how many bytes the requests of connections that wait to be
// admitted may hold, all together; beyond it they are refused.
const waitMemory = 64 << 20

// waiterCost is what a waiter costs beside its request.
const waiterCost = 512

// admitted asks whether a connection may become a client now. If not it waits,
// or is refused. A waiter that is asked for again keeps its place.
func (q *waitingRoom) admitted(slot uint32, c *conn, r request, id *token.Identity) bool {
	if q.loop.srv.config.Events == nil {
		return true
	}
	switch q.loop.srv.config.Events.Admit() {
	case gateway.AdmitNow:
		return true
	case gateway.AdmitNever:
		q.loop.entrance.refuse(slot, c, codec.HandshakeNoWorker)
		return false
	}
	w := &waiter{slot: slot, gen: c.gen, id: id, cost: int64(waiterCost + len(r.head) + len(r.answer))}
	if q.loop.srv.waitRoom.Add(w.cost) > waitMemory {
		q.loop.srv.waitRoom.Add(-w.cost)
		q.loop.entrance.refuse(slot, c, codec.HandshakeNoWorker)
		return false
	}
	w.request = request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer)}
	c.state = connVerifying
	q.loop.reader.partial(c).waiting = w
	q.waiters = append(q.waiters, w)
	q.loop.count.waiters.Add(1)
	if len(r.rest) > 0 {
		q.loop.heads.keep(slot, c, r.rest)
	}
	return false
}

// stopWaiting gives back what a waiter holds.
func (q *waitingRoom) stopWaiting(in *inbound) {
	q.loop.srv.waitRoom.Add(-in.waiting.cost)
	q.loop.count.waiters.Add(-1)
	in.waiting = nil
}

// Readmit has those that wait to be admitted asked for again. Any goroutine.
func (s *Server) Readmit() {
	for _, l := range s.loops {
		l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.waiting.readmit() }})
	}
}

// turnWaiters is how many waiters a loop asks for in one turn.
const turnWaiters = 64

// readmit asks for the next waiters, and goes on with the others in later turns.
func (q *waitingRoom) readmit() {
	if q.readmitting {
		return
	}
	q.readmitting = true
	q.readmitSome()
}

func (q *waitingRoom) readmitSome() {
	for n := 0; n < turnWaiters && len(q.waiters) > 0; n++ {
		w := q.waiters[0]
		c := q.loop.conn(w.slot)
		if c == nil || c.gen != w.gen || c.in == nil || c.in.waiting != w {
			q.dropWaiter()
			continue
		}
		if q.loop.srv.config.Events.Admit() == gateway.AdmitLater {
			q.readmitting = false
			return
		}
		q.dropWaiter()
		q.goOn(w, c)
	}
	if q.readmitting = len(q.waiters) > 0; q.readmitting {
		q.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.waiting.readmitSome() }})
	}
}

// dropWaiter takes the first waiter out of the list.
func (q *waitingRoom) dropWaiter() {
	q.waiters[0] = nil
	if q.waiters = q.waiters[1:]; len(q.waiters) == 0 {
		q.waiters = nil
	}
}

// goOn makes a waiter a client, as it would have been at once.
func (q *waitingRoom) goOn(w *waiter, c *conn) {
	defer q.loop.survive(w.slot, w.gen)
	rest := c.in.head
	q.loop.reader.releaseInbound(c)
	if !q.loop.reader.resume(c) {
		q.loop.exit.closeNow(w.slot, c, closeInternal)
		return
	}
	c.state = connHandshake
	if !c.form.plain() {
		w.request.rest = rest
		q.loop.entrance.welcome(w.slot, c, w.request, w.id)
		return
	}
	if q.loop.entrance.openPlain(w.slot, c); c.gen == w.gen && len(rest) > 0 {
		q.loop.reader.take(w.slot, c, rest)
	}
}

// Waiting is how many connections wait to be admitted. Any goroutine.
func (s *Server) Waiting() int {
	n := int64(0)
	for _, l := range s.loops {
		n += l.count.waiters.Load()
	}
	return int(n)
}
