package cluster

import (
	"slices"

	"castgate/server/cluster/internal/message"
)

// lacking is why an answer given now is not complete.
type lacking struct {
	nodes []uint16
	// outside: this node has no view, or knows that it may be voted out.
	outside bool
	// soon says that all members are heard, so that what is missing may come within a
	// heartbeat or two.
	soon bool
}

func (l *lacking) none() bool { return !l.outside && len(l.nodes) == 0 }

func (l *lacking) add(node uint16) {
	if !slices.Contains(l.nodes, node) {
		l.nodes = append(l.nodes, node)
	}
}

// lacks tells which members have not granted this node a lease that still holds. The
// caller holds mu.
func (n *roster) lacks(now int64) (l lacking) {
	l.soon = n.upSince != 0 && !n.draining && n.view.Chain != 0 && !n.vote.excludes(n.self)
	l.outside = !l.soon
	for _, m := range n.view.Members {
		if m == n.self {
			continue
		}
		p := n.peers[m]
		if p == nil || (p.leaseUntil <= now && !n.faults.ignoreLease) || n.upSince == 0 {
			l.add(m.Node)
			l.soon = l.soon && !n.suspect(p, now)
		}
	}
	if n.view.Chain == 0 {
		for m := range n.peers {
			if m.Node != n.self.Node {
				l.add(m.Node)
			}
		}
		return l
	}
	for m, p := range n.peers {
		// One that is heard and belongs to another cluster may have clients that
		// nobody here asks for.
		foreign := p.version != 0 || p.beat.View.Chain != 0 && p.beat.View.Chain != n.view.Chain
		if foreign && !n.member(m) && !n.suspect(p, now) && m.Node != n.self.Node {
			l.add(m.Node)
			l.soon = l.soon && p.version == 0
		}
	}
	return l
}

// holdsLease tells whether an answer given now would be complete, as far as this
// node's own standing goes.
func (n *roster) holdsLease() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.lacks(n.clock())
	return l.none()
}

// secure tells whether this node can't have been voted out: those who have granted
// it no lease are not enough for that.
func (n *roster) secure() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clock()
	free := map[message.Member]bool{}
	for _, m := range n.view.Members {
		if p := n.peers[m]; m != n.self && (p == nil || p.leaseUntil <= now) {
			free[m] = true
		}
	}
	return n.view.Chain != 0 && (!quorum(&n.view, free) && !n.vote.excludes(n.self) || n.faults.ignoreLease)
}

// leaseLeft is for how long this node holds the leases of all members.
func (n *roster) leaseLeft(now int64) int64 {
	left := n.lease
	for _, m := range n.view.Members {
		if p := n.peers[m]; p != nil {
			left = min(left, p.leaseUntil-now)
		} else if m != n.self {
			left = 0
		}
	}
	return max(left, 0)
}

// quorum tells whether votes decide for the members of a view: more than half of
// them, or half with the lowest one.
func quorum(v *message.View, votes map[message.Member]bool) bool {
	n := 0
	for _, m := range v.Members {
		if votes[m] {
			n++
		}
	}
	return 2*n > len(v.Members) || 2*n == len(v.Members) && n > 0 && votes[v.Members[0]]
}
