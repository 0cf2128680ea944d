package cluster

import (
	"context"
	"slices"
	"time"

	"castgate/server/cluster/internal/message"
)

// beat tells everybody how this node is. The caller holds mu.
func (n *roster) beat(now int64) {
	n.nextBeat = now + n.lease/beatsPerLease
	h := message.Heartbeat{
		Stamp: now, Wall: n.wall(), HLC: n.hlc.Load(), View: n.view, Seen: n.seen, Draining: n.draining, Gone: n.gone,
		Lease: n.lease, Release: n.config.Release, Address: n.address, Peer: n.peerPrefix, Host: n.config.Host,
	}
	n.beating(&h)
	if st, err := n.local.Stats(context.Background()); err == nil {
		n.clients = uint64(st.Connections)
		h.Clients = n.clients
	}
	for m, p := range n.peers {
		if p.version != 0 || len(h.Echoes) == 2*message.MaxMembers {
			continue
		}
		e := message.Echo{Of: m, Stamp: p.beat.Stamp, Held: now - p.heardAt, Names: p.names.Position()}
		if e.Granted = n.member(m) && !n.vote.excludes(m) && p.beat.View.Chain == n.view.Chain; e.Granted {
			lease := max(n.lease, p.beat.Lease)
			p.grantUntil = max(p.grantUntil, p.heardAt+lease+lease/32)
		}
		if h.Echoes = append(h.Echoes, e); p.echoedAt == 0 {
			p.echoedAt = now
		}
	}
	slices.SortFunc(h.Echoes, func(a, b message.Echo) int { return a.Of.Compare(b.Of) })
	n.sendAll(message.KindHeartbeat, h.Append)
}

// onHeartbeat takes in what another process says of itself. The caller holds mu.
func (n *roster) onHeartbeat(from message.Member, h *message.Heartbeat, now int64) {
	p := n.peers[from]
	if p == nil {
		if len(n.peers) >= 2*message.MaxMembers {
			n.complain("many", "more processes than a cluster can have; one is ignored", "node", from.String())
			return
		}
		p = &peer{member: from, namesKey: -1}
		n.peers[from] = p
		n.log.Info("heard a node", "node", from.Node, "instance", from.String(), "address", h.Address, "version", h.Release)
		n.nextBeat = now // so that it hears of itself
	}
	if h.Stamp <= p.beat.Stamp && p.beats > 0 {
		return // it comes late, or again
	}
	if h.View.Chain == n.view.Chain && p.beat.View.Chain != n.view.Chain {
		n.nextBeat = now // it has come in, and waits for its lease
	}
	echoes := h.Echoes
	p.beat, p.heardAt, p.version = *h, now, 0
	p.beat.Echoes = nil
	p.beats++
	n.heard(h.HLC)
	n.lead((h.Wall - n.wall()) / int64(time.Millisecond))
	if h.Lease != n.lease {
		n.complain("lease", "another node has another cluster-lease; set the same on all", "node", from.Node, "lease", duration(h.Lease).String())
	}
	n.follow(p, now)
	for _, e := range echoes {
		if e.Of != n.self {
			continue
		}
		p.heardUpTo = max(p.heardUpTo, e.Names)
		p.knows = p.knows || p.echoedAt != 0 && e.Stamp >= p.echoedAt
		p.measure(now, e.Stamp, e.Held, h.Stamp)
		if e.Granted && n.view.Chain != 0 && h.View.Chain == n.view.Chain && h.View.Epoch >= n.joinedAt {
			p.leaseUntil = max(p.leaseUntil, e.Stamp+n.lease)
		}
	}
	n.beaten(p, now)
	n.checkDuplicate(p)
	if n.departed(from, now) {
		n.considerView(now)
	}
	n.changed(now)
}

// checkDuplicate complains if another live process has this node's number. The
// caller holds mu.
func (n *roster) checkDuplicate(p *peer) {
	if p.member.Node != n.self.Node || p.beats < 2 || n.met || p.beat.Draining {
		return
	}
	if p.beat.View.Chain == 0 && p.member.Instance > n.self.Instance {
		return // both begin; it is the other that has to give way
	}
	if n.config.Duplicate != nil {
		other := p.member.String()
		if p.beat.Address != "" {
			other += " at " + p.beat.Address
		}
		go n.config.Duplicate(other)
		n.config.Duplicate = nil
	}
	n.complain("duplicate", "another process has this node's number; this one stays outside of the cluster", "other", p.member.String(), "address", p.beat.Address)
}

// duplicated tells whether another live process has this node's number and came
// first. The caller holds mu.
func (n *roster) duplicated(now int64) bool {
	for _, p := range n.peers {
		if p.member.Node == n.self.Node && !n.suspect(p, now) && (p.beat.View.Chain != 0 || p.member.Instance < n.self.Instance) {
			return true
		}
	}
	return false
}
