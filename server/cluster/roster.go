package cluster

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// roster knows who belongs to the cluster: the processes that are heard, the view,
// and the vote on the next one.
type roster struct {
	*carrier
	local      gateway.Gateway
	lease      int64        // Config.Lease
	peerPrefix string       // of this node's client ids, if they are those of GatewayWorker
	wall       func() int64 // Unix time in nanoseconds
	hlc        atomic.Uint64
	ahead      atomic.Int64 // of this node's wall clock, see now

	// What others are told, with mu held: of a change that may end calls, of a member
	// that is new, and of a process that is not remembered any more. watch is for
	// tests; it is told of each view and may be nil. beating adds to a heartbeat, beaten
	// is told of one that was heard.
	beating   func(h *message.Heartbeat)
	beaten    func(p *peer, now int64)
	changed   func(now int64)
	came      func(m message.Member)
	forgotten func(m message.Member)
	watch     func(v message.View)
	uids      uidOwners

	// Guarded by mu.
	rng      *rand.Rand
	peers    map[message.Member]*peer // that were heard of late
	view     message.View             // Chain 0: outside
	seen     message.View             // see message.Heartbeat
	joinedAt uint64                   // epoch at which this node joined the chain
	vote     vote                     // on the next view
	proposal *proposal
	round    uint64            // highest of any ballot on the next view
	left     map[uint64]uint64 // chains that this node has left, and after which epoch
	viewFrom int64             // since when the view is this one
	needFrom int64             // since when the view should change; 0: it should not
	nextBeat int64
	upSince  int64 // since when the transport is up; 0: it is not
	tickedAt int64 // when this node last looked at it
	// hearsSince is since when this node hears the others. What they did not say for
	// less than a lease after it is no evidence that they are dead.
	hearsSince int64
	met        bool // has been a member
	// whole: since it is one, all members have been heard and have heard this node, or
	// two leases have passed: by then, one that is silent is out, or nobody decides that.
	whole    bool
	metAt    int64
	draining bool
	gone     bool
	address  string // of the control API
	clients  uint64 // of this node, at the last heartbeat
}

func newRoster(c Config) *roster {
	return &roster{
		carrier: newCarrier(c), local: c.Local, lease: int64(c.Lease), wall: func() int64 { return time.Now().UnixNano() },
		rng:   rand.New(rand.NewPCG(c.Instance, uint64(c.Node))),
		peers: map[message.Member]*peer{}, left: map[uint64]uint64{},
	}
}

// now is a reading of the hybrid logical clock (Kulkarni et al., 2014) that is later
// than all before and all that were heard of: milliseconds and a counter of 16 bits.
// The milliseconds are those of the wall clock that is most ahead of all, as far as it
// was heard; so a node whose clock is behind keeps up with the others while it does
// not hear them.
func (n *roster) now() uint64 {
	wall := uint64(max(n.milliseconds()+n.ahead.Load(), 0)) << 16
	for {
		old := n.hlc.Load()
		next := max(old+1, wall)
		if n.hlc.CompareAndSwap(old, next) {
			return next
		}
	}
}

func (n *roster) milliseconds() int64 { return n.wall() / int64(time.Millisecond) }

// heard moves the hybrid logical clock to a reading of another node.
func (n *roster) heard(hlc uint64) {
	n.lead(int64(hlc>>16) - n.milliseconds())
	for {
		old := n.hlc.Load()
		if hlc <= old || n.hlc.CompareAndSwap(old, hlc) {
			return
		}
	}
}

// lead notes that a clock is so many milliseconds ahead.
func (n *roster) lead(ahead int64) {
	for {
		old := n.ahead.Load()
		if ahead <= old || n.ahead.CompareAndSwap(old, ahead) {
			return
		}
	}
}

// others are the members of the view but this one. The caller holds mu.
func (n *roster) others() []message.Member {
	return slices.DeleteFunc(slices.Clone(n.view.Members), func(m message.Member) bool { return m == n.self })
}
