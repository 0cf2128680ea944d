package gatewayworker

import (
	"cmp"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// welcome accepts the connections that wait and puts those that have sent
// something among the ready ones, all in the order in which their bytes came. What
// has come to others before that is ready by now, so it asks epoll again. The clock
// is the system's: if it is set just then, the order of that one turn is of no use.
// So it is, for pipelined commands, if the kernel has merged what came later into
// their first packet: its time is then that of the last.
func (l *innerLoop) welcome() {
	l.accept()
	said, last := l.said[:0], int64(0)
	for _, c := range l.fresh {
		if at, ok := l.arrived(c, last); ok {
			c.at, last = at, at
			said = append(said, c)
		}
	}
	for range maxBatches {
		n, err := l.sys.wait(l.epoll, l.events, 0)
		l.gather(l.events[:max(n, 0)])
		if err != nil || n < len(l.events) {
			break
		}
	}
	last = 0
	for _, c := range l.ready {
		last, _ = l.arrived(c, last)
		c.at = last
	}
	l.ready = append(l.ready, said...)
	slices.SortStableFunc(l.ready, func(a, b *innerConn) int { return cmp.Compare(a.at, b.at) })
	clear(said)
	l.said = said
}

// arrived reports when the kernel received the next byte of a connection, in
// nanoseconds of Unix time, and whether there is one or may be. A connection
// whose time nobody knows keeps its place behind the one before, with the time
// last: the kernel tells none when it lacks memory, and for a few milliseconds
// after the start, until it has begun to note times.
func (l *innerLoop) arrived(c *innerConn, last int64) (at int64, ok bool) {
	if c.closed {
		return last, false
	}
	n, oobn, err := l.sys.peek(c.fd, l.in[:1], l.oob)
	if err != nil {
		return last, err != unix.EAGAIN
	}
	messages, err := unix.ParseSocketControlMessage(l.oob[:oobn])
	if err != nil || n == 0 {
		return last, n > 0
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			sec, nsec := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return int64(sec)*1e9 + int64(nsec), true
		}
	}
	return last, true
}

// enrol adds to the epoll those of the new connections that are still open.
// Later than reading them, so that their first bytes, executed already, leave
// no entry among the ready ones; what has come since makes one.
func (l *innerLoop) enrol() {
	for _, c := range l.fresh {
		if c.closed {
			continue
		}
		switch err := l.sys.watch(l.epoll, unix.EPOLL_CTL_ADD, c.fd, readable); {
		case err == nil:
			c.fresh = false
		case outOfMemory(err):
			l.tryLater(c, retryEnrol)
		default: // the system's limit of what epolls watch
			l.count.acceptErrors.Add(1)
			l.flush(c) // what it has asked is done, and answered by that
			l.close(c, closeFull)
		}
	}
	clear(l.fresh)
	l.fresh = l.fresh[:0]
}
