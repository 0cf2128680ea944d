package cluster

import (
	"context"
	"math"
	"slices"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// holds are changes that wait until the other nodes have heard of the names that
// clients are about to have: from then on nobody leaves this node out when it asks for
// one of them. Only after that is a client bound, so that it is seen through all nodes
// or through none. Guarded by Node.mu.
type holds struct {
	list   []*hold
	looked uint64 // position that all had heard of at the last look
	next   int64  // the first end of any
}

type hold struct {
	need  uint64 // position that others must have heard of
	begun int64
	end   int64        // when it goes on without that
	ready func(uint64) // called with need, and mu held
}

// maxHolds is how many changes wait at once.
const maxHolds = 1 << 16

var errHolds = &gateway.Error{Code: gateway.CodeBusy, Detail: "too many changes wait until the other nodes have heard of them; try again"}

var errUnheard = &gateway.Error{Code: gateway.CodeDeadline, Detail: "nothing was changed: not all nodes have heard of the names in time"}

// patience is how long a change waits for nodes that are heard and do not answer. By
// then they hold no lease of this node.
func (n *filter) patience() int64 { return n.lease + n.lease/4 }

// heardUpTo is the position of this node's names that all others have heard of. Those
// do not count that hold no lease of this node: their answers are not complete.
func (n *filter) heardUpTo(now int64) (least uint64) {
	least = math.MaxUint64
	for m, p := range n.peers {
		if p.version == 0 && p.heardUpTo < least && now < p.grantUntil && !n.departed(m, now) {
			least = p.heardUpTo
		}
	}
	return least
}

// deaf are the members that have not heard of this node's names up to a position. The
// caller holds mu.
func (n *filter) deaf(need uint64) (nodes []uint16) {
	if need == 0 {
		return nil
	}
	for _, m := range n.view.Members {
		if p := n.peers[m]; m != n.self && (p == nil || p.heardUpTo < need) {
			nodes = append(nodes, m.Node)
		}
	}
	return nodes
}

// announce tells the others of names that clients of this node are about to have, and
// calls ready when they have heard it, at once if nothing is new. The names are held
// until they are released, which who calls it must do once the clients have them, but
// not if there is an error. need is the position that they must have heard of, 0 if
// nothing is new. The caller holds mu; ready is called with it.
func (n *filter) announce(hashes []uint64, end int64, ready func(need uint64)) error {
	if len(n.holds.list) >= maxHolds {
		return errHolds
	}
	need := n.names.own.Hold(hashes)
	if n.faults.skipHeard {
		need = 0
	}
	if need == 0 || n.stopped || n.heardUpTo(n.clock()) >= need {
		ready(need)
		return nil
	}
	if len(n.holds.list) == 0 || end < n.holds.next {
		n.holds.next = end
	}
	n.holds.list = append(n.holds.list, &hold{need: need, begun: n.clock(), end: end, ready: ready})
	return nil
}

// release ends what announce has begun. Any goroutine.
func (n *filter) release(hashes []uint64) {
	if n.names == nil {
		return
	}
	for _, h := range hashes {
		n.names.own.Gone(h)
	}
}

// look ends the waiting of those who have been heard, or whose time has come. The
// caller holds mu.
func (h *holds) look(n *filter, now int64) {
	if n.names == nil {
		return
	}
	all := n.heardUpTo(now)
	n.names.own.HeardBy(all)
	if len(h.list) == 0 || all == h.looked && now < h.next && !n.stopped {
		return
	}
	h.looked, h.next = all, math.MaxInt64
	var done []*hold
	h.list = slices.DeleteFunc(h.list, func(one *hold) bool {
		ends := one.need <= all || now >= one.end || n.stopped
		if ends {
			done = append(done, one)
		} else {
			h.next = min(h.next, one.end)
		}
		return ends
	})
	for _, one := range done {
		n.count.waits.Add(1)
		n.count.waited.Add(uint64(max(now-one.begun, 0)))
		one.ready(one.need)
	}
}

// hold is announce for who may wait: it returns when the clients may have the names.
// The release must be called after that, and not if there is an error.
func (n *caller) hold(ctx context.Context, uids, groups []string) (need uint64, release func(), err error) {
	if n.names == nil || len(uids)+len(groups) == 0 {
		return 0, func() {}, nil
	}
	list := hashes(n.names.hasher, uids, groups)
	park, wake := n.parking()
	heard := false
	n.mu.Lock()
	err = n.announce(list, n.clock()+n.patience(), func(at uint64) { need, heard = at, true; wake() })
	for err == nil && !heard {
		n.mu.Unlock()
		if g := groupOf(ctx); g != nil {
			g.waits()
		}
		park(ctx)
		n.mu.Lock()
		if !heard && ctx.Err() != nil {
			n.release(list)
			err = errUnheard
		}
	}
	n.mu.Unlock()
	if err != nil {
		return 0, nil, err
	}
	return need, func() { n.release(list) }, nil
}

// about are the hashes of names that clients of this node get by a request.
func (n *service) about(q *message.Request) []uint64 {
	switch {
	case n.names == nil:
	case q.Verb == message.VerbBind:
		return hashes(n.names.hasher, []string{q.UID}, q.To.Groups)
	case q.Verb == message.VerbJoin:
		return hashes(n.names.hasher, nil, q.To.Groups)
	}
	return nil
}
