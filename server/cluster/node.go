package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

var (
	_ gateway.Cluster = (*Node)(nil)
	_ Local           = (*Node)(nil)
)

// Node is one member of a cluster, or one that would like to be: the verbs of a
// gateway. It stands on what knows the members (roster) and what asks them (caller).
// Its methods may be called from any goroutine.
type Node struct {
	*caller
	*historian
	local   gateway.Home
	owned   *exclusives
	service *service
	lister  *lister
	lanes   executor

	ended chan struct{}
	ticks sync.WaitGroup
}

// New returns a node that is outside of any view and does nothing before Start or
// Tick. It registers itself with the transport.
func New(c Config) (*Node, error) {
	switch {
	case c.Instance == 0 || c.Instance >= 1<<48:
		return nil, fmt.Errorf("instance %x is not between 1 and 2^48-1", c.Instance)
	case c.Lease < MinLease || c.Lease > MaxLease:
		return nil, fmt.Errorf("a lease of %v is not between %v and %v", c.Lease, MinLease, MaxLease)
	case len(c.Keys) == 0:
		return nil, fmt.Errorf("a cluster needs a secret")
	}
	calls, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	n := &Node{caller: calls, local: c.Local, ended: make(chan struct{})}
	asked := c.Local.Peers()
	n.owned = &exclusives{caller: calls, asked: asked, claims: map[string]claim{}}
	n.service = &service{caller: calls, asked: asked, owned: n.owned, timeout: func(d time.Duration) (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), d)
	}}
	n.lister, n.historian = &lister{calls, asked}, &historian{calls, c.Local}
	n.setLanes(newLanes())
	n.changed, n.came = n.lookAtCalls, n.owned.owe
	n.forgotten = func(m message.Member) { n.lanes.drop(m) }
	c.Transport.Receive(n.receive)
	return n, nil
}

// setLanes sets who carries out what other nodes have asked for.
func (n *Node) setLanes(e executor) { n.lanes, n.owned.lanes, n.service.lanes = e, e, e }

// startOf is how client ids have an instance.
func startOf(instance uint64) (start [6]byte) {
	for i := range start {
		start[i] = byte(instance >> (40 - 8*i))
	}
	return start
}

// Start is the number that client ids of this process must carry, see
// server.SharedIDs.
func (c *Config) Start() [6]byte { return startOf(c.Instance) }

// tickEvery is how often deadlines are looked at.
const tickEvery = 20 * time.Millisecond

// Start sends heartbeats and looks at deadlines until Close. address is where this
// node's control API is, as the others are told.
func (n *Node) Start(address string) {
	n.mu.Lock()
	n.address = address
	n.mu.Unlock()
	n.ticks.Go(func() {
		t := time.NewTicker(tickEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				n.Tick()
			case <-n.ended:
				return
			}
		}
	})
	if n.names != nil {
		n.ticks.Go(n.tellAll)
	}
}

// tellAll tells the others of names as they change, until Close.
func (n *Node) tellAll() {
	for {
		select {
		case <-n.names.woken:
		case <-n.ended:
			return
		}
		n.mu.Lock()
		n.tellNames()
		n.mu.Unlock()
		time.Sleep(tellEvery)
	}
}

// Tick does what is due. Start calls it; tests in virtual time call it themselves.
func (n *Node) Tick() {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clock()
	if n.stopped {
		return
	}
	n.lookAtLink(now)
	n.forget(now)
	if n.nextBeat <= now {
		n.beat(now)
	}
	n.considerView(now)
	n.tellNames()
	n.lookAtNames(now)
	n.holds.look(n.filter, now)
	n.lookAtCalls(now)
	n.owned.sweep(now)
}

// lookAtLink notes since when the transport is up, and since when this node hears the
// others: it did not while it was stopped, either.
func (n *Node) lookAtLink(now int64) {
	switch up := n.link.Up(); {
	case up && n.upSince == 0:
		n.upSince, n.hearsSince = now, now
	case !up && n.upSince != 0:
		n.upSince = 0
	case now-n.tickedAt > n.lease/2:
		n.hearsSince = now
	}
	n.tickedAt = now
}

// Drain tells the others that this node is about to end. Its own answers are
// incomplete from then on, and once it is silent nobody waits for its lease.
func (n *Node) Drain() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.draining {
		return
	}
	n.draining = true
	n.log.Info("leaving the cluster", "view", viewText(&n.view))
	n.beat(n.clock())
	n.uids.changed(n.roster, &n.view, &n.view)
}

// goodbyeTime is how long Close waits for the others to agree on a view without this
// node, as a vote may need it.
const goodbyeTime = 500 * time.Millisecond

// Close leaves the cluster and ends what Start has begun. Calls that are under way
// end incomplete. Close does not close the transport.
func (n *Node) Close() {
	alone := n.goodbye()
	for end := time.Now().Add(goodbyeTime); !alone && time.Now().Before(end); time.Sleep(time.Millisecond) {
		n.mu.Lock()
		alone = n.view.Chain == 0
		n.mu.Unlock()
	}
	n.mu.Lock()
	first := !n.stopped
	n.stopped = true
	for _, c := range n.calls {
		n.abandon(c)
	}
	n.holds.look(n.filter, n.clock())
	n.mu.Unlock()
	if first {
		close(n.ended)
	}
	n.ticks.Wait()
	n.lanes.end()
}

// goodbye tells the others that this node ends now. alone says that nobody is there
// who has to agree on a view without it.
func (n *Node) goodbye() (alone bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.draining, n.gone = true, true
	n.beat(n.clock())
	return n.view.Chain == 0 || len(n.view.Members) < 2 || n.upSince == 0
}

// Joined implements gateway.Cluster.
func (n *Node) Joined() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.whole && n.met {
		now := n.clock()
		l := n.lacks(now)
		deaf := slices.ContainsFunc(n.others(), func(m message.Member) bool { return n.peers[m] == nil || !n.peers[m].knows })
		n.whole = l.none() && !deaf || now-n.metAt >= 2*n.lease
	}
	return n.whole
}

// Draining tells whether Drain or Close has been called.
func (n *Node) Draining() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.draining
}

// faults are mistakes that a node makes on purpose: tests show with them that they
// would find such a mistake. Nobody else sets them.
type faults struct {
	ignoreLease    bool // answers are complete without the leases of all members
	dismissEarly   bool // votes are given before a lease that was granted is over
	skipReply      bool // the last answer of each call is not waited for
	ignoreDeadline bool // requests are carried out however late they come
	ignoreRepeats  bool // and however often
	noReconcile    bool // exclusive binds are not told to nodes that come back
	noStamp        bool // of two exclusive binds, the one that comes later wins
	skipHeard      bool // binds do not wait until others have heard of the names
	ignoreGap      bool // changes of another node's names that are missing are not missed
}
