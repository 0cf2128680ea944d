package gatewayworker

import (
	"net/netip"
	"sync"
	"sync/atomic"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
	"castgate/server/internal/bell"
	"castgate/server/internal/quota"
)

// eventQueue is the boundary between the server's event loops, which report events
// of clients, and the inner loop, which hands them to workers. It implements
// gateway.Events. Each client with waiting events has a backlog of its own, and the
// clients of a network belong together. So workers are served from all networks in
// turn, and for each network from all its clients. A client that sends too much
// delays only itself, and so does a network whose clients come and go all the time.
//
// While no worker wants events, an event costs one atomic load.
type eventQueue struct {
	local netip.AddrPort // our advertised inner address
	bell  bell.Bell
	count *counters

	phase atomic.Int32 // of type phase; written by the inner loop
	bound atomic.Int64 // clients that have a worker; written by the inner loop

	mu       sync.Mutex
	clients  map[uint32]*backlog // by connection id: clients with waiting events
	networks map[uint64]*network // the networks of these clients
	fresh    line[*backlog]      // backlogs that the inner loop has not seen
	room     quota.Room          // bytes of all backlogs
	held     int                 // clients that are not being read
	asked    bool                // a client of a network without backlogs waits to be admitted
	eased    bool                // a network that was refused has room again

	spareBacklogs spares[*backlog]
	spareNetworks spares[*network]
	spareLanes    spares[*lane]
}

// newEventQueue returns the queue of a front with this inner address. At most limit
// bytes of events may wait in it; see quota.Room for how networks share them.
func newEventQueue(local netip.AddrPort, limit int, b bell.Bell, count *counters) *eventQueue {
	return &eventQueue{local: local, room: quota.NewRoom(limit), bell: b, count: count, clients: map[uint32]*backlog{}, networks: map[uint64]*network{}}
}

// phase says what happens to clients' events.
type phase int32

const (
	phaseOff    phase = iota // no worker wants events: push-only
	phaseServed              // workers are attached
	phaseAwait               // no worker is attached, but one is expected: events and handshakes wait
	phaseAlone               // no worker has attached in time: clients that need one are closed
)

const (
	// leastShare and mostShare bound how many bytes of events may wait for one
	// client before it is no longer read. Between these bounds the limit is an
	// eighth of the room that is left for its network.
	leastShare = 1 << 10
	mostShare  = 256 << 10
	// largeEvent is the size in bytes above which an event needs room for all of
	// it. A smaller one may exceed the room that is left for its network, and one of
	// at most leastShare needs none.
	largeEvent = 64 << 10
	// keepFrames is the largest capacity in bytes of a backlog's memory that is
	// kept for reuse.
	keepFrames = 4 << 10
)

func (q *eventQueue) now() phase { return phase(q.phase.Load()) }

// Admit implements gateway.Events.
func (q *eventQueue) Admit(from netip.Addr) gateway.Admission {
	switch q.now() {
	case phaseAwait:
		return gateway.AdmitLater
	case phaseAlone:
		q.count.unserved.Add(1)
		return gateway.AdmitNever
	case phaseServed:
		q.mu.Lock()
		defer q.mu.Unlock()
		n := q.networks[quota.Network(from)]
		if q.left(n) > 0 {
			break
		}
		if n != nil {
			n.asked = true
		} else {
			q.asked = true
		}
		return gateway.AdmitLater
	}
	return gateway.AdmitNow
}

// left is how many more bytes may wait for a network, which is nil if none do. The
// caller holds mu.
func (q *eventQueue) left(n *network) int {
	if n == nil {
		return q.room.Left(0)
	}
	return q.room.Left(n.bytes)
}

// Opened implements gateway.Events.
func (q *eventQueue) Opened(c gateway.EventClient, request []byte) {
	if q.now() == phaseOff {
		return
	}
	var body []byte
	if request != nil {
		var err error
		if body, err = wire.AppendWebSocketConnect(nil, request, c.Remote, c.LocalPort); err != nil {
			q.count.eventDrops[dropHead].Add(1)
			request = nil
		}
	}
	h := q.header(wire.OnConnect, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.append(&h, c, nil)
	b.opens = true
	if request != nil {
		h.Command, h.Flags = wire.OnWebSocketConnect, 0
		q.append(&h, c, body)
	}
}

// Message implements gateway.Events.
func (q *eventQueue) Message(c gateway.EventClient, _ bool, payload []byte) gateway.Taking {
	switch q.now() {
	case phaseOff:
		return gateway.Taken
	case phaseAlone:
		q.count.unserved.Add(1)
		return gateway.RefusedNobody
	}
	size := wire.HeaderLen + len(c.Session) + len(payload)
	if size > wire.MaxFrame {
		q.count.refusals[refuseLarge].Add(1)
		return gateway.RefusedLarge
	}
	h := q.header(wire.OnMessage, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.room.Held() > 0 && size > leastShare {
		left := q.left(q.networks[quota.Network(c.Remote.Addr())])
		if left == 0 || size > largeEvent && size > left {
			q.count.refusals[refuseFull].Add(1)
			return gateway.RefusedFull
		}
	}
	b := q.append(&h, c, payload)
	if b.waiting() < q.share(b.network) {
		return gateway.Taken
	}
	if !b.held {
		b.held = true
		q.held++
		q.count.holds.Add(1)
	}
	return gateway.TakenEnough
}

// share is how many bytes may wait for one client of a network. The caller holds mu.
func (q *eventQueue) share(n *network) int {
	return min(max(q.left(n)/8, leastShare), mostShare)
}

// Closed implements gateway.Events. The close event is queued however much waits,
// since a worker that knows the client must get it. If no worker knows the client,
// all its events are dropped.
func (q *eventQueue) Closed(c gateway.EventClient) {
	if q.now() == phaseOff {
		return
	}
	h := q.header(wire.OnClose, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	if b := q.clients[c.Connection]; b != nil && b.opens && q.now() != phaseServed {
		q.clear(b) // it leaves its line when its turn comes
		return
	}
	q.append(&h, c, nil)
}

// append queues an event for the inner loop. The caller holds mu.
func (q *eventQueue) append(h *wire.Header, c gateway.EventClient, body []byte) *backlog {
	b := q.backlog(c.Connection, quota.Network(c.Remote.Addr()))
	before := b.waiting()
	b.append(h, c.Session, body)
	q.weigh(b, b.waiting()-before)
	if !b.lined {
		q.list(b)
	}
	return b
}

// list shows the inner loop a backlog that is in no line. The caller holds mu.
func (q *eventQueue) list(b *backlog) {
	if q.fresh.empty() {
		q.bell.Ring()
	}
	b.lined = true
	q.fresh.push(b)
}

func (q *eventQueue) header(command wire.Command, c gateway.EventClient) wire.Header {
	h := wire.Header{
		Command: command, LocalIP: q.local.Addr().As4(), LocalPort: q.local.Port(),
		ClientPort: c.Remote.Port(), ConnectionID: c.Connection, Flags: wire.FlagPlain, GatewayPort: c.LocalPort,
	}
	if c.Remote.Addr().Is4() {
		h.ClientIP = c.Remote.Addr().As4()
	}
	return h
}

// waiting returns how many bytes of events wait, and of how many clients.
func (q *eventQueue) waiting() (bytes, clients, held int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.room.Held(), len(q.clients), q.held
}
