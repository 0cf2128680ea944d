package server

import (
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// To put a client into thousands of groups, or to take it out, lasts milliseconds, and
// many such clients may come or end at once. So a loop lets in one of them a turn,
// and has those who leave do it some groups at a time, between what it does for others.
//
// Who leaves is out of the registry at once: no id, uid or group leads to it any more.
// Only the sizes of its groups, and pushes that count it as one who is closed, are
// behind by as much. Who is told of its end is told when that is over.

const (
	// manyGroups is from how many groups on a client takes turns.
	manyGroups = 256
	// turnLeaves is how many groups a turn has clients leave.
	turnLeaves = 4096
)

// joinSome lets in the next client that joins many groups.
func (l *loop) joinSome() {
	if len(l.joining) == 0 {
		return
	}
	next := l.joining[0]
	l.joining[0] = nil
	if l.joining = l.joining[1:]; len(l.joining) == 0 {
		l.joining = nil
	}
	next()
}

// leaver is a client that has ended and is in some groups still.
type leaver struct {
	handle table.Handle
	groups []*table.Entry
	told   bool                // Events.Closed is owed
	client gateway.EventClient // with told
}

// leave takes the client out of the registry, once.
func (l *loop) leave(slot uint32, c *conn) {
	if !c.is(flagRegistered) {
		return
	}
	c.clear(flagRegistered)
	h := l.handle(slot, c)
	if groups := l.srv.registry.unregisterBut(h); len(groups) > 0 {
		l.leaving = append(l.leaving, leaver{handle: h, groups: groups})
		l.ring()
	}
}

// closed tells of the end of a client that was told of, once. It comes right after
// leave, or after a kick.
func (l *loop) closed(slot uint32, c *conn) {
	if !c.is(flagTold) {
		return
	}
	c.clear(flagTold)
	h, e := l.handle(slot, c), l.eventClient(slot, c)
	l.srv.registry.forgetSession(h)
	if n := len(l.leaving); n > 0 && l.leaving[n-1].handle == h {
		l.leaving[n-1].told, l.leaving[n-1].client = true, e
		return
	}
	l.srv.config.Events.Closed(e)
}

// leaveSome goes on with those who leave, for so many groups.
func (l *loop) leaveSome(budget int) {
	if len(l.leaving) == 0 {
		return
	}
	done := 0
	for i := range l.leaving {
		v := &l.leaving[i]
		n := min(budget, len(v.groups))
		for _, e := range v.groups[:n] {
			l.srv.registry.groups.Remove(e, v.handle)
		}
		v.groups = v.groups[n:]
		if budget -= n; len(v.groups) > 0 {
			break
		}
		if v.told {
			l.srv.config.Events.Closed(v.client)
		}
		done++
	}
	if clear(l.leaving[:done]); done == len(l.leaving) {
		l.leaving = nil
		return
	}
	l.leaving = l.leaving[done:]
}
