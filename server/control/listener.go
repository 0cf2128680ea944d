package control

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Limits and pauses of the listener.
const (
	mostRefusals  = 64 // connections that are told at once that there is no room
	leastPause    = 5 * time.Millisecond
	mostPause     = time.Second
	warnInterval  = 10 * time.Second
	lingerTimeout = 2 * time.Second
)

// listener bounds how many connections are open, so that idle ones can't keep
// a backend out, and outlives errors of accept.
type listener struct {
	net.Listener
	most     func() int // how many may be open
	log      *slog.Logger
	closed   chan struct{}
	close    sync.Once
	refusals chan struct{} // a place for each connection being refused
	allows   func(netip.Addr) bool

	mu    sync.Mutex
	conns map[*conn]struct{} // guarded by mu

	refused, denied, madeRoom, failed atomic.Uint64

	// of the goroutine that accepts
	pause  time.Duration
	warned time.Time
}

func newListener(ln net.Listener, most func() int, log *slog.Logger) *listener {
	return &listener{Listener: ln, most: most, log: log, closed: make(chan struct{}),
		refusals: make(chan struct{}, mostRefusals), conns: map[*conn]struct{}{}, allows: func(netip.Addr) bool { return true }}
}

// Close ends Accept; a second one does nothing.
func (l *listener) Close() (err error) {
	l.close.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

// Accept implements net.Listener. It fails only when the listener was closed:
// fasthttp would take any other error for the end.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			l.pause = 0
			if t := l.admit(c); t != nil {
				return t, nil
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		l.hold(err)
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		case <-time.After(l.pause):
		}
	}
}

// hold makes the pause after an error of accept longer and, where descriptors
// have run out, gives one back.
func (l *listener) hold(err error) {
	l.failed.Add(1)
	l.pause = min(max(2*l.pause, leastPause), mostPause)
	if now := time.Now(); now.Sub(l.warned) >= warnInterval {
		l.warned = now
		l.log.Warn("no control connection can be accepted for the moment", "err", err)
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		if c := l.takeOne(); c != nil {
			c.cut()
		}
	}
}

// admit counts a connection in, if need be in the place of another. If none gives
// way the new one is told so, and nil answered. One from a network that is not
// allowed is closed without a word.
func (l *listener) admit(c net.Conn) *conn {
	addr := addrOf(c.RemoteAddr())
	if !l.allows(addr) {
		l.denied.Add(1)
		_ = c.Close()
		return nil
	}
	l.mu.Lock()
	full := len(l.conns) >= l.most()
	l.mu.Unlock()
	if full {
		other := l.takeOne()
		if other == nil {
			l.refuse(c)
			return nil
		}
		other.cut()
	}
	t := &conn{Conn: c, listener: l, addr: addr, opened: now()}
	t.state.Store(stateNew)
	l.mu.Lock()
	l.conns[t] = struct{}{}
	l.mu.Unlock()
	return t
}

// takeOne takes out of the count the connection that can best be spared: of
// those that have not shown that they may have a request, the one that has been
// idle, lingering or slow to show it longest; else of all the one that has been
// idle longest. nil if there is none. The caller cuts it.
func (l *listener) takeOne() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now()
	for range len(l.conns) { // one that goes on meanwhile is not taken
		var best *conn
		var state, since int64
		var known bool
		for c := range l.conns {
			s, from, k, ok := c.givesWay(at)
			if ok && (best == nil || known && !k || known == k && from < since) {
				best, state, since, known = c, s, from, k
			}
		}
		if best == nil {
			return nil
		}
		if best.state.CompareAndSwap(state, stateEvicted) {
			delete(l.conns, best)
			l.madeRoom.Add(1)
			return best
		}
	}
	return nil
}

var refusal = func() []byte {
	const status = 503
	body := appendProblem(nil, status, codeTooManyConns, "the control port has all the connections it may have (control-max-conns), and none can make room")
	return appendResponse(nil, status, body, "Retry-After: 1\r\n")
}()

// appendResponse appends an answer that is not fasthttp's, with further fields.
func appendResponse(b []byte, status int, body []byte, fields string) []byte {
	return fmt.Appendf(b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n%s",
		status, fasthttp.StatusMessage(status), problemType, len(body), fields, body)
}

// refuse answers 503 and closes, without holding up the next connection.
func (l *listener) refuse(c net.Conn) {
	l.refused.Add(1)
	select {
	case l.refusals <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	go func() {
		defer func() { <-l.refusals }()
		_ = c.SetDeadline(time.Now().Add(lingerTimeout))
		if _, err := c.Write(refusal); err == nil {
			lingerOn(c)
		}
		_ = c.Close()
	}()
}

// closeSilent closes the connections that wait for a request's first byte. Each
// may take its time to say goodbye; all take it together.
func (l *listener) closeSilent() {
	for _, c := range l.all() {
		if c.linger.Load() {
			continue // it ends by itself, and Close would wait for that
		}
		if s := c.state.Load(); (s == stateNew || s > 0) && c.state.CompareAndSwap(s, stateEvicted) {
			go func() { _ = c.Close() }()
		}
	}
}

// closeAll closes every connection, whatever it does.
func (l *listener) closeAll() {
	for _, c := range l.all() {
		c.cut()
	}
}

func (l *listener) all() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		all = append(all, c)
	}
	return all
}

// open is how many connections there are.
func (l *listener) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}
