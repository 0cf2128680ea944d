package server

import (
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/internal/bell"
	"castgate/server/internal/table"
	"castgate/server/internal/wheel"
	"castgate/server/transport"
)

// A turn of the loop answers the bell: it takes up commands and then writes.
// Each part is bounded, so that between turns the poller serves sockets that
// are ready: a client's ping waits for one turn, not for a whole broadcast.
const (
	turnWrites     = 32    // sockets written in one turn
	turnCommands   = 4096  // commands taken up
	turnDeliveries = 8192  // members of a group given a frame
	maxIdleCap     = 16384 // elements a list keeps room for when it is empty
	readLen        = 64 << 10
)

// loop is one event loop and everything it owns. Fields are in groups by
// owner; see doc.go.
type loop struct {
	// Static after newLoop.
	idx        int
	srv        *Server
	sys        *system
	poller     *netpoll.Poller
	bell       bell.Bell
	ticker     int // timerfd
	maxMessage int // these five are of Capacity
	sendQueue  uint32
	sendFrames uint32
	slowDrop   bool // SlowPolicy is drop
	// maxHandshake is the longest request head in bytes.
	maxHandshake int

	// Guarded by itself.
	mail mailbox

	// Atomics, written by the loop, but for matched.
	count counters

	// Shared with the registry; see slots.
	slots slots

	// Owned by the loop's goroutine.
	nodes      nodePool
	wheel      *wheel.Wheel
	all        broadcasts
	heart      heartbeat
	batch      []command
	next       int        // first of batch not done
	walking    table.Iter // members left of batch[next], a cmdSnapshot that is under way
	landing    []arrival
	urgent     slotList      // to write first: targets of pushes to few
	bulk       slotList      // to write a slice at a time
	later      slotList      // clients whose messages wait for their turn
	drain      int           // drainUnits that a tick adds to credit; 0 when not draining
	credit     int           // how many clients may be closed now, in drainUnits
	drained    uint32        // slot where draining goes on
	began      time.Duration // of sys.elapsed: when tick 0 was
	heldBack   int           // bytes that these wait with
	rbuf       []byte
	plain      []byte // of compressed messages; nil until there is one
	wbuf       []byte
	pongs      []byte // owed for pings of the read at hand
	newestPong int    // where the last of them begins
	records    transport.Records
	due        []uint32
	handles    []table.Handle
	spare      []*inbound
	heads      heads
	scratch    inbound
	meters     meters
	takers     map[uint32]taker // by slot; nil for none
	sentRest   int              // see note
	upgrader   codec.Upgrader

	leaving     []leaver  // clients that have ended, oldest first
	joining     []func()  // each lets in a client that joins many groups, oldest first
	waiters     []*waiter // wait to be admitted, oldest first
	readmitting bool      // readmitSome goes on with them
}

