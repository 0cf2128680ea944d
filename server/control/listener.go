package control

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/internal/listen"

	"github.com/valyala/fasthttp"
)

// Limits of the listener.
const (
	mostRefusals  = 64 // connections being answered at the same time that there is no room
	lingerTimeout = 2 * time.Second
)

// listener gives connections their places, so that idle ones cannot keep a
// backend out, and survives accept errors.
type listener struct {
	net.Listener
	places   *places
	log      *slog.Logger
	closed   chan struct{}
	close    sync.Once
	refusals chan struct{} // a place for each connection being refused
	allows   func(netip.Addr) bool

	refused, denied, failed atomic.Uint64

	errors *listen.Errors // of the goroutine that accepts
}

func newListener(ln net.Listener, most func() int, log *slog.Logger) *listener {
	l := &listener{Listener: ln, places: newPlaces(most), log: log, closed: make(chan struct{}),
		refusals: make(chan struct{}, mostRefusals), allows: func(netip.Addr) bool { return true }}
	l.errors = listen.NewErrors(log, "control connections cannot be accepted at the moment", &l.failed)
	return l
}

// Close ends Accept. Further calls do nothing.
func (l *listener) Close() (err error) {
	l.close.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

// Accept implements net.Listener. It fails only when the listener is closed or
// broken: fasthttp would treat any other error as the end.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			l.errors.Accepted()
			if t := l.admit(c); t != nil {
				return t, nil
			}
			continue
		}
		r := l.errors.Failed(err)
		if r.Broken {
			return nil, err
		}
		if r.NoFiles {
			l.freeFile()
		}
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		case <-time.After(r.Wait):
		}
	}
}

// freeFile closes an idle connection, if there is one, where descriptors have run out.
func (l *listener) freeFile() {
	if c := l.places.spare(); c != nil {
		c.cut()
	}
}

// admit gives a connection a stranger's place, if necessary that of another. If
// there is none, it answers the connection and returns nil. A connection from a
// network that is not allowed is closed without an answer.
func (l *listener) admit(nc net.Conn) *conn {
	c := &conn{Conn: nc, listener: l, addr: addrOf(nc.RemoteAddr())}
	if !l.allows(c.addr) {
		l.denied.Add(1)
		_ = nc.Close()
		return nil
	}
	c.state.Store(int64(stateOf(kindNew)))
	other, ok := l.places.enter(c)
	switch {
	case !ok:
		l.refuse(nc)
		return nil
	case other != nil:
		other.cut()
	}
	return c
}

var refusal = func() []byte {
	const status = 503
	body := appendProblem(nil, status, codeTooManyConns, "the control port is at its connection limit (control-max-conns) and no connection could make room")
	return appendResponse(nil, status, body, "Retry-After: 1\r\n")
}()

// appendResponse appends a response that fasthttp does not write, with
// additional header fields.
func appendResponse(b []byte, status int, body []byte, fields string) []byte {
	return fmt.Appendf(b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n%s",
		status, fasthttp.StatusMessage(status), problemType, len(body), fields, body)
}

// refuse answers 503 and closes, without delaying the next connection.
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

// closeSilent closes the connections that wait for the first byte of a request,
// except those whose request has arrived and those opened after since, which
// may be about to send one. Each may take time to close; all do so
// concurrently.
func (l *listener) closeSilent(since int64) {
	for _, c := range l.places.all() {
		if c.linger.Load() {
			continue // it ends by itself, and Close would wait for it
		}
		s := c.state.Load()
		if state(s).kind() == kindNew && state(s).since() >= since || c.hasInput() {
			continue
		}
		if k := state(s).kind(); (k == kindNew || k == kindIdle) && c.state.CompareAndSwap(s, int64(stateOf(kindEvicted))) {
			go func() { _ = c.Close() }()
		}
	}
}

// closeAll closes every connection, whatever it is doing.
func (l *listener) closeAll() {
	for _, c := range l.places.all() {
		c.cut()
	}
}
