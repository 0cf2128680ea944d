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
		if l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.recountFrom(0, done) }}) {
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
func (l *loop) recountFrom(slot uint32, done chan<- struct{}) {
	rules := l.srv.admission.Rules()
	for end := slot + recountSlots; slot < min(end, l.slots.extent()); slot++ {
		c := l.conn(slot)
		if c == nil {
			continue
		}
		switch c.state {
		case connHandshake, connVerifying, connOpen, connClosing:
			if !admission.OverLimit(c.why) {
				l.countPresent(c, rules, l.srv.registry.address(l.handle(slot, c)).Addr())
			}
		case connFree, connProxy, connRefusing:
		}
	}
	if slot < l.slots.extent() && l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.recountFrom(slot, done) }}) {
		return
	}
	done <- struct{}{}
}

// countPresent counts a connection that is let in anyway, unless that was done or
// its address is not limited.
func (l *loop) countPresent(c *conn, r *admission.Rules, a netip.Addr) {
	if !c.is(flagCounted) && l.srv.admission.Count(r, a) {
		c.set(flagCounted)
	}
}
