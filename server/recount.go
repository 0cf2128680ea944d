package server

import (
	"net/netip"
	"time"

	"castgate/server/admission"
)

// Connections are counted by address only while there is a limit for it: without
// one they cost nothing. When a limit is set, those that exist already are
// counted, by a walk of each loop over its own. Those that arrive meanwhile are counted
// when they are accepted, or when their loop takes them up if they were accepted before.

// recountSlots is how many slots a loop looks at before it serves others again.
const recountSlots = 16 * chunkLen

// recountWait is how long a change of the policy waits for the walks. A loop that
// is held up must not hold up a reload; it counts when it goes on.
const recountWait = time.Second

// recount counts all who are there, and returns when that is done or recountWait is
// over.
func (s *Loops) recount(r *admission.Rules) {
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
				e.countPresent(c, rules, e.loop.srv.registry.address(e.loop.handle(slot, c)).Addr())
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
