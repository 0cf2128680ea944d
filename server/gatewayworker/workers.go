package gatewayworker

import (
	"math/rand/v2"
	"slices"
	"time"

	wire "castgate/codec/gatewayworker"
)

// worker is a BusinessWorker by its key. Clients are bound to the key: one that
// comes back under its key has its clients again, but counts from 0
// (protocol.md section 6.5).
type worker struct {
	key     string
	conn    *innerConn // nil: it has left
	clients int        // by which the next client is routed
	bound   int        // entries of workers.of
}

// workers routes events. The inner loop's.
type workers struct {
	random bool
	queue  *eventQueue
	byKey  map[string]*worker // those that are attached, and those that have left but are bound
	list   []*worker          // attached, in the order in which they were
	of     map[uint32]*worker // by connection id: whose the client is
}

func newWorkers(routing Routing, q *eventQueue) *workers {
	return &workers{random: routing == RouteRandom, queue: q, byKey: map[string]*worker{}, of: map[uint32]*worker{}}
}

// attach makes c the connection of the worker of that key and returns the one
// it had before, which has to be closed, or nil.
func (ws *workers) attach(key string, c *innerConn) (old *innerConn) {
	w := ws.byKey[key]
	if w == nil {
		w = &worker{key: key}
		ws.byKey[key] = w
	}
	if w.conn == nil {
		ws.list = append(ws.list, w)
	} else {
		old = w.conn
		old.worker = nil
	}
	w.conn, w.clients = c, 0
	c.worker = w
	ws.queue.setAttached(len(ws.list))
	return old
}

// detach notes that the worker of c has left.
func (ws *workers) detach(c *innerConn) {
	w := c.worker
	c.worker = nil
	w.conn = nil
	ws.list = slices.DeleteFunc(ws.list, func(other *worker) bool { return other == w })
	if w.bound == 0 {
		delete(ws.byKey, w.key)
	}
	ws.queue.setAttached(len(ws.list))
}

// route returns the worker an event of the client is for, nil if there is none.
func (ws *workers) route(connection uint32, last bool) *worker {
	w := ws.of[connection]
	if w == nil || w.conn == nil {
		chosen := ws.choose()
		switch {
		case chosen == nil && !last:
			return nil // and it stays bound, its worker may come back
		case !last:
			ws.unbind(connection, w)
			ws.of[connection] = chosen
			chosen.clients++
			chosen.bound++
			ws.queue.bound.Store(int64(len(ws.of)))
		default:
			ws.unbind(connection, w)
		}
		return chosen
	}
	if last {
		ws.unbind(connection, w)
	}
	return w
}

func (ws *workers) unbind(connection uint32, w *worker) {
	if w == nil {
		return
	}
	delete(ws.of, connection)
	w.clients = max(w.clients-1, 0) // of a worker that came back some were not counted
	w.bound--
	if w.bound == 0 && w.conn == nil {
		delete(ws.byKey, w.key)
	}
	ws.queue.bound.Store(int64(len(ws.of)))
}

func (ws *workers) choose() *worker {
	if len(ws.list) == 0 {
		return nil
	}
	if ws.random {
		return ws.list[rand.IntN(len(ws.list))]
	}
	return slices.MinFunc(ws.list, func(a, b *worker) int { return a.clients - b.clients })
}

// deliver routes whole frames of events, in order.
func (l *innerLoop) deliver(frames []byte) {
	for len(frames) > 0 {
		var frame []byte
		var command wire.Command
		var connection uint32
		frame, command, connection, frames = cutFrame(frames)
		switch command {
		case wire.Ping:
			continue // one that a worker that left had not got
		case unserved:
			l.count.unserved.Add(1)
			l.abort(nil, connection)
			continue
		}
		w := l.workers.route(connection, command == wire.OnClose)
		switch {
		case w == nil:
			l.count.eventDrops[dropNoWorker].Add(1)
		case w.conn.waiting() >= l.cfg.WorkerBuffer:
			l.count.eventDrops[dropWorkerSlow].Add(1)
			if now := l.now(); now.Sub(l.slowWarned) > warnEvery {
				l.slowWarned = now
				l.log.Warn("a worker does not keep up, its events are dropped", "worker", w.key, "waiting_bytes", w.conn.waiting())
			}
		default:
			l.count.events.Add(1)
			l.send(w.conn, frame)
		}
	}
}

// warnEvery bounds the log lines about one thing that goes wrong often.
const warnEvery = 10 * time.Second

// attach makes an authorized connection a worker (protocol.md section 6.1).
func (l *innerLoop) attach(c *innerConn, name []byte) {
	if len(name) > maxWorkerKey {
		l.close(c, closeBadWorker)
		return
	}
	key := c.peer.Addr().String() + ":" + string(name)
	if c.worker != nil {
		if c.worker.key == key {
			return
		}
		l.leave(c)
	}
	old := l.workers.attach(key, c)
	c.head = len(c.out)
	c.keepaliveAt = l.now().Add(keepaliveEvery)
	l.count.workers.Store(int64(len(l.workers.list)))
	l.count.attaches.Add(1)
	if l.suspendInit != nil {
		l.suspendInit(true)
	}
	l.log.Info("worker attached", "worker", key, "workers", len(l.workers.list))
	if old != nil {
		backlog := old.backlog()
		l.close(old, closeReplaced)
		l.deliver(backlog)
	}
}

// maxWorkerKey is the longest worker_key in bytes.
const maxWorkerKey = 256

// leave is the end of a worker. The events that it can't have got whole go to
// others.
func (l *innerLoop) leave(c *innerConn) {
	key, backlog := c.worker.key, c.backlog()
	l.workers.detach(c)
	n := len(l.workers.list)
	l.count.workers.Store(int64(n))
	if n == 0 && l.suspendInit != nil {
		l.suspendInit(false)
	}
	l.log.Info("worker left", "worker", key, "workers", n)
	l.deliver(backlog)
}
