package gatewayworker

import (
	"container/list"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/audit"
	"castgate/server/internal/bell"
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
	cfg   Config
	log   *slog.Logger
	audit *audit.Log
	sys   *system
	count *counters
	began time.Time
	local bool // advertised as 127.0.0.1: no keepalive

	commands
	execution
	arrivals
	delivery

	epoll   int
	bell    bell.Bell
	tasks   chan func(*innerLoop)
	stopped atomic.Bool // end after this turn; any goroutine may set it

	conns      map[int]*innerConn // by descriptor
	silent     *list.List         // of *innerConn without a complete command, oldest first
	unfinished []*innerConn       // with more to read
	dirty      []*innerConn       // with something to write
	held       int                // bytes of incomplete frames
	waiting    int                // bytes of replies and events
	short      []*innerConn       // the kernel had no memory for them
	shortUntil time.Time          // when they are tried again
	in         []byte             // input buffer

	// Valid during a turn.
	events []unix.EpollEvent
	ready  []*innerConn // reported by epoll, in order
	rung   bool         // the bell has rung
}

// link leads the parts back to their loop.
func (l *innerLoop) link() {
	l.commands.loop, l.execution.loop, l.arrivals.loop, l.delivery.loop = l, l, l, l
}

const (
	readLen    = 64 << 10
	readBudget = 1 << 20
	eventBatch = 256
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

const readable = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
