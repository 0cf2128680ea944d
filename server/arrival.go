package server

import (
	"net/netip"

	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/transport"
)

// arrival is an accepted socket on its way to its loop. The acceptor puts it
// into the loop's poller and mailbox and wakes nobody: the request, which is
// on its way as a rule, does that, and the loop takes the socket in and reads
// in one go. A socket that says nothing is taken in at the next tick.
type arrival struct {
	fd       int
	addr     netip.AddrPort
	form     frames.Form           // what its listener's clients are sent
	endpoint uint8                 // index of its listener
	secure   bool                  // TLS
	refusal  codec.HandshakeResult // HandshakeOK, or what to answer
	counted  bool                  // counted for its address
	proxied  bool                  // begins with a PROXY header; never with counted
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
		e.loop.srv.dismiss(a)
	}
}

// adopt takes an accepted socket in.
func (e *entrance) adopt(a arrival) {
	slot, c, ok := e.loop.slots.acquire()
	if !ok {
		e.loop.srv.log.Warn("a loop is full", "loop", e.loop.idx)
		e.loop.srv.dismiss(a)
		return
	}
	c.fd = int32(a.fd)
	c.state = connHandshake
	switch {
	case a.refusal != codec.HandshakeOK:
		c.state, c.why = connRefusing, a.refusal
	case a.proxied:
		// Not to be asked of the policy again, which may have changed: the header's
		// address would take the place of one that was counted.
		c.state = connProxy
	}
	switch {
	case a.counted:
		c.set(flagCounted)
	case c.state == connHandshake:
		e.countPresent(c, e.loop.srv.admission.Rules(), a.addr.Addr()) // the limit is newer than its arrival
	}
	c.silentSince = e.loop.clock.now()
	e.loop.srv.registry.arrived(e.loop.handle(slot, c), a.addr, a.endpoint)
	if a.secure {
		e.loop.secure.begin(slot, c)
	}
	if !e.loop.srv.fds.set(a.fd, slot) || !a.watched {
		e.loop.exit.closeNow(slot, c, closeInternal)
		return
	}
	if c.form = a.form; c.form.Plain() && c.state != connProxy {
		e.openPlain(slot, c)
		return
	}
	if c.state == connRefusing && a.secure {
		// A handshake only to say no costs too much.
		e.loop.count.handshakes[c.why].Add(1)
		e.loop.logRefusal(slot, c, c.why.String())
		e.loop.secure.giveUp(slot, c, e.loop.secure.of(slot), transport.Refused)
		return
	}
	if c.state == connRefusing {
		e.loop.clock.closeBy(slot, c, min(refusalTicks, e.loop.srv.ticks.Load().handshake))
		return
	}
	e.loop.clock.closeBy(slot, c, e.loop.srv.ticks.Load().handshake)
}

// dismiss closes a socket that no loop has taken in. Any goroutine.
func (s *Loops) dismiss(a arrival) {
	s.sys.Close(a.fd)
	s.sockets.Add(-1)
	if a.counted {
		s.admission.Release(a.addr.Addr())
	}
	s.admission.EndRefusal(a.refusal)
}
