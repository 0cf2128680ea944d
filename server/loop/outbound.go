package loop

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"

	"castgate/server/capacity"
	"castgate/server/frames"
	"castgate/server/reason"
)

// gatherLen is how many bytes of small frames leave in one write. A frame of
// at least half of it is written from where it lies, without a copy.
const gatherLen = 64 << 10

// frameOverhead bounds the memory behind many tiny frames: a client's list may
// hold SendQueue/frameOverhead nodes, but always minFrames.
const (
	frameOverhead = 16
	minFrames     = 1024
)

// writer writes to sockets what waits for them.
type writer struct {
	loop       *loop
	nodes      frames.Pool
	wbuf       []byte
	pongs      frames.Pongs // owed for pings of the read at hand
	sendQueue  uint32       // these three are of Capacity
	sendFrames uint32
	slowDrop   bool // capacity.SlowPolicy is drop
}

func newWriter(l *loop) writer {
	return writer{loop: l, wbuf: make([]byte, 0, gatherLen)}
}

func (w *writer) limit(n capacity.Capacity) {
	w.sendQueue = uint32(n.SendQueue)
	w.sendFrames = uint32(max(minFrames, n.SendQueue/frameOverhead))
	w.slowDrop = n.SlowPolicy == capacity.SlowDrop
}

// waiting is how many frames wait for all clients.
func (w *writer) waiting() int { return w.nodes.Used }

// scratch is an empty buffer for bytes that go to say at once. The writer uses it
// too.
func (w *writer) scratch() []byte { return w.wbuf[:0] }

// queue appends f to what waits for c, whatever the limit says. For the
// gateway's own frames; pushes go through deliver.
func (w *writer) queue(c *conn, f *frames.Frame) { w.grown(c.out.Push(&w.nodes, c.form, f)) }

// queueFirst puts a control frame in front of what waits, behind a frame that
// is half written (RFC 6455 section 5.4 lets control frames overtake).
func (w *writer) queueFirst(slot uint32, c *conn, f *frames.Frame) {
	w.insert(c, w.begun(slot, c), f)
}

// begun returns the last of the frames waiting for c that can't be overtaken or dropped any
// more; 0 if there is none.
func (w *writer) begun(slot uint32, c *conn) (node uint32) {
	sealed := 0
	if c.is(flagSecure) {
		sealed = w.loop.secure.of(slot).Sealed()
	}
	return c.out.Begun(&w.nodes, c.form, sealed)
}

// insert puts a frame behind a node of those that wait for c, 0 for in front
// of all, and returns its own.
func (w *writer) insert(c *conn, behind uint32, f *frames.Frame) (node uint32) {
	node, more := c.out.Insert(&w.nodes, c.form, behind, f)
	w.grown(more)
	return node
}

// grown counts bytes more that wait.
func (w *writer) grown(n int) { w.loop.count.QueuedBytes.Add(int64(n)) }

// say sends bytes of the gateway's own that stand in a buffer which is used
// again, such as wbuf. With nothing waiting for c they go to the socket from
// there; only if it does not take them all is a frame made of them. It returns
// whether the connection is still there.
func (w *writer) say(slot uint32, c *conn, b []byte) bool {
	n := 0
	if c.out.Empty() && !c.is(flagSecure) {
		// An error comes again, or not, when flush tries.
		n, _ = w.loop.sys.Write(int(c.fd), b)
		n = max(n, 0)
		w.wrote(n)
		if n == len(b) {
			return w.loop.exit.flushed(slot, c)
		}
	}
	w.queue(c, frames.Control(bytes.Clone(b)))
	w.written(c, n)
	return w.flush(slot, c)
}

// wrote counts a write that took n bytes, if it took any.
func (w *writer) wrote(n int) {
	if n > 0 {
		w.loop.count.Writes.Add(1)
		w.loop.count.BytesOut.Add(uint64(n))
	}
}

// deliver gives a pushed frame to a client, within its limit. It returns
// whether the connection is still there; the delivery is counted either way,
// now or when it ends. The caller flushes.
func (w *writer) deliver(slot uint32, c *conn, f *frames.Frame) bool {
	if c.out.Bytes() >= w.sendQueue || c.out.Len() >= w.sendFrames {
		// What waits may be waiting for this loop, not for the client.
		if !w.flush(slot, c) {
			w.loop.count.Drop(f, reason.DropClosed)
			return false
		}
		if c.out.Bytes() >= w.sendQueue || c.out.Len() >= w.sendFrames {
			w.loop.count.Drop(f, reason.DropSlow)
			w.loop.rememberDrop(slot, c)
			if w.slowDrop {
				return true
			}
			w.loop.exit.startClose(slot, c, reason.Slow, reason.Slow.Frame(), true)
			return false
		}
	}
	if len(f.As(c.form)) == 0 {
		w.loop.count.Delivered(f) // nothing has to be written for it
		return true
	}
	w.queue(c, f)
	return true
}

// purge drops what waits, all but frames that have begun.
func (w *writer) purge(slot uint32, c *conn, why reason.Drop) {
	begun := w.begun(slot, c)
	for {
		f, less := c.out.Remove(&w.nodes, c.form, begun)
		if f == nil {
			return
		}
		w.grown(-less)
		w.loop.count.Drop(f, why)
	}
}

// drop drops all that waits.
func (w *writer) drop(c *conn, why reason.Drop) {
	for !c.out.Empty() {
		f, less := c.out.Pop(&w.nodes, c.form)
		w.grown(-less)
		w.loop.count.Drop(f, why)
	}
}

