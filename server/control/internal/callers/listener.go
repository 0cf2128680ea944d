package callers

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/internal/listen"
)

// Limits of the listener.
const (
	mostRefusals  = 64 // connections being answered at the same time that there is no room
	lingerTimeout = 2 * time.Second
)

// Listener is the listening socket of the port. It gives connections their
// places, so that idle ones cannot keep a backend out, and survives accept
// errors.
type Listener struct {
	net.Listener
	gate         *gate // below Listener
	config       Config
	certificates *certificates
	places       *places
	closed       chan struct{}
	close        sync.Once
	refusals     chan struct{} // a place for each connection being refused

	refused, denied, failed atomic.Uint64

	errors *listen.Errors // of the goroutine that accepts
}

// Listen opens host:port, unix:/path or fd:NAME. A stale socket file is removed;
// one in use is an error or, with ReusePort, taken over. Connections wait until
// Accept is called. The error does not name the address.
func Listen(address string, c Config) (*Listener, error) {
	g, err := open(address, &c)
	if err != nil {
		return nil, err
	}
	certificates := &certificates{audit: c.Audit}
	l := newListener(newSecuring(steadying{g}, c.TLS, certificates, c.Plaintext), c)
	l.gate, l.certificates = g, certificates
	return l, nil
}

func newListener(ln net.Listener, c Config) *Listener {
	l := &Listener{Listener: ln, config: c, places: newPlaces(c.Most), closed: make(chan struct{}),
		refusals: make(chan struct{}, mostRefusals)}
	l.errors = listen.NewErrors(c.Log, "control connections cannot be accepted at the moment", &l.failed)
	return l
}

// HandOver stops listening, after accepting the waiting connections, if another
// process may listen on the same address (ReusePort, fd:NAME), which then gets
// new connections. Accept must be running. It may be called from any goroutine.
func (l *Listener) HandOver() {
	if l.gate.common {
		l.gate.leave()
	}
}

// Leave closes the listener and the connections from which no request comes. If
// Accept is running, it first accepts the waiting connections, unless ctx is done
// earlier. Connections that have just begun may still send a request; they are
// closed a moment later if they have not, unless stop is called before. It may be
// called from any goroutine.
func (l *Listener) Leave(ctx context.Context, accepting bool) (stop func()) {
	since := now()
	if accepting {
		l.gate.leave()
		l.gate.left(ctx)
	}
	_ = l.Close()
	l.closeSilent(since)
	late := time.AfterFunc(strangerTime, func() { l.closeSilent(now()) })
	return func() { late.Stop() }
}

// Close ends Accept. Further calls do nothing. It may be called from any
// goroutine.
func (l *Listener) Close() (err error) {
	l.close.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

// Accept implements net.Listener. It fails only when the listener is closed or
// broken: the HTTP server would treat any other error as the end.
func (l *Listener) Accept() (net.Conn, error) {
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
func (l *Listener) freeFile() {
	if c := l.places.spare(); c != nil {
		c.cut()
	}
}

// admit gives a connection a stranger's place, if necessary that of another. If
// there is none, it answers the connection and returns nil. A connection from a
// network that is not allowed is closed without an answer.
func (l *Listener) admit(nc net.Conn) *Conn {
	c := &Conn{Conn: nc, listener: l, addr: addrOf(nc.RemoteAddr())}
	if !l.config.Allows(c.addr) {
		l.denied.Add(1)
		_ = nc.Close()
		return nil
	}
	c.state.Store(int64(stateOf(New)))
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

// refuse answers Config.Full and closes, without delaying the next connection.
func (l *Listener) refuse(c net.Conn) {
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
		if _, err := c.Write(l.config.Full); err == nil {
			lingerOn(c)
		}
		_ = c.Close()
	}()
}

// closeSilent closes the connections that wait for the first byte of a request,
// except those whose request has arrived and those opened after since, which
// may be about to send one. Each may take time to close; all do so
// concurrently.
func (l *Listener) closeSilent(since int64) {
	for _, c := range l.Conns() {
		if c.linger.Load() {
			continue // it ends by itself, and Close would wait for it
		}
		s := c.state.Load()
		if state(s).kind() == New && state(s).since() >= since || c.hasInput() {
			continue
		}
		if k := state(s).kind(); (k == New || k == Idle) && c.state.CompareAndSwap(s, int64(stateOf(Evicted))) {
			go func() { _ = c.Close() }()
		}
	}
}

// Abort closes every connection, whatever it is doing. It may be called from any
// goroutine.
func (l *Listener) Abort() {
	for _, c := range l.Conns() {
		c.cut()
	}
}

// Conns are the connections that have a place. It may be called from any
// goroutine.
func (l *Listener) Conns() []*Conn { return l.places.all() }

// Counts says how many connections there are, and what has become of others since
// the start.
type Counts struct {
	Callers, Strangers int    // open now
	MadeRoom           uint64 // closed in favour of others
	Crowded            uint64 // requests refused because no place was free for them
	Denied             uint64 // closed because their address is not allowed
	Refused            uint64 // closed because no stranger could make room
	Failed             uint64 // errors of accept
	Missing, Wrong     uint64 // closed for lack of a client certificate, or a valid one
}

// Counts may be called from any goroutine.
func (l *Listener) Counts() Counts {
	n := Counts{
		MadeRoom: l.places.madeRoom.Load(), Crowded: l.places.crowded.Load(),
		Denied: l.denied.Load(), Refused: l.refused.Load(), Failed: l.failed.Load(),
		Missing: l.certificates.missing.Load(), Wrong: l.certificates.wrong.Load(),
	}
	n.Callers, n.Strangers = l.places.count()
	return n
}
