package server

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
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

// queue appends f to what waits for c, whatever the limit says. For the
// gateway's own frames; pushes go through deliver.
func (l *loop) queue(c *conn, f *frame) {
	n := l.nodes.take(f)
	if c.head == 0 {
		c.head = n
	} else {
		l.nodes.at(c.tail).next = n
	}
	c.tail = n
	l.grown(c, f)
}

// queueFirst puts a control frame in front of what waits, behind a frame that
// is half written (RFC 6455 section 5.4 lets control frames overtake).
func (l *loop) queueFirst(slot uint32, c *conn, f *frame) {
	l.insert(c, l.begun(slot, c), f)
}

// insert puts a frame behind a node of those that wait for c, 0 for in front
// of all, and returns its own.
func (l *loop) insert(c *conn, last uint32, f *frame) uint32 {
	n := l.nodes.take(f)
	if c.head == 0 || c.tail == last {
		c.tail = n
	}
	if last == 0 {
		l.nodes.at(n).next = c.head
		c.head = n
	} else {
		first := l.nodes.at(last)
		l.nodes.at(n).next = first.next
		first.next = n
	}
	l.grown(c, f)
	return n
}

func (l *loop) grown(c *conn, f *frame) {
	c.frames++
	n := len(f.as(c.form))
	c.waiting += uint32(n)
	l.count.queuedBytes.Add(int64(n))
}

// say sends bytes of the gateway's own that stand in a buffer which is used
// again, such as wbuf. With nothing waiting for c they go to the socket from
// there; only if it does not take them all is a frame made of them. It returns
// whether the connection is still there.
func (l *loop) say(slot uint32, c *conn, b []byte) bool {
	n := 0
	if c.head == 0 && !c.is(flagSecure) {
		// An error comes again, or not, when flush tries.
		n, _ = l.sys.write(int(c.fd), b)
		n = max(n, 0)
		l.wrote(n)
		if n == len(b) {
			return l.flushed(slot, c)
		}
	}
	l.queue(c, controlFrame(bytes.Clone(b)))
	l.written(c, n)
	return l.flush(slot, c)
}

// wrote counts a write that took n bytes, if it took any.
func (l *loop) wrote(n int) {
	if n > 0 {
		l.count.writes.Add(1)
		l.count.bytesOut.Add(uint64(n))
	}
}

// deliver gives a pushed frame to a client, within its limit. It returns
// whether the connection is still there; the delivery is counted either way,
// now or when it ends. The caller flushes.
func (l *loop) deliver(slot uint32, c *conn, f *frame) bool {
	if c.waiting >= l.sendQueue || c.frames >= l.sendFrames {
		// What waits may be waiting for this loop, not for the client.
		if !l.flush(slot, c) {
			l.drop(f, dropClosed)
			return false
		}
		if c.waiting >= l.sendQueue || c.frames >= l.sendFrames {
			l.drop(f, dropSlow)
			if l.slowDrop {
				return true
			}
			l.startClose(slot, c, closeSlow, closeFrames[closeSlow], true)
			return false
		}
	}
	if len(f.as(c.form)) == 0 {
		l.delivered(f) // nothing has to be written for it
		return true
	}
	l.queue(c, f)
	return true
}

// delivered ends a delivery with success.
func (l *loop) delivered(f *frame) {
	if !f.counted {
		return
	}
	l.count.written.Add(1)
	if f.wait != nil {
		f.wait.written.Add(1)
		f.wait.add(-1)
	}
}

// drop ends a delivery without success.
func (l *loop) drop(f *frame, why dropReason) {
	if !f.counted {
		return
	}
	l.count.dropped[why].Add(1)
	if f.wait != nil {
		f.wait.dropped.Add(1)
		f.wait.add(-1)
	}
}

// dropMany ends n deliveries without success.
func (l *loop) dropMany(f *frame, n int, why dropReason) {
	l.count.dropped[why].Add(uint64(n))
	if f.wait != nil {
		f.wait.dropped.Add(int64(n))
		f.wait.add(int64(-n))
	}
}

