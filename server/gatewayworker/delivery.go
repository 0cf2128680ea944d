package gatewayworker

import (
	"time"

	wire "castgate/codec/gatewayworker"
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

// deliver assigns new backlogs to workers, and wakes these workers.
func (l *innerLoop) deliver() {
	l.queue.mu.Lock()
	l.assignFresh()
	l.queue.mu.Unlock()
	for _, w := range l.workers.list {
		if !w.idle() && w.conn.waiting() == 0 {
			l.queued(w.conn, 0)
		}
	}
	l.endDoomed()
	l.makeRoom()
}

// assignFresh puts backlogs that the loop has not seen into lines. The caller holds
// the queue's lock.
func (l *innerLoop) assignFresh() {
	for b := l.queue.fresh.pop(); b != nil; b = l.queue.fresh.pop() {
		l.assign(b)
	}
}

// assign puts a backlog into the line of its worker. The caller holds the queue's
// lock.
func (l *innerLoop) assign(b *backlog) {
	ws := l.workers
	w := ws.of[b.connection]
	switch {
	case b.waiting() == 0:
		l.forget(b)
		return
	case w == nil && !b.told && b.command() == wire.OnClose: // no worker was told of the client
		l.queue.clear(b)
		l.forget(b)
		return
	case w == nil || w.conn == nil:
		chosen := ws.choose()
		switch {
		case chosen != nil:
		case l.queue.now() == phaseAlone && b.command() != wire.OnClose:
			l.doomed.push(b)
			return
		default:
			l.stranded.push(b)
			return
		}
		ws.bind(b.connection, chosen)
		w = chosen
	}
	l.queue.enlist(b, w)
}

func (l *innerLoop) forget(b *backlog) {
	connection := b.connection
	if l.queue.forget(b) {
		l.resumes = append(l.resumes, connection)
	}
}

// fill hands events of a worker's clients to its connection, one of each in turn,
// until workerAhead bytes wait for its socket. It returns false if there are none.
func (l *innerLoop) fill(c *innerConn) bool {
	w, q, before := c.worker, l.queue, len(c.out)
	if w.idle() || c.closed || c.ended || c.last > 0 {
		return false
	}
	if c.waiting() == 0 {
		c.lastOut = l.now()
	}
	q.mu.Lock()
	l.assignFresh() // a short event must not wait for a long one that came earlier
	for c.waiting() < workerAhead {
		lane, _ := w.lanes.pick()
		if lane == nil {
			break
		}
		if lane.owed > 0 {
			lane.owed--
		} else {
			l.handOn(c, lane)
		}
		if lane.idle() {
			q.leave(lane)
		} else {
			w.lanes.line.push(lane)
		}
	}
	q.mu.Unlock()
	n := len(c.out) - before
	l.queued(c, n)
	l.makeRoom()
	return n > 0
}

// handOn gives a lane its turn: it hands on events of the client whose turn it is.
// The caller holds the queue's lock.
func (l *innerLoop) handOn(c *innerConn, from *lane) {
	q, most := l.queue, 1
	b, first := from.pick()
	if first {
		most = quickEvents
	}
	for n := 0; n < most && b.waiting() > 0 && (n == 0 || c.waiting() < largeEvent); n++ {
		from.owed = n
		last := b.command() == wire.OnClose
		before := b.waiting()
		c.out = b.cut(c.out)
		q.weigh(b, b.waiting()-before)
		l.count.events.Add(1)
		if last {
			l.workers.unbind(b.connection)
		}
	}
	if b.waiting() == 0 { // or the client's close event removed them all
		l.forget(b)
		return
	}
	if b.held && b.waiting() <= q.share(b.network)/2 {
		b.held = false
		q.held--
		l.resumes = append(l.resumes, b.connection)
	}
	from.line.push(b)
}

// makeRoom tells the server which clients may be read again, and whether there is
// room for new ones.
func (l *innerLoop) makeRoom() {
	if len(l.resumes) > 0 {
		l.host.Resume(l.resumes)
		l.resumes = l.resumes[:0]
	}
	q := l.queue
	q.mu.Lock()
	if q.asked && q.room.Eased(0) {
		q.asked, q.eased = false, true
	}
	eased := q.eased
	q.eased = false
	q.mu.Unlock()
	if eased {
		l.host.Readmit()
	}
}

// enter starts a phase, for the server too.
func (l *innerLoop) enter(p phase) {
	l.awaitUntil = time.Time{}
	l.queue.phase.Store(int32(p))
	l.host.WantMessages(p != phaseOff)
	l.host.SuspendInit(p != phaseOff && !l.cfg.KeepInit)
	switch p {
	case phaseAwait:
		l.awaitUntil = l.now().Add(l.cfg.WorkerWait)
		return // nobody need be asked again
	case phaseAlone:
		l.doom()
	}
	l.host.Readmit()
}

// missWorkers is called when the last worker has left.
func (l *innerLoop) missWorkers() {
	if l.cfg.WorkerWait > 0 {
		l.enter(phaseAwait)
		return
	}
	l.enter(phaseAlone)
}

// awaited is called when no worker has attached in time.
func (l *innerLoop) awaited(now time.Time) {
	if l.awaitUntil.IsZero() || now.Before(l.awaitUntil) {
		return
	}
	if l.cfg.Workers == WorkersAuto && l.count.attaches.Load() == 0 {
		l.log.Info("no worker has attached: serving clients without workers, for pushes only", "waited", l.cfg.WorkerWait.String())
		l.enter(phaseOff)
		return
	}
	l.log.Warn("no worker has attached in time: closing clients that need one", "waited", l.cfg.WorkerWait.String())
	l.enter(phaseAlone)
}

// doom closes the clients whose events have waited in vain.
func (l *innerLoop) doom() {
	for b := l.stranded.pop(); b != nil; b = l.stranded.pop() {
		l.doomed.push(b)
	}
	l.bell.Ring()
}

// endDoomed closes the next batch of them. What they have sent is dropped. A worker
// that attaches later still gets their close events if a worker knew the clients.
func (l *innerLoop) endDoomed() {
	if l.doomed.empty() {
		return
	}
	q := l.queue
	var broken []uint32
	q.mu.Lock()
	for n := 0; n < doomedBatch; n++ {
		b := l.doomed.pop()
		if b == nil {
			break
		}
		if b.closes() {
			l.count.eventDrops[dropNoWorker].Add(uint64(b.count() - 1))
			if b.told || l.workers.of[b.connection] != nil {
				q.clearButLast(b)
				b.told = true
				l.stranded.push(b)
				continue
			}
			q.clear(b)
		} else {
			l.count.eventDrops[dropNoWorker].Add(uint64(b.count()))
			l.count.unserved.Add(1)
			broken = append(broken, b.connection)
			q.clear(b)
		}
		l.forget(b)
	}
	q.mu.Unlock()
	l.host.Abandon(broken)
	if !l.doomed.empty() {
		l.bell.Ring()
	}
}
