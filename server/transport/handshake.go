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

// Owner owns a connection in its handshake. A worker of Handshakes calls its methods, Feed
// all but Done. They must not block.
type Owner interface {
	// Say has bytes for the peer. It returns whether they have all been sent; otherwise
	// what follows must go the same way. It is not called after Conn.Abandon.
	Say(out []byte) (sent bool)
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
	// maxAhead is how much may wait for a worker before no more is read.
	maxAhead = 4 << 10
)

// Handshake is a TLS handshake. The event loop and whoever makes it go on share it under
// mu. It is used through its Conn.
type Handshake struct {
	conn  *Conn
	owner Owner
	pool  *Handshakes

	// Owned by the loop.
	submitted bool

	mu      sync.Mutex
	in      []byte // from the peer, not read yet
	taken   int    // bytes of the peer that crypto/tls has read
	full    bool   // the loop waits until what is in in has been taken
	closed  bool   // the connection is gone, or must go
	evicted bool   // closed by the pool
	parked  bool   // it waits for its peer, and nobody makes it go on

	// saying is held while the owner's Say runs. Abandon waits for it, since then the
	// socket may be closed and its number be another's.
	saying sync.Mutex
	gone   bool // abandoned; guarded by saying

	waited atomic.Int64 // for how long it has waited for its peer, ns
	waits  atomic.Int64 // since when it does, by the pool's clock; 0: it doesn't

	// Owned by who makes it go on; once it has ended, by the loop.
	runner *runner
	tls    *tls.Conn
	err    error
	out    []byte // for the peer
	light  bool   // what is left to do takes microseconds
	worker bool   // a worker makes it go on, not the loop
	back   func() // undoes giveWay; nil while it need not give way
}

// Fed is what came of bytes that a handshake was given.
type Fed struct {
	// Refused is set if there will be no handshake; Why says the reason.
	Refused bool
	Why     Result
	// Ended is set if the handshake has ended, and Err is for Conn.EndHandshake then. An
	// Owner is not told of such an end.
	Ended bool
	Err   error
}

// feed is Conn.Feed.
func (h *Handshake) feed(b []byte) Fed {
	waiting, mine := h.give(b)
	switch {
	case mine: // waking another goroutine would cost more than what is left to do
		if h.goOn(false) {
			return Fed{Ended: true, Err: h.err}
		}
		return Fed{}
	case h.submitted:
		return Fed{}
	case waiting > maxInput:
		return Fed{Refused: true, Why: TooLarge}
	}
	switch inspectHello(h.in) { // nobody shares it yet
	case helloHTTP:
		return Fed{Refused: true, Why: Plaintext}
	case helloNone:
		return Fed{Refused: true, Why: Garbage}
	case helloWhole:
		h.submitted = true
		if !h.pool.submit(h) {
			return Fed{Refused: true, Why: Busy}
		}
	}
	return Fed{}
}

// goOn makes the handshake go on, on a worker or not, until it has ended or waits for its
// peer. Then it is others'.
func (h *Handshake) goOn(worker bool) (ended bool) {
	h.worker = worker
	for waits := false; !waits; waits = h.park() {
		if ended, _ = h.runner.resume(); ended {
			h.pool.ended(h)
			return true
		}
		h.tell()
	}
	return false
}

// park lets the handshake wait for its peer; false if there is something to go on with.
// Once it is true, others may make it go on.
func (h *Handshake) park() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.in) > 0 || h.closed {
		return false
	}
	h.waits.Store(h.pool.now())
	h.parked = true
	return true
}

// unpark ends the wait for the peer. The caller holds mu, and makes the handshake go on.
func (h *Handshake) unpark() {
	h.parked = false
	h.waited.Add(h.pool.now() - h.waits.Swap(0))
}

// read is Read of the handshake's Conn.
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
		h.stepForward()
		h.runner.yield(false)
		h.stepBack()
	}
}

// stepBack lets others go before the thread that the handshake runs on, unless that is a
// loop's.
func (h *Handshake) stepBack() {
	if h.worker {
		h.back = giveWay()
	}
}

// stepForward undoes stepBack.
func (h *Handshake) stepForward() {
	if h.back != nil {
		h.back()
		h.back = nil
	}
}

// write is Write of the handshake's Conn. It takes everything.
func (h *Handshake) write(p []byte) { h.out = append(h.out, p...) }

// errTooMuch ends a handshake that takes more than maxInput.
var errTooMuch = errors.New("too many bytes for a handshake")

// give appends bytes of the peer and returns how many wait. If mine is true, the caller
// must make the handshake go on.
func (h *Handshake) give(b []byte) (waiting int, mine bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.in = append(h.in, b...)
	if mine = h.parked && h.light; mine {
		h.unpark()
	} else {
		h.nudge()
	}
	return len(h.in), mine
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
func (h *Handshake) abandon() {
	h.saying.Lock()
	h.gone = true
	h.saying.Unlock()
	h.end(false)
}

// tell has the owner say what there is for the peer.
func (h *Handshake) tell() {
	out := h.out
	if len(out) == 0 {
		return
	}
	h.out = nil
	h.saying.Lock()
	defer h.saying.Unlock()
	if !h.gone {
		h.light = h.owner.Say(out) && h.pool.answers && isSealed(out)
	}
}

// end makes the handshake end, or never begin; false if it was told before.
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

// nudge has a worker make the handshake go on, if it waits. The caller holds mu.
func (h *Handshake) nudge() {
	if h.parked {
		h.unpark()
		h.pool.ready(h)
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

// run is the handshake, on the goroutine of its runner.
func (h *Handshake) run(config *tls.Config) (err error) {
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	h.stepBack()
	defer h.stepForward()
	defer func() {
		if p := recover(); p != nil {
			err = &Defect{p, debug.Stack()}
		}
	}()
	h.tls = tls.Server(h.conn, config)
	return h.tls.HandshakeContext(context.Background())
}
