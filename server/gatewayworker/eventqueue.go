package gatewayworker

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
	"castgate/server/internal/bell"
)

// eventQueue is the border between the server's event loops, which tell it what
// clients do, and the inner loop, which hands that to workers. It implements
// server.Events. Events lie in it as the frames that workers will get, one
// behind the other, so that they cost one copy and no allocation each.
//
// Without workers, and with no client still bound to one that has left, an
// event costs two atomic loads.
type eventQueue struct {
	local   netip.AddrPort // ours, as advertised
	limit   int            // bytes; messages above it are dropped
	require bool           // Config.RequireWorker
	bell    bell.Bell
	count   *counters

	attached atomic.Int64 // workers; written by the inner loop, under mu
	bound    atomic.Int64 // clients that have a worker; written by the inner loop

	mu    sync.Mutex
	buf   []byte
	spare []byte // taken before and free again
}

// keepQueue is the capacity in bytes up to which a drained buffer is kept.
const keepQueue = 1 << 20

// unserved is a command of our own, never on a wire: the client has an event
// and there is no worker, with Config.RequireWorker.
const unserved = wire.Command(255)

func (q *eventQueue) idle() bool {
	return !q.require && q.attached.Load() == 0 && q.bound.Load() == 0
}

// Opened implements server.Events.
func (q *eventQueue) Opened(c server.EventClient, request []byte) {
	if q.idle() {
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
	if !q.put(&h, c.Session, nil, 2*q.limit) || request == nil {
		return
	}
	h.Command, h.Flags = wire.OnWebSocketConnect, 0
	q.put(&h, c.Session, body, 2*q.limit)
}

// Message implements server.Events.
func (q *eventQueue) Message(c server.EventClient, _ bool, payload []byte) {
	if q.idle() {
		return
	}
	h := q.header(wire.OnMessage, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(&h, c.Session, payload, q.limit)
}

// Closed implements server.Events. It is queued whatever waits: without it the
// inner loop would never forget the client. There is one at the most for each
// client that is open.
func (q *eventQueue) Closed(c server.EventClient) {
	if q.attached.Load() == 0 && q.bound.Load() == 0 {
		return
	}
	h := q.header(wire.OnClose, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.append(&h, c.Session, nil)
}

// put queues a frame unless it is too large or limit bytes wait already. The
// caller holds mu.
func (q *eventQueue) put(h *wire.Header, session string, body []byte, limit int) bool {
	switch {
	case wire.HeaderLen+len(session)+len(body) > wire.MaxFrame:
		q.count.eventDrops[dropTooLarge].Add(1)
		return false
	case len(q.buf) >= limit:
		q.count.eventDrops[dropQueue].Add(1)
		return false
	case q.require && q.attached.Load() == 0:
		h.Command, session, body = unserved, "", nil
		q.append(h, session, body)
		return false
	}
	q.append(h, session, body)
	return true
}

func (q *eventQueue) append(h *wire.Header, session string, body []byte) {
	if len(q.buf) == 0 {
		q.bell.Ring()
	}
	q.buf = wire.AppendFrame(q.buf, h, []byte(session), body)
}

func (q *eventQueue) header(command wire.Command, c server.EventClient) wire.Header {
	h := wire.Header{
		Command: command, LocalIP: q.local.Addr().As4(), LocalPort: q.local.Port(),
		ClientPort: c.Remote.Port(), ConnectionID: c.Connection, Flags: wire.FlagPlain, GatewayPort: c.LocalPort,
	}
	if c.Remote.Addr().Is4() {
		h.ClientIP = c.Remote.Addr().As4()
	}
	return h
}

// take returns the frames that wait; they are the caller's until its next call.
// The inner loop's goroutine.
func (q *eventQueue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.buf
	q.buf = q.spare[:0]
	if q.spare = taken; cap(taken) > keepQueue {
		q.spare = nil
	}
	return taken
}

// setAttached notes how many workers there are and returns whether that was
// the last one that left.
func (q *eventQueue) setAttached(n int) {
	q.mu.Lock()
	q.attached.Store(int64(n))
	q.mu.Unlock()
}

func (q *eventQueue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.buf)
}

// cutFrame returns the first frame of frames that are known to be whole, its
// command and connection id, and what is behind it.
func cutFrame(frames []byte) (frame []byte, command wire.Command, connection uint32, rest []byte) {
	n := binary.BigEndian.Uint32(frames)
	frame, rest = frames[:n:n], frames[n:]
	return frame, wire.Command(frame[4]), binary.BigEndian.Uint32(frame[17:]), rest
}
