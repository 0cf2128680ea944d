package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/internal/table"
)

// tlsResult is how a TLS handshake ended.
type tlsResult uint8

const (
	tlsFull      tlsResult = iota // done
	tlsResumed                    // done, with a session ticket
	tlsFailed                     // the two could not agree, or the peer broke a rule
	tlsPlaintext                  // the peer spoke HTTP
	tlsGarbage                    // the first bytes are no ClientHello
	tlsBusy                       // too many handshakes were waiting
	tlsEvicted                    // it kept others waiting
	tlsTooLarge                   // it took more than maxShakeInput
	tlsGone                       // the peer left, or its time was up
	numTLSResults
)

var tlsLabels = [numTLSResults]string{
	tlsFull: "full", tlsResumed: "resumed", tlsFailed: "failed", tlsPlaintext: "plaintext",
	tlsGarbage: "garbage", tlsBusy: "busy", tlsEvicted: "evicted", tlsTooLarge: "too_large", tlsGone: "gone",
}

const (
	// maxShakeQueue is how many ClientHellos may wait for their handshake to
	// begin.
	maxShakeQueue = 8192
	// maxShakeInput is how many bytes a handshake may take from its peer: crypto/tls
	// keeps 256 KiB of a message that does not end. Honest ones need 2 KB, and what
	// crypto/tls reads ahead of the request behind them. It bounds an unfinished
	// ClientHello, too.
	maxShakeInput = 32 << 10
	// evictAfter is how long, in all, a handshake that keeps others out may
	// wait for its peer.
	evictAfter = time.Second
	// evictLeast is the same when very many are kept out: still enough for a
	// peer far away.
	evictLeast = 250 * time.Millisecond
	// evictEvery is how often such ones are looked for.
	evictEvery = 50 * time.Millisecond
)

// shake is a TLS handshake. Loop and goroutine meet under mu.
type shake struct {
	secure *secure
	handle table.Handle

	// Owned by the loop.
	submitted bool

	mu      sync.Mutex
	in      []byte // from the peer, not read yet
	taken   int    // bytes of the peer that the goroutine has read
	full    bool   // the loop waits for the goroutine to take what is in in
	closed  bool   // the connection is gone, or must go
	evicted bool   // closed by the shaker
	wake    chan struct{}

	waited atomic.Int64 // for how long it has waited for its peer, ns
	waits  atomic.Int64 // since when it does, Server.now; 0: it doesn't

	// Owned by the goroutine.
	out  []byte // for the peer
	back func() // undoes giveWay; nil while it has no processor
}

func newShake(s *secure, h table.Handle) *shake {
	return &shake{secure: s, handle: h}
}

// read is Read of the handshake's goroutine. While it waits, it holds none of
// the shaker's processors.
func (h *shake) read(p []byte) (int, error) {
	s := h.secure
	sh := s.loop.srv.shaker
	for {
		h.mu.Lock()
		n, closed := copy(p, h.in), h.closed
		h.in = h.in[n:]
		h.taken += n
		tooMuch := h.taken > maxShakeInput
		drained := h.full && len(h.in) == 0
		if drained {
			h.full = false
		}
		h.mu.Unlock()
		if drained {
			s.loop.post(command{kind: cmdFunc, run: func(l *loop) { l.readOn(h) }})
		}
		switch {
		case closed:
			return 0, net.ErrClosed
		case tooMuch:
			return 0, errTooMuch
		}
		if n > 0 {
			return n, nil
		}
		if out := h.out; len(out) > 0 {
			h.out = nil
			s.loop.post(command{kind: cmdFunc, run: func(l *loop) { l.shakeSays(h, out) }})
		}
		sh.leave(h)
		since := sh.now()
		h.waits.Store(since)
		<-h.wake
		h.waits.Store(0)
		h.waited.Add(sh.now() - since)
		sh.enter(h)
	}
}

// errTooMuch ends a handshake that takes more than maxShakeInput.
var errTooMuch = errors.New("too many bytes for a handshake")

// give appends bytes of the peer and returns how many wait.
func (h *shake) give(b []byte) (waiting int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.in = append(h.in, b...)
	h.nudge()
	return len(h.in)
}

// isFull tells whether so much waits for the goroutine that the peer has to;
// readOn is called when it has been taken.
func (h *shake) isFull() bool {
	if !h.submitted {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.full = h.full || len(h.in) > shakeAhead
	return h.full
}

// end makes the goroutine end, or never begin; false if it was told before.
func (h *shake) end(evicted bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.closed, h.in = true, nil
	h.evicted = evicted
	h.nudge()
	return true
}

// nudge wakes the goroutine. The caller holds mu.
func (h *shake) nudge() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake, or not begun and wake nil
	}
}

