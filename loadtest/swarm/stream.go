package swarm

import (
	"sync/atomic"

	"castgate/loadtest/payload"
)

// Stream is one ordered sequence of pushes. The pushes of one caller, each made
// after the answer to the previous one, are one stream: a gateway guarantees
// their order. A stream may be used by one goroutine at a time, except for
// reports.
type Stream struct {
	swarm  *Swarm
	number uint8
	kind   payload.Kind
	// By target: one for broadcasts, one per connection for unicasts, one per
	// group.
	counters []counter
	// mirrors also expect what is pushed along this stream.
	mirrors []*Stream
}

// counter counts the pushes of a stream to one target.
type counter struct {
	// sent is how many pushes were committed, begun how many were appended: one
	// more while a push is in progress.
	sent, begun atomic.Uint32
	// receivers is how many connections receive a push to this target.
	receivers int
}

func newStream(s *Swarm, number int, kind payload.Kind) *Stream {
	n := 1
	switch kind {
	case payload.Unicast:
		n = s.cfg.Connections
	case payload.Group:
		n = s.cfg.Groups
	}
	st := &Stream{swarm: s, number: uint8(number), kind: kind, counters: make([]counter, n)}
	for i := range s.cfg.Connections {
		st.of(i).receivers++
	}
	return st
}

// Append appends the next payload of the stream, of size bytes, to dst. target
// is the index of the receiving connection for unicasts, the number of the
// group for groups, and ignored for broadcasts. Latency is measured from due, a
// time of Now: when the push should be sent, not when a slow server allowed it.
func (st *Stream) Append(dst []byte, target, size int, due int64) []byte {
	to := uint32(payload.Everyone)
	switch st.kind {
	case payload.Unicast:
		to = uint32(st.swarm.cfg.First + target)
	case payload.Group:
		to = uint32(target)
	}
	c := st.to(target)
	seq := c.sent.Load()
	c.begun.Store(seq + 1)
	for _, m := range st.mirrors {
		m.to(target).begun.Store(seq + 1)
	}
	return payload.Append(dst, payload.Stamp{
		Run: st.swarm.cfg.Run, Kind: st.kind, Stream: st.number, Target: to, Seq: seq, Sent: due, Size: size,
		Padding: st.swarm.cfg.Padding,
	})
}

// Commit makes the swarm expect the payload last appended for target, which the
// server has accepted. A payload that the server refused is not
// committed, and the next one gets its number.
func (st *Stream) Commit(target int) {
	c := st.to(target)
	seq := c.sent.Add(1)
	c.begun.Store(max(seq, c.begun.Load()))
	st.swarm.expected.Add(int64(c.receivers))
	for _, m := range st.mirrors {
		m.Commit(target)
	}
}

// Mirror makes streams of other swarms expect everything that is pushed along
// st from now on: for broadcasts and groups that reach several swarms. These
// must have the same Run, and the streams the same number and kind. Call it
// before the first push.
func (st *Stream) Mirror(others ...*Stream) { st.mirrors = append(st.mirrors, others...) }

// Receivers is how many connections a push to target reaches, including those
// of swarms that mirror the stream.
func (st *Stream) Receivers(target int) int {
	n := st.to(target).receivers
	for _, m := range st.mirrors {
		n += m.Receivers(target)
	}
	return n
}

// Sent is how many pushes to target were committed.
func (st *Stream) Sent(target int) int { return int(st.to(target).sent.Load()) }

// to is the counter of a target.
func (st *Stream) to(target int) *counter {
	if st.kind == payload.Broadcast {
		target = 0
	}
	return &st.counters[target]
}

// of is the counter of pushes that reach a connection.
func (st *Stream) of(connection int) *counter {
	if st.kind == payload.Group {
		connection = st.swarm.groupOf(connection)
	}
	return st.to(connection)
}

// targetOf is the target of a payload for connection i.
func (s *Swarm) targetOf(kind payload.Kind, i int) uint32 {
	switch kind {
	case payload.Unicast:
		return uint32(s.cfg.First + i)
	case payload.Group:
		return uint32(s.groupOf(i))
	}
	return payload.Everyone
}

// groupOf is the group of connection i.
func (s *Swarm) groupOf(i int) int { return (s.cfg.First + i) % s.cfg.Groups }
