package server

import (
	"castgate/codec"
	"castgate/server/internal/table"
)

// connState is the phase of a connection.
type connState uint8

const (
	connFree      connState = iota // the slot holds no connection
	connProxy                      // waits for the header of a trusted proxy
	connHandshake                  // waits for the whole request head
	connRefusing                   // like connHandshake, but will be refused
	connVerifying                  // its token is being checked, or it waits to be admitted
	connOpen                       // a client
	connClosing                    // our close frame or refusal is queued or sent; waits for the peer
)

// connFlags are facts that hold beside the phase.
type connFlags uint16

const (
	flagRegistered connFlags = 1 << iota // in the registry, as far as this loop has been told
	flagBlocked                          // the socket is full; the poller watches for room
	flagUrgent                           // in the loop's urgent list
	flagBulk                             // in the loop's bulk list
	flagPinged                           // a ping is out and nothing has been read since
	flagPeerClosed                       // the peer's close frame has come
	flagShut                             // our side of the socket is shut for writing
	flagServed                           // the handshake was answered 101
	flagPong                             // a pong waits for the socket
	flagDeaf                             // what the peer still sends is read and thrown away
	flagLater                            // in the loop's list of clients whose messages wait for their turn
	flagTold                             // Events.Opened was called, Closed was not
	flagCounted                          // in Server.addresses, with the address that the registry has
	flagExpires                          // its token ends: chunk.expires is the Unix time
	flagSecure                           // TLS: see secureOf
	flagBindBy                           // while connOpen, due is the tick by which it must be bound
)

// conn is one connection's state on its loop. All of it is owned by the loop.
// It holds no buffers while idle: in is nil between messages, and what waits
// to be sent is a list of nodes in the loop's pool.
type conn struct {
	fd    int32  // -1 while the slot is free
	gen   uint32 // of the handle; grows with each owner of the slot
	state connState
	// paused tells that the poller does not look at the socket; see pause.
	paused bool
	close  closeReason           // why the connection is closing
	form   form                  // how pushes are encoded for it
	why    codec.HandshakeResult // connRefusing: the answer
	sent   uint8                 // frames written since the last byte from the peer, in units of sentUnit
	flags  connFlags

	// Outbound: frames that wait, oldest first.
	head, tail uint32 // nodes; 0 is none. head links free slots while free
	headOff    uint32 // bytes of head already written
	frames     uint32 // nodes waiting
	waiting    uint32 // bytes waiting

	// Times, in ticks of the loop.
	lastRead uint32 // of the last byte from the peer; with flagPinged what PingTimeout counts from
	due      uint32 // when the handshake or the close must be done; see flagBindBy
	wheelAt  uint32 // the tick of the one entry in the wheel that counts

	left    uint32 // heartbeat.count at the last message
	seenAll uint32 // the newest broadcast of the log this client has been given
	mark    uint64 // registration number; broadcasts with a lower one are older

	in *inbound // a request head, frame or message that is not complete
}

func (c *conn) is(f connFlags) bool { return c.flags&f != 0 }
func (c *conn) set(f connFlags)     { c.flags |= f }
func (c *conn) clear(f connFlags)   { c.flags &^= f }

// handle names the connection for the world outside its loop.
func (l *loop) handle(slot uint32, c *conn) table.Handle {
	return table.MakeHandle(uint8(l.idx), slot, c.gen)
}

// receiver returns the open client a handle names, nil if it is gone.
func (l *loop) receiver(h table.Handle) *conn {
	c := l.conn(h.Slot())
	if c == nil || c.gen != h.Gen() || c.state != connOpen {
		return nil
	}
	return c
}

// startClose sends a close frame behind what waits and then waits for the
// peer to close too. purge throws away what waits first, all but what
// has begun to be written. It returns whether the connection is still there.
func (l *loop) startClose(slot uint32, c *conn, why closeReason, f *frame, purge bool) bool {
	if c.state != connOpen {
		return c.state != connFree
	}
	if len(l.pongs) > 0 && !l.sendPongs(slot, c) {
		return false
	}
	l.logEnd(slot, c, why, f)
	l.leave(slot, c)
	l.closed(slot, c)
	l.forgive(slot)
	if purge {
		l.purge(slot, c, dropSlow)
	}
	c.state = connClosing
	c.close = why
	if c.held() && !l.unholdClient(slot, c) {
		return false
	}
	if f != nil && !c.form.plain() {
		l.queue(c, f)
	}
	l.closeBy(slot, c, closeTicks)
	return l.flush(slot, c)
}

// closeBy makes sure that the connection is closed hard after some ticks.
func (l *loop) closeBy(slot uint32, c *conn, ticks uint32) {
	c.due = l.wheel.Now() + ticks
	l.wake(slot, c, c.due)
}

// flushed is called when nothing waits any more: a closing connection then
// shuts its side, so that the peer reads the close frame and an end of file
// instead of a reset.
func (l *loop) flushed(slot uint32, c *conn) bool {
	if c.state != connClosing {
		return true
	}
	if c.is(flagPeerClosed) {
		l.closeNow(slot, c, c.close)
		return false
	}
	if !c.is(flagShut) {
		c.set(flagShut)
		l.sys.shutdown(int(c.fd))
	}
	return true
}

// closeNow ends the connection at once: what waits is dropped and counted, the
// descriptor is closed, the slot is free.
func (l *loop) closeNow(slot uint32, c *conn, why closeReason) {
	if c.state == connOpen {
		l.logEnd(slot, c, why, nil)
	}
	l.leave(slot, c)
	l.closed(slot, c)
	l.forgive(slot)
	l.pongs = l.pongs[:0]
	for c.head != 0 {
		l.pop(c, dropClosed)
	}
	if c.is(flagSecure) {
		l.abandonHandshake(slot)
	}
	switch {
	case c.is(flagServed):
		l.count.closes[why].Add(1)
	case c.state != connClosing:
		l.count.handshakes[handshakeGone].Add(1)
		l.logGone(slot, c)
	}
	if c.in != nil {
		l.releaseInbound(c)
	}
	l.discharge(slot, c)
	l.srv.fds.clear(int(c.fd))
	l.sys.close(int(c.fd))
	l.freeSlot(slot, c)
	l.srv.sockets.Add(-1)
}

// abort is closeNow for a peer that does not read: the kernel forgets its send
// buffer instead of keeping it for minutes.
func (l *loop) abort(slot uint32, c *conn, why closeReason) {
	l.cut(c)
	if c.head != 0 || l.sys.unsent(int(c.fd)) > 0 {
		l.sys.resetOnClose(int(c.fd))
	}
	l.closeNow(slot, c, why)
}

// closeOverdue decides on a connection whose close has not ended in time. One
// that is slow but still takes bytes gets more of it.
func (l *loop) closeOverdue(slot uint32, c *conn) {
	if c.is(flagServed) {
		patience := closePatience
		if c.close == closeSlow {
			patience = leastPatience // it had its time, and nothing but the close frame is left for it
		}
		if next, ok := l.look(slot, c, l.sys.flow(int(c.fd)), patience, closeTicks); ok {
			l.closeBy(slot, c, min(next-l.wheel.Now(), closeTicks))
			return
		}
	}
	l.abort(slot, c, c.close)
}

// fail ends a client that broke a rule of the protocol or of this gateway.
func (l *loop) fail(slot uint32, c *conn, why closeReason, e *codec.CloseError) bool {
	f := closeFrames[why]
	if e != nil {
		f = controlFrame(codec.AppendClose(nil, e.Code, e.Reason))
	}
	return l.startClose(slot, c, why, f, false)
}
