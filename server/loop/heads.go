package loop

import (
	"castgate/codec"
	"castgate/server/internal/quota"
	"castgate/server/internal/table"
)

// A request head that comes whole, as most do, is read from the loop's buffer.
// Only what comes in pieces has to be kept, and strangers send it: so all that a
// loop keeps of unfinished heads is within one budget. When it is used up, heads of the
// networks that hold most of it are refused, the oldest first. So the memory comes from
// whoever holds it: a stranger with many half heads cannot have those of others refused.

const (
	// headBudget is how many bytes of unfinished heads all loops together keep,
	// leastHeadBudget how many one of them keeps at the least.
	headBudget      = 64 << 20
	leastHeadBudget = 8 << 20
	// headCost is what an unfinished head counts as beside its bytes, so that very
	// many short ones are bounded too.
	headCost = 1 << 10
)

// heads are the unfinished heads of a loop, and what clients sent behind theirs
// while their tokens are checked. Owned by the loop.
type heads struct {
	loop   *loop
	budget quota.Budget[table.Handle]
}

func newHeads(l *loop, loops int) heads {
	return heads{loop: l, budget: quota.NewBudget[table.Handle](max(headBudget/loops, leastHeadBudget), codec.MaxHandshake)}
}

// keep appends to what c holds of its head, or behind it. The connection may
// be refused by that, as others may.
func (h *heads) keep(slot uint32, c *conn, b []byte) {
	in := h.loop.reader.partial(c)
	in.pending = append(in.pending, b...)
	if in.charge == 0 {
		handle := h.loop.handle(slot, c)
		in.network = quota.Network(h.loop.srv.Registry.address(handle).Addr())
		h.budget.Join(handle, func(k table.Handle) bool { return h.of(k) != nil })
	}
	more := cap(in.pending) + headCost - in.charge
	in.charge += more
	fits := h.budget.Grow(in.network, more)
	h.tell()
	if !fits {
		h.relieve()
	}
}

// tell has the counters tell how much is held.
func (h *heads) tell() {
	bytes, _ := h.budget.Held()
	h.loop.count.HeadBytes.Store(int64(bytes))
}

// free gives back what an inbound counts for.
func (h *heads) free(in *inbound) {
	if in.charge == 0 {
		return
	}
	h.budget.Leave(in.network, in.charge)
	h.tell()
	in.charge = 0
}

// of returns the connection of an unfinished head, nil if it has none any more.
func (h *heads) of(handle table.Handle) *conn {
	c := h.loop.conn(handle.Slot())
	if c == nil || c.gen != handle.Gen() || c.in == nil || c.in.charge == 0 {
		return nil
	}
	return c
}

// relieve refuses unfinished heads until there is room again.
func (h *heads) relieve() {
	h.budget.Relieve(func(k table.Handle) (network uint64, ok bool) {
		c := h.of(k)
		if c == nil {
			return 0, false
		}
		return c.in.network, true
	}, func(k table.Handle) { h.loop.entrance.refuse(k.Slot(), h.loop.conn(k.Slot()), codec.HandshakeCrowded) })
}
