package gatewayworker

import (
	"encoding/binary"

	wire "castgate/codec/gatewayworker"
)

// backlog is the events of one client that wait for a worker, as the frames
// that it will get, oldest first. It is there only while there are some.
// Guarded by eventQueue.mu; its place in a line other than eventQueue.fresh is
// the inner loop's.
type backlog struct {
	connection uint32
	network    *network
	frames     []byte // from at on: not handed on
	at         int
	opens      bool // they begin with ON_CONNECT: no worker knows of the client
	told       bool // some were handed on and came back
	held       bool // the client is not read
	lined      bool // it is in a line
	next       *backlog
}

func (b *backlog) behind() **backlog { return &b.next }

func (b *backlog) waiting() int { return len(b.frames) - b.at }

// command is that of the first frame; there is one.
func (b *backlog) command() wire.Command { return wire.Command(b.frames[b.at+4]) }

// cut takes the first frame, valid until the next event of the client.
func (b *backlog) cut() []byte {
	n := int(binary.BigEndian.Uint32(b.frames[b.at:]))
	frame := b.frames[b.at : b.at+n]
	if b.at += n; b.at > keepFrames && b.at > len(b.frames)/2 {
		frame = append([]byte(nil), frame...)
		b.frames = b.frames[:copy(b.frames, b.frames[b.at:])]
		b.at = 0
	}
	b.opens = false
	return frame
}

// backlog returns a client's, which it makes if need be as one of a network. The
// caller holds mu.
func (q *eventQueue) backlog(connection uint32, network uint64) *backlog {
	b := q.clients[connection]
	if b != nil {
		return b
	}
	if b = q.spareBacklogs.take(); b == nil {
		b = new(backlog)
	}
	b.connection, b.network = connection, q.network(network)
	b.network.backlogs++
	q.clients[connection] = b
	return b
}

// weigh notes that n bytes more wait in a backlog. The caller holds mu.
func (q *eventQueue) weigh(b *backlog, n int) {
	q.bytes += n
	b.network.bytes += n
}

// clear drops what waits in a backlog. The caller holds mu.
func (q *eventQueue) clear(b *backlog) {
	q.weigh(b, -b.waiting())
	b.frames, b.at, b.opens = b.frames[:0], 0, false
}

// forget takes a backlog away whose turn has come and in which nothing waits.
// It returns whether the client has to be read again. The caller holds mu.
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

// putBack makes frames that a worker has not got the first of their clients'
// again.
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

// again has the inner loop find new places for the backlogs of a line.
func (q *eventQueue) again(from *line[*backlog]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.relist(from)
}

// relist is again for who holds mu.
func (q *eventQueue) relist(from *line[*backlog]) {
	for b := from.pop(); b != nil; b = from.pop() {
		q.list(b)
	}
}

// cutFrame returns the first frame of frames that are known to be whole, its
// command and connection id, and what is behind it.
func cutFrame(frames []byte) (frame []byte, command wire.Command, connection uint32, rest []byte) {
	n := binary.BigEndian.Uint32(frames)
	frame, rest = frames[:n:n], frames[n:]
	return frame, wire.Command(frame[4]), binary.BigEndian.Uint32(frame[17:]), rest
}
