package server

import (
	"math"

	"castgate/server/frames"
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

// leaver is a client that has ended and is in some groups still.
type leaver struct {
	handle table.Handle
	groups []*table.Entry
	told   bool                // Events.Closed is owed
	client gateway.EventClient // with told
}

// unregister takes the client out of the registry, once.
func (x *exit) unregister(slot uint32, c *conn) {
	if !c.is(flagRegistered) {
		return
	}
	c.clear(flagRegistered)
	h := x.loop.handle(slot, c)
	if groups := x.loop.srv.registry.unregisterBut(h); len(groups) > 0 {
		x.leaving = append(x.leaving, leaver{handle: h, groups: groups})
		x.loop.mail.ring()
	}
}

// tellClosed tells of the end of a client that was told of, once. It comes right after
// unregister, or after a kick. f is the close frame, nil without one.
func (x *exit) tellClosed(slot uint32, c *conn, why closeReason, f *frames.Frame) {
	x.loop.lives.farewell(slot, c, why, f)
	if !c.is(flagTold) {
		return
	}
	c.clear(flagTold)
	h, e := x.loop.handle(slot, c), x.loop.messages.eventClient(slot, c)
	x.loop.srv.registry.forgetSession(h)
	if n := len(x.leaving); n > 0 && x.leaving[n-1].handle == h {
		x.leaving[n-1].told, x.leaving[n-1].client = true, e
		return
	}
	x.loop.srv.config.Events.Closed(e)
}

// busy tells whether clients have yet to leave their groups.
func (x *exit) busy() bool { return len(x.leaving) > 0 }

// turn has the next clients leave.
func (x *exit) turn() { x.leaveSome(turnLeaves) }

// end has all of them leave.
func (x *exit) end() { x.leaveSome(math.MaxInt) }

// leaveSome goes on with those who leave, for so many groups.
func (x *exit) leaveSome(budget int) {
	if len(x.leaving) == 0 {
		return
	}
	done := 0
	for i := range x.leaving {
		v := &x.leaving[i]
		n := min(budget, len(v.groups))
		for _, e := range v.groups[:n] {
			x.loop.srv.registry.groups.Remove(e, v.handle)
		}
		v.groups = v.groups[n:]
		if budget -= n; len(v.groups) > 0 {
			break
		}
		if v.told {
			x.loop.srv.config.Events.Closed(v.client)
		}
		done++
	}
	if clear(x.leaving[:done]); done == len(x.leaving) {
		x.leaving = nil
		return
	}
	x.leaving = x.leaving[done:]
}
