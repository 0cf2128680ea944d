package cluster

import (
	"fmt"
	"slices"
	"strings"

	"castgate/server/cluster/internal/message"
)

// install makes a view that was decided this node's own. The caller holds mu.
func (n *roster) install(v message.View, now int64) {
	was := n.view
	if was.Chain != v.Chain {
		n.joinedAt = v.Epoch
		for _, p := range n.peers {
			p.leaseUntil = 0
		}
	}
	n.view, n.vote, n.proposal, n.needFrom, n.round, n.viewFrom = v, vote{}, nil, 0, 0, now
	if !n.met {
		n.met, n.metAt = true, now
	}
	if n.watch != nil {
		n.watch(v)
	}
	n.uids.changed(n, &was, &v)
	n.count.views.Add(1)
	for _, m := range v.Members {
		if m != n.self && !contains(&was, m) {
			n.came(m)
		}
	}
	n.log.Info("the cluster has changed", "nodes", viewText(&v), "epoch", v.Epoch, "joined", nodesNotIn(&v, &was), "left", nodesNotIn(&was, &v))
	n.beat(now)
	n.changed(now)
}

// nodesNotIn lists the nodes of a that are not members of b.
func nodesNotIn(a, b *message.View) string {
	var v message.View
	for _, m := range a.Members {
		if !contains(b, m) {
			v.Members = append(v.Members, m)
		}
	}
	return viewText(&v)
}

// viewText is the nodes of a view, as log lines have them.
func viewText(v *message.View) string {
	var names []string
	for _, m := range v.Members {
		names = append(names, fmt.Sprint(m.Node))
	}
	return strings.Join(names, ",")
}

// follow takes over a later view of this node's chain, or leaves a chain for one
// that is larger. The caller holds mu.
func (n *roster) follow(p *peer, now int64) {
	h := &p.beat
	switch {
	case n.gone:
		return
	case h.View.Chain == 0:
		if v := h.Seen; v.Chain != 0 && v.Chain == n.view.Chain && v.Epoch > n.view.Epoch {
			n.goTo(v, now)
		}
		return
	case n.view.Chain == 0:
		if contains(&h.View, n.self) && h.View.Epoch > n.left[h.View.Chain] {
			n.install(h.View, now)
		}
	case h.View.Chain == n.view.Chain:
		if h.View.Epoch <= n.view.Epoch {
			return
		}
		n.goTo(h.View, now)
	case n.vote.voted && n.vote.next.Chain == h.View.Chain && contains(&h.View, n.self):
		n.install(h.View, now)
	case better(&h.View, &n.view):
		n.log.Warn("met a larger cluster; this node joins it", "was", viewText(&n.view), "is", viewText(&h.View))
		n.leaveChain(n.view, now)
	}
}

// goTo takes over a later view of this node's chain. The caller holds mu.
func (n *roster) goTo(v message.View, now int64) {
	if contains(&v, n.self) {
		n.install(v, now)
		return
	}
	n.log.Warn("the other nodes have gone on without this one; it joins again", "was", viewText(&n.view), "is", viewText(&v))
	n.leaveChain(v, now)
}

// leaveChain makes this node one that is outside, until there is a view with it
// after seen. The caller holds mu.
func (n *roster) leaveChain(seen message.View, now int64) {
	if len(n.left) > 64 {
		clear(n.left)
	}
	n.left[seen.Chain], n.seen = seen.Epoch, seen
	n.uids.out = true
	n.view, n.vote, n.proposal, n.needFrom = message.View{}, vote{}, nil, 0
	for _, p := range n.peers {
		p.leaseUntil = 0
	}
	n.count.views.Add(1)
	n.beat(now)
}

// better tells which of two chains goes on where they meet: the one with more
// members.
func better(a, b *message.View) bool {
	if len(a.Members) != len(b.Members) {
		return len(a.Members) > len(b.Members)
	}
	return a.Chain < b.Chain
}

func contains(v *message.View, m message.Member) bool { return slices.Contains(v.Members, m) }
