package server

import (
	"sync"
	"sync/atomic"
)

// mailbox is the border between goroutines and a loop. Everything the world
// asks of a loop goes through it, in order.
type mailbox struct {
	mu       sync.Mutex
	commands []command
	arrivals []arrival
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

// commandCost is what a command costs of the mailbox's room beside its bytes.
const commandCost = 256

// reserve takes room for a push; false if the mailbox is full.
func (m *mailbox) reserve(cost int64) bool {
	if m.room.Add(-cost) >= 0 {
		return true
	}
	m.room.Add(cost)
	return false
}

func (m *mailbox) release(cost int64) { m.room.Add(cost) }

// post appends a command and wakes the loop; false if the loop has ended.
// Any goroutine.
func (l *loop) post(c command) bool {
	l.mail.mu.Lock()
	ok := l.postLocked(c)
	l.mail.mu.Unlock()
	if ok {
		l.ring()
	}
	return ok
}

// postLocked is post for a caller that holds mail.mu and rings afterwards.
func (l *loop) postLocked(c command) bool {
	if !l.mail.closed {
		l.mail.commands = append(l.mail.commands, c)
	}
	return !l.mail.closed
}

// postPush posts n deliveries; later leaves the ringing to Server.Wake. Any
// goroutine.
func (l *loop) postPush(c command, n int, later bool) {
	l.count.matched.Add(uint64(n))
	l.mail.mu.Lock()
	ok := l.postLocked(c)
	l.mail.mu.Unlock()
	switch {
	case !ok:
		l.dropMany(c.frame, n, dropClosed)
	case later:
		l.mail.asleep.Store(true)
	default:
		l.ring()
	}
}

// Wake implements GatewayWorker.
func (s *Server) Wake() {
	for _, l := range s.loops {
		if l.mail.asleep.Load() && l.mail.asleep.Swap(false) {
			l.ring()
		}
	}
}

// postAll posts a push to every client registered now but those excluded, and
// returns how many that are. Any goroutine.
func (l *loop) postAll(c command) (matched int) {
	l.mail.mu.Lock()
	matched = l.mail.live
	for _, h := range c.exclude {
		if h.Loop() == l.idx && l.liveHandle(h) {
			matched--
		}
	}
	if matched > 0 && !l.mail.closed {
		c.matched, c.mark = matched, l.mail.registered
		l.count.matched.Add(uint64(matched))
		l.postLocked(c)
	} else {
		l.mail.release(c.cost)
		matched = 0
	}
	l.mail.mu.Unlock()
	if matched > 0 {
		l.ring()
	}
	return matched
}

// ring wakes the loop, once until it has looked. Any goroutine, the loop too:
// the bell is a descriptor of the poller like any other, so a loop that rings
// for itself still serves the sockets that are ready first. (A task queued
// with Poller.Trigger would run before the next look at epoll.)
func (l *loop) ring() {
	if l.mail.rung.CompareAndSwap(false, true) {
		l.bell.Ring()
	}
}

// collect takes what has been posted. The loop's goroutine.
func (l *loop) collect() {
	l.mail.mu.Lock()
	l.batch, l.mail.commands = l.mail.commands, l.batch[:0]
	l.mail.mu.Unlock()
}
