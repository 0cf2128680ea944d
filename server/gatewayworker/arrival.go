package gatewayworker

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"castgate/server/internal/listen"

	"golang.org/x/sys/unix"
)

// arrivals is the part of the inner loop that accepts connections, and reads what they have
// sent by then in the order in which it came.
type arrivals struct {
	loop      *innerLoop
	listener  int
	accepting *listen.Errors
	broken    error     // the listener can't accept any more
	paused    time.Time // when accepting resumes
	fullAt    time.Time // when connections began to wait for room

	// Valid during a turn.
	listening bool         // epoll was to report connections that wait
	waiting   bool         // connections wait to be accepted
	fresh     []*innerConn // accepted, not in the epoll yet
	said      []*innerConn // of fresh: those that have sent something
	one       [1]byte
	oob       []byte
	polled    []unix.PollFd
	room      []byte // for what fresh connections have sent
	used      int    // of room
}

const (
	// acceptBatch is how many connections are accepted at once.
	acceptBatch = 1024
	// maxBatches is how many full batches of ready connections are collected before
	// new ones are read. That is more than there are connections.
	maxBatches = 32
	// fullPause is how long accepting pauses while connections wait for room.
	fullPause = 50 * time.Millisecond
	// fullPatience is how long new connections wait for one of MaxConns to end.
	fullPatience = 2 * time.Second
)

func newArrivals(l *innerLoop, listener int) arrivals {
	return arrivals{
		loop: l, listener: listener, oob: make([]byte, 128),
		accepting: listen.NewErrors(l.log, "cannot accept inner connections", &l.count.acceptErrors),
	}
}

// begin begins a turn.
func (a *arrivals) begin() {
	a.used, a.waiting, a.listening = 0, false, a.paused.IsZero()
	if !a.listening && a.loop.now().After(a.paused) {
		a.paused = time.Time{}
		a.listenFor(unix.EPOLLIN)
	}
}

// reported records that epoll has reported a descriptor, and returns whether it is the
// listener.
func (a *arrivals) reported(fd int) bool {
	if fd != a.listener {
		return false
	}
	a.waiting = true
	return true
}

// until is when accepting resumes, zero if it has not paused.
func (a *arrivals) until() time.Time { return a.paused }

// failure is why the listener can't accept any more, nil if it can.
func (a *arrivals) failure() error { return a.broken }

// welcome accepts waiting connections. It adds those that have sent something to
// the ready ones, all in the order in which their bytes arrived. What arrived on
// other connections before that is ready by now, so it asks epoll again. The clock
// is the system's: if it is set at that moment, the order of that one turn is
// wrong. If a new connection has sent several commands, the time of the last one
// counts for all.
func (a *arrivals) welcome() {
	if !a.waiting {
		if a.listening && len(a.loop.ready) < eventBatch-2 { // epoll has reported all there was
			a.fullAt = time.Time{}
		}
		return
	}
	a.accept()
	a.lookAtFresh()
	said, last := a.said[:0], int64(0)
	for i, c := range a.fresh {
		if at, ok := a.readFresh(c, a.polled[i].Revents, last); ok {
			c.at, last = at, at
			said = append(said, c)
		}
	}
	for range maxBatches {
		n, err := a.loop.sys.wait(a.loop.epoll, a.loop.events, 0)
		a.loop.gather(a.loop.events[:max(n, 0)])
		if err != nil || n < len(a.loop.events) {
			break
		}
	}
	if last = 0; len(said) > 0 {
		for _, c := range a.loop.ready {
			last, _ = a.arrived(c, last)
			c.at = last
		}
	}
	a.loop.ready = append(a.loop.ready, said...)
	slices.SortStableFunc(a.loop.ready, func(a, b *innerConn) int { return cmp.Compare(a.at, b.at) })
	clear(said)
	a.said = said
}

// firstLen is how many bytes of a new connection are read at once, roomLen how many
// of all connections accepted in one turn.
const (
	firstLen = 2 << 10
	roomLen  = 256 << 10
)

// lookAtFresh finds out with one call which new connections have sent something,
// and which of these have ended.
func (a *arrivals) lookAtFresh() {
	a.polled = a.polled[:0]
	for _, c := range a.fresh {
		a.polled = append(a.polled, unix.PollFd{Fd: int32(c.fd), Events: unix.POLLIN | unix.POLLRDHUP})
	}
	if a.loop.sys.look(a.polled) != nil {
		for i := range a.polled {
			a.polled[i].Revents = unix.POLLIN // if not, reading shows it
		}
	}
}

// readFresh reads what a new connection has sent, and returns the same as arrived.
// For most connections that takes one call: if the end had arrived before the call,
// everything had.
func (a *arrivals) readFresh(c *innerConn, told int16, last int64) (at int64, ok bool) {
	if c.closed || told == 0 {
		return last, false
	}
	if len(a.room) < a.used+firstLen {
		if len(a.room) == roomLen {
			return a.arrived(c, last)
		}
		a.room, a.used = make([]byte, roomLen), 0
	}
	n, oobn, err := a.loop.sys.receive(c.fd, a.room[a.used:a.used+firstLen:a.used+firstLen], a.oob)
	switch {
	case err != nil: // read will see it
		return last, err != unix.EAGAIN
	case n == 0:
		c.ended = true
		return last, true
	}
	c.first = a.room[a.used : a.used+n : a.used+n]
	a.used += n
	a.loop.count.bytesIn.Add(uint64(n))
	c.whole = told&(unix.POLLRDHUP|unix.POLLHUP) != 0
	return stamp(a.oob[:oobn], last), true
}

