package gatewayworker

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/gateway"
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
//
// It is composed of parts, each of which owns its fields: no file but the part's own touches
// them. What one part asks of another are calls of its methods, by way of the loop.
type innerLoop struct {
	cfg   Config
	log   *slog.Logger
	audit *audit.Log
	sys   *system
	count *counters

	connections connections
	arrivals    arrivals
	reader      reader
	commands    commands
	execution   execution
	delivery    delivery
	writer      writer
	shortage    shortage
	sweeper     sweeper

	epoll   int
	bell    bell.Bell
	tasks   chan func(*innerLoop)
	stopped atomic.Bool // end after this turn; any goroutine may set it

	// Valid during a turn.
	events []unix.EpollEvent
	ready  []*innerConn // reported by epoll, in order
	rung   bool         // the bell has rung
}

// newInnerLoop returns a loop without descriptors of its own: the caller sets epoll and bell,
// its arrivals and its sweeper.
func newInnerLoop(c Config, sys *system, count *counters, log *slog.Logger, records *audit.Log, q *eventQueue, prefix string) *innerLoop {
	l := &innerLoop{
		cfg: c, log: log, audit: records, sys: sys, count: count, epoll: -1,
		tasks: make(chan func(*innerLoop), 8), events: make([]unix.EpollEvent, eventBatch),
	}
	l.connections = newConnections(l)
	l.arrivals = newArrivals(l, -1)
	l.reader = newReader(l)
	l.commands = newCommands(l, prefix)
	l.execution = execution{loop: l}
	l.delivery = delivery{loop: l, queue: q, workers: newWorkers(c.Routing, q)}
	l.writer = writer{loop: l}
	l.shortage = shortage{loop: l}
	l.sweeper = newSweeper(l, false)
	return l
}

// serves gives the loop the server that it serves.
func (l *innerLoop) serves(gw Gateway, host gateway.Host) {
	l.commands.serves(gw)
	l.delivery.serves(host)
}

const (
	eventBatch = 256
	readable   = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
)

// run serves until stopped is set.
func (l *innerLoop) run() error {
	events := l.events
	l.sweeper.begin()
	l.delivery.begin()
	for !l.stopped.Load() {
		n, err := l.sys.wait(l.epoll, events, l.patience())
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		l.turn(events[:max(n, 0)])
		if err := l.arrivals.failure(); err != nil {
			return err
		}
		now := l.now()
		l.delivery.awaited(now)
		l.sweeper.tick(now)
	}
	for c := range l.connections.all() {
		l.close(c, closeShutdown)
	}
	l.execution.goOnWithJobs() // they are ended
	return nil
}

// now is the time for deadlines.
func (l *innerLoop) now() time.Time { return l.sys.now() }

// patience is how many milliseconds epoll_wait may wait.
func (l *innerLoop) patience() int {
	if !l.reader.idle() || !l.execution.allBusy() {
		return 0
	}
	if l.execution.underWay() > 0 {
		return 1
	}
	until := l.sweeper.until()
	for _, at := range [...]time.Time{l.arrivals.until(), l.delivery.until(), l.shortage.ends()} {
		if !at.IsZero() && at.Before(until) {
			until = at
		}
	}
	return int(max(until.Sub(l.now()).Milliseconds(), 0)) + 1
}

// turn handles the events of one epoll_wait.
func (l *innerLoop) turn(events []unix.EpollEvent) {
	l.reader.begin()
	l.execution.begin()
	l.arrivals.begin()
	l.ready, l.rung = l.ready[:0], false
	l.gather(events)
	l.arrivals.welcome()
	for _, c := range l.ready {
		if !c.closed {
			l.reader.serve(c)
		}
	}
	l.reader.goOn()
	l.shortage.retry()
	l.commands.wake()
	l.execution.goOnWithJobs()
	l.commands.wake()
	if l.rung {
		l.delivery.deliver()
		l.doTasks()
	}
	l.arrivals.enrol()
	l.writer.flushAll()
}

// doTasks does what other goroutines have asked for.
func (l *innerLoop) doTasks() {
	for {
		select {
		case task := <-l.tasks:
			task(l)
		default:
			return
		}
	}
}

// gather collects the connections that epoll has reported, in its order.
func (l *innerLoop) gather(events []unix.EpollEvent) {
	for _, e := range events {
		fd := int(e.Fd)
		switch {
		case fd == int(l.bell):
			l.bell.Answer()
			l.rung = true
		case l.arrivals.reported(fd):
		default:
			c := l.connections.at(fd)
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
