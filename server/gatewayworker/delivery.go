package gatewayworker

import (
	"time"

	wire "castgate/codec/gatewayworker"
)

// Events reach workers in turn: each worker has lanes of the networks of its
// clients, and takes one event of each before the next one of the first; a lane has
// the backlogs of its clients, and does the same. A network of which nothing has
// waited goes before those that always have something waiting, however many these
// are, and so does a client within its network. What is handed to a worker's socket
// before it has taken what came before is kept short, so that an event of a quiet
// client waits for few of a loud one: a slow worker takes long for a thousand tiny
// ones.

const (
	// workerAhead is how many bytes of events wait for a worker's socket.
	workerAhead = 2 << 10
	// quickEvents is how many events of a client go at once that begins to wait:
	// ON_CONNECT, ON_WEBSOCKET_CONNECT, a message and ON_CLOSE.
	quickEvents = 4
	// feedBudget is how many bytes a worker gets before others have their turn.
	feedBudget = 1 << 20
	// doomedBatch is how many clients are closed in one turn for want of a worker.
	doomedBatch = 256
	// warnEvery bounds the log lines about one thing that goes wrong often.
	warnEvery = 10 * time.Second
)

// deliver gives the backlogs that are new their places, and wakes the workers
// they are for.
func (l *innerLoop) deliver() {
	fresh := l.queue.takeFresh()
	if !fresh.empty() {
		l.queue.mu.Lock()
		for b := fresh.pop(); b != nil; b = fresh.pop() {
			l.assign(b)
		}
		l.queue.mu.Unlock()
	}
	for _, w := range l.workers.list {
		if !w.idle() && w.conn.waiting() == 0 {
			l.queued(w.conn, 0)
		}
	}
	l.endDoomed()
	l.makeRoom()
}

// assign puts a backlog into the line of the worker that it is for. The caller
// holds the queue's lock.
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

// fill hands events of its clients to a worker, one of each in turn, until
// workerAhead bytes wait for its socket. False if there is none.
func (l *innerLoop) fill(c *innerConn) bool {
	w, q, before := c.worker, l.queue, len(c.out)
	if w.idle() || c.closed || c.ended || c.last > 0 {
		return false
	}
	if c.waiting() == 0 {
		c.lastOut = l.now()
	}
	q.mu.Lock()
	for c.waiting() < workerAhead {
		lane, _ := w.lanes.take()
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

// handOn is the turn of a lane: events of the client in it whose turn it is. The
// caller holds the queue's lock.
func (l *innerLoop) handOn(c *innerConn, from *lane) {
	q, most := l.queue, 1
	b, first := from.take()
	if first {
		most = quickEvents
	}
	for n := 0; n < most && b.waiting() > 0; n++ {
		from.owed = n
		last := b.command() == wire.OnClose
		frame := b.cut()
		c.out = append(c.out, frame...)
		q.weigh(b, -len(frame))
		l.count.events.Add(1)
		if last {
			l.workers.unbind(b.connection)
		}
	}
	if b.waiting() == 0 { // or the client's end took it all back
		l.forget(b)
		return
	}
	if b.held && b.waiting() <= q.share()/2 {
		b.held = false
		q.held--
		l.resumes = append(l.resumes, b.connection)
	}
	from.line.push(b)
}

// makeRoom tells the server of clients that may go on, and of room for new ones.
func (l *innerLoop) makeRoom() {
	if len(l.resumes) > 0 {
		l.host.Resume(l.resumes)
		l.resumes = l.resumes[:0]
	}
	q := l.queue
	q.mu.Lock()
	room := q.asked && q.bytes < q.limit/2
	q.asked = q.asked && !room
	q.mu.Unlock()
	if room {
		l.host.Readmit()
	}
}

// enter makes a phase the present one, for the server too.
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

// awaited acts when no worker has come in time.
func (l *innerLoop) awaited(now time.Time) {
	if l.awaitUntil.IsZero() || now.Before(l.awaitUntil) {
		return
	}
	if l.cfg.Workers == WorkersAuto && l.count.attaches.Load() == 0 {
		l.log.Info("no worker has come: clients are served without, for pushes only", "waited", l.cfg.WorkerWait.String())
		l.enter(phaseOff)
		return
	}
	l.log.Warn("no worker has come in time: clients that want one are closed", "waited", l.cfg.WorkerWait.String())
	l.enter(phaseAlone)
}

// doom ends the clients whose events have waited in vain.
func (l *innerLoop) doom() {
	for b := l.stranded.pop(); b != nil; b = l.stranded.pop() {
		l.doomed.push(b)
	}
	l.bell.Ring()
}

// endDoomed ends the next of them. What they have sent is dropped, but a worker
// that comes later is told of their ends, if one was told of them at all.
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
		if end := b.end(); end != nil {
			known := b.told || l.workers.of[b.connection] != nil
			l.count.eventDrops[dropNoWorker].Add(b.count() - 1)
			q.clear(b)
			if known {
				b.frames, b.told = append(b.frames, end...), true
				q.weigh(b, len(end))
				l.stranded.push(b)
				continue
			}
		} else {
			l.count.eventDrops[dropNoWorker].Add(b.count())
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

// end returns a copy of the frame that tells of the client's end, nil if it has
// not ended.
func (b *backlog) end() (frame []byte) {
	for rest := b.frames[b.at:]; len(rest) > 0; {
		var command wire.Command
		var part []byte
		if part, command, _, rest = cutFrame(rest); command == wire.OnClose {
			frame = append([]byte(nil), part...)
		}
	}
	return frame
}

// count is how many frames wait.
func (b *backlog) count() (n uint64) {
	for rest := b.frames[b.at:]; len(rest) > 0; n++ {
		_, _, _, rest = cutFrame(rest)
	}
	return n
}