// arrived returns when the kernel received the next byte of a connection, in
// nanoseconds of Unix time, and whether there is or may be one. If the time is
// unknown, the connection keeps its place after the previous one by using last. The
// kernel does not report a time when it is out of memory, or in the first few
// milliseconds after the start, until it has begun to record times.
func (a *arrivals) arrived(c *innerConn, last int64) (at int64, ok bool) {
	if c.closed {
		return last, false
	}
	n, oobn, err := a.loop.sys.peek(c.fd, a.one[:], a.oob)
	if err != nil {
		c.reset = c.reset || err == unix.ECONNRESET // the kernel reports it only once
		return last, err != unix.EAGAIN
	}
	if n == 0 {
		return last, false
	}
	return stamp(a.oob[:oobn], last), true
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
func (a *arrivals) enrol() {
	for _, c := range a.fresh {
		if c.closed {
			continue
		}
		switch err := a.loop.sys.watch(a.loop.epoll, unix.EPOLL_CTL_ADD, c.fd, readable); {
		case err == nil:
			c.fresh = false
		case outOfMemory(err):
			a.loop.shortage.tryLater(c, retryEnrol)
		default: // the system's limit of epoll watches
			a.loop.count.acceptErrors.Add(1)
			a.loop.writer.flush(c) // what it requested is done; this sends the reply
			a.loop.close(c, closeFull)
		}
	}
	clear(a.fresh)
	a.fresh = a.fresh[:0]
}

// listenFor sets which events of the listener epoll reports.
func (a *arrivals) listenFor(events uint32) {
	if a.listener < 0 {
		return
	}
	if err := a.loop.sys.watch(a.loop.epoll, unix.EPOLL_CTL_MOD, a.listener, events); err != nil && events != 0 {
		a.paused = a.loop.now().Add(listen.Pause) // otherwise nobody would be accepted any more
	}
}

// accept accepts the waiting connections.
func (a *arrivals) accept() {
	for range acceptBatch {
		// No connection has to go before its data is read, since commands make
		// room. The others wait in the backlog meanwhile.
		if a.loop.connections.full() && (len(a.fresh) > 0 || a.hasInput(a.loop.connections.oldestSilent()) || a.waits()) {
			return
		}
		fd, from, err := a.loop.sys.accept(a.listener)
		switch err {
		case nil:
			a.accepting.Accepted()
			a.add(fd, from)
		case unix.EAGAIN:
			a.fullAt = time.Time{} // all that waited are accepted or turned away
			return
		default:
			r := a.accepting.Failed(err)
			if r.Broken {
				a.broken = fmt.Errorf("accept: %w", err)
			}
			if r.Broken || r.Wait > 0 {
				a.paused = a.loop.now().Add(r.Wait)
				a.listenFor(0)
				return
			}
		}
	}
}

// hasInput reports whether a connection that counts as silent has sent something
// that has not been read yet.
func (a *arrivals) hasInput(c *innerConn) bool {
	if c == nil {
		return false
	}
	n, _, err := a.loop.sys.peek(c.fd, a.one[:], nil)
	return err == nil && n > 0 || outOfMemory(err)
}

// waits reports whether new connections must wait in the kernel because all open
// ones are in use. Most connections end after a command, so new ones wait for
// fullPatience before they are turned away.
func (a *arrivals) waits() bool {
	now := a.loop.now()
	if a.loop.connections.oldestSilent() != nil {
		return false
	}
	if a.fullAt.IsZero() {
		a.fullAt = now
		a.loop.count.fullWaits.Add(1)
	}
	if now.Sub(a.fullAt) > fullPatience {
		return false
	}
	a.paused = now.Add(fullPause)
	a.listenFor(0)
	return true
}

// add adds a new connection. If there is no room, the one that has been silent for longest
// goes, or itself.
func (a *arrivals) add(fd int, from netip.AddrPort) {
	a.loop.count.accepted.Add(1)
	if a.loop.connections.full() {
		oldest := a.loop.connections.oldestSilent()
		if oldest == nil {
			a.loop.count.closes[closeFull].Add(1)
			a.loop.sys.orderly(fd)
			a.loop.sys.close(fd)
			return
		}
		a.loop.close(oldest, closeFull)
	}
	a.fresh = append(a.fresh, a.loop.connections.add(fd, from))
}

// takeWaiting accepts the connections in the backlog outside of a turn.
func (a *arrivals) takeWaiting() {
	if a.listener >= 0 {
		a.accept()
		a.enrol()
	}
}

// enrolLater adds a connection to the epoll at the end of this turn.
func (a *arrivals) enrolLater(c *innerConn) { a.fresh = append(a.fresh, c) }

// deafen makes the kernel queue no more connections, if another process also listens.
func (a *arrivals) deafen() {
	if a.listener >= 0 {
		_ = listen.Deafen(a.listener)
	}
}

// closeListener closes the listener. Connections in its queue would be reset, so
// call drain first.
func (a *arrivals) closeListener() {
	if a.listener >= 0 {
		a.loop.sys.close(a.listener)
		a.listener = -1
	}
}
