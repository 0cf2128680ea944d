// Package loop is the event loops: they hold the connections of clients and write pushes
// to them.
//
// Loops are the loops and what they share. A loop owns the connections accepted for it
// (conn): one goroutine each, no locks. It is composed of parts, each of which owns its
// fields; ARCHITECTURE.md lists them, and the calls by which a frame comes in and a push
// goes out. The registry knows clients by id, uid and group, under sharded locks, from any
// goroutine. A loop's mailbox is the border between the two worlds.
//
// # Locks
//
// Lock order: one of the locks for sessions of package verbs, which no loop takes, then
// chunk.mu, then a table shard's lock or one of clientid.Peers', then mailbox.mu. Never the
// other way, never two chunks at once, and no lock is held across a system call on a
// client's socket. A loop's own state needs no lock; only its goroutine touches it.
//
// # Slices
//
// Bytes read from a socket live until the callback that got them returns.
// Frame bytes are never changed after a push has encoded them.
package loop

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/internal/bell"
	"castgate/server/kernel"
	"castgate/server/reason"
	"castgate/server/tally"
	"castgate/server/transport"
)

// A turn of the loop answers the bell: it takes up commands and then writes.
// Each part is bounded, so that between turns the poller serves sockets that
// are ready: a client's ping waits for one turn, not for a whole broadcast.
const (
	turnWrites     = 32    // sockets written in one slice
	turnCommands   = 4096  // commands taken up
	turnDeliveries = 8192  // members of a group given a frame
	maxIdleCap     = 16384 // elements a list keeps room for when it is empty
	readLen        = admission.MaxRead

	maxWriting = time.Millisecond // slices follow one another for
)

// loop is one event loop: a poller, the connections accepted for it, and the
// parts that serve them. A part owns its fields: no file but its own touches
// them (parts_test.go). What one part asks of another are calls of its
// methods, by way of loop; see ARCHITECTURE.md for their table.
type loop struct {
	// Static after newLoop.
	idx    int
	srv    *Loops
	sys    *kernel.Calls
	poller *netpoll.Poller
	bell   bell.Bell
	ticker int // timerfd

	mail  mailbox        // shared with other goroutines, guarded by itself
	count tally.Counters // atomics, written by the loop, but for matched
	slots slots          // shared with the registry; see there

	// Owned by the loop's goroutine.
	commands commandQueue
	clock    clock
	progress progress
	entrance entrance
	heads    heads
	waiting  waitingRoom
	reader   reader
	inflater inflater
	messages messages
	lives    lives
	writer   writer
	secure   secureStreams
	fanout   fanout
	heart    heartbeats
	exit     exit
	drain    drainer
}

func newLoop(s *Loops, idx int) (*loop, error) {
	l := &loop{
		idx: idx, srv: s, sys: s.sys, ticker: -1,
	}
	l.count.Elapsed, l.count.Timing = s.sys.Elapsed, &s.timing
	l.count.Ticked.Store(int64(s.sys.Elapsed()))
	l.mail.init(l, int64(s.config.Capacity.PushQueue))
	l.commands = commandQueue{loop: l}
	l.clock = newClock(l)
	l.progress = newProgress(l)
	l.entrance = newEntrance(l)
	l.heads = newHeads(l, s.config.Loops)
	l.waiting = newWaitingRoom(l)
	l.reader = newReader(l)
	l.inflater = inflater{loop: l}
	l.messages = messages{loop: l, onMessage: s.config.OnMessage, events: s.config.Events}
	l.lives = lives{loop: l, watched: len(s.config.Watchers) > 0}
	l.writer = newWriter(l)
	l.secure = secureStreams{loop: l, records: transport.NewRecords(func() int64 { return int64(s.Elapsed()) })}
	l.fanout = newFanout(l)
	l.heart = newHeartbeats(l)
	l.exit = exit{loop: l}
	l.drain = drainer{loop: l}
	l.limit(s.config.Capacity)
	var err error
	if l.poller, err = netpoll.OpenPoller(); err != nil {
		return nil, fmt.Errorf("event loop: %w", err)
	}
	if l.bell, err = l.sys.Bell(); err == nil {
		err = l.sys.Watch(l.poller, int(l.bell))
	}
	if err == nil {
		l.ticker, err = l.sys.Ticker(kernel.Tick)
	}
	if err == nil {
		err = l.sys.Watch(l.poller, l.ticker)
	}
	if err != nil {
		l.discard()
		return nil, fmt.Errorf("event loop: %w", err)
	}
	return l, nil
}

// discard closes what a loop that has never run holds.
func (l *loop) discard() {
	l.end()
	_ = l.poller.Close()
}

// limit takes up new limits.
func (l *loop) limit(n capacity.Capacity) {
	l.entrance.limit(n)
	l.reader.limit(n)
	l.writer.limit(n)
}

