package loop

import (
	"bytes"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/frames"
)

// pongsLen is how many bytes of pongs are written at once.
const pongsLen = 16 << 10

// pong answers a ping, soon: with those of other pings that came in the same
// read, since a system call for each would hold up the loop. Pongs stand in
// w.pongs, for the connection whose frames are taken up and no longer than
// that: see parseFrames, and startClose for one that ends.
func (w *writer) pong(slot uint32, c *conn, payload []byte) bool {
	w.newestPong = len(w.pongs)
	w.pongs = codec.AppendFrame(w.pongs, ws.OpPong, payload)
	return len(w.pongs) < pongsLen || w.sendPongs(slot, c)
}

// payPongs is sendPongs if c is owed any. Else, as after it, nothing is owed to
// anybody.
func (w *writer) payPongs(slot uint32, c *conn) bool {
	return len(w.pongs) == 0 || w.sendPongs(slot, c)
}

// dropPongs forgets what is owed to a connection that ends.
func (w *writer) dropPongs() { w.pongs = w.pongs[:0] }

// sendPongs writes the pongs that c is owed, in front of what waits for it.
// While one waits for a full socket, a newer one takes its place (RFC 6455
// section 5.5.3 allows that), so that a flood of pings holds one frame. It
// returns whether the connection is still there.
func (w *writer) sendPongs(slot uint32, c *conn) bool {
	b, newest := w.pongs, w.pongs[w.newestPong:]
	w.pongs, w.newestPong = b[:0], 0
	if c.is(flagBlocked) && c.is(flagPong) && w.replacePong(slot, c, frames.Control(bytes.Clone(newest))) {
		return true
	}
	taken := 0
	if c.first == 0 && !c.is(flagSecure) {
		// An error comes again, or not, when flush tries.
		n, _ := w.loop.sys.Write(int(c.fd), b)
		w.wrote(n)
		if taken = max(n, 0); taken == len(b) {
			c.clear(flagPong)
			return w.loop.exit.flushed(slot, c)
		}
	}
	last := w.begun(slot, c)
	for len(b) > 0 {
		size := 2 + int(b[1])
		if taken >= size {
			taken -= size
		} else {
			last = w.insert(c, last, frames.Control(bytes.Clone(b[:size])))
			w.written(c, taken)
			taken = 0
		}
		b = b[size:]
	}
	if !w.flush(slot, c) {
		return false
	}
	c.clear(flagPong)
	if c.first != 0 {
		c.set(flagPong)
		w.thinPongs(slot, c)
	}
	return true
}

// isPong tells whether f is a pong of ours, not one that was pushed.
func isPong(f *frames.Frame) bool {
	return !f.Counted && ws.OpCode(f.Bytes[0]&0x0f) == ws.OpPong
}

// overtaken returns the first of the frames waiting for c that nobody has a
// part of, and the one before it; 0 for none.
func (w *writer) overtaken(slot uint32, c *conn) (before, n uint32) {
	if before = w.begun(slot, c); before != 0 {
		return before, w.nodes.At(before).Next
	}
	return 0, c.first
}

// thinPongs leaves the newest of the pongs in a row that wait for c.
func (w *writer) thinPongs(slot uint32, c *conn) {
	before, n := w.overtaken(slot, c)
	for n != 0 {
		nd := w.nodes.At(n)
		next := nd.Next
		if next == 0 || !isPong(nd.Frame) || !isPong(w.nodes.At(next).Frame) {
			return
		}
		if before == 0 {
			c.first = next
		} else {
			w.nodes.At(before).Next = next
		}
		w.forget(c, nd.Frame)
		w.nodes.Put(n)
		n = next
	}
}

// replacePong puts a newer pong in the place of the one that waits near the
// head of c's list. False if none waits there, or it has begun.
func (w *writer) replacePong(slot uint32, c *conn, f *frames.Frame) bool {
	_, n := w.overtaken(slot, c)
	if n == 0 {
		return false
	}
	nd := w.nodes.At(n)
	if !isPong(nd.Frame) {
		return false
	}
	w.forget(c, nd.Frame)
	nd.Frame = f
	w.grown(c, f)
	return true
}