func newLoop(s *Server, idx int) (*loop, error) {
	l := &loop{
		idx: idx, srv: s, sys: s.sys,
		wheel:   wheel.New(wheelBuckets),
		rbuf:    make([]byte, readLen),
		wbuf:    make([]byte, 0, gatherLen),
		handles: make([]table.Handle, 512),
		began:   s.sys.elapsed(),
		urgent:  slotList{flag: flagUrgent},
		bulk:    slotList{flag: flagBulk},
		heart:   s.newHeartbeat(),
		heads:   newHeads(s.config.Loops),
		later:   slotList{flag: flagLater},
		records: transport.NewRecords(s.now),
	}
	l.limit(s.config.Capacity())
	l.upgrader.CheckOrigin = s.allowOrigin
	l.upgrader.Uncompressed = s.uncompressed
	l.upgrader.Compress = s.config.Compress
	l.mail.room.Store(int64(s.config.PushQueue))
	var err error
	if l.poller, err = netpoll.OpenPoller(); err != nil {
		return nil, fmt.Errorf("event loop: %w", err)
	}
	l.ticker = -1
	if l.bell, err = l.sys.bell(); err == nil {
		err = l.sys.watch(l.poller, int(l.bell))
	}
	if err == nil {
		l.ticker, err = l.sys.ticker()
	}
	if err == nil {
		err = l.sys.watch(l.poller, l.ticker)
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
func (l *loop) onEvent(fd int, ev netpoll.IOEvent, _ netpoll.IOFlags) (err error) {
	switch fd {
	case int(l.bell):
		l.bell.Answer()
		return l.turn()
	case l.ticker:
		l.tick()
		return nil
	}
	slot, c := l.connOf(fd)
	if c == nil {
		l.land()
		if slot, c = l.connOf(fd); c == nil {
			l.sys.yield() // to the acceptor, which may be about to tell
			return nil
		}
	}
	defer l.survive(slot, c.gen)
	if ev&netpoll.WriteEvents != 0 && !l.flush(slot, c) {
		return nil
	}
	if ev&^netpoll.WriteEvents != 0 {
		l.readable(slot, c)
	}
	return nil
}

// connOf returns the connection of a descriptor, nil if it is none.
func (l *loop) connOf(fd int) (uint32, *conn) {
	slot, ok := l.srv.fds.get(fd)
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
	l.count.panics.Add(1)
	l.clearInbound(&l.scratch)
	l.pongs = l.pongs[:0]
	l.srv.log.Error("defect while serving a client", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if c := l.conn(slot); c != nil && c.gen == gen {
		l.closeNow(slot, c, closeInternal)
	}
}

// turn answers the bell.
func (l *loop) turn() error {
	l.mail.rung.Store(false)
	collected := len(l.batch) == 0
	if collected {
		l.collect()
	}
	if stop := l.obey(); stop {
		return errors.ErrEngineShutdown
	}
	if l.next == len(l.batch) {
		// Now and not at the next bell: an idle loop must hold no frames.
		l.batch, l.next = recycle(l.batch), 0
	}
	budget := l.flushList(&l.urgent, turnWrites)
	budget = l.walk(max(budget, turnWrites/4))
	l.flushList(&l.bulk, max(budget, turnWrites/4))
	if l.heart.walking {
		l.beatSome()
	}
	if !l.later.empty() {
		l.takeLater()
	}
	l.joinSome()
	l.leaveSome(turnLeaves)
	l.drainSome()
	// Who posted while the bell was rung relies on this turn to collect; if it
	// had an older batch to finish, another turn must.
	if !collected || len(l.batch) > 0 || len(l.all.log) > 0 || !l.urgent.empty() || !l.bulk.empty() || !l.later.empty() || len(l.leaving)+len(l.joining) > 0 || l.heart.walking || l.draining() {
		l.ring()
		// Let other threads, of this process or not, have the core: a request
		// at the control port passes through several of them.
		l.sys.yield()
	}
	return nil
}

// end closes every socket and gives back what the loop holds.
func (l *loop) end() {
	l.mail.mu.Lock()
	l.mail.closed = true
	l.mail.mu.Unlock()
	for _, cmd := range l.batch[l.next:] {
		l.abandon(&cmd)
	}
	l.collect()
	for i := range l.batch {
		l.abandon(&l.batch[i])
	}
	for _, a := range l.landed() {
		l.srv.dismiss(a)
	}
	for slot := uint32(0); slot < l.slots.extent(); slot++ {
		if c := l.conn(slot); c != nil {
			why := closeShutdown
			if c.state == connClosing {
				why = c.close
			}
			l.cut(c)
			l.closeNow(slot, c, why)
		}
	}
	l.leaveSome(math.MaxInt)
	for i := range l.all.log {
		b := &l.all.log[i]
		l.dropMany(b.frame, b.matched-b.ended, dropClosed)
	}
	l.all.log = nil
	_ = unix.Close(l.ticker)
	l.bell.Close()
}
