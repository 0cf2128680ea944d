package loadtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
)

// phase is how far a connection has come.
type phase uint8

const (
	phaseNew phase = iota
	phaseConnecting
	phaseTLS // its handshake, of wss only
	phaseHandshake
	phaseInit
	phaseOpen
	phaseLeaving // our close frame is sent
	phaseDead
)

// dialing tells whether a connection is on its way.
func (p phase) dialing() bool { return p >= phaseConnecting && p <= phaseInit }

// waits tells whether the server owes the connection something.
func (p phase) waits() bool { return p.dialing() || p == phaseLeaving }

// waitingFor says what a connection in this phase has not got yet.
func (p phase) waitingFor() string {
	switch p {
	case phaseConnecting:
		return "no answer to connect"
	case phaseTLS:
		return "no answer to the TLS handshake"
	case phaseHandshake:
		return "no answer to the handshake"
	case phaseLeaving:
		return "no answer to the close frame"
	default:
		return "nothing"
	}
}

// conn is one connection, 48 bytes while it is idle, without TLS.
type conn struct {
	fd      int32 // -1 if closed
	phase   phase
	deflate bool     // permessage-deflate was agreed on
	started int64    // Now() when it began to wait for the server
	part    *partial // nil while nothing has come in part
	tls     *secure  // nil without TLS
	id      string   // client id
}

// serve acts on what epoll says of connection i.
func (l *loop) serve(i int, events uint32) {
	c := &l.conns[i]
	switch c.phase {
	case phaseNew, phaseDead:
	case phaseConnecting:
		if err := l.greet(i); err != nil {
			l.end(i, c, err)
		}
	default:
		l.read(i, c)
	}
}

// read reads once from connection i and takes up what came.
func (l *loop) read(i int, c *conn) {
	n, err := unix.Read(int(c.fd), l.buf)
	switch {
	case n > 0:
		l.counts.bytes += uint64(n)
		if err := l.feed(i, c, l.buf[:n]); err != nil {
			l.end(i, c, err)
		}
	case err == unix.EAGAIN || err == unix.EINTR:
	case c.phase == phaseTLS:
		if err == nil {
			err = io.EOF
		}
		if err := l.stopShaking(c, err); err != nil {
			l.end(i, c, err)
		}
	case err != nil:
		l.end(i, c, fmt.Errorf("read: %w", err))
	default:
		l.end(i, c, l.hungUp(c))
	}
}

// feed takes bytes up that were read from the socket of connection i.
func (l *loop) feed(i int, c *conn, b []byte) error {
	switch {
	case c.tls == nil:
		return l.take(i, c, b, Now())
	case c.tls.shake != nil:
		return c.tls.shake.give(b)
	}
	return l.unseal(i, c, b)
}

// hungUp is the end of a connection after the last of the server's bytes.
func (l *loop) hungUp(c *conn) error {
	if c.phase != phaseHandshake {
		return errEOF
	}
	var head []byte
	if c.part != nil {
		head = c.part.head
	}
	return errHungUp(head)
}

var errEOF = errors.New("closed by the server without a close frame")

// take acts on bytes of the server that came at the time now. An error ends
// the connection.
func (l *loop) take(i int, c *conn, b []byte, now int64) error {
	if c.phase == phaseHandshake {
		var err error
		if b, err = l.takeHead(i, c, b); err != nil || len(b) == 0 {
			return err
		}
	}
	p := c.part
	if p == nil {
		p = &l.scratch
		p.reset(c)
	}
	for len(b) > 0 {
		n, ev, err := p.parser.Next(b, int64(l.swarm.cfg.MaxMessage))
		if err != nil {
			return fmt.Errorf("the server broke the protocol: %w", err)
		}
		b = b[n:]
		if err := l.handle(i, c, p, &ev, now); err != nil {
			return err
		}
	}
	switch rests := p.parser.AtRest() && p.message == nil; {
	case rests && c.part != nil:
		l.releasePartial(c)
	case !rests && c.part == nil:
		kept := l.newPartial(c)
		*kept = *p
	}
	return nil
}