// shaker runs TLS handshakes off the loops: at most `most` at once, on as many
// processors as cpus has room for. Who has not sent a whole ClientHello has no
// goroutine; who waits for its peer holds no processor, and gives way to
// others after evictAfter.
type shaker struct {
	config *tls.Config
	now    func() int64 // ns, above 0
	most   int
	cpus   chan struct{}
	group  sync.WaitGroup

	mu     sync.Mutex
	active map[*shake]struct{}
	queue  []*shake
	timer  *time.Timer // of makeRoom; runs while the queue is not empty
}

func newShaker(config *tls.Config, c *Config, now func() int64) *shaker {
	return &shaker{
		config: config, now: now, most: c.TLSHandshakes,
		cpus:   make(chan struct{}, c.TLSProcessors()),
		active: map[*shake]struct{}{},
	}
}

// submit begins a handshake, or queues it; false if there is no room. The
// loop's goroutine.
func (sh *shaker) submit(h *shake) bool {
	h.wake = make(chan struct{}, 1)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.active) < sh.most {
		sh.active[h] = struct{}{}
		sh.group.Go(func() { sh.work(h) })
		return true
	}
	if len(sh.queue) >= maxShakeQueue {
		sh.sweep()
	}
	if len(sh.queue) >= maxShakeQueue {
		return false
	}
	if sh.queue = append(sh.queue, h); len(sh.queue) == 1 {
		sh.timer = time.AfterFunc(evictEvery, sh.makeRoom)
	}
	return true
}

// makeRoom ends as many handshakes as others wait for, of those that have
// waited for their peers for too long. What counts is all of their waiting: a
// peer that sends a byte now and then is no better than a silent one.
func (sh *shaker) makeRoom() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.sweep()
	if len(sh.queue) == 0 {
		return
	}
	patience := max(evictLeast, evictAfter/time.Duration(1+len(sh.queue)/sh.most))
	now, wanted := sh.now(), len(sh.queue)
	for h := range sh.active {
		if wanted > 0 && h.hasWaited(now) >= patience && h.end(true) {
			wanted--
		}
	}
	sh.timer.Reset(evictEvery)
}

// hasWaited is how long a handshake has waited for its peer, 0 if it does not
// wait for it now.
func (h *shake) hasWaited(now int64) time.Duration {
	since := h.waits.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(h.waited.Load() + now - since)
}

// sweep takes those out of the queue whose connection is gone. The caller
// holds mu.
func (sh *shaker) sweep() {
	kept := sh.queue[:0]
	for _, h := range sh.queue {
		h.mu.Lock()
		if !h.closed {
			kept = append(kept, h)
		}
		h.mu.Unlock()
	}
	clear(sh.queue[len(kept):])
	sh.queue = kept
}

// work runs handshakes, one after the other, until none waits.
func (sh *shaker) work(h *shake) {
	for h != nil {
		sh.run(h)
		h = sh.next(h)
	}
}

func (sh *shaker) next(done *shake) *shake {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.active, done)
	if len(sh.queue) == 0 {
		return nil
	}
	h := sh.queue[0]
	sh.queue[0] = nil
	if sh.queue = sh.queue[1:]; len(sh.queue) == 0 {
		sh.queue = nil
		sh.timer.Stop()
	}
	sh.active[h] = struct{}{}
	return h
}

// run does one handshake and hands the connection back to its loop.
func (sh *shaker) run(h *shake) {
	s := h.secure
	sh.enter(h)
	err := h.handshake(sh.config)
	sh.leave(h)
	s.loop.post(command{kind: cmdFunc, run: func(l *loop) { l.shaken(h, err) }})
}

// enter waits for one of the shaker's processors, and takes it on a thread that
// loops go before.
func (sh *shaker) enter(h *shake) {
	sh.cpus <- struct{}{}
	h.back = giveWay()
}

// leave gives the processor up.
func (sh *shaker) leave(h *shake) {
	h.back()
	h.back = nil
	<-sh.cpus
}

func (h *shake) handshake(config *tls.Config) (err error) {
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	s := h.secure
	defer func() {
		if p := recover(); p != nil {
			s.loop.count.panics.Add(1)
			s.loop.srv.log.Error("defect in a TLS handshake", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errors.New("internal error")
		}
	}()
	s.tls = tls.Server(s, config)
	return s.tls.HandshakeContext(context.Background())
}

// wait returns when no handshake runs any more. The loops have ended.
func (sh *shaker) wait() { sh.group.Wait() }
