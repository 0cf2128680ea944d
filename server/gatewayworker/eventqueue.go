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

// eventQueue is the border between the server's event loops, which tell it what
// clients do, and the inner loop, which hands that to workers. It implements
// gateway.Events. Each client that has events waiting has a backlog of its own, and
// those of one network are together, so that workers can be served from all networks
// in turn, and of each from all of its clients: a client that sends too much, or a
// network whose clients come and go without end, waits for itself.
//
// While nobody is to be told, an event costs one atomic load.
type eventQueue struct {
	local netip.AddrPort // ours, as advertised
	limit int            // bytes that may wait, of all clients
	bell  bell.Bell
	count *counters

	phase atomic.Int32 // of type phase; written by the inner loop
	bound atomic.Int64 // clients that have a worker; written by the inner loop

	mu       sync.Mutex
	clients  map[uint32]*backlog // by connection id: those with events that wait
	networks map[uint64]*network // those that they are of
	fresh    line[*backlog]      // those that the inner loop has not seen
	bytes    int                 // of all of them
	held     int                 // clients that are not read
	asked    bool                // some client waits for room to be admitted

	spareBacklogs spares[*backlog]
	spareNetworks spares[*network]
	spareLanes    spares[*lane]
}

// newEventQueue makes one for a front of that inner address, in which so many bytes
// may wait.
func newEventQueue(local netip.AddrPort, limit int, b bell.Bell, count *counters) *eventQueue {
	return &eventQueue{local: local, limit: limit, bell: b, count: count, clients: map[uint32]*backlog{}, networks: map[uint64]*network{}}
}

// phase says what becomes of clients' events.
type phase int32

const (
	phaseOff    phase = iota // nobody is told: push-only
	phaseServed              // workers are attached
	phaseAwait               // none is, but one is expected: events and handshakes wait
	phaseAlone               // none has come in time: clients that want one are closed
)

const (
	// leastShare and mostShare bound how many bytes of events may wait for one
	// client before it is not read any more. Between them it may have an eighth of
	// the room that is left.
	leastShare = 1 << 10
	mostShare  = 256 << 10
	// largeEvent is the size in bytes from which an event needs room in the
	// queue; one of a client may always wait if it is smaller.
	largeEvent = 64 << 10
	// keepFrames is up to what capacity in bytes the memory of a backlog is kept that
	// is kept for further use.
	keepFrames = 4 << 10
)

func (q *eventQueue) now() phase { return phase(q.phase.Load()) }

// Admit implements gateway.Events.
func (q *eventQueue) Admit() gateway.Admission {
	switch q.now() {
	case phaseAwait:
		return gateway.AdmitLater
	case phaseAlone:
		q.count.unserved.Add(1)
		return gateway.AdmitNever
	case phaseServed:
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.bytes >= q.limit {
			q.asked = true
			return gateway.AdmitLater
		}
	}
	return gateway.AdmitNow
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
	if size > largeEvent && q.bytes > 0 && q.bytes+size > q.limit {
		q.count.refusals[refuseFull].Add(1)
		return gateway.RefusedFull
	}
	b := q.append(&h, c, payload)
	if b.waiting() < q.share() {
		return gateway.Taken
	}
	if !b.held {
		b.held = true
		q.held++
		q.count.holds.Add(1)
	}
	return gateway.TakenEnough
}

// share is how many bytes may wait for one client. The caller holds mu.
func (q *eventQueue) share() int {
	return min(max((q.limit-q.bytes)/8, leastShare), mostShare)
}

// Closed implements gateway.Events. It is queued whatever waits: a worker that
// was told of the client must be told of its end. One that no worker was told
// of is forgotten with all it has sent.
func (q *eventQueue) Closed(c gateway.EventClient) {
	if q.now() == phaseOff {
		return
	}
	h := q.header(wire.OnClose, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	if b := q.clients[c.Connection]; b != nil && b.opens && q.now() != phaseServed {
		q.clear(b) // its place in a line is given up when its turn comes
		return
	}
	q.append(&h, c, nil)
}

// append queues a frame for the inner loop. The caller holds mu.
func (q *eventQueue) append(h *wire.Header, c gateway.EventClient, body []byte) *backlog {
	b := q.backlog(c.Connection, quota.Network(c.Remote.Addr()))
	before := len(b.frames)
	b.frames = wire.AppendEvent(b.frames, h, c.Session, body)
	q.weigh(b, len(b.frames)-before)
	if !b.lined {
		q.list(b)
	}
	return b
}

// list has the inner loop see a backlog that is in no line. The caller holds mu.
func (q *eventQueue) list(b *backlog) {
	if q.fresh.empty() {
		q.bell.Ring()
	}
	b.lined = true
	q.fresh.push(b)
}

// takeFresh returns the backlogs that the inner loop has not seen.
func (q *eventQueue) takeFresh() line[*backlog] {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.fresh
	q.fresh = line[*backlog]{}
	return taken
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

// waiting is how many bytes of events wait, and of how many clients.
func (q *eventQueue) waiting() (bytes, clients, held int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes, len(q.clients), q.held
}
