package server

import (
	"bytes"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// pongsLen is how many bytes of pongs are written at once.
const pongsLen = 16 << 10

// pong answers a ping, soon: with those of other pings that came in the same
// read, since a system call for each would hold up the loop. Pongs stand in
// l.pongs, for the connection whose frames are taken up and no longer than
// that: see takeFrames, and startClose for one that ends.
func (l *loop) pong(slot uint32, c *conn, payload []byte) bool {
	l.newestPong = len(l.pongs)
	l.pongs = codec.AppendFrame(l.pongs, ws.OpPong, payload)
	return len(l.pongs) < pongsLen || l.sendPongs(slot, c)
}

// sendPongs writes the pongs that c is owed, in front of what waits for it.
// While one waits for a full socket, a newer one takes its place (RFC 6455
// section 5.5.3 allows that), so that a flood of pings holds one frame. It
// returns whether the connection is still there.
func (l *loop) sendPongs(slot uint32, c *conn) bool {
	b, newest := l.pongs, l.pongs[l.newestPong:]
	l.pongs, l.newestPong = b[:0], 0
	if c.is(flagBlocked) && c.is(flagPong) && l.replacePong(slot, c, controlFrame(bytes.Clone(newest))) {
		return true
	}
	taken := 0
	if c.head == 0 && !c.is(flagSecure) {
		// An error comes again, or not, when flush tries.
		n, _ := l.sys.write(int(c.fd), b)
		l.wrote(n)
		if taken = max(n, 0); taken == len(b) {
			c.clear(flagPong)
			return l.flushed(slot, c)
		}
	}
	last := l.begun(slot, c)
	for len(b) > 0 {
		size := 2 + int(b[1])
		if taken >= size {
			taken -= size
		} else {
			last = l.insert(c, last, controlFrame(bytes.Clone(b[:size])))
			l.written(c, taken)
			taken = 0
		}
		b = b[size:]
	}
	if !l.flush(slot, c) {
		return false
	}
	c.clear(flagPong)
	if c.head != 0 {
		c.set(flagPong)
		l.thinPongs(slot, c)
	}
	return true
}

// isPong tells whether f is a pong of ours, not one that was pushed.
func (f *frame) isPong() bool {
	return !f.counted && ws.OpCode(f.bytes[0]&0x0f) == ws.OpPong
}

// overtaken returns the first of the frames waiting for c that nobody has a
// part of, and the one before it; 0 for none.
func (l *loop) overtaken(slot uint32, c *conn) (before, n uint32) {
	if before = l.begun(slot, c); before != 0 {
		return before, l.nodes.at(before).next
	}
	return 0, c.head
}

// thinPongs leaves the newest of the pongs in a row that wait for c.
func (l *loop) thinPongs(slot uint32, c *conn) {
	before, n := l.overtaken(slot, c)
	for n != 0 {
		nd := l.nodes.at(n)
		next := nd.next
		if next == 0 || !nd.frame.isPong() || !l.nodes.at(next).frame.isPong() {
			return
		}
		if before == 0 {
			c.head = next
		} else {
			l.nodes.at(before).next = next
		}
		l.forget(c, nd.frame)
		l.nodes.put(n)
		n = next
	}
}

// replacePong puts a newer pong in the place of the one that waits near the
// head of c's list. False if none waits there, or it has begun.
func (l *loop) replacePong(slot uint32, c *conn, f *frame) bool {
	_, n := l.overtaken(slot, c)
	if n == 0 {
		return false
	}
	nd := l.nodes.at(n)
	if !nd.frame.isPong() {
		return false
	}
	l.forget(c, nd.frame)
	nd.frame = f
	l.grown(c, f)
	return true
}
