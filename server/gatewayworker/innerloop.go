package gatewayworker

import (
	"container/list"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/gateway"
	"castgate/server/internal/audit"
	"castgate/server/internal/bell"
)

// innerLoop serves the inner listener and every inner connection on one
// goroutine.
//
// PHP opens a connection for each command, writes, closes and goes on; nothing
// is acknowledged, and yet the next command must see what the one before has
// done (docs/gatewayworker-protocol.md section 0.1). That holds here because
// commands run in the order in which their bytes arrived:
//
//   - The kernel puts a socket at the end of the epoll's list of ready ones when
//     its bytes arrive, and epoll_wait takes from the front. Connections are
//     edge-triggered: level-triggered, one would be put back to the end each
//     time it is reported, and bytes that come next would have that older place,
//     ahead of what others got before. (A worker stores a session on one
//     connection and asks for it on another.)
//   - The listener's place in that list is that of the first connection that
//     waits, which says nothing of the others: bytes of an older connection may
//     have come before those of a new one, or after. So in a turn that accepts,
//     new and old ones are put in the order of the times at which the kernel
//     received their bytes (welcome).
//   - A connection is not told of as writable, unless something waits to be written:
//     that would give it its place before it has sent anything.
//   - A connection is read until it is empty and not a second time: what comes
//     after that puts it at the end of the list again. One that has more than
//     readBudget goes on in the next turn.
//   - A frame that has come in part runs when the rest is there, as in PHP, and
//     what was sent later may overtake it: more than the kernel takes at once, or
//     a packet that was lost, also within the host if net.core.netdev_max_backlog
//     overflows.
//   - Replies are written when everybody who was reported has been read.
//   - A command is done, or with the server's event loops in its order, before
//     the next one is looked at.
type innerLoop struct {
	cfg     Config
	log     *slog.Logger
	audit   *audit.Log
	sys     *system
	gateway Gateway
	count   *counters
	prefix  string // of client ids
	began   time.Time
	local   bool // advertised as 127.0.0.1: no keepalive

	epoll, listener int
	bell            bell.Bell
	queue           *eventQueue
	host            gateway.Host
	workers         *workers
	stranded        line[*backlog] // wait for a worker
	doomed          line[*backlog] // of clients that are to be closed for want of one
	resumes         []uint32       // clients to read again, by connection id
	awaitUntil      time.Time      // when phaseAwait ends
	tasks           chan func(*innerLoop)
	stopped         atomic.Bool // it ends after its turn; any goroutine may say so

	conns      map[int]*innerConn // by descriptor
	silent     *list.List         // of *innerConn without a whole command, oldest first
	unfinished []*innerConn       // have more to read
	dirty      []*innerConn       // have something to write
	held       int                // bytes of half frames
	waiting    int                // bytes of replies and events
	short      []*innerConn       // the kernel had no memory for them
	shortUntil time.Time          // they are tried again then
	paused     time.Time          // accepting goes on then
	fullAt     time.Time          // when connections began to wait for room

	// Of the turn.
	events   []unix.EpollEvent
	ready    []*innerConn // told of by epoll, in order
	fresh    []*innerConn // accepted, not in the epoll yet
	said     []*innerConn // of fresh: have sent something
	rung     bool         // the bell has
	connects bool         // connections wait to be accepted
	oob      []byte
	polled   []unix.PollFd
	room     []byte // for what fresh ones have sent
	used     int    // of room

	at     *job   // the command at hand
	inline job    // for those that are done at once
	jobs   []*job // that go on in later turns
	steps  int    // left of the turn; see job
	built  int    // bytes of replies that jobs are making

	in         []byte // being read
	busyWarned time.Time
	refusedAt  [ignoreReasons]time.Time // when the log told of one
}

const (
	readLen    = 64 << 10
	readBudget = 1 << 20
	eventBatch = 256
	// acceptBatch is how many connections are taken at once.
	acceptBatch = 1024
	// maxBatches is how many full batches of ready connections are looked at
	// before new ones are read; that is more than there are connections.
	maxBatches = 32
	// acceptPause is how long accepting rests after an error.
	acceptPause = 50 * time.Millisecond
	// fullPatience is how long connections wait for one of MaxConns to end.
	fullPatience = 2 * time.Second
)

// run serves until stopped is set.
func (l *innerLoop) run() error {
	events := l.events
	nextSweep := l.now().Add(sweepEvery)
	l.enter(l.queue.now())
	for !l.stopped.Load() {
		n, err := l.sys.wait(l.epoll, events, l.patience(nextSweep))
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		l.turn(events[:max(n, 0)])
		now := l.now()
		l.awaited(now)
		if !now.Before(nextSweep) {
			l.sweep(now)
			nextSweep = now.Add(sweepEvery)
		}
	}
	for _, c := range l.conns {
		l.close(c, closeShutdown)
	}
	l.goOnWithJobs() // they end
	return nil
}

// now is the time for deadlines. Beyond March 2157 time.Now has no monotonic
// reading, and a deadline of a wall clock that was out there for a moment would
// come in centuries; this has one always.
func (l *innerLoop) now() time.Time { return l.began.Add(time.Since(l.began)) }

