package gatewayworker

import (
	"bytes"
	"encoding/binary"

	wire "castgate/codec/gatewayworker"
)

// backlog is the events of one client that wait for a worker, oldest first. It
// exists only while there are some. It is guarded by eventQueue.mu; its place in a
// line other than eventQueue.fresh belongs to the inner loop.
type backlog struct {
	connection uint32
	network    *network
	frames     []byte // from at on: those that wait, as the worker will get them
	at         int
	events     []longEvent // newer than frames
	eventBytes int         // of their frames
	opens      bool        // frames begin with ON_CONNECT: no worker knows the client
	told       bool        // some events were handed to a worker and came back
	held       bool        // the client is not being read
	lined      bool        // it is in a line
	next       *backlog
}

func (b *backlog) behind() **backlog { return &b.next }

// longEvent is an event that is no frame yet, so that the event loops need not copy a
// session of megabytes.
type longEvent struct {
	header  wire.Header
	session string
	body    []byte
}

func (e *longEvent) size() int { return wire.HeaderLen + len(e.session) + len(e.body) }

// waiting is how many bytes of frames wait.
func (b *backlog) waiting() int { return len(b.frames) - b.at + b.eventBytes }

// append adds the newest event.
func (b *backlog) append(h *wire.Header, session string, body []byte) {
	if len(b.events) == 0 && len(session) <= keepFrames {
		b.frames = wire.AppendEvent(b.frames, h, session, body)
		return
	}
	e := longEvent{header: *h, session: session, body: bytes.Clone(body)}
	b.events = append(b.events, e)
	b.eventBytes += e.size()
}

// command is the command of the first event, which must exist.
func (b *backlog) command() wire.Command {
	if b.at < len(b.frames) {
		return wire.Command(b.frames[b.at+4])
	}
	return b.events[0].header.Command
}

// cut moves the first event, which must exist, to dst.
func (b *backlog) cut(dst []byte) []byte {
	b.opens = false
	if b.at == len(b.frames) {
		e := &b.events[0]
		dst = wire.AppendEvent(dst, &e.header, e.session, e.body)
		b.eventBytes -= e.size()
		*e = longEvent{}
		b.events = b.events[1:]
		return dst
	}
	n := int(binary.BigEndian.Uint32(b.frames[b.at:]))
	dst = append(dst, b.frames[b.at:b.at+n]...)
	if b.at += n; b.at > keepFrames && b.at > len(b.frames)/2 {
		b.frames = b.frames[:copy(b.frames, b.frames[b.at:])]
		b.at = 0
	}
	return dst
}

// count is the number of waiting events.
func (b *backlog) count() int {
	n := len(b.events)
	for rest := b.frames[b.at:]; len(rest) > 0; n++ {
		_, _, _, rest = cutFrame(rest)
	}
	return n
}

// closes reports whether the last event is the client's close.
func (b *backlog) closes() bool {
	if n := len(b.events); n > 0 {
		return b.events[n-1].header.Command == wire.OnClose
	}
	last := wire.Command(0)
	for rest := b.frames[b.at:]; len(rest) > 0; {
		_, last, _, rest = cutFrame(rest)
	}
	return last == wire.OnClose
}

// backlog returns a client's backlog. If there is none it makes one in the network.
// The caller holds mu.
func (q *eventQueue) backlog(connection uint32, network uint64) *backlog {
	b := q.clients[connection]
	if b != nil {
		return b
	}
	if b = q.spareBacklogs.get(); b == nil {
		b = new(backlog)
	}
	b.connection, b.network = connection, q.network(network)
	b.network.backlogs++
	q.clients[connection] = b
	return b
}

// weigh accounts for n more bytes in a backlog. The caller holds mu.
func (q *eventQueue) weigh(b *backlog, n int) {
	of := b.network
	q.room.Weigh(of.bytes, of.bytes+n)
	of.bytes += n
	if of.asked && q.room.Eased(of.bytes) {
		of.asked, q.eased = false, true
	}
}

// clear drops the events in a backlog. The caller holds mu.
func (q *eventQueue) clear(b *backlog) {
	q.weigh(b, -b.waiting())
	b.frames, b.at, b.opens = b.frames[:0], 0, false
	b.events, b.eventBytes = nil, 0
}

// clearButLast drops the events in a backlog but the last. The caller holds mu.
func (q *eventQueue) clearButLast(b *backlog) {
	before := b.waiting()
	if n := len(b.events); n > 0 {
		last := b.events[n-1]
		b.frames, b.at, b.events, b.eventBytes = b.frames[:0], 0, []longEvent{last}, last.size()
	} else {
		for frame, _, _, rest := cutFrame(b.frames[b.at:]); len(rest) > 0; frame, _, _, rest = cutFrame(rest) {
			b.at += len(frame)
		}
	}
	b.opens = false
	q.weigh(b, b.waiting()-before)
}

// forget removes an empty backlog whose turn has come. It returns whether the
// client must be read again. The caller holds mu.
func (q *eventQueue) forget(b *backlog) (held bool) {
	delete(q.clients, b.connection)
	if held = b.held; held {
		q.held--
	}
	frames := b.frames[:0]
	if cap(frames) > keepFrames {
		frames = nil
	}
	n := b.network
	n.backlogs--
	q.abandon(n)
	*b = backlog{frames: frames}
	q.spareBacklogs.keep(b)
	return held
}

// putBack puts frames that a worker did not get back in front of their clients'
// backlogs.
func (q *eventQueue) putBack(frames []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	parts := map[uint32][]byte{}
	for len(frames) > 0 {
		var frame []byte
		var command wire.Command
		var connection uint32
		if frame, command, connection, frames = cutFrame(frames); command != wire.Ping {
			parts[connection] = append(parts[connection], frame...)
		}
	}
	for connection, part := range parts {
		b := q.backlog(connection, networkOf(part))
		q.weigh(b, len(part))
		b.frames, b.at, b.told = append(part, b.frames[b.at:]...), 0, true
		if !b.lined {
			q.list(b)
		}
	}
}

// again makes the inner loop find new places for the backlogs of a line.
func (q *eventQueue) again(from *line[*backlog]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.relist(from)
}

// relist is again for callers that hold mu.
func (q *eventQueue) relist(from *line[*backlog]) {
	for b := from.pop(); b != nil; b = from.pop() {
		q.list(b)
	}
}

// cutFrame splits off the first of several complete frames, and returns its command
// and connection id.
func cutFrame(frames []byte) (frame []byte, command wire.Command, connection uint32, rest []byte) {
	n := binary.BigEndian.Uint32(frames)
	frame, rest = frames[:n:n], frames[n:]
	return frame, wire.Command(frame[4]), binary.BigEndian.Uint32(frame[17:]), rest
}
