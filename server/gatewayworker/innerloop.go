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
	"castgate/server/internal/listen"
)

// innerLoop serves the inner listener and every inner connection on one goroutine.
//
// PHP opens a connection for each command, writes, closes and continues. Nothing is
// acknowledged, and yet the next command must see the effect of the previous one
// (docs/gatewayworker-protocol.md section 0.1). That works because commands run in
// the order in which their bytes arrived:
//
//   - The kernel appends a socket to the epoll's ready list when its bytes arrive,
//     and epoll_wait takes from the front. Connections are edge-triggered. A
//     level-triggered one would be appended again each time it is reported, and bytes
//     that arrive later would have that older place, ahead of what others got before.
//     (A worker stores a session on one connection and asks for it on another.)
//   - The listener's place in that list is that of the first waiting connection, which
//     says nothing about the others: bytes of an older connection may have arrived
//     before those of a new one, or after. So in a turn that accepts, new and old
//     connections are sorted by the times at which the kernel received their bytes
//     (welcome).
//   - A connection is reported as writable only if something waits to be written.
//     Otherwise that would give it a place before it has sent anything.
//   - A connection is read until it is empty and then no more: what arrives later
//     appends it to the list again. A connection with more than readBudget continues
//     in the next turn.
//   - An incomplete frame runs when its rest has arrived, as in PHP, and a frame that
//     was sent later may overtake it: if it is more than the kernel accepts at once, or
//     if a packet was lost, even within the host when net.core.netdev_max_backlog
//     overflows.
//   - Replies are written when every reported connection has been read.
//   - A command is done, or queued in order at the server's event loops, before the
//     next one is looked at.
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
	stranded        line[*backlog] // backlogs that wait for a worker
	doomed          line[*backlog] // backlogs of clients to be closed for lack of one
	resumes         []uint32       // clients to read again, by connection id
	awaitUntil      time.Time      // end of phaseAwait
	tasks           chan func(*innerLoop)
	stopped         atomic.Bool // end after this turn; any goroutine may set it

	conns      map[int]*innerConn // by descriptor
	silent     *list.List         // of *innerConn without a complete command, oldest first
	unfinished []*innerConn       // with more to read
	dirty      []*innerConn       // with something to write
	held       int                // bytes of incomplete frames
	waiting    int                // bytes of replies and events
	short      []*innerConn       // the kernel had no memory for them
	shortUntil time.Time          // when they are tried again
	accepting  *listen.Errors
	broken     error     // the listener can't accept any more
	paused     time.Time // when accepting resumes
	fullAt     time.Time // when connections began to wait for room

	// Valid during a turn.
	events   []unix.EpollEvent
	ready    []*innerConn // reported by epoll, in order
	fresh    []*innerConn // accepted, not in the epoll yet
	said     []*innerConn // of fresh: those that have sent something
	rung     bool         // the bell has rung
	connects bool         // connections wait to be accepted
	oob      []byte
	polled   []unix.PollFd
	room     []byte // for what fresh connections have sent
	used     int    // of room

	at     *job   // the current command
	inline job    // for commands that are done at once
	jobs   []*job // that continue in later turns
	steps  int    // left in this turn; see job
	built  int    // bytes of replies under construction by jobs

	in        []byte                   // input buffer
	refusedAt [ignoreReasons]time.Time // time of the last log line for each reason
}

const (
	readLen    = 64 << 10
	readBudget = 1 << 20
	eventBatch = 256
	// acceptBatch is how many connections are accepted at once.
	acceptBatch = 1024
	// maxBatches is how many full batches of ready connections are collected before
	// new ones are read. That is more than there are connections.
	maxBatches = 32
	// fullPause is how long accepting pauses while connections wait for room.
	fullPause = 50 * time.Millisecond
	// fullPatience is how long new connections wait for one of MaxConns to end.
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
		if l.broken != nil {
			return l.broken
		}
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
	l.goOnWithJobs() // they are ended
	return nil
}

// now is the time for deadlines. Unlike time.Now it always has a monotonic reading,
// which time.Now lacks after March 2157: if the wall clock were that late for a
// moment, a deadline taken then would expire centuries later.
func (l *innerLoop) now() time.Time { return l.began.Add(time.Since(l.began)) }

// patience is how many milliseconds epoll_wait may wait.
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

// turn handles the events of one epoll_wait.
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

// gather collects the connections that epoll has reported, in its order.
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

// listenFor sets which events of the listener epoll reports.
func (l *innerLoop) listenFor(events uint32) {
	if l.listener < 0 {
		return
	}
	if err := l.sys.watch(l.epoll, unix.EPOLL_CTL_MOD, l.listener, events); err != nil && events != 0 {
		l.paused = l.now().Add(listen.Pause) // otherwise nobody would be accepted any more
	}
}

// accept accepts the waiting connections.
func (l *innerLoop) accept() {
	for range acceptBatch {
		// No connection has to go before its data is read, since commands make
		// room. The others wait in the backlog meanwhile.
		if l.full() && (len(l.fresh) > 0 || l.hasInput(l.silent.Front()) || l.waits()) {
			return
		}
		fd, from, err := l.sys.accept(l.listener)
		switch err {
		case nil:
			l.accepting.Accepted()
			l.add(fd, from)
		case unix.EAGAIN:
			l.fullAt = time.Time{} // all that waited are accepted or turned away
			return
		default:
			r := l.accepting.Failed(err)
			if r.Broken {
				l.broken = fmt.Errorf("accept: %w", err)
			}
			if r.Broken || r.Wait > 0 {
				l.paused = l.now().Add(r.Wait)
				l.listenFor(0)
				return
			}
		}
	}
}

// full reports whether one more connection requires closing another.
func (l *innerLoop) full() bool {
	return len(l.conns) >= l.cfg.MaxConns || l.silent.Len() >= l.cfg.MaxSilent
}

// hasInput reports whether a connection that counts as silent has sent something
// that has not been read yet.
func (l *innerLoop) hasInput(e *list.Element) bool {
	if e == nil {
		return false
	}
	n, _, err := l.sys.peek(e.Value.(*innerConn).fd, l.in[:1], nil)
	return err == nil && n > 0 || outOfMemory(err)
}

// waits reports whether new connections must wait in the kernel because all open
// ones are in use. Most connections end after a command, so new ones wait for
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
	l.paused = now.Add(fullPause)
	l.listenFor(0)
	return true
}

// add adds a new connection.
func (l *innerLoop) add(fd int, from netip.AddrPort) {
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
