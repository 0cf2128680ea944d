package loadtest

import (
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"castgate/codec"
)

// phase is how far a connection has come.
type phase uint8

const (
	phaseNew phase = iota
	phaseConnecting
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
	case phaseHandshake:
		return "no answer to the handshake"
	case phaseLeaving:
		return "no answer to the close frame"
	default:
		return "nothing"
	}
}

// conn is one connection, 40 bytes while it is idle.
type conn struct {
	fd      int32 // -1 if closed
	phase   phase
	started int64    // Now() when it began to wait for the server
	part    *partial // nil while nothing has come in part
	id      string   // client id
}

// partial is what has come of something incomplete.
type partial struct {
	parser  codec.Parser
	head    []byte // of the handshake
	message []byte // the pieces of a message so far
}

func (p *partial) reset() { *p = partial{parser: codec.Parser{Client: true}} }

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
		if err := l.take(i, c, l.buf[:n], Now()); err != nil {
			l.end(i, c, err)
		}
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		l.end(i, c, fmt.Errorf("read: %w", err))
	case c.phase == phaseHandshake:
		var head []byte
		if c.part != nil {
			head = c.part.head
		}
		l.end(i, c, errHungUp(head))
	default:
		l.end(i, c, errEOF)
	}
}

var errEOF = errors.New("the server closed it without a close frame")

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
		p.reset()
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

// maxSpare is how many partials a loop keeps for use again.
const maxSpare = 256

func (l *loop) newPartial(c *conn) *partial {
	if n := len(l.spare); n > 0 {
		c.part, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		c.part = new(partial)
	}
	c.part.reset()
	return c.part
}

func (l *loop) releasePartial(c *conn) {
	p := c.part
	c.part = nil
	if len(l.spare) < maxSpare {
		p.reset()
		l.spare = append(l.spare, p)
	}
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
		return l.message(i, c, ev.Op, message, now)
	}
	return nil
}

// message acts on a complete message.
func (l *loop) message(i int, c *conn, op codec.Opcode, b []byte, now int64) error {
	if op == codec.OpText {
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

// pong answers a ping. The socket of a client that sends nothing else always
// has room; if not, that is counted.
func (l *loop) pong(c *conn, payload []byte) {
	l.out = codec.AppendMaskedFrame(l.out[:0], codec.OpPong, payload, l.mask())
	if n, err := unix.Write(int(c.fd), l.out); err != nil || n < len(l.out) {
		l.counts.pongsRefused++
	}
}

// sendClose sends a close frame if the socket takes it.
func (l *loop) sendClose(c *conn, code uint16) {
	var body []byte
	if code != 0 && code != 1005 { // 1005: the peer gave none
		body = []byte{byte(code >> 8), byte(code)}
	}
	l.out = codec.AppendMaskedFrame(l.out[:0], codec.OpClose, body, l.mask())
	_, _ = unix.Write(int(c.fd), l.out) // nothing depends on it
}

// mask is a masking key. It need not be hard to guess here: what it protects
// are proxies between a browser and its server (RFC 6455 section 10.3).
func (l *loop) mask() [4]byte {
	l.masks = l.masks*1664525 + 1013904223
	return [4]byte{byte(l.masks >> 24), byte(l.masks >> 16), byte(l.masks >> 8), byte(l.masks)}
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
	c.fd, c.phase = -1, phaseDead
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
