package cluster

import (
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/cluster/internal/names"
)

// peer is what this node knows of another process. Guarded by Node.mu.
type peer struct {
	member  message.Member
	beat    message.Heartbeat // its latest; Echoes is nil
	heardAt int64             // when it came
	version uint8             // of its protocol, if it is another one
	beats   int               // how many were heard

	// leaseUntil is until when it counts this node as alive, grantUntil until when this
	// node counts it so, both by this node's clock.
	leaseUntil, grantUntil int64

	// ahead is an upper bound of its clock less this node's, measured at aheadAt.
	known   bool
	ahead   int64
	aheadAt int64
	lag     int64 // shortest time from a heartbeat to its echo, less what it was held

	// echoedAt is when it was first sent an echo of its own; knows says that it has that:
	// until then it refuses requests, as it can't tell whether they come late.
	echoedAt int64
	knows    bool

	requests window // of its requests

	names     names.Copy
	namesKey  int    // of Config.Keys, under which they are hashed; -1: none of them
	heardUpTo uint64 // position of this node's names that it has heard of
	askedAt   int64  // when it was asked for missing names
}

// drift is by how much clocks may run apart, as a fraction: what the kernel corrects
// a clock by is 500 ppm at most (adjtimex(2)); twice that, for two clocks.
const drift = 1000

// measure learns from an echo: a heartbeat of this node of the time stamp has come
// there, was held, and then the peer has sent its own of the time theirs.
func (p *peer) measure(now, stamp, held, theirs int64) {
	if round := now - stamp - held; round >= 0 && (p.lag == 0 || round < p.lag) {
		p.lag = round
	}
	// When this node's clock showed stamp, the peer's showed theirs-held at most.
	if bound := theirs - held - stamp; !p.known || bound <= p.ahead+(now-p.aheadAt)/drift {
		p.known, p.ahead, p.aheadAt = true, bound, now
	}
}

// latest is the latest that the peer's clock can show now.
func (p *peer) latest(now int64) int64 {
	return now + p.ahead + (now-p.aheadAt)/drift
}

// suspect tells whether a peer has not been heard for half a lease, or has said that it
// ends.
func (n *roster) suspect(p *peer, now int64) bool {
	return p == nil || now-p.heardAt > n.lease/2 || p.beat.Gone
}

// departed tells whether a member has certainly ended, has given up its lease and is
// silent, or has left the view by itself. The caller holds mu.
func (n *roster) departed(m message.Member, now int64) bool {
	p := n.peers[m]
	switch {
	case p == nil: // it has ended before this node could hear it
		return now-n.viewFrom > n.lease && n.succeeded(m, n.viewFrom, now)
	case n.strayed(m), p.beat.Gone, p.beat.Draining && now-p.heardAt > n.lease/2:
		return true
	case now-p.heardAt <= n.lease/2:
		return false
	}
	return n.config.Ended != nil && p.beat.Host != "" && n.config.Ended(p.beat.Host) || n.succeeded(m, p.heardAt, now)
}

// succeeded tells whether another process has taken a member's number after the
// member was heard last: processes with the same number do not live at the same time.
func (n *roster) succeeded(m message.Member, heard, now int64) bool {
	for other, p := range n.peers {
		if other.Node == m.Node && other != m && !n.suspect(p, now) && p.heardAt > heard+n.lease {
			return true
		}
	}
	return false
}

// keepPeer is for how many leases a silent process that is no member is remembered.
const keepPeer = 4

// forget drops processes that were not heard for long. The caller holds mu.
func (n *roster) forget(now int64) {
	for m, p := range n.peers {
		if now-p.heardAt > keepPeer*n.lease && !n.member(m) {
			delete(n.peers, m)
			n.forgotten(m)
		}
	}
}

// member tells whether m is in the view. The caller holds mu.
func (n *roster) member(m message.Member) bool {
	for _, one := range n.view.Members {
		if one == m {
			return n.view.Chain != 0
		}
	}
	return false
}

// state is that of a peer in gateway.NodeInfo. The caller holds mu.
func (n *roster) state(p *peer, now int64) string {
	switch {
	case p.version != 0:
		return "version"
	case p.beat.Draining:
		return "draining"
	case n.member(p.member) && n.suspect(p, now):
		return "suspect"
	case n.member(p.member):
		return "member"
	case p.beat.View.Chain == 0:
		return "joining"
	case p.beat.View.Chain == n.view.Chain:
		return "joining" // it has not heard yet that it is out
	}
	return "foreign"
}

// duration is a number of nanoseconds that is not negative.
func duration(n int64) time.Duration { return time.Duration(max(n, 0)) }

// window tells which sequence numbers of one sender have come before. Numbers more
// than windowLen below the highest are taken for old.
type window struct {
	highest uint64
	seen    [windowLen / 64]uint64
}

const windowLen = 8192

// first tells whether a number comes for the first time, and notes it.
func (w *window) first(seq uint64) bool {
	switch {
	case seq > w.highest:
		if seq-w.highest >= windowLen {
			clear(w.seen[:])
		} else {
			for s := w.highest + 1; s < seq; s++ {
				w.seen[s/64%uint64(len(w.seen))] &^= 1 << (s % 64)
			}
		}
		w.highest = seq
	case w.highest-seq >= windowLen, w.seen[seq/64%uint64(len(w.seen))]>>(seq%64)&1 == 1:
		return false
	}
	w.seen[seq/64%uint64(len(w.seen))] |= 1 << (seq % 64)
	return true
}
