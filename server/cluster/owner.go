package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

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
	losses  []loss             // of late
}

// loss is a process that was lost, and who tells of it. If that member is lost in its
// turn, another one tells: nobody knows whether it has.
type loss struct {
	member message.Member
	stamp  uint64
	teller message.Member
	at     int64
}

const (
	// lossMemory is how long a loss is remembered: by then its teller has written it down.
	lossMemory = time.Minute
	mostLosses = 256
)

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
func (n *Node) Tell(ctx context.Context, looks []gateway.UIDLook) (untold []gateway.UIDLook) {
	byOwner := map[message.Member][]gateway.UIDLook{}
	n.mu.Lock()
	for _, look := range looks {
		m, ok := n.uids.owner(n.roster, look.UID)
		if !ok || m == n.self {
			untold = append(untold, look)
			continue
		}
		byOwner[m] = append(byOwner[m], look)
	}
	n.mu.Unlock()
	for m, list := range byOwner {
		q := &message.Request{Verb: message.VerbLook}
		for _, look := range list {
			q.To.UIDs = append(q.To.UIDs, look.UID)
			q.Payload = appendLook(q.Payload, look)
		}
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

// codeNoEvents is the answer of a node that tells of no uids.
const codeNoEvents gateway.Code = "no_events"

// executeLook passes on what another node has seen. A node without events says
// nothing of uids; all nodes should have the same settings.
func (n *service) executeLook(q *message.Request) error {
	n.mu.Lock()
	w := n.uids.watcher
	n.mu.Unlock()
	if w == nil {
		return &gateway.Error{Code: codeNoEvents, Detail: "the node reports no uids"}
	}
	if len(q.Payload) != lookLen*len(q.To.UIDs) {
		return &gateway.Error{Code: gateway.CodeInvalidCursor, Detail: "a list of uids is incomplete"}
	}
	looks := make([]gateway.UIDLook, len(q.To.UIDs))
	for i, uid := range q.To.UIDs {
		b := q.Payload[lookLen*i:]
		looks[i] = gateway.UIDLook{UID: uid, Known: b[0] != 0, Stamp: binary.LittleEndian.Uint64(b[1:])}
	}
	w.Look(looks)
	return nil
}

// lookLen is how many bytes of a request say of a uid what UIDLook does.
const lookLen = 1 + 8

func appendLook(dst []byte, look gateway.UIDLook) []byte {
	known := byte(0)
	if look.Known {
		known = 1
	}
	return binary.LittleEndian.AppendUint64(append(dst, known), look.Stamp)
}

// changed tells of a view that has come after another. The caller holds mu.
func (o *uidOwners) changed(n *roster, was, v *message.View) {
	w := o.watcher
	if w == nil {
		return
	}
	o.lose(n, was, v)
	back := o.out
	o.out = false
	w.MembersChanged(o.mine(n, v), back)
}

// lose takes down who was lost between two views. A view of another chain comes after
// one that has members where those who would have had to decide have ended.
func (o *uidOwners) lose(n *roster, was, v *message.View) {
	now := n.clock()
	o.losses = slices.DeleteFunc(o.losses, func(l loss) bool {
		return now-l.at > int64(lossMemory) || slices.Contains(v.Members, l.member)
	})
	for _, m := range was.Members {
		p := n.peers[m]
		orderly := p != nil && p.beat.Gone // one that drains may be killed in the middle
		if slices.Contains(v.Members, m) || orderly || len(o.losses) == mostLosses {
			continue
		}
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%v %d %d", m, v.Chain, v.Epoch)
		o.losses = append(o.losses, loss{member: m, stamp: h.Sum64(), at: now})
	}
}

// mine returns the losses of which this node has to tell from now on.
func (o *uidOwners) mine(n *roster, v *message.View) (lost []gateway.LostNode) {
	for i := range o.losses {
		l := &o.losses[i]
		if slices.Contains(v.Members, l.teller) {
			continue
		}
		teller, ok := o.owner(n, l.member.String())
		if !ok {
			continue
		}
		if l.teller = teller; teller == n.self {
			lost = append(lost, gateway.LostNode{Node: l.member.Node, Instance: l.member.Instance, Stamp: l.stamp})
		}
	}
	return lost
}
