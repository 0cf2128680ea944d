package loadtest

import (
	"github.com/gobwas/ws"
)

// check compares a message that connection i of l received at the time now with
// what it should be.
func (c *counts) check(l *loop, i int, op ws.OpCode, b []byte, now int64) {
	s, err := ParsePayload(b)
	switch {
	case err == ErrForeign, err == nil && s.Run != l.swarm.cfg.Run:
		c.foreign++
		c.example(&c.foreignExample, "a foreign message: ", b)
		return
	case err == nil && s.Kind == probe:
		l.hear(i)
		return
	case err != nil, op != ws.OpText, int(s.Stream) >= len(l.swarm.streams):
		c.corrupt++
		c.example(&c.corruptExample, "a changed message: ", b)
		return
	}
	st := l.swarm.streams[s.Stream]
	if s.Kind != st.kind || s.Target != l.swarm.targetOf(s.Kind, l.global(i)) {
		c.misrouted++
		c.example(&c.wrongRoute, "a message for another connection: ", b)
		return
	}
	switch l.tracks[i*len(l.swarm.streams)+int(s.Stream)].see(s.Seq) {
	case duplicate:
		c.duplicates++
		return
	case late:
		c.reordered++
	}
	l.fresh++
	latency := now - s.Sent
	record(l.latency[s.Kind], latency)
	l.timeline.received(now, s.Kind, latency)
	if s.Kind == Broadcast {
		l.arrived(int(s.Stream), int(s.Seq), latency)
	}
}

// targetOf is the target of a payload for connection i.
func (s *Swarm) targetOf(kind Kind, i int) uint32 {
	switch kind {
	case Unicast:
		return uint32(s.cfg.First + i)
	case Group:
		return uint32(s.groupOf(i))
	}
	return Everyone
}

// groupOf is the group of connection i.
func (s *Swarm) groupOf(i int) int { return (s.cfg.First + i) % s.cfg.Groups }

// example keeps the first message of a kind of fault.
func (c *counts) example(keep *string, what string, b []byte) {
	if *keep == "" {
		*keep = what + excerpt(b)
	}
}

// arrived records the latency of a broadcast.
func (l *loop) arrived(stream, seq int, latency int64) {
	times := l.arrivals[stream]
	if seq >= len(times) {
		if seq >= maxArrivals {
			return
		}
		times = append(times, make([]int64, seq+1-len(times))...)
		l.arrivals[stream] = times
	}
	times[seq] = max(times[seq], latency)
}
