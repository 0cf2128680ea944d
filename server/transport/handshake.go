package transport

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
)

// Owner owns a connection in its handshake. The handshake's goroutine calls its
// methods, which must not block.
type Owner interface {
	// Say has bytes for the peer, which are to be given to Conn.Send.
	Say(out []byte)
	// ReadOn tells that what made Conn.IsFull true has been read.
	ReadOn()
	// Done tells that the handshake has ended. err, what crypto/tls says or a *Defect,
	// is to be given to Conn.EndHandshake.
	Done(err error)
}

const (
	// maxInput is how many bytes a handshake may take from its peer: crypto/tls
	// keeps 256 KiB of a message that does not end. Honest ones need 2 KB, and what
	// crypto/tls reads ahead of the request behind them. It bounds an unfinished
	// ClientHello, too.
	maxInput = 32 << 10
	// maxAhead is how much may wait for the goroutine before no more is read.
	maxAhead = 4 << 10
)

// Handshake is a TLS handshake. The event loop and the handshake's own goroutine share
// it under mu. It is used through its Conn.
type Handshake struct {
	conn  *Conn
	owner Owner
	pool  *Handshakes

	// Owned by the loop.
	submitted bool

	mu      sync.Mutex
	in      []byte // from the peer, not read yet
	taken   int    // bytes of the peer that the goroutine has read
	full    bool   // the loop waits for the goroutine to take what is in in
	closed  bool   // the connection is gone, or must go
	evicted bool   // closed by the pool
	wake    chan struct{}

	waited atomic.Int64 // for how long it has waited for its peer, ns
	waits  atomic.Int64 // since when it does, by the pool's clock; 0: it doesn't

	// Owned by the goroutine until Owner.Done.
	tls  *tls.Conn
	out  []byte // for the peer
	back func() // undoes giveWay; nil while it has no processor
}

// feed is Conn.Feed.
func (h *Handshake) feed(b []byte) (why Result, refused bool) {
	waiting := h.give(b)
	if h.submitted {
		return 0, false
	}
	if waiting > maxInput {
		return TooLarge, true
	}
	switch inspectHello(h.in) { // no goroutine shares it yet
	case helloHTTP:
		return Plaintext, true
	case helloNone:
		return Garbage, true
	case helloWhole:
		h.submitted = true
		if !h.pool.submit(h) {
			return Busy, true
		}
	}
	return 0, false
}

// read is Read of the handshake's Conn. While it waits, it holds none of the pool's
// processors.
func (h *Handshake) read(p []byte) (int, error) {
	for {
		h.mu.Lock()
		n, closed := copy(p, h.in), h.closed
		h.in = h.in[n:]
		h.taken += n
		tooMuch := h.taken > maxInput
		drained := h.full && len(h.in) == 0
		if drained {
			h.full = false
		}
		h.mu.Unlock()
		if drained {
			h.owner.ReadOn()
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
			h.owner.Say(out)
		}
		h.pool.leave(h)
		since := h.pool.now()
		h.waits.Store(since)
		<-h.wake
		h.waits.Store(0)
		h.waited.Add(h.pool.now() - since)
		h.pool.enter(h)
	}
}

// write is Write of the handshake's Conn. It takes everything.
func (h *Handshake) write(p []byte) { h.out = append(h.out, p...) }

// errTooMuch ends a handshake that takes more than maxInput.
var errTooMuch = errors.New("too many bytes for a handshake")

// give appends bytes of the peer and returns how many wait.
func (h *Handshake) give(b []byte) (waiting int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.in = append(h.in, b...)
	h.nudge()
	return len(h.in)
}

// isFull is Conn.IsFull.
func (h *Handshake) isFull() bool {
	if !h.submitted {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.full = h.full || len(h.in) > maxAhead
	return h.full
}

// abandon makes the handshake end, or never begin. Any goroutine.
func (h *Handshake) abandon() { h.end(false) }

// end makes the goroutine end, or never begin; false if it was told before.
func (h *Handshake) end(evicted bool) bool {
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
func (h *Handshake) nudge() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake, or not begun and wake nil
	}
}

// Outcome is what has become of a handshake.
type Outcome struct {
	Result Result
	Done   bool   // Result is Full or Resumed: the connection is usable
	Out    []byte // for the peer, for Conn.Send: the end of the handshake, or why there is none
	Rest   []byte // of the peer, not read yet: for Records.Begin
	Err    error  // of crypto/tls, if Result is Failed
}

// outcome is what became of the handshake, by what Owner.Done was given.
func (h *Handshake) outcome(err error) Outcome {
	h.mu.Lock()
	rest, evicted := h.in, h.evicted
	h.mu.Unlock()
	switch {
	case evicted:
		return Outcome{Result: Evicted, Out: Refused}
	case errors.Is(err, errTooMuch):
		return Outcome{Result: TooLarge, Out: Refused}
	case err != nil:
		return Outcome{Result: Failed, Out: h.out, Err: err} // an alert, as a rule
	case h.tls.ConnectionState().DidResume:
		return Outcome{Result: Resumed, Done: true, Out: h.out, Rest: rest}
	}
	return Outcome{Result: Full, Done: true, Out: h.out, Rest: rest}
}

// hasWaited is how long a handshake has waited for its peer, 0 if it does not
// wait for it now.
func (h *Handshake) hasWaited(now int64) time.Duration {
	since := h.waits.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(h.waited.Load() + now - since)
}

// Defect is a panic in a handshake.
type Defect struct {
	Panic any
	Stack []byte
}

// Error implements the error interface.
func (d *Defect) Error() string { return fmt.Sprint("defect in a TLS handshake: ", d.Panic) }

// run is the handshake, on its goroutine.
func (h *Handshake) run(config *tls.Config) (err error) {
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	defer func() {
		if p := recover(); p != nil {
			err = &Defect{p, debug.Stack()}
		}
	}()
	h.tls = tls.Server(h.conn, config)
	return h.tls.HandshakeContext(context.Background())
}