// purge drops what waits, all but frames that have begun.
func (l *loop) purge(slot uint32, c *conn, why dropReason) {
	keep := l.begun(slot, c)
	if keep == 0 {
		for c.head != 0 {
			l.pop(c, why)
		}
		return
	}
	for n := l.nodes.at(keep).next; n != 0; {
		nd := l.nodes.at(n)
		next := nd.next
		l.forget(c, nd.frame)
		l.drop(nd.frame, why)
		l.nodes.put(n)
		n = next
	}
	l.nodes.at(keep).next = 0
	c.tail = keep
}

// pop drops the oldest waiting frame.
func (l *loop) pop(c *conn, why dropReason) {
	n := c.head
	nd := l.nodes.at(n)
	f := nd.frame
	c.head = nd.next
	if c.head == 0 {
		c.tail = 0
	}
	c.waiting += c.headOff // forget takes the whole frame away
	l.count.queuedBytes.Add(int64(c.headOff))
	c.headOff = 0
	l.forget(c, f)
	l.nodes.put(n)
	l.drop(f, why)
}

func (l *loop) forget(c *conn, f *frame) {
	c.frames--
	n := len(f.as(c.form))
	c.waiting -= uint32(n)
	l.count.queuedBytes.Add(-int64(n))
}

// flush writes what waits for c until the socket is full: all of it in one
// system call where it fits into gatherLen. It returns whether the connection
// is still there.
func (l *loop) flush(slot uint32, c *conn) bool {
	if c.is(flagSecure) {
		return l.flushSecure(slot, c)
	}
	for c.head != 0 {
		b := l.gather(c)
		n, err := l.sys.write(int(c.fd), b)
		l.wrote(n)
		l.written(c, max(n, 0))
		switch {
		case err == nil && n == len(b):
		case err == nil, errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			return l.block(slot, c)
		case errors.Is(err, unix.EINTR):
		default:
			l.closeNow(slot, c, goneReason(c))
			return false
		}
	}
	return l.emptied(slot, c)
}

// emptied is called when the socket has taken all that waited.
func (l *loop) emptied(slot uint32, c *conn) bool {
	if c.is(flagBlocked) {
		c.clear(flagBlocked)
		unwatch := l.sys.unwatchRoom
		if c.paused {
			unwatch = l.sys.unwatch
		}
		if err := unwatch(l.poller, int(c.fd)); err != nil {
			l.closeNow(slot, c, closeInternal)
			return false
		}
	}
	return l.flushed(slot, c)
}

// goneReason is why a connection ends that the peer has broken off: for the
// reason we were closing it, if we were.
func goneReason(c *conn) closeReason {
	if c.state == connClosing {
		return c.close
	}
	return closeGone
}

// block makes the poller tell when the socket has room again.
func (l *loop) block(slot uint32, c *conn) bool {
	if c.is(flagBlocked) {
		return true
	}
	c.set(flagBlocked)
	watch := l.sys.watchRoom
	if c.paused {
		watch = l.sys.watchOnlyRoom
	}
	if err := watch(l.poller, int(c.fd)); err != nil {
		l.closeNow(slot, c, closeInternal)
		return false
	}
	return true
}

// gather returns the next bytes for c's socket: the head's own, or several
// frames joined in the loop's buffer. Valid until the next call.
func (l *loop) gather(c *conn) []byte {
	nd := l.nodes.at(c.head)
	b := nd.frame.as(c.form)[c.headOff:]
	if nd.next == 0 || len(b) >= gatherLen/2 {
		return b
	}
	l.wbuf = append(l.wbuf[:0], b...)
	for n := nd.next; n != 0; n = nd.next {
		nd = l.nodes.at(n)
		b := nd.frame.as(c.form)
		if len(l.wbuf)+len(b) > gatherLen {
			break
		}
		l.wbuf = append(l.wbuf, b...)
	}
	return l.wbuf
}

// written takes n bytes that the kernel has off what waits for c.
func (l *loop) written(c *conn, n int) {
	l.note(c, n)
	c.waiting -= uint32(n)
	l.count.queuedBytes.Add(-int64(n))
	for n > 0 {
		head := c.head
		nd := l.nodes.at(head)
		left := len(nd.frame.as(c.form)) - int(c.headOff)
		if n < left {
			c.headOff += uint32(n)
			return
		}
		n -= left
		f := nd.frame
		c.head, c.headOff = nd.next, 0
		c.frames--
		l.nodes.put(head)
		l.delivered(f)
	}
	if c.head == 0 {
		c.tail = 0
	}
}
