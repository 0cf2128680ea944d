package swarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/loadtest/clock"
	"castgate/loadtest/internal/oneline"
	"castgate/loadtest/internal/secure"
)

// phase is how far a connection has got.
type phase uint8

const (
	phaseNew phase = iota
	phaseConnecting
	phaseTLS // the TLS handshake of a wss connection
	phaseHandshake
	phaseInit
	phaseOpen
	phaseLeaving // our close frame is sent
	phaseDead
)

// dialing reports whether a connection is being opened.
func (p phase) dialing() bool { return p >= phaseConnecting && p <= phaseInit }

// waits reports whether the connection waits for the server.
func (p phase) waits() bool { return p.dialing() || p == phaseLeaving }

// waitingFor says what a connection in this phase has not received yet.
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

// conn is one connection. It takes 48 bytes while it is idle, without TLS.
type conn struct {
	fd      int32 // -1 if closed
	phase   phase
	deflate bool         // permessage-deflate was agreed on
	heard   bool         // a probe; see Swarm.Probe
	started int64        // Now() when it began to wait for the server
	part    *partial     // nil while nothing incomplete has arrived
	tls     *secure.Conn // nil without TLS
	id      string       // client id
}

// serve handles what epoll reports about connection i.
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

// read reads once from connection i and handles the input.
func (l *loop) read(i int, c *conn) {
	n, err := unix.Read(int(c.fd), l.buf)
	switch {
	case n > 0:
		l.ledger.counts.bytes += uint64(n)
		if err := l.feed(i, c, l.buf[:n]); err != nil {
			l.end(i, c, err)
		}
	case err == unix.EAGAIN || err == unix.EINTR:
	case c.phase == phaseTLS:
		if err == nil {
			err = io.EOF
		}
		if err := l.endTLS(c, err); err != nil {
			l.end(i, c, err)
		}
	case err != nil:
		l.end(i, c, fmt.Errorf("read: %w", err))
	default:
		l.end(i, c, l.hungUp(c))
	}
}

// feed handles bytes that were read from the socket of connection i.
func (l *loop) feed(i int, c *conn, b []byte) error {
	switch {
	case c.tls == nil:
		return l.consume(i, c, b, clock.Now())
	case c.tls.Shaking():
		return c.tls.Give(b)
	}
	return l.unseal(i, c, b)
}

// hungUp returns the reason for the end of a connection after the server's last
// byte.
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

// consume handles bytes of the server that arrived at the time now. An error
// ends the connection.
func (l *loop) consume(i int, c *conn, b []byte, now int64) error {
	if c.phase == phaseHandshake {
		var err error
		if b, err = l.consumeHead(i, c, b); err != nil || len(b) == 0 {
			return err
		}
	}
	p := c.part
	if p == nil {
		p = &l.partials.scratch
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
		l.partials.takeBack(c)
	case !rests && c.part == nil:
		kept := l.partials.give(c)
		*kept = *p
	}
	return nil
}

// consumeHead handles bytes of the server's response to the handshake and
// returns the frames that follow it. These are in the loop's buffer or in
// memory of their own.
func (l *loop) consumeHead(i int, c *conn, b []byte) ([]byte, error) {
	if c.part != nil {
		c.part.head = append(c.part.head, b...)
		b = c.part.head
	}
	end, err := l.checkResponse(i, b)
	if err != nil {
		return nil, err
	}
	if end > 0 {
		if c.part != nil {
			l.partials.takeBack(c)
		}
		return b[end:], nil
	}
	if c.part == nil {
		l.partials.give(c).head = append([]byte(nil), b...)
	}
	return nil, nil
}