// run serves until a command ends it. It returns nil only if it was asked.
func (l *loop) run() error {
	err := l.poller.Polling(l.onEvent)
	l.end()
	if err == nil || err == errors.ErrEngineShutdown {
		return nil
	}
	return fmt.Errorf("event loop %d: %w", l.idx, err)
}

// onEvent is the poller's callback. An event on a client's descriptor is only
// a hint that a call may succeed: the descriptor may have been closed earlier
// in the same round and be another client's by now, or be one that has just
// been accepted.
func (l *loop) onEvent(fd int, ev netpoll.IOEvent, _ netpoll.IOFlags) error {
	err := l.serve(fd, ev)
	l.count.Settle()
	l.clock.forget()
	return err
}

func (l *loop) serve(fd int, ev netpoll.IOEvent) (err error) {
	switch fd {
	case int(l.bell):
		l.bell.Answer()
		began := l.sys.Elapsed()
		err = l.turn()
		l.count.Turns.Observe(l.sys.Elapsed() - began)
		return err
	case l.ticker:
		l.clock.tick()
		return nil
	}
	slot, c := l.connOf(fd)
	if c == nil {
		l.entrance.takeIn()
		if slot, c = l.connOf(fd); c == nil {
			l.sys.Yield() // to the acceptor, which may be about to tell
			return nil
		}
	}
	defer l.survive(slot, c.gen)
	if ev&netpoll.WriteEvents != 0 && !l.writer.flush(slot, c) {
		return nil
	}
	switch {
	case c.paused == awaiting && ev&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		l.exit.closeNow(slot, c, reason.Gone)
	case ev&^netpoll.WriteEvents != 0:
		l.reader.readable(slot, c)
	}
	return nil
}

// connOf returns the connection of a descriptor, nil if it is none.
func (l *loop) connOf(fd int) (uint32, *conn) {
	slot, ok := l.srv.fds.Get(fd)
	if !ok {
		return 0, nil
	}
	if c := l.conn(slot); c != nil && int(c.fd) == fd {
		return slot, c
	}
	return 0, nil
}

// survive keeps a defect that one client's bytes have found from ending the
// process: that client is closed, the stack is logged.
func (l *loop) survive(slot, gen uint32) {
	p := recover()
	if p == nil {
		return
	}
	l.count.Panics.Add(1)
	l.reader.forgetEvent()
	l.writer.dropPongs()
	l.srv.log.Error("defect while serving a client", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if c := l.conn(slot); c != nil && c.gen == gen {
		l.exit.closeNow(slot, c, reason.Internal)
	}
}

// turn answers the bell.
func (l *loop) turn() error {
	l.mail.answer()
	collected := l.commands.collect()
	if stop := l.commands.obey(); stop {
		return errors.ErrEngineShutdown
	}
	l.write()
	l.clock.turn()
	l.heart.turn()
	l.reader.turn()
	l.entrance.turn()
	l.exit.turn()
	l.drain.turn()
	// Who posted while the bell was rung relies on this turn to collect; if it
	// had an older batch to finish, another turn must.
	if !collected || l.busy() {
		l.mail.ring()
		// Let other threads, of this process or not, have the core: a request
		// at the control port passes through several of them.
		l.sys.Yield()
		return nil
	}
	l.clock.rest()
	return nil
}

// write writes slices of what has been pushed. A turn costs four system calls and a
// change of thread, so while nobody else waits, slice follows slice: until somebody
// posts, or until the sockets that may be ready have waited for maxWriting. Where
// pushes to all queue up, a slice carries many of them at once and a turn weighs
// little; those who push want the core more.
func (l *loop) write() {
	for began := l.sys.Elapsed(); ; {
		l.fanout.turn()
		if !l.fanout.busy() || l.fanout.queued() || l.mail.waiting() || l.othersBusy() ||
			l.sys.Elapsed()-began >= maxWriting {
			return
		}
	}
}

// busy tells whether something has been left for the next turn.
func (l *loop) busy() bool { return l.fanout.busy() || l.othersBusy() }

// othersBusy is busy but for what has been pushed.
func (l *loop) othersBusy() bool {
	return l.commands.busy() || l.clock.busy() || l.heart.busy() || l.reader.busy() ||
		l.entrance.busy() || l.exit.busy() || l.drain.due()
}

// end closes every socket and gives back what the loop holds.
func (l *loop) end() {
	l.mail.close()
	l.commands.end()
	l.entrance.end()
	for slot := uint32(0); slot < l.slots.extent(); slot++ {
		if c := l.conn(slot); c != nil {
			why := reason.Shutdown
			if c.state == connClosing {
				why = c.close
			}
			l.drain.countCut(c, why)
			l.exit.closeNow(slot, c, why)
		}
	}
	l.exit.end()
	l.fanout.end()
	l.count.Settle()
	_ = unix.Close(l.ticker)
	l.bell.Close()
}
