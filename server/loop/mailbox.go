package loop

import (
	"sync"
	"sync/atomic"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/reason"
)

// mailbox is the border between goroutines and a loop. Everything the world
// asks of a loop goes through it, in order.
type mailbox struct {
	loop *loop

	mu       sync.Mutex
	commands []command
	arrivals []Arrival
	// live counts registered clients and registered numbers them. They stand
	// here so that a push to all and the arrival or end of a client have an
	// order: both are decided under mu.
	live       int
	registered uint64

	room   atomic.Int64 // bytes that pushes may still put in
	rung   atomic.Bool  // the bell has been rung and not been answered
	asleep atomic.Bool  // somebody has posted who will ring later: Wake
	closed bool         // guarded by mu: the loop has ended
}

func (m *mailbox) init(l *loop, room int64) {
	m.loop = l
	m.room.Store(room)
}

// commandCost is what a command costs of the mailbox's room beside its bytes.
const commandCost = 256

// pushCost is what a push in some forms takes of a mailbox's room.
func pushCost(m *gateway.Message, set frames.Set) int64 { return commandCost + frames.Size(m, set) }

// waiting tells whether somebody has rung the bell for the next turn.
func (m *mailbox) waiting() bool { return m.rung.Load() }

// reserve takes room for a push; false if the mailbox is full.
func (m *mailbox) reserve(cost int64) bool {
	if m.room.Add(-cost) >= 0 {
		return true
	}
	m.room.Add(cost)
	return false
}

// release gives room back, or makes some.
func (m *mailbox) release(cost int64) { m.room.Add(cost) }

// post appends a command and wakes the loop; false if the loop has ended.
// Any goroutine.
func (m *mailbox) post(c command) bool {
	m.mu.Lock()
	ok := m.postLocked(c)
	m.mu.Unlock()
	if ok {
		m.ring()
	}
	return ok
}

// postLocked is post for a caller that holds mail.mu and rings afterwards.
func (m *mailbox) postLocked(c command) bool {
	if !m.closed {
		m.commands = append(m.commands, c)
	}
	return !m.closed
}

// postPush posts n deliveries; later leaves the ringing to Loops.Wake. Any
// goroutine.
func (m *mailbox) postPush(c command, n int, later bool) {
	m.loop.count.Matched.Add(uint64(n))
	m.mu.Lock()
	ok := m.postLocked(c)
	m.mu.Unlock()
	switch {
	case !ok:
		m.loop.count.DropMany(c.frame, n, reason.DropClosed)
	case later:
		m.asleep.Store(true)
	default:
		m.ring()
	}
}

// postSeries posts commands of one frame. Any goroutine.
func (m *mailbox) postSeries(commands []command) {
	m.loop.count.Matched.Add(uint64(len(commands[0].list)))
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.commands = append(m.commands, commands...)
	}
	m.mu.Unlock()
	if !closed {
		m.ring()
		return
	}
	for i := range commands {
		m.loop.fanout.abandon(&commands[i])
	}
}

// wake rings for those who have left that to Loops.Wake.
func (m *mailbox) wake() {
	if m.asleep.Load() && m.asleep.Swap(false) {
		m.ring()
	}
}

// postAll posts a push to every client registered now but those excluded, and
// returns how many that are. Any goroutine.
func (m *mailbox) postAll(c command) (matched int) {
	m.mu.Lock()
	matched = m.live
	for _, h := range c.exclude {
		if h.Loop() == m.loop.idx && m.liveHandle(h) {
			matched--
		}
	}
	if matched > 0 && !m.closed {
		c.matched, c.mark = matched, m.registered
		m.loop.count.Matched.Add(uint64(matched))
		m.postLocked(c)
	} else {
		m.release(c.cost)
		matched = 0
	}
	m.mu.Unlock()
	if matched > 0 {
		m.ring()
	}
	return matched
}

// arrive hands an accepted socket to the loop. False if the loop has ended.
// The acceptor's goroutine.
func (m *mailbox) arrive(a Arrival) bool {
	// The poller comes first: once the loop knows of the socket it may close
	// it, and its number be another's.
	a.watched = m.loop.sys.Watch(m.loop.poller, a.FD) == nil
	m.mu.Lock()
	taken := !m.closed
	if taken {
		m.arrivals = append(m.arrivals, a)
	}
	m.mu.Unlock()
	if taken && a.Form.Plain() {
		// It is a client already and may well wait for us to say something.
		m.post(command{kind: cmdFunc, run: func(l *loop) { l.entrance.takeIn() }})
	}
	return taken
}

// liveHandle tells whether h is a registered client of this loop.
// The caller holds mailbox.mu.
func (m *mailbox) liveHandle(h table.Handle) bool {
	ch := m.loop.slots.chunkAt(h.Slot())
	return ch != nil && ch.live[h.Slot()%chunkLen] == h.Gen()
}

// ring wakes the loop, once until it has looked. Any goroutine, the loop too:
// the bell is a descriptor of the poller like any other, so a loop that rings
// for itself still serves the sockets that are ready first. (A task queued
// with Poller.Trigger would run before the next look at epoll.)
func (m *mailbox) ring() {
	if m.rung.CompareAndSwap(false, true) {
		m.loop.bell.Ring()
	}
}

// answer is to come before what the bell was rung for is taken.
func (m *mailbox) answer() { m.rung.Store(false) }

// collect returns what has been posted; used is an empty list to post to next.
func (m *mailbox) collect(used []command) []command {
	m.mu.Lock()
	posted := m.commands
	m.commands = used
	m.mu.Unlock()
	return posted
}

// collectArrivals returns the sockets that have arrived; used is an empty list for
// those that come next.
func (m *mailbox) collectArrivals(used []Arrival) []Arrival {
	m.mu.Lock()
	arrived := m.arrivals
	m.arrivals = used
	m.mu.Unlock()
	return arrived
}

// close has nothing posted any more.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
}

// register notes a client, whose generation is gen, in its place of chunk.live and
// returns its registration number. Any goroutine.
func (m *mailbox) register(live *uint32, gen uint32) (mark uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live++
	m.registered++
	*live = gen
	return m.registered
}

// unregister undoes register and, at the same instant, posts a command if there is
// one. The caller rings. Any goroutine.
func (m *mailbox) unregister(live *uint32, c *command) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live--
	*live = 0
	if c != nil {
		m.postLocked(*c)
	}
}

// livingOf copies the generations of a chunk's registered clients. Any goroutine.
func (m *mailbox) livingOf(ch *chunk) [chunkLen]uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return ch.live
}
