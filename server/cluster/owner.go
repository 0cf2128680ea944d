package cluster

import (
	"context"
	"hash/fnv"
	"slices"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

var _ gateway.UIDCluster = (*Node)(nil)

// uidOwners has one member say of each uid whether it is online: the one that ranks
// highest for it among those that stay (rendezvous hashing), so that a member that
// comes or goes moves only its share.
type uidOwners struct {
	watcher gateway.UIDWatcher // nil: nobody wants to know
	out     bool               // this node has left a chain of views with its clients
}

// WatchUIDs implements gateway.UIDCluster.
func (n *Node) WatchUIDs(w gateway.UIDWatcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.uids.watcher = w
}

// weight is how high a member ranks for a name.
func weight(name string, m message.Member) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	x := h.Sum64() ^ (uint64(m.Node)<<48 ^ m.Instance)
	x ^= x >> 33 // finalizer of MurmurHash3: FNV's last bytes hardly reach the high bits
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// owner is the member that says something of a name; ok is false outside of a view.
// The caller holds mu.
func (o *uidOwners) owner(n *roster, name string) (best message.Member, ok bool) {
	highest := uint64(0)
	for _, m := range n.view.Members {
		if m == n.self && n.draining {
			continue
		}
		if p := n.peers[m]; p != nil && m != n.self && (p.beat.Draining || p.beat.Gone) {
			continue
		}
		if w := weight(name, m); !ok || w > highest {
			best, highest, ok = m, w, true
		}
	}
	return best, ok && n.view.Chain != 0
}

// Mine implements gateway.UIDCluster.
func (n *Node) Mine(uid string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, ok := n.uids.owner(n.roster, uid)
	return ok && m == n.self
}

// Tell implements gateway.UIDCluster.
func (n *Node) Tell(ctx context.Context, uids []string, known bool) (untold []string) {
	byOwner := map[message.Member][]string{}
	n.mu.Lock()
	for _, uid := range uids {
		m, ok := n.uids.owner(n.roster, uid)
		if !ok || m == n.self {
			untold = append(untold, uid)
			continue
		}
		byOwner[m] = append(byOwner[m], uid)
	}
	n.mu.Unlock()
	for m, list := range byOwner {
		q := &message.Request{Verb: message.VerbLook, To: gateway.Targets{UIDs: list}, Binary: known}
		c, err := n.begin(ctx, q, []message.Member{m}, nil)
		if err != nil {
			untold = append(untold, list...)
			continue
		}
		c.finish(ctx)
		if one := &c.asked[0]; one.state != answered || refusal(&one.reply) {
			untold = append(untold, list...)
		}
	}
	return untold
}

// executeLook passes on what another node has seen. A node without events says
// nothing of uids; all nodes should have the same settings.
func (n *service) executeLook(q *message.Request) error {
	n.mu.Lock()
	w := n.uids.watcher
	n.mu.Unlock()
	if w == nil {
		return &gateway.Error{Code: "no_events", Detail: "the node tells of no uids"}
	}
	w.Look(q.To.UIDs, q.Binary)
	return nil
}

// changed tells of a view that has come after another. The caller holds mu.
func (o *uidOwners) changed(n *roster, was, v *message.View) {
	w := o.watcher
	if w == nil {
		return
	}
	var lost []gateway.LostNode
	for _, m := range was.Members {
		p := n.peers[m]
		orderly := p != nil && (p.beat.Draining || p.beat.Gone)
		if was.Chain != v.Chain || slices.Contains(v.Members, m) || orderly {
			continue
		}
		if teller, ok := o.owner(n, m.String()); ok && teller == n.self {
			lost = append(lost, gateway.LostNode{Node: m.Node, Instance: m.Instance})
		}
	}
	back := o.out
	o.out = false
	w.MembersChanged(lost, back)
}
