package loadtest

import "sync/atomic"

// Stream is one ordered sequence of pushes. What one caller sends, each after
// the answer to the one before, is one stream: a gateway promises that order.
// A stream may be used by one goroutine at a time, reports excepted.
type Stream struct {
	swarm  *Swarm
	number uint8
	kind   Kind
	// sent is how many pushes were committed: one number for broadcasts, one
	// for each connection for unicasts.
	sent []atomic.Uint32
}

func newStream(s *Swarm, number int, kind Kind) *Stream {
	n := 1
	if kind == Unicast {
		n = s.cfg.Connections
	}
	return &Stream{swarm: s, number: uint8(number), kind: kind, sent: make([]atomic.Uint32, n)}
}

// Append appends the next payload of the stream, of size bytes, to dst. For a
// stream of unicasts target is the index of the connection it is for, for
// broadcasts it has no meaning. due is the time (Now) from which its latency
// counts: when it should be sent, not when a slow server let it be sent.
func (st *Stream) Append(dst []byte, target, size int, due int64) []byte {
	to := uint32(Everyone)
	if st.kind == Unicast {
		to = uint32(target)
	}
	return AppendPayload(dst, Stamp{
		Run: st.swarm.cfg.Run, Kind: st.kind, Stream: st.number, Target: to,
		Seq: st.counter(target).Load(), Sent: due, Size: size,
	})
}

// Commit says that the server has taken the payload last appended for target:
// from now on it is expected. A payload that the server refused is not
// committed, and the next one takes its number.
func (st *Stream) Commit(target int) {
	st.counter(target).Add(1)
	if st.kind == Broadcast {
		st.swarm.expected.Add(int64(st.swarm.cfg.Connections))
	} else {
		st.swarm.expected.Add(1)
	}
}

// expects is how many messages of the stream the connection should have got.
func (st *Stream) expects(connection int) uint32 { return st.counter(connection).Load() }

func (st *Stream) counter(target int) *atomic.Uint32 {
	if st.kind == Broadcast {
		target = 0
	}
	return &st.sent[target]
}
