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
	pongs      []byte // owed for pings of the read at hand
	newestPong int    // where the last of them begins
	sendQueue  uint32 // these three are of Capacity
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
func (w *writer) queue(c *conn, f *frames.Frame) {
	n := w.nodes.Get(f)
	if c.first == 0 {
		c.first = n
	} else {
		w.nodes.At(c.last).Next = n
	}
	c.last = n
	w.grown(c, f)
}

// queueFirst puts a control frame in front of what waits, behind a frame that
// is half written (RFC 6455 section 5.4 lets control frames overtake).
func (w *writer) queueFirst(slot uint32, c *conn, f *frames.Frame) {
	w.insert(c, w.begun(slot, c), f)
}

// begun returns the last of the frames waiting for c of which the peer has a
// part or will have one because it is sealed; 0 if there is none. What else
// waits may still be overtaken or dropped.
func (w *writer) begun(slot uint32, c *conn) uint32 {
	n := c.first
	part := int(c.firstSent)
	if c.is(flagSecure) {
		part += w.loop.secure.of(slot).Sealed()
	}
	if n == 0 || part == 0 {
		return 0
	}
	for {
		nd := w.nodes.At(n)
		if part -= len(nd.Frame.As(c.form)); part <= 0 || nd.Next == 0 {
			return n
		}
		n = nd.Next
	}
}

// insert puts a frame behind a node of those that wait for c, 0 for in front
// of all, and returns its own.
func (w *writer) insert(c *conn, last uint32, f *frames.Frame) uint32 {
	n := w.nodes.Get(f)
	if c.first == 0 || c.last == last {
		c.last = n
	}
	if last == 0 {
		w.nodes.At(n).Next = c.first
		c.first = n
	} else {
		first := w.nodes.At(last)
		w.nodes.At(n).Next = first.Next
		first.Next = n
	}
	w.grown(c, f)
	return n
}

func (w *writer) grown(c *conn, f *frames.Frame) {
	c.frames++
	n := len(f.As(c.form))
	c.waiting += uint32(n)
	w.loop.count.QueuedBytes.Add(int64(n))
}

// say sends bytes of the gateway's own that stand in a buffer which is used
// again, such as wbuf. With nothing waiting for c they go to the socket from
// there; only if it does not take them all is a frame made of them. It returns
// whether the connection is still there.
func (w *writer) say(slot uint32, c *conn, b []byte) bool {
	n := 0
	if c.first == 0 && !c.is(flagSecure) {
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
	if c.waiting >= w.sendQueue || c.frames >= w.sendFrames {
		// What waits may be waiting for this loop, not for the client.
		if !w.flush(slot, c) {
			w.loop.count.Drop(f, reason.DropClosed)
			return false
		}
		if c.waiting >= w.sendQueue || c.frames >= w.sendFrames {
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
	keep := w.begun(slot, c)
	if keep == 0 {
		for c.first != 0 {
			w.pop(c, why)
		}
		return
	}
	for n := w.nodes.At(keep).Next; n != 0; {
		nd := w.nodes.At(n)
		next := nd.Next
		w.forget(c, nd.Frame)
		w.loop.count.Drop(nd.Frame, why)
		w.nodes.Put(n)
		n = next
	}
	w.nodes.At(keep).Next = 0
	c.last = keep
}

// pop drops the oldest waiting frame.
func (w *writer) pop(c *conn, why reason.Drop) {
	n := c.first
	nd := w.nodes.At(n)
	f := nd.Frame
	c.first = nd.Next
	if c.first == 0 {
		c.last = 0
	}
	c.waiting += c.firstSent // forget takes the whole frame away
	w.loop.count.QueuedBytes.Add(int64(c.firstSent))
	c.firstSent = 0
	w.forget(c, f)
	w.nodes.Put(n)
	w.loop.count.Drop(f, why)
}

func (w *writer) forget(c *conn, f *frames.Frame) {
	c.frames--
	n := len(f.As(c.form))
	c.waiting -= uint32(n)
	w.loop.count.QueuedBytes.Add(-int64(n))
}

// flush writes what waits for c until the socket is full: all of it in one
// system call where it fits into gatherLen. It returns whether the connection
// is still there.
func (w *writer) flush(slot uint32, c *conn) bool {
	if c.is(flagSecure) {
		return w.loop.secure.flush(slot, c)
	}
	for c.first != 0 {
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
func (w *writer) gather(c *conn) []byte {
	nd := w.nodes.At(c.first)
	b := nd.Frame.As(c.form)[c.firstSent:]
	if nd.Next == 0 || len(b) >= gatherLen/2 {
		return b
	}
	w.wbuf = append(w.wbuf[:0], b...)
	for n := nd.Next; n != 0; n = nd.Next {
		nd = w.nodes.At(n)
		b := nd.Frame.As(c.form)
		if len(w.wbuf)+len(b) > gatherLen {
			break
		}
		w.wbuf = append(w.wbuf, b...)
	}
	return w.wbuf
}

// written takes n bytes that the kernel has off what waits for c.
func (w *writer) written(c *conn, n int) {
	w.loop.progress.note(c, n)
	c.waiting -= uint32(n)
	w.loop.count.QueuedBytes.Add(-int64(n))
	for n > 0 {
		head := c.first
		nd := w.nodes.At(head)
		left := len(nd.Frame.As(c.form)) - int(c.firstSent)
		if n < left {
			c.firstSent += uint32(n)
			return
		}
		n -= left
		f := nd.Frame
		c.first, c.firstSent = nd.Next, 0
		c.frames--
		w.nodes.Put(head)
		w.loop.lives.countOut(c, f)
		w.loop.count.Delivered(f)
	}
	if c.first == 0 {
		c.last = 0
	}
}
