package loop

import (
	"net/netip"
	"time"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/frames"
	"castgate/server/reason"
	"castgate/server/transport"
)

// Arrival is an accepted socket on its way to its loop. The acceptor puts it
// into the loop's poller and mailbox and wakes nobody: the request, which is
// on its way as a rule, does that, and the loop takes the socket in and reads
// in one go. A socket that says nothing is taken in at the next tick.
type Arrival struct {
	FD       int
	Addr     netip.AddrPort
	Form     frames.Form           // what its listener's clients are sent
	Endpoint uint8                 // index of its listener
	Secure   bool                  // TLS
	Refusal  codec.HandshakeResult // HandshakeOK, or what to answer
	Counted  bool                  // counted for its address
	Proxied  bool                  // begins with a PROXY header; never with counted
	watched  bool                  // it is in the poller
}

// takeIn takes in all sockets that have arrived. The loop's goroutine.
func (e *entrance) takeIn() {
	e.landing = e.loop.mail.collectArrivals(e.landing[:0])
	for _, a := range e.landing {
		e.adopt(a)
	}
	if e.landing = e.landing[:0]; cap(e.landing) > maxIdleCap {
		e.landing = nil
	}
}

// end turns away who has arrived and will not be taken in.
func (e *entrance) end() {
	for _, a := range e.loop.mail.collectArrivals(nil) {
		e.loop.srv.Dismiss(a)
	}
}

// adopt takes an accepted socket in.
func (e *entrance) adopt(a Arrival) {
	slot, c, ok := e.loop.slots.acquire()
	if !ok {
		e.loop.srv.log.Warn("a loop is full", "loop", e.loop.idx)
		e.loop.srv.Dismiss(a)
		return
	}
	c.fd = int32(a.FD)
	c.state = connHandshake
	switch {
	case a.Refusal != codec.HandshakeOK:
		c.state, c.why = connRefusing, a.Refusal
	case a.Proxied:
		// Not to be asked of the policy again, which may have changed: the header's
		// address would take the place of one that was counted.
		c.state = connProxy
	}
	switch {
	case a.Counted:
		c.set(flagCounted)
	case c.state == connHandshake:
		e.countPresent(c, e.loop.srv.admission.Rules(), a.Addr.Addr()) // the limit is newer than its arrival
	}
	c.silentSince = e.loop.clock.now()
	e.loop.srv.Registry.arrived(e.loop.handle(slot, c), a.Addr, a.Endpoint)
	if a.Secure {
		e.loop.secure.begin(slot, c)
	}
	if !e.loop.srv.fds.Set(a.FD, slot) || !a.watched {
		e.loop.exit.closeNow(slot, c, reason.Internal)
		return
	}
	if c.form = a.Form; c.form.Plain() && c.state != connProxy {
		e.openPlain(slot, c)
		return
	}
	if c.state == connRefusing && a.Secure {
		// A handshake only to say no costs too much.
		e.loop.count.Handshakes[c.why].Add(1)
		e.loop.logRefusal(slot, c, c.why.String())
		e.loop.secure.giveUp(slot, c, e.loop.secure.of(slot), transport.Refused)
		return
	}
	if c.state == connRefusing {
		e.loop.clock.closeBy(slot, c, min(refusalTicks, e.loop.srv.ticks.Load().Handshake))
		return
	}
	e.loop.clock.closeBy(slot, c, e.loop.srv.ticks.Load().Handshake)
}

// Dismiss closes a socket that no loop has taken in. Any goroutine.
func (s *Loops) Dismiss(a Arrival) {
	s.sys.Close(a.FD)
	s.sockets.Add(-1)
	if a.Counted {
		s.admission.Release(a.Addr.Addr())
	}
	s.admission.EndRefusal(a.Refusal)
}

// Connections are counted by address only while there is a limit for it: without
// one they cost nothing. When a limit is set, those that exist already are
// counted, by a walk of each loop over its own. Those that arrive meanwhile are counted
// when they are accepted, or when their loop takes them up if they were accepted before.

// recountSlots is how many slots a loop looks at before it serves others again.
const recountSlots = 16 * chunkLen

// recountWait is how long a change of the policy waits for the walks. A loop that
// is held up must not hold up a reload; it counts when it goes on.
const recountWait = time.Second

// Recount counts all who are there, and returns when that is done or recountWait is
// over.
func (s *Loops) Recount(r *admission.Rules) {
	if !r.LimitsAddresses() {
		return
	}
	done := make(chan struct{}, len(s.loops))
	walks := 0
	for _, l := range s.loops {
		if l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.entrance.recountFrom(0, done) }}) {
			walks++
		}
	}
	if !s.running.Load() {
		return // nobody is there yet, or no more
	}
	late := time.NewTimer(recountWait)
	defer late.Stop()
	for range walks {
		select {
		case <-done:
		case <-s.ended:
			return
		case <-late.C:
			return
		}
	}
}

// recountFrom counts those in the next slots, and posts itself for the rest.
func (e *entrance) recountFrom(slot uint32, done chan<- struct{}) {
	rules := e.loop.srv.admission.Rules()
	for end := slot + recountSlots; slot < min(end, e.loop.slots.extent()); slot++ {
		c := e.loop.conn(slot)
		if c == nil {
			continue
		}
		switch c.state {
		case connHandshake, connVerifying, connOpen, connClosing:
			if !admission.OverLimit(c.why) {
				e.countPresent(c, rules, e.loop.srv.Registry.address(e.loop.handle(slot, c)).Addr())
			}
		case connFree, connProxy, connRefusing:
		}
	}
	if slot < e.loop.slots.extent() && e.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.entrance.recountFrom(slot, done) }}) {
		return
	}
	done <- struct{}{}
}

// countPresent counts a connection that is let in anyway, unless that was done or
// its address is not limited.
func (e *entrance) countPresent(c *conn, r *admission.Rules, a netip.Addr) {
	if !c.is(flagCounted) && e.loop.srv.admission.Count(r, a) {
		c.set(flagCounted)
	}
}
