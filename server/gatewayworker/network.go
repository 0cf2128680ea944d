package gatewayworker

import (
	"net/netip"
	"slices"

	"castgate/server/internal/quota"
)

// network is the clients of one IPv4 address, or of one /64 of IPv6, that have
// waiting events. Events are shared out by network first and then by client. A
// client that reconnects again and again is a new client each time, but the same
// network. Behind a proxy that does not forward addresses all clients are one
// network. A network exists only while it has backlogs or lanes. It is guarded by
// eventQueue.mu.
type network struct {
	key      uint64 // see quota.Network
	backlogs int
	bytes    int     // of its events
	asked    bool    // a client of it waits for room to be admitted
	lanes    []*lane // for the workers for which it has events
	next     *network
}

func (n *network) behind() **network { return &n.next }

// lane is the clients of one network whose events wait for one worker. They are
// served in turn, and so are the lanes of a worker. It is guarded by eventQueue.mu.
type lane struct {
	network *network
	worker  *worker
	rota[*backlog]
	owed int // turns that it has had in advance
	next *lane
}

func (l *lane) behind() **lane { return &l.next }

// rota decides who is next. A newcomer goes first, but every other turn belongs to
// those who have waited longer.
type rota[E link[E]] struct {
	quick   line[E] // newcomers
	line    line[E] // those that have had their first turn
	hurried bool    // the last turn was a newcomer's
}

func (t *rota[E]) idle() bool { return t.quick.empty() && t.line.empty() }

// pick returns whose turn it is, nil if nobody waits, and whether it is a newcomer.
func (t *rota[E]) pick() (e E, first bool) {
	t.hurried = !t.quick.empty() && (!t.hurried || t.line.empty())
	if t.hurried {
		return t.quick.pop(), true
	}
	return t.line.pop(), false
}

// network returns the network of a key, and makes it if there is none. The caller
// holds mu.
func (q *eventQueue) network(key uint64) *network {
	n := q.networks[key]
	if n == nil {
		if n = q.spareNetworks.get(); n == nil {
			n = new(network)
		}
		n.key = key
		q.networks[key] = n
	}
	return n
}

// networksWaiting is the number of networks with waiting events.
func (q *eventQueue) networksWaiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.networks)
}

// enlist puts a backlog into its network's lane for a worker. The caller holds mu.
func (q *eventQueue) enlist(b *backlog, w *worker) {
	n := b.network
	i := slices.IndexFunc(n.lanes, func(l *lane) bool { return l.worker == w })
	if i < 0 {
		l := q.spareLanes.get()
		if l == nil {
			l = new(lane)
		}
		l.network, l.worker = n, w
		i, n.lanes = len(n.lanes), append(n.lanes, l)
		w.lanes.quick.push(l)
	}
	n.lanes[i].quick.push(b)
}

// leave removes an empty lane that is in no line. The caller holds mu.
func (q *eventQueue) leave(l *lane) {
	n := l.network
	i := slices.Index(n.lanes, l)
	n.lanes[i] = n.lanes[len(n.lanes)-1]
	n.lanes = slices.Delete(n.lanes, len(n.lanes)-1, len(n.lanes))
	*l = lane{}
	q.spareLanes.keep(l)
	q.abandon(n)
}

// disband makes the inner loop find new places for all backlogs that wait for a
// worker.
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

// abandon removes a network that has nothing left. The caller holds mu.
func (q *eventQueue) abandon(n *network) {
	if n.backlogs == 0 && len(n.lanes) == 0 {
		delete(q.networks, n.key)
		q.asked = q.asked || n.asked
		*n = network{lanes: n.lanes}
		q.spareNetworks.keep(n)
	}
}

// networkOf is the key of the network of the client in a frame. Frames of IPv6
// clients do not contain the address, so these count as one network.
func networkOf(frame []byte) uint64 {
	return quota.Network(netip.AddrFrom4([4]byte(frame[11:15])))
}