// handle handles one event of the parser.
func (l *loop) handle(i int, c *conn, p *partial, ev *codec.Event, now int64) error {
	switch ev.Kind {
	case codec.EventNone:
		return nil
	case codec.EventPing:
		l.ledger.counts.pings++
		// The socket of a client that sends nothing else has room.
		if l.outbound.frame(c, ws.OpPong, ev.Data) != nil {
			l.ledger.counts.pongsRefused++
		}
	case codec.EventPong:
		l.ledger.counts.pongs++
	case codec.EventClose:
		l.ledger.counts.closes++
		if c.phase == phaseLeaving {
			return errLeft
		}
		l.outbound.close(c, ev.Code)
		if len(ev.Reason) > 0 {
			return fmt.Errorf("closed by the server: %d %s", ev.Code, ev.Reason)
		}
		return fmt.Errorf("closed by the server: %d", ev.Code)
	case codec.EventData:
		message := ev.Data
		if !ev.First || !ev.Last {
			// An empty message must be distinguishable from none.
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
			l.ledger.counts.deflated++
			if message, err = l.inflater.inflate(ev.Op, message); err != nil {
				return err
			}
		}
		return l.message(i, c, ev.Op, message, now)
	}
	return nil
}

// message handles a complete message.
func (l *loop) message(i int, c *conn, op ws.OpCode, b []byte, now int64) error {
	if op == ws.OpText {
		l.ledger.counts.texts++
	} else {
		l.ledger.counts.binaries++
	}
	if c.phase == phaseInit && l.swarm.cfg.NoInit {
		l.arrive(i) // this is the answer to the greeting
		return nil
	}
	if c.phase == phaseInit {
		id, err := clientID(b)
		if err != nil {
			return fmt.Errorf("%s: %w: %s", l.target(i).URL, err, oneline.Excerpt(b))
		}
		c.id = id
		l.arrive(i)
		return nil
	}
	unwrap := l.swarm.cfg.Unwrap
	if unwrap == nil {
		if l.ledger.check(i, op, b, now) {
			l.hear(i)
		}
		return nil
	}
	for payload, rest := unwrap(b); payload != nil; payload, rest = unwrap(rest) {
		if l.ledger.check(i, op, payload, now) {
			l.hear(i)
		}
	}
	return nil
}

// clientID parses the init message.
func clientID(b []byte) (string, error) {
	var init struct {
		ID string `json:"client_id"`
	}
	if json.Unmarshal(b, &init) != nil || init.ID == "" {
		return "", errNoID
	}
	return init.ID, nil
}

// end records that connection i was lost, and closes it. Before all were open
// for the first time, this ends the swarm.
func (l *loop) end(i int, c *conn, why error) {
	if c.phase == phaseLeaving && (why == errLeft || why == errEOF) {
		l.ledger.endLife(i)
		l.drop(c)
		c.phase = phaseNew
		l.ramp.again.push(i)
		return
	}
	if c.phase != phaseOpen && !l.swarm.ready.Load() {
		l.fail(fmt.Errorf("%s: %w", l.target(i).URL, why))
		l.drop(c)
		return
	}
	l.ledger.deaths.Add(why.Error(), 1)
	l.drop(c)
	l.swarm.died.Add(1)
	ring(l.swarm.reached)
}

// errLeft ends a connection after a complete closing handshake.
var errLeft = errors.New("left")

// drop closes a connection's socket.
func (l *loop) drop(c *conn) {
	if c.tls != nil {
		c.tls.Leave()
	}
	if c.fd >= 0 {
		unix.Close(int(c.fd))
	}
	if c.phase.dialing() {
		l.ramp.inFlight--
	}
	if c.phase == phaseOpen {
		l.ledger.timeline.Ended(clock.Now())
	}
	if c.part != nil {
		l.partials.takeBack(c)
	}
	c.fd, c.phase, c.tls, c.deflate = -1, phaseDead, nil, false
}

// goodbye closes a connection from our side.
func (l *loop) goodbye(c *conn) {
	switch c.phase {
	case phaseNew, phaseDead:
		return
	case phaseInit, phaseOpen:
		l.outbound.close(c, 1000)
	}
	l.drop(c)
}
