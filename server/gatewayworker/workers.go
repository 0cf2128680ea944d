package gatewayworker

import (
	"math/rand/v2"
	"slices"
	"time"
)

// worker is a BusinessWorker, identified by its key. Clients are bound to the key.
// A worker that comes back under its key has its clients again, but counts from 0
// (docs/gatewayworker-protocol.md section 6.5).
type worker struct {
	key     string
	conn    *innerConn  // nil if it has left
	clients int         // count by which new clients are routed
	bound   int         // entries of workers.of
	lanes   rota[*lane] // lanes of the networks whose events wait for it
	rivals  rivalry     // whether two take turns under this key
	stuck   bool        // it has read nothing for Config.StuckAfter, although there was something
}

// workers routes events. It belongs to the inner loop.
type workers struct {
	random bool
	queue  *eventQueue
	byKey  map[string]*worker // attached workers, and those that have left but have clients
	list   []*worker          // attached workers in the order of attaching
	of     map[uint32]*worker // by connection id: the worker of the client
}

func newWorkers(routing Routing, q *eventQueue) *workers {
	return &workers{random: routing == RouteRandom, queue: q, byKey: map[string]*worker{}, of: map[uint32]*worker{}}
}

// attach makes c the connection of the worker with that key. It returns the
// worker's previous connection, which must be closed, or nil.
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
		old.out.ofCaller()
	}
	w.conn, w.clients, w.stuck = c, 0, false
	c.worker = w
	c.out.ofWorker()
	return old
}

// detach records that the worker of c has left.
func (ws *workers) detach(c *innerConn) {
	w := c.worker
	c.worker = nil
	c.out.ofCaller()
	w.conn, w.stuck = nil, false
	ws.list = slices.DeleteFunc(ws.list, func(other *worker) bool { return other == w })
	if w.bound == 0 {
		delete(ws.byKey, w.key)
	}
}

// bind assigns a client to w.
func (ws *workers) bind(connection uint32, w *worker) {
	ws.unbind(connection)
	ws.of[connection] = w
	w.clients++
	w.bound++
	ws.queue.bound.Store(int64(len(ws.of)))
}

// idle reports whether no events wait for the worker.
func (w *worker) idle() bool { return w.lanes.idle() }

// unbind removes the worker of a client.
func (ws *workers) unbind(connection uint32) {
	w := ws.of[connection]
	if w == nil {
		return
	}
	delete(ws.of, connection)
	w.clients = max(w.clients-1, 0) // some clients of a worker that came back were not counted
	w.bound--
	if w.bound == 0 && w.conn == nil {
		delete(ws.byKey, w.key)
	}
	ws.queue.bound.Store(int64(len(ws.of)))
}

// choose returns the worker for a client that has none, nil if there is none. It
// chooses a stuck worker only if all are stuck.
func (ws *workers) choose() *worker {
	if len(ws.list) == 0 {
		return nil
	}
	if ws.random {
		from := rand.IntN(len(ws.list))
		for i := range ws.list {
			if w := ws.list[(from+i)%len(ws.list)]; !w.stuck {
				return w
			}
		}
		return ws.list[from]
	}
	return slices.MinFunc(ws.list, func(a, b *worker) int {
		switch {
		case a.stuck == b.stuck:
			return a.clients - b.clients
		case a.stuck:
			return 1
		}
		return -1
	})
}

// stuckCount is the number of stuck workers.
func (ws *workers) stuckCount() (n int) {
	for _, w := range ws.list {
		if w.stuck {
			n++
		}
	}
	return n
}

// attach makes an authorized connection a worker (docs/gatewayworker-protocol.md
// section 6.1).
func (d *delivery) attach(c *innerConn, name []byte) {
	if len(name) > maxWorkerKey {
		d.loop.close(c, closeBadWorker)
		return
	}
	key := c.peer.Addr().String() + ":" + string(name)
	if c.worker != nil {
		if c.worker.key == key {
			return
		}
		events := c.out.takeBack()
		d.loop.writer.added(-len(events))
		d.leave(c, events)
	}
	old := d.workers.attach(key, c)
	c.keepaliveAt = d.loop.now().Add(keepaliveEvery)
	d.loop.sys.atOnce(c.fd)
	d.loop.count.workers.Store(int64(len(d.workers.list)))
	d.loop.count.attaches.Add(1)
	d.loop.log.Info("worker attached", "worker", key, "workers", len(d.workers.list))
	if old != nil {
		if c.worker.rivals.replaced(d.loop.now()) {
			d.loop.log.Warn("workers with the same name on one host take turns: each takes the place of the other; give every process of Worker a name of its own",
				"worker", key, "times", c.worker.rivals.times)
		}
		lost := d.loop.undelivered(old)
		d.loop.readOut(old, closeReplaced)
		d.queue.putBack(lost)
	}
	if d.loop.cfg.Workers != WorkersNever && d.queue.now() != phaseServed {
		d.enter(phaseServed)
	}
	d.queue.again(&d.stranded)
	d.queue.again(&d.doomed)
	d.deliver()
}

// A worker may come back before its former connection has ended, once in a while.
const (
	rivalsAfter = 3           // replacements in a row that make two workers
	rivalPause  = time.Minute // between two of a row at the most, and between two warnings at the least
)

// rivalry counts how often a worker's connection is replaced while it is there.
type rivalry struct {
	times    int // in a row
	at, said time.Time
}

// replaced counts a replacement, and tells whether it is time to warn.
func (r *rivalry) replaced(now time.Time) bool {
	if now.Sub(r.at) > rivalPause {
		r.times = 0
	}
	r.times++
	r.at = now
	if r.times < rivalsAfter || !r.said.IsZero() && now.Sub(r.said) < rivalPause {
		return false
	}
	r.said = now
	return true
}

// maxWorkerKey is the longest worker_key in bytes.
const maxWorkerKey = 256

// leave handles the end of a worker. Events that it cannot have got completely go
// to others.
func (d *delivery) leave(c *innerConn, lost []byte) {
	w := c.worker
	d.workers.detach(c)
	n := len(d.workers.list)
	d.loop.count.workers.Store(int64(n))
	d.loop.count.stuck.Store(int64(d.workers.stuckCount()))
	d.loop.log.Info("worker left", "worker", w.key, "workers", n)
	if n == 0 && d.loop.cfg.Workers != WorkersNever {
		d.missWorkers()
	}
	d.queue.putBack(lost)
	d.queue.disband(w)
	d.deliver()
}

// checkStuck checks whether a worker reads the events that wait for it.
func (d *delivery) checkStuck(c *innerConn, now time.Time) {
	w := c.worker
	stuck := c.waiting() > 0 && now.Sub(c.lastOut) >= d.loop.cfg.StuckAfter
	if stuck == w.stuck {
		return
	}
	w.stuck = stuck
	d.loop.count.stuck.Store(int64(d.workers.stuckCount()))
	if !stuck {
		d.loop.log.Info("a worker is reading its events again", "worker", w.key)
		return
	}
	d.loop.count.stalls.Add(1)
	d.loop.log.Warn("a worker is not reading its events; it keeps its clients, new clients go to other workers",
		"worker", w.key, "clients", w.bound, "for", d.loop.cfg.StuckAfter.String())
}
