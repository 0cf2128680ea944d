package gatewayworker

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// welcome accepts waiting connections. It adds those that have sent something to
// the ready ones, all in the order in which their bytes arrived. What arrived on
// other connections before that is ready by now, so it asks epoll again. The clock
// is the system's: if it is set at that moment, the order of that one turn is
// wrong. If a new connection has sent several commands, the time of the last one
// counts for all.
func (l *innerLoop) welcome() {
	l.accept()
	l.lookAtFresh()
	said, last := l.said[:0], int64(0)
	for i, c := range l.fresh {
		if at, ok := l.readFresh(c, l.polled[i].Revents, last); ok {
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
	if last = 0; len(said) > 0 {
		for _, c := range l.ready {
			last, _ = l.arrived(c, last)
			c.at = last
		}
	}
	l.ready = append(l.ready, said...)
	slices.SortStableFunc(l.ready, func(a, b *innerConn) int { return cmp.Compare(a.at, b.at) })
	clear(said)
	l.said = said
}

// firstLen is how many bytes of a new connection are read at once, roomLen how many
// of all connections accepted in one turn.
const (
	firstLen = 2 << 10
	roomLen  = 256 << 10
)

// lookAtFresh finds out with one call which new connections have sent something,
// and which of these have ended.
func (l *innerLoop) lookAtFresh() {
	l.polled = l.polled[:0]
	for _, c := range l.fresh {
		l.polled = append(l.polled, unix.PollFd{Fd: int32(c.fd), Events: unix.POLLIN | unix.POLLRDHUP})
	}
	if l.sys.look(l.polled) != nil {
		for i := range l.polled {
			l.polled[i].Revents = unix.POLLIN // if not, reading shows it
		}
	}
}

// readFresh reads what a new connection has sent, and returns the same as arrived.
// For most connections that takes one call: if the end had arrived before the call,
// everything had.
func (l *innerLoop) readFresh(c *innerConn, told int16, last int64) (at int64, ok bool) {
	if c.closed || told == 0 {
		return last, false
	}
	if len(l.room) < l.used+firstLen {
		if len(l.room) == roomLen {
			return l.arrived(c, last)
		}
		l.room, l.used = make([]byte, roomLen), 0
	}
	n, oobn, err := l.sys.receive(c.fd, l.room[l.used:l.used+firstLen:l.used+firstLen], l.oob)
	switch {
	case err != nil: // read will see it
		return last, err != unix.EAGAIN
	case n == 0:
		c.ended = true
		return last, true
	}
	c.first = l.room[l.used : l.used+n : l.used+n]
	l.used += n
	l.count.bytesIn.Add(uint64(n))
	c.whole = told&(unix.POLLRDHUP|unix.POLLHUP) != 0
	return stamp(l.oob[:oobn], last), true
}

// arrived returns when the kernel received the next byte of a connection, in
// nanoseconds of Unix time, and whether there is or may be one. If the time is
// unknown, the connection keeps its place after the previous one by using last. The
// kernel does not report a time when it is out of memory, or in the first few
// milliseconds after the start, until it has begun to record times.
func (l *innerLoop) arrived(c *innerConn, last int64) (at int64, ok bool) {
	if c.closed {
		return last, false
	}
	n, oobn, err := l.sys.peek(c.fd, l.in[:1], l.oob)
	if err != nil {
		c.reset = c.reset || err == unix.ECONNRESET // the kernel reports it only once
		return last, err != unix.EAGAIN
	}
	if n == 0 {
		return last, false
	}
	return stamp(l.oob[:oobn], last), true
}

// stamp is the time that the kernel recorded, or last.
func stamp(oob []byte, last int64) int64 {
	for len(oob) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(oob)))
		if uint64(h.Len) < unix.SizeofCmsghdr || uint64(h.Len) > uint64(len(oob)) { //nolint:unconvert // Len has 32 bits on some machines
			break
		}
		data := oob[unix.CmsgLen(0):h.Len]
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16 {
			sec, nsec := binary.NativeEndian.Uint64(data), binary.NativeEndian.Uint64(data[8:])
			return int64(sec)*1e9 + int64(nsec)
		}
		oob = oob[min(unix.CmsgSpace(len(data)), len(oob)):]
	}
	return last
}

// enrol adds the new connections that are still open to the epoll. It comes after
// reading them, so that their first bytes, which are executed by then, do not make
// them ready again; what arrives later does.
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
		default: // the system's limit of epoll watches
			l.count.acceptErrors.Add(1)
			l.flush(c) // what it requested is done; this sends the reply
			l.close(c, closeFull)
		}
	}
	clear(l.fresh)
	l.fresh = l.fresh[:0]
}
