package loadtest

import "sync/atomic"

// Stream is one ordered sequence of pushes. The pushes of one caller, each made
// after the answer to the previous one, are one stream: a gateway guarantees
// their order. A stream may be used by one goroutine at a time, except for
// reports.
type Stream struct {
	swarm  *Swarm
	number uint8
	kind   Kind
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

func newStream(s *Swarm, number int, kind Kind) *Stream {
	n := 1
	switch kind {
	case Unicast:
		n = s.cfg.Connections
	case Group:
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
	to := uint32(Everyone)
	switch st.kind {
	case Unicast:
		to = uint32(st.swarm.cfg.First + target)
	case Group:
		to = uint32(target)
	}
	c := st.to(target)
	seq := c.sent.Load()
	c.begun.Store(seq + 1)
	for _, m := range st.mirrors {
		m.to(target).begun.Store(seq + 1)
	}
	return AppendPayload(dst, Stamp{
		Run: st.swarm.cfg.Run, Kind: st.kind, Stream: st.number, Target: to, Seq: seq, Sent: due, Size: size,
		Padding: st.swarm.cfg.Padding,
	})
}

// Commit says that the server has accepted the payload last appended for
// target: from now on it is expected. A payload that the server refused is not
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

// to is the counter of a target.
func (st *Stream) to(target int) *counter {
	if st.kind == Broadcast {
		target = 0
	}
	return &st.counters[target]
}

// of is the counter of pushes that reach a connection.
func (st *Stream) of(connection int) *counter {
	if st.kind == Group {
		connection = st.swarm.groupOf(connection)
	}
	return st.to(connection)
}