// patience is for how many milliseconds epoll_wait may wait.
func (l *innerLoop) patience(until time.Time) int {
	if len(l.unfinished) > 0 || !l.allBusy() {
		return 0
	}
	if len(l.jobs) > 0 {
		return 1
	}
	if !l.paused.IsZero() && l.paused.Before(until) {
		until = l.paused
	}
	if !l.awaitUntil.IsZero() && l.awaitUntil.Before(until) {
		until = l.awaitUntil
	}
	if !l.shortUntil.IsZero() && l.shortUntil.Before(until) {
		until = l.shortUntil
	}
	return int(max(until.Sub(l.now()).Milliseconds(), 0)) + 1
}

// turn serves what one epoll_wait has told.
func (l *innerLoop) turn(events []unix.EpollEvent) {
	if !l.paused.IsZero() && l.now().After(l.paused) {
		l.paused = time.Time{}
		l.listenFor(unix.EPOLLIN)
	}
	later := l.unfinished
	l.unfinished, l.steps, l.used = nil, turnSteps, 0
	l.ready, l.rung, l.connects = l.ready[:0], false, false
	l.gather(events)
	if l.connects {
		l.welcome()
	}
	for _, c := range l.ready {
		if !c.closed {
			l.serve(c)
		}
	}
	for _, c := range later {
		c.later = false
		l.read(c)
	}
	l.retryShort()
	l.gateway.Wake()
	l.goOnWithJobs()
	l.gateway.Wake()
	if l.rung {
		l.deliver()
		for more := true; more; {
			select {
			case task := <-l.tasks:
				task(l)
			default:
				more = false
			}
		}
	}
	l.enrol()
	for i := 0; i < len(l.dirty); i++ { // closing one may make others dirty
		c := l.dirty[i]
		c.dirty = false
		l.flush(c)
	}
	l.dirty = l.dirty[:0]
}

// gather notes whom epoll has told of, in its order.
func (l *innerLoop) gather(events []unix.EpollEvent) {
	for _, e := range events {
		switch fd := int(e.Fd); fd {
		case int(l.bell):
			l.bell.Answer()
			l.rung = true
		case l.listener:
			l.connects = true
		default:
			c := l.conns[fd]
			if c == nil {
				continue
			}
			if c.told == 0 {
				l.ready = append(l.ready, c)
			}
			c.told |= e.Events
		}
	}
}

// listenFor sets what of the listener is told.
func (l *innerLoop) listenFor(events uint32) {
	if l.listener < 0 {
		return
	}
	if err := l.sys.watch(l.epoll, unix.EPOLL_CTL_MOD, l.listener, events); err != nil && events != 0 {
		l.paused = l.now().Add(acceptPause) // or nobody would be accepted any more
	}
}

// accept takes the connections that wait.
func (l *innerLoop) accept() {
	for range acceptBatch {
		// Nobody has to go before what has been sent is read, as commands make
		// room: the others wait in the backlog meanwhile.
		if l.full() && (len(l.fresh) > 0 || l.hasInput(l.silent.Front()) || l.waits()) {
			return
		}
		fd, from, err := l.sys.accept(l.listener)
		switch err {
		case nil:
			l.take(fd, from)
		case unix.EAGAIN:
			l.fullAt = time.Time{} // all that have waited are in or were turned away
			return
		case unix.EINTR, unix.ECONNABORTED:
		default: // no descriptors or memory are left, and trying at once would not help
			l.count.acceptErrors.Add(1)
			if l.paused = l.now().Add(acceptPause); l.paused.Sub(l.busyWarned) > warnEvery {
				l.busyWarned = l.paused
				l.log.Warn("inner connections can't be accepted", "err", err)
			}
			l.listenFor(0)
			return
		}
	}
}

// full tells whether one more connection means one less.
func (l *innerLoop) full() bool {
	return len(l.conns) >= l.cfg.MaxConns || l.silent.Len() >= l.cfg.MaxSilent
}

// hasInput tells whether a connection that counts as silent has sent something
// that has only not been read yet.
func (l *innerLoop) hasInput(e *list.Element) bool {
	if e == nil {
		return false
	}
	n, _, err := l.sys.peek(e.Value.(*innerConn).fd, l.in[:1], nil)
	return err == nil && n > 0 || outOfMemory(err)
}

// waits tells whether new connections have to wait in the kernel because all
// that are open are in use. Most end after a command, so they wait for
// fullPatience before they are turned away.
func (l *innerLoop) waits() bool {
	now := l.now()
	if l.silent.Len() > 0 {
		return false
	}
	if l.fullAt.IsZero() {
		l.fullAt = now
		l.count.fullWaits.Add(1)
	}
	if now.Sub(l.fullAt) > fullPatience {
		return false
	}
	l.paused = now.Add(acceptPause)
	l.listenFor(0)
	return true
}

// take adds a new connection.
func (l *innerLoop) take(fd int, from netip.AddrPort) {
	l.count.accepted.Add(1)
	if l.full() {
		oldest := l.silent.Front()
		if oldest == nil {
			l.count.closes[closeFull].Add(1)
			l.sys.orderly(fd)
			l.sys.close(fd)
			return
		}
		l.close(oldest.Value.(*innerConn), closeFull)
	}
	now := l.now()
	c := &innerConn{fd: fd, fresh: true, peer: from, authorized: l.cfg.Secret == "", lastIn: now, lastOut: now}
	l.fresh = append(l.fresh, c)
	l.conns[fd] = c
	c.silent = l.silent.PushBack(c)
	l.count.connections.Store(int64(len(l.conns)))
}

const readable = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
