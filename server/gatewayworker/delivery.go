package gatewayworker

import (
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// Events reach workers in turn. Each worker has a lane for each network of its
// clients, and gets one event of each lane before the next one of the first. A lane
// has the backlogs of its clients, and does the same. A network with no events
// waiting goes before those that always have some, however many these are; so does
// a client within its network. Only a little is written to a worker's socket before
// it has read what came before, so that an event of a quiet client waits for few
// events of a loud one: a slow worker takes long for a thousand small events.

const (
	// workerAhead is how many bytes of events may wait for a worker's socket.
	workerAhead = 2 << 10
	// quickEvents is how many events a client with none waiting may have handed on
	// at once: ON_CONNECT, ON_WEBSOCKET_CONNECT, a message and ON_CLOSE.
	quickEvents = 4
	// feedBudget is how many bytes a worker gets before others have their turn.
	feedBudget = 1 << 20
	// doomedBatch is how many clients are closed in one turn for lack of a worker.
	doomedBatch = 256
	// warnEvery is the minimum time between log lines about the same frequent
	// failure.
	warnEvery = 10 * time.Second
)

// delivery is the part of the inner loop that hands events to workers, and knows what becomes
// of clients while there is none (workers.go).
type delivery struct {
	loop       *innerLoop
	queue      *eventQueue
	host       gateway.Host
	workers    *workers
	stranded   line[*backlog] // backlogs that wait for a worker
	doomed     line[*backlog] // backlogs of clients to be closed for lack of one
	resumes    []uint32       // clients to read again, by connection id
	awaitUntil time.Time      // end of phaseAwait
}

// serves gives the part the server whose clients the events are of.
func (d *delivery) serves(host gateway.Host) { d.host = host }

// begin tells the server of the first phase.
func (d *delivery) begin() { d.enter(d.queue.now()) }

// hasWorkers reports whether any worker is attached.
func (d *delivery) hasWorkers() bool { return len(d.workers.list) > 0 }

// until is when workers are no longer waited for, zero if they are not.
func (d *delivery) until() time.Time { return d.awaitUntil }

// deliver assigns new backlogs to workers, and wakes these workers.
func (d *delivery) deliver() {
	d.queue.mu.Lock()
	d.assignFresh()
	d.queue.mu.Unlock()
	for _, w := range d.workers.list {
		if !w.idle() && w.conn.waiting() == 0 {
			d.loop.writer.queued(w.conn, 0)
		}
	}
	d.endDoomed()
	d.makeRoom()
}

// assignFresh puts backlogs that the loop has not seen into lines. The caller holds
// the queue's lock.
func (d *delivery) assignFresh() {
	for b := d.queue.fresh.pop(); b != nil; b = d.queue.fresh.pop() {
		d.assign(b)
	}
}

// assign puts a backlog into the line of its worker. The caller holds the queue's
// lock.
func (d *delivery) assign(b *backlog) {
	ws := d.workers
	w := ws.of[b.connection]
	switch {
	case b.waiting() == 0:
		d.forget(b)
		return
	case w == nil && !b.told && b.command() == wire.OnClose: // no worker was told of the client
		d.queue.clear(b)
		d.forget(b)
		return
	case w == nil || w.conn == nil:
		chosen := ws.choose()
		switch {
		case chosen != nil:
		case d.queue.now() == phaseAlone && b.command() != wire.OnClose:
			d.doomed.push(b)
			return
		default:
			d.stranded.push(b)
			return
		}
		ws.bind(b.connection, chosen)
		w = chosen
	}
	d.queue.enlist(b, w)
}

func (d *delivery) forget(b *backlog) {
	connection := b.connection
	if d.queue.forget(b) {
		d.resumes = append(d.resumes, connection)
	}
}

// fill hands events of a worker's clients to its connection, one of each in turn,
// until workerAhead bytes wait for its socket. It returns false if there are none. The caller
// writes them.
func (d *delivery) fill(c *innerConn) bool {
	w, q, before := c.worker, d.queue, len(c.out.bytes)
	if w.idle() || c.closed || c.ended || c.last > 0 {
		return false
	}
	if c.waiting() == 0 {
		c.lastOut = d.loop.now()
	}
	q.mu.Lock()
	d.assignFresh() // a short event must not wait for a long one that came earlier
	for c.waiting() < workerAhead {
		lane, _ := w.lanes.pick()
		if lane == nil {
			break
		}
		if lane.owed > 0 {
			lane.owed--
		} else {
			d.handOn(c, lane)
		}
		if lane.idle() {
			q.leave(lane)
		} else {
			w.lanes.line.push(lane)
		}
	}
	q.mu.Unlock()
	n := len(c.out.bytes) - before
	d.loop.writer.added(n)
	d.makeRoom()
	return n > 0
}

// handOn gives a lane its turn: it hands on events of the client whose turn it is.
// The caller holds the queue's lock.
func (d *delivery) handOn(c *innerConn, from *lane) {
	q, most := d.queue, 1
	b, first := from.pick()
	if first {
		most = quickEvents
	}
	for n := 0; n < most && b.waiting() > 0 && (n == 0 || c.waiting() < largeEvent); n++ {
		from.owed = n
		last := b.command() == wire.OnClose
		before := b.waiting()
		c.out.bytes = b.cut(c.out.bytes)
		q.weigh(b, b.waiting()-before)
		d.loop.count.events.Add(1)
		if last {
			d.workers.unbind(b.connection)
		}
	}
	if b.waiting() == 0 { // or the client's close event removed them all
		d.forget(b)
		return
	}
	if b.held && b.waiting() <= q.share(b.network)/2 {
		b.held = false
		q.held--
		d.resumes = append(d.resumes, b.connection)
	}
	from.line.push(b)
}

// makeRoom tells the server which clients may be read again, and whether there is
// room for new ones.
func (d *delivery) makeRoom() {
	if len(d.resumes) > 0 {
		d.host.Resume(d.resumes)
		d.resumes = d.resumes[:0]
	}
	q := d.queue
	q.mu.Lock()
	if q.asked && q.room.Eased(0) {
		q.asked, q.eased = false, true
	}
	eased := q.eased
	q.eased = false
	q.mu.Unlock()
	if eased {
		d.host.Readmit()
	}
}

// enter starts a phase, for the server too.
func (d *delivery) enter(p phase) {
	d.awaitUntil = time.Time{}
	d.queue.phase.Store(int32(p))
	d.host.WantMessages(p != phaseOff)
	d.host.SuspendInit(p != phaseOff && !d.loop.cfg.KeepInit)
	switch p {
	case phaseAwait:
		d.awaitUntil = d.loop.now().Add(d.loop.cfg.WorkerWait)
		return // nobody need be asked again
	case phaseAlone:
		d.doom()
	}
	d.host.Readmit()
}

// missWorkers is called when the last worker has left.
func (d *delivery) missWorkers() {
	if d.loop.cfg.WorkerWait > 0 {
		d.enter(phaseAwait)
		return
	}
	d.enter(phaseAlone)
}

// awaited is called when no worker has attached in time.
func (d *delivery) awaited(now time.Time) {
	if d.awaitUntil.IsZero() || now.Before(d.awaitUntil) {
		return
	}
	if d.loop.cfg.Workers == WorkersAuto && d.loop.count.attaches.Load() == 0 {
		d.loop.log.Info("no worker has attached: serving clients without workers, for pushes only", "waited", d.loop.cfg.WorkerWait.String())
		d.enter(phaseOff)
		return
	}
	d.loop.log.Warn("no worker has attached in time: closing clients that need one", "waited", d.loop.cfg.WorkerWait.String())
	d.enter(phaseAlone)
}

// doom closes the clients whose events have waited in vain.
func (d *delivery) doom() {
	for b := d.stranded.pop(); b != nil; b = d.stranded.pop() {
		d.doomed.push(b)
	}
	d.loop.bell.Ring()
}

// endDoomed closes the next batch of them. What they have sent is dropped. A worker
// that attaches later still gets their close events if a worker knew the clients.
func (d *delivery) endDoomed() {
	if d.doomed.empty() {
		return
	}
	q := d.queue
	var broken []uint32
	q.mu.Lock()
	for n := 0; n < doomedBatch; n++ {
		b := d.doomed.pop()
		if b == nil {
			break
		}
		if b.closes() {
			d.loop.count.eventDrops[dropNoWorker].Add(uint64(b.count() - 1))
			if b.told || d.workers.of[b.connection] != nil {
				q.clearButLast(b)
				b.told = true
				d.stranded.push(b)
				continue
			}
			q.clear(b)
		} else {
			d.loop.count.eventDrops[dropNoWorker].Add(uint64(b.count()))
			d.loop.count.unserved.Add(1)
			broken = append(broken, b.connection)
			q.clear(b)
		}
		d.forget(b)
	}
	q.mu.Unlock()
	d.host.Abandon(broken)
	if !d.doomed.empty() {
		d.loop.bell.Ring()
	}
}
