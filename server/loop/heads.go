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
	loop     *loop
	limit    int // bytes
	held     int
	count    int
	order    []table.Handle // oldest first; some have been finished since
	networks map[uint64]int // bytes by quota.Network
}

func newHeads(l *loop, loops int) heads {
	return heads{loop: l, limit: max(headBudget/loops, leastHeadBudget), networks: map[uint64]int{}}
}

// keep appends to what c holds of its head, or behind it. The connection may
// be refused by that, as others may.
func (h *heads) keep(slot uint32, c *conn, b []byte) {
	in := h.loop.reader.partial(c)
	in.pending = append(in.pending, b...)
	if in.charge == 0 {
		in.network = quota.Network(h.loop.srv.Registry.address(h.loop.handle(slot, c)).Addr())
		h.count++
		if len(h.order) > 2*h.count+maxSpare {
			h.sweep()
		}
		h.order = append(h.order, h.loop.handle(slot, c))
	}
	more := cap(in.pending) + headCost - in.charge
	in.charge += more
	h.held += more
	h.loop.count.HeadBytes.Store(int64(h.held))
	h.networks[in.network] += more
	if h.held > h.limit {
		h.relieve()
	}
}

// free gives back what an inbound counts for.
func (h *heads) free(in *inbound) {
	if in.charge == 0 {
		return
	}
	h.held -= in.charge
	h.loop.count.HeadBytes.Store(int64(h.held))
	h.count--
	if h.networks[in.network] -= in.charge; h.networks[in.network] == 0 {
		delete(h.networks, in.network)
	}
	in.charge = 0
}

// sweep drops from the order what has been finished.
func (h *heads) sweep() {
	kept := h.order[:0]
	for _, handle := range h.order {
		if c := h.of(handle); c != nil {
			kept = append(kept, handle)
		}
	}
	h.order = kept
	if len(kept) == 0 && cap(kept) > maxIdleCap {
		h.order = nil
	}
}

// of returns the connection of an unfinished head, nil if it has none any more.
func (h *heads) of(handle table.Handle) *conn {
	c := h.loop.conn(handle.Slot())
	if c == nil || c.gen != handle.Gen() || c.in == nil || c.in.charge == 0 {
		return nil
	}
	return c
}

// relieve refuses unfinished heads until an eighth of the budget is free again:
// first of networks that hold half of it, then of those with a quarter, and so on
// down to those that hold one head each.
func (h *heads) relieve() {
	enough := h.limit - h.limit/8
	for share := h.limit / 2; h.held > enough; share /= 2 {
		if share < codec.MaxHandshake {
			share = 0
		}
		for _, handle := range h.order {
			if h.held <= enough {
				break
			}
			if c := h.of(handle); c != nil && h.networks[c.in.network] > share {
				h.loop.entrance.refuse(handle.Slot(), c, codec.HandshakeCrowded)
			}
		}
		if share == 0 {
			break
		}
	}
	h.sweep()
}
