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

// waitMemory is how many bytes the requests of connections that wait to be
// admitted may hold, all together; beyond it they are refused.
const waitMemory = 64 << 20

// waiterCost is what a waiter costs beside its request.
const waiterCost = 512

// admitted asks whether a connection may become a client now. If not it waits,
// or is refused. A waiter that is asked for again keeps its place.
func (l *loop) admitted(slot uint32, c *conn, r request, id *token.Identity) bool {
	if l.srv.config.Events == nil {
		return true
	}
	switch l.srv.config.Events.Admit() {
	case gateway.AdmitNow:
		return true
	case gateway.AdmitNever:
		l.refuse(slot, c, codec.HandshakeNoWorker)
		return false
	}
	w := &waiter{slot: slot, gen: c.gen, id: id, cost: int64(waiterCost + len(r.head) + len(r.answer))}
	if l.srv.waitRoom.Add(w.cost) > waitMemory {
		l.srv.waitRoom.Add(-w.cost)
		l.refuse(slot, c, codec.HandshakeNoWorker)
		return false
	}
	w.request = request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer)}
	c.state = connVerifying
	l.partial(c).waiting = w
	l.waiters = append(l.waiters, w)
	l.count.waiters.Add(1)
	if len(r.rest) > 0 {
		l.keepHead(slot, c, r.rest)
	}
	return false
}

// stopWaiting gives back what a waiter holds.
func (l *loop) stopWaiting(in *inbound) {
	l.srv.waitRoom.Add(-in.waiting.cost)
	l.count.waiters.Add(-1)
	in.waiting = nil
}

// Readmit has those that wait to be admitted asked for again. Any goroutine.
func (s *Server) Readmit() {
	for _, l := range s.loops {
		l.post(command{kind: cmdFunc, run: (*loop).readmit})
	}
}

// turnWaiters is how many waiters a loop asks for in one turn.
const turnWaiters = 64

// readmit asks for the next waiters, and goes on with the others in later turns.
func (l *loop) readmit() {
	if l.readmitting {
		return
	}
	l.readmitting = true
	l.readmitSome()
}

func (l *loop) readmitSome() {
	for n := 0; n < turnWaiters && len(l.waiters) > 0; n++ {
		w := l.waiters[0]
		c := l.conn(w.slot)
		if c == nil || c.gen != w.gen || c.in == nil || c.in.waiting != w {
			l.dropWaiter()
			continue
		}
		if l.srv.config.Events.Admit() == gateway.AdmitLater {
			l.readmitting = false
			return
		}
		l.dropWaiter()
		l.goOn(w, c)
	}
	if l.readmitting = len(l.waiters) > 0; l.readmitting {
		l.post(command{kind: cmdFunc, run: (*loop).readmitSome})
	}
}

// dropWaiter takes the first waiter out of the list.
func (l *loop) dropWaiter() {
	l.waiters[0] = nil
	if l.waiters = l.waiters[1:]; len(l.waiters) == 0 {
		l.waiters = nil
	}
}

// goOn makes a waiter a client, as it would have been at once.
func (l *loop) goOn(w *waiter, c *conn) {
	defer l.survive(w.slot, w.gen)
	rest := c.in.head
	l.releaseInbound(c)
	if !l.resume(c) {
		l.closeNow(w.slot, c, closeInternal)
		return
	}
	c.state = connHandshake
	if !c.form.plain() {
		w.request.rest = rest
		l.welcome(w.slot, c, w.request, w.id)
		return
	}
	if l.openPlain(w.slot, c); c.gen == w.gen && len(rest) > 0 {
		l.take(w.slot, c, rest)
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