// flush writes what waits for c until the socket is full: all of it in one
// system call where it fits into gatherLen. It returns whether the connection
// is still there.
func (w *writer) flush(slot uint32, c *conn) bool {
	if c.is(flagSecure) {
		return w.loop.secure.flush(slot, c)
	}
	for !c.out.Empty() {
		b := w.gather(c)
		n, err := w.loop.sys.Write(int(c.fd), b)
		w.wrote(n)
		w.written(c, max(n, 0))
		switch {
		case err == nil && n == len(b):
		case err == nil, errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			return w.block(slot, c)
		case errors.Is(err, unix.EINTR):
		default:
			w.loop.exit.closeNow(slot, c, goneReason(c))
			return false
		}
	}
	return w.emptied(slot, c)
}

// emptied is called when the socket has taken all that waited.
func (w *writer) emptied(slot uint32, c *conn) bool {
	if c.is(flagBlocked) {
		c.clear(flagBlocked)
		unwatch := w.loop.sys.UnwatchRoom
		if c.paused != reading {
			unwatch = w.loop.sys.Unwatch
		}
		if err := unwatch(w.loop.poller, int(c.fd)); err != nil || c.paused != reading && !w.loop.reader.await(c) {
			w.loop.exit.closeNow(slot, c, reason.Internal)
			return false
		}
	}
	return w.loop.exit.flushed(slot, c)
}

// goneReason is why a connection ends that the peer has broken off: for the
// reason we were closing it, if we were.
func goneReason(c *conn) reason.Close {
	if c.state == connClosing {
		return c.close
	}
	return reason.Gone
}

// block makes the poller tell when the socket has room again.
func (w *writer) block(slot uint32, c *conn) bool {
	if c.is(flagBlocked) {
		return true
	}
	c.set(flagBlocked)
	watch := w.loop.sys.WatchRoom
	if c.paused != reading {
		watch = w.loop.sys.WatchOnlyRoom
	}
	if err := watch(w.loop.poller, int(c.fd)); err != nil {
		w.loop.exit.closeNow(slot, c, reason.Internal)
		return false
	}
	return true
}

// gather returns the next bytes for c's socket: the head's own, or several
// frames joined in the loop's buffer. Valid until the next call.
func (w *writer) gather(c *conn) (b []byte) {
	b, w.wbuf = c.out.Gather(&w.nodes, c.form, w.wbuf, gatherLen)
	return b
}

// written takes n bytes that the kernel has off what waits for c.
func (w *writer) written(c *conn, n int) {
	w.loop.progress.note(c, n)
	c.out.Wrote(n)
	w.grown(-n)
	for n > 0 {
		var f *frames.Frame
		if f, n = c.out.Take(&w.nodes, c.form, n); f == nil {
			return
		}
		w.loop.lives.countOut(c, f)
		w.loop.count.Delivered(f)
	}
}

// pong answers a ping, soon: with those of other pings that came in the same read. They stand
// in w.pongs, for the connection whose frames are taken up and no longer than that: see
// parseFrames, and startClose for one that ends.
func (w *writer) pong(slot uint32, c *conn, payload []byte) bool {
	return !w.pongs.Add(payload) || w.sendPongs(slot, c)
}

// payPongs is sendPongs if c is owed any. Else, as after it, nothing is owed to
// anybody.
func (w *writer) payPongs(slot uint32, c *conn) bool { return !w.pongs.Owed() || w.sendPongs(slot, c) }

// dropPongs forgets what is owed to a connection that ends.
func (w *writer) dropPongs() { w.pongs.Drop() }

// sendPongs writes the pongs that c is owed, in front of what waits for it.
// While one waits for a full socket, a newer one takes its place (RFC 6455
// section 5.5.3 allows that), so that a flood of pings holds one frame. It
// returns whether the connection is still there.
func (w *writer) sendPongs(slot uint32, c *conn) bool {
	b, newest := w.pongs.Take()
	if c.is(flagBlocked) && c.is(flagPong) && w.replacePong(slot, c, frames.Control(bytes.Clone(newest))) {
		return true
	}
	taken := 0
	if c.out.Empty() && !c.is(flagSecure) {
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
		var pong []byte
		if pong, b = frames.CutPong(b); taken >= len(pong) {
			taken -= len(pong)
			continue
		}
		last = w.insert(c, last, frames.Control(bytes.Clone(pong)))
		w.written(c, taken)
		taken = 0
	}
	if !w.flush(slot, c) {
		return false
	}
	c.clear(flagPong)
	if !c.out.Empty() {
		c.set(flagPong)
		w.thinPongs(slot, c)
	}
	return true
}

// thinPongs leaves the newest of the pongs in a row that wait for c.
func (w *writer) thinPongs(slot uint32, c *conn) {
	begun := w.begun(slot, c)
	for {
		first := c.out.Behind(&w.nodes, begun)
		if first == nil || !frames.IsPong(first) || !c.out.Followed(&w.nodes, begun, frames.IsPong) {
			return
		}
		_, less := c.out.Remove(&w.nodes, c.form, begun)
		w.grown(-less)
	}
}

// replacePong puts a newer pong in the place of the one that waits near the
// head of c's list. False if none waits there, or it has begun.
func (w *writer) replacePong(slot uint32, c *conn, f *frames.Frame) bool {
	begun := w.begun(slot, c)
	if waits := c.out.Behind(&w.nodes, begun); waits == nil || !frames.IsPong(waits) {
		return false
	}
	w.grown(c.out.Replace(&w.nodes, c.form, begun, f))
	return true
}
