package server

import (
	"net/netip"

	"castgate/codec"
	"castgate/server/transport"
)

// arrival is an accepted socket on its way to its loop. The acceptor puts it
// into the loop's poller and mailbox and wakes nobody: the request, which is
// on its way as a rule, does that, and the loop takes the socket in and reads
// in one go. A socket that says nothing is taken in at the next tick.
type arrival struct {
	fd       int
	addr     netip.AddrPort
	form     form                  // what its listener's clients are sent
	endpoint uint8                 // index of its listener
	secure   bool                  // TLS
	refusal  codec.HandshakeResult // HandshakeOK, or what to answer
	counted  bool                  // in Server.addresses
	proxied  bool                  // begins with a PROXY header; never with counted
	watched  bool                  // it is in the poller
}

// arrive hands an accepted socket to the loop. False if the loop has ended.
// The acceptor's goroutine.
func (l *loop) arrive(a arrival) bool {
	// The poller comes first: once the loop knows of the socket it may close
	// it, and its number be another's.
	a.watched = l.sys.watch(l.poller, a.fd) == nil
	l.mail.mu.Lock()
	taken := !l.mail.closed
	if taken {
		l.mail.arrivals = append(l.mail.arrivals, a)
	}
	l.mail.mu.Unlock()
	if taken && a.form.plain() {
		// It is a client already and may well wait for us to say something.
		l.post(command{kind: cmdFunc, run: (*loop).land})
	}
	return taken
}

// land takes in all sockets that have arrived. The loop's goroutine.
func (l *loop) land() {
	for _, a := range l.landed() {
		l.adopt(a)
	}
	l.landing = l.landing[:0]
	if cap(l.landing) > maxIdleCap {
		l.landing = nil
	}
}

// landed takes the list of arrivals, in l.landing, whose former one is empty.
func (l *loop) landed() []arrival {
	l.mail.mu.Lock()
	l.landing, l.mail.arrivals = l.mail.arrivals, l.landing[:0]
	l.mail.mu.Unlock()
	return l.landing
}

// adopt takes an accepted socket in.
func (l *loop) adopt(a arrival) {
	slot, c, ok := l.slots.take()
	if !ok {
		l.srv.log.Warn("a loop is full", "loop", l.idx)
		l.srv.dismiss(a)
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
		l.countPresent(c, l.srv.policy.Load(), a.addr.Addr()) // the limit is newer than its arrival
	}
	c.lastRead = l.wheel.Now()
	l.srv.registry.arrived(l.handle(slot, c), a.addr, a.endpoint)
	if a.secure {
		l.makeSecure(slot, c)
	}
	if !l.srv.fds.set(a.fd, slot) || !a.watched {
		l.closeNow(slot, c, closeInternal)
		return
	}
	if c.form = a.form; c.form.plain() && c.state != connProxy {
		l.openPlain(slot, c)
		return
	}
	if c.state == connRefusing && a.secure {
		// A handshake only to say no costs too much.
		l.count.handshakes[c.why].Add(1)
		l.logRefusal(slot, c, c.why.String())
		l.giveUp(slot, c, l.secureOf(slot), transport.Refused)
		return
	}
	if c.state == connRefusing {
		l.closeBy(slot, c, min(refusalTicks, l.srv.ticks.Load().handshake))
		return
	}
	l.closeBy(slot, c, l.srv.ticks.Load().handshake)
}

// dismiss closes a socket that no loop has taken in. Any goroutine.
func (s *Server) dismiss(a arrival) {
	s.sys.close(a.fd)
	s.sockets.Add(-1)
	if a.counted {
		s.addresses.Release(a.addr.Addr(), s.now())
	}
	if limited(a.refusal) {
		s.refusing.Add(-1)
	}
}
