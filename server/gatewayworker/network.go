package gatewayworker

import (
	"net/netip"
	"slices"

	"castgate/server/internal/quota"
)

// network is what events are shared by before they are shared by client: the clients
// of one IPv4 address, or of one /64 of IPv6, that have events waiting. Who connects
// again and again is a client of its own each time, but one network. Behind a proxy
// that does not tell of addresses all clients are one. It is there only while it has
// backlogs or lanes. Guarded by eventQueue.mu.
type network struct {
	key      uint64 // see quota.Network
	backlogs int
	bytes    int     // of events in them
	lanes    []*lane // of workers for whom it has events
	next     *network
}

func (n *network) behind() **network { return &n.next }

// lane is the clients of one network whose events wait for one worker. They are
// served in turn, and so are the lanes of a worker. Guarded by eventQueue.mu.
type lane struct {
	network *network
	worker  *worker
	rota[*backlog]
	owed int // turns that it has had in advance
	next *lane
}

func (l *lane) behind() **lane { return &l.next }

// rota says who is next: who begins to wait goes first, but every other turn is of
// those who wait for longer.
type rota[E link[E]] struct {
	quick   line[E] // those that were not waiting before
	line    line[E] // those that have had their first turn
	hurried bool    // the last turn was one of quick
}

func (t *rota[E]) idle() bool { return t.quick.empty() && t.line.empty() }

// take returns whose turn it is, nil if there is nobody, and whether it is the first
// one of those who wait.
func (t *rota[E]) take() (e E, first bool) {
	t.hurried = !t.quick.empty() && (!t.hurried || t.line.empty())
	if t.hurried {
		return t.quick.pop(), true
	}
	return t.line.pop(), false
}

// network returns one by its key, which it makes if need be. The caller holds mu.
func (q *eventQueue) network(key uint64) *network {
	n := q.networks[key]
	if n == nil {
		if n = q.spareNetworks.take(); n == nil {
			n = new(network)
		}
		n.key = key
		q.networks[key] = n
	}
	return n
}

// networksWaiting is how many networks have events waiting.
func (q *eventQueue) networksWaiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.networks)
}

// enlist puts a backlog into its network's lane of a worker. The caller holds mu.
func (q *eventQueue) enlist(b *backlog, w *worker) {
	n := b.network
	i := slices.IndexFunc(n.lanes, func(l *lane) bool { return l.worker == w })
	if i < 0 {
		l := q.spareLanes.take()
		if l == nil {
			l = new(lane)
		}
		l.network, l.worker = n, w
		i, n.lanes = len(n.lanes), append(n.lanes, l)
		w.lanes.quick.push(l)
	}
	n.lanes[i].quick.push(b)
}

// leave takes a lane away that is in no line, and nobody in it. The caller holds mu.
func (q *eventQueue) leave(l *lane) {
	n := l.network
	i := slices.Index(n.lanes, l)
	n.lanes[i] = n.lanes[len(n.lanes)-1]
	n.lanes = slices.Delete(n.lanes, len(n.lanes)-1, len(n.lanes))
	*l = lane{}
	q.spareLanes.keep(l)
	q.abandon(n)
}

// disband has the inner loop find new places for all whose events wait for a worker.
func (q *eventQueue) disband(w *worker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, lanes := range []*line[*lane]{&w.lanes.line, &w.lanes.quick} {
		for l := lanes.pop(); l != nil; l = lanes.pop() {
			q.relist(&l.line)
			q.relist(&l.quick)
			q.leave(l)
		}
	}
}

// abandon takes a network away that has nothing left. The caller holds mu.
func (q *eventQueue) abandon(n *network) {
	if n.backlogs == 0 && len(n.lanes) == 0 {
		delete(q.networks, n.key)
		*n = network{lanes: n.lanes}
		q.spareNetworks.keep(n)
	}
}

// networkOf is the key of the network of the client that a frame is about. The frames
// of IPv6 clients do not tell of it: they count as one.
func networkOf(frame []byte) uint64 {
	return quota.Network(netip.AddrFrom4([4]byte(frame[11:15])))
}
