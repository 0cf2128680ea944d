package register

import (
	"container/list"
	"crypto/subtle"
	"errors"
	"io"
	"os"
	"time"

	wire "castgate/codec/gatewayworker"
)

// conn is one connection to the Register, from a gateway, a worker or an
// API client. Fields belong to its reading goroutine unless a lock is named.
type conn struct {
	register *Server
	tcp      patientConn
	decoder  wire.Decoder
	done     chan struct{} // closed when it is removed
	asked    chan struct{} // a worker_connect that needs a line
	changed  chan struct{} // the list has changed since the last line

	// Guarded by register.mu.
	strange *list.Element // its place among those without a successful connect; nil afterwards
	worker  bool          // gets broadcasts
}

func newConn(r *Server, tcp patientConn) *conn {
	return &conn{register: r, tcp: tcp, done: make(chan struct{}), asked: make(chan struct{}), changed: make(chan struct{}, 1)}
}

// read serves the connection until it ends.
func (c *conn) read() {
	r := c.register
	defer r.running.Done()
	_ = c.tcp.SetReadDeadline(time.Now().Add(r.cfg.AuthTimeout))
	reason := c.lines()
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-c.done: // whoever removed it has counted it
		return
	default:
	}
	if reason != refusedNot {
		r.counters.refused[reason].Add(1)
	}
	if reason == refusedText && !c.worker { // a worker's writer may be in the middle of a line
		r.mu.Unlock()
		c.explain()
		r.mu.Lock()
	}
	r.remove(c)
}

// lines handles lines until the peer leaves (refusedNot) or must be closed.
func (c *conn) lines() refusal {
	reader := wire.LineReader{Max: c.register.cfg.MaxLine}
	buffer := make([]byte, 512)
	for {
		n, err := c.tcp.Read(buffer)
		for in := buffer[:n]; ; {
			line, rest, ok, err := reader.Next(in)
			if err != nil {
				return refusedLine
			}
			if !ok {
				break
			}
			if reason := c.handle(line); reason != refusedNot {
				return reason
			}
			in = rest
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return c.overdue()
		case err != nil:
			return refusedNot
		}
	}
}

// handle handles a line.
func (c *conn) handle(line []byte) refusal {
	l := c.decoder.RegisterLine(line)
	switch l.Event {
	case wire.RegisterInvalid:
		return refusedText
	case wire.RegisterUnknown:
		return refusedEvent
	case wire.RegisterPing:
		c.pinged()
		return refusedNot // the 10 seconds continue: only a connect stops them
	case wire.RegisterGateway:
		if l.Address == nil || len(l.Address) > maxAddress {
			return refusedAddress
		}
	}
	if l.Secret == nil || subtle.ConstantTimeCompare(l.Secret, []byte(c.register.cfg.Secret)) != 1 {
		return refusedKey
	}
	if l.Event == wire.RegisterGateway {
		return c.connectGateway(string(l.Address))
	}
	return c.connectWorker()
}

// known ends the time limit for the connect event. It reports whether the
// connection still exists. The caller holds register.mu.
func (c *conn) known() bool {
	select {
	case <-c.done:
		return false
	default:
	}
	if c.strange != nil {
		c.register.strange.Remove(c.strange)
		c.strange = nil
		_ = c.tcp.SetReadDeadline(time.Time{})
	}
	return true
}

// pinged sets the time limit for the next ping of a gateway that pings: a gateway
// that hangs must not stay listed. Gateways that never ping, as PHP's do if the
// Register is at 127.0.0.1, stay until their connection ends.
func (c *conn) pinged() {
	r := c.register
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listed.has(c) {
		_ = c.tcp.SetReadDeadline(time.Now().Add(r.cfg.PingTimeout))
	}
}

// overdue returns why the time limit of a connection applies.
func (c *conn) overdue() refusal {
	r := c.register
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listed.has(c) {
		r.cfg.Log.Warn("a gateway has stopped pinging the Register and is no longer listed", "gateway", c.tcp.RemoteAddr().String())
		return refusedPing
	}
	return refusedSilent
}

func (c *conn) connectGateway(address string) refusal {
	r := c.register
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.known() {
		return refusedNot
	}
	if r.listed.set(c, address) {
		r.counters.gateways.Add(1)
	}
	r.broadcast()
	return refusedNot
}

// connectWorker makes the connection a worker's and gives it the list. A peer that
// asks again and again and reads slowly waits here, and so does its TCP connection.
func (c *conn) connectWorker() refusal {
	r := c.register
	r.asking.Add(1)
	r.mu.Lock()
	if !c.known() {
		r.mu.Unlock()
		r.asking.Add(-1)
		return refusedNot
	}
	if !c.worker {
		c.worker = true
		r.counters.workers.Add(1)
		r.running.Add(1)
		go c.write()
	}
	r.mu.Unlock()
	select {
	case c.asked <- struct{}{}: // the writer decrements it
	case <-c.done:
		r.asking.Add(-1)
	}
	return refusedNot
}

// write sends the list whenever it is needed. It always sends the newest one, so a
// slow worker gets fewer lines, but never an old one last.
func (c *conn) write() {
	r := c.register
	defer r.running.Done()
	for {
		asked := int64(0)
		select {
		case <-c.done:
			return
		case <-c.asked:
			asked = 1
		case <-c.changed:
		}
		_ = c.tcp.SetWriteDeadline(time.Now().Add(r.cfg.SendTimeout))
		_, err := c.tcp.Write(r.current())
		r.asking.Add(-asked)
		if err != nil {
			r.mu.Lock()
			if _, there := r.conns[c]; there && errors.Is(err, os.ErrDeadlineExceeded) {
				r.counters.refused[refusedSlow].Add(1)
			}
			r.remove(c)
			r.mu.Unlock()
			return
		}
	}
}

// explain sends one line of text to a peer that speaks another protocol. It reads
// for a moment afterwards, since closing with unread bytes would destroy the line.
func (c *conn) explain() {
	_ = c.tcp.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(c.tcp, "this is a Register: it expects lines of JSON with an event\n")
	_ = c.tcp.CloseWrite()
	_, _ = io.CopyN(io.Discard, c.tcp, 64<<10)
}