// takeHead takes up bytes of the handshake's answer; frames that came right
// behind it are what it returns. They lie in the loop's buffer or in memory of
// their own.
func (l *loop) takeHead(i int, c *conn, b []byte) ([]byte, error) {
	if c.part != nil {
		c.part.head = append(c.part.head, b...)
		b = c.part.head
	}
	end, err := l.shake(i, b)
	if err != nil {
		return nil, err
	}
	if end > 0 {
		if c.part != nil {
			l.releasePartial(c)
		}
		return b[end:], nil
	}
	if c.part == nil {
		l.newPartial(c).head = append([]byte(nil), b...)
	}
	return nil, nil
}

// handle acts on one thing the parser found.
func (l *loop) handle(i int, c *conn, p *partial, ev *codec.Event, now int64) error {
	switch ev.Kind {
	case codec.EventNone:
		return nil
	case codec.EventPing:
		l.counts.pings++
		l.pong(c, ev.Data)
	case codec.EventPong:
		l.counts.pongs++
	case codec.EventClose:
		l.counts.closes++
		if c.phase == phaseLeaving {
			return errLeft
		}
		l.sendClose(c, ev.Code)
		if len(ev.Reason) > 0 {
			return fmt.Errorf("closed by the server: %d %s", ev.Code, ev.Reason)
		}
		return fmt.Errorf("closed by the server: %d", ev.Code)
	case codec.EventData:
		message := ev.Data
		if !ev.First || !ev.Last {
			// An empty message must not look like none.
			if p.message == nil {
				p.message = make([]byte, 0, max(len(message), 64))
			}
			p.message = append(p.message, message...)
			message = p.message
		}
		if !ev.Last {
			return nil
		}
		p.message = nil
		if ev.Deflated {
			var err error
			if message, err = l.inflate(ev.Op, message); err != nil {
				return err
			}
		}
		return l.message(i, c, ev.Op, message, now)
	}
	return nil
}

// message acts on a complete message.
func (l *loop) message(i int, c *conn, op ws.OpCode, b []byte, now int64) error {
	if op == ws.OpText {
		l.counts.texts++
	} else {
		l.counts.binaries++
	}
	if c.phase == phaseInit && l.swarm.cfg.NoInit {
		l.arrive(i) // this is the answer to the greeting
		return nil
	}
	if c.phase == phaseInit {
		id, err := clientID(b)
		if err != nil {
			return fmt.Errorf("%s: %w: %s", l.target(i).url, err, excerpt(b))
		}
		c.id = id
		l.arrive(i)
		return nil
	}
	unwrap := l.swarm.cfg.Unwrap
	if unwrap == nil {
		l.counts.check(l, i, op, b, now)
		return nil
	}
	for payload, rest := unwrap(b); payload != nil; payload, rest = unwrap(rest) {
		l.counts.check(l, i, op, payload, now)
	}
	return nil
}

// clientID reads the init message.
func clientID(b []byte) (string, error) {
	var init struct {
		ID string `json:"client_id"`
	}
	if json.Unmarshal(b, &init) != nil || init.ID == "" {
		return "", errNoID
	}
	return init.ID, nil
}

// end takes note that connection i was lost and closes it. Before all were
// open for the first time that is the end of the swarm.
func (l *loop) end(i int, c *conn, why error) {
	if c.phase == phaseLeaving && (why == errLeft || why == errEOF) {
		l.endLife(i)
		l.drop(c)
		c.phase = phaseNew
		l.again.push(i)
		return
	}
	if c.phase != phaseOpen && !l.swarm.ready.Load() {
		l.fail(fmt.Errorf("%s: %w", l.target(i).url, why))
		l.drop(c)
		return
	}
	l.deaths.add(why.Error(), 1)
	l.drop(c)
	l.swarm.died.Add(1)
	ring(l.swarm.reached)
}

// errLeft ends a connection that has said goodbye and got its answer.
var errLeft = errors.New("left")

// drop closes a connection's socket.
func (l *loop) drop(c *conn) {
	if c.tls != nil {
		c.tls.leave()
	}
	if c.fd >= 0 {
		unix.Close(int(c.fd))
	}
	if c.phase.dialing() {
		l.inFlight--
	}
	if c.phase == phaseOpen {
		l.timeline.ended(Now())
	}
	if c.part != nil {
		l.releasePartial(c)
	}
	c.fd, c.phase, c.tls, c.deflate = -1, phaseDead, nil, false
}

// goodbye closes a connection from our side.
func (l *loop) goodbye(c *conn) {
	switch c.phase {
	case phaseNew, phaseDead:
		return
	case phaseInit, phaseOpen:
		l.sendClose(c, 1000)
	}
	l.drop(c)
}
