package swarm

import (
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/gobwas/ws"

	"castgate/loadtest/internal/oneline"
	"castgate/loadtest/internal/sequence"
	"castgate/loadtest/latency"
	"castgate/loadtest/payload"
	"castgate/loadtest/timeline"
)

// ledger compares what the connections of a loop have received with what they should
// have received. It belongs to the loop's goroutine.
type ledger struct {
	swarm  *Swarm
	number int              // of the loop
	tracks []sequence.Track // those of connection i are [i*streams:(i+1)*streams]

	counts    counts
	fresh     int64 // new payloads not yet added to swarm.received
	past      past
	latency   [payload.Kinds]*hdrhistogram.Histogram
	connected *hdrhistogram.Histogram
	arrivals  [][]int64 // by stream of broadcasts and number: the slowest arrival in ns
	deaths    oneline.Tally
	timeline  timeline.Recorder
}

// counts are what one loop has seen.
type counts struct {
	bytes                                      uint64
	texts, binaries                            uint64 // messages
	deflated                                   uint64 // of them, those that were compressed
	handshakes, resumed                        uint64 // of TLS; resumed ones
	pings, pongs, closes                       uint64
	duplicates, reordered, corrupt, misrouted  uint64
	foreign, pongsRefused                      uint64
	foreignExample, corruptExample, wrongRoute string // the first of each
}

// past sums up the lives of connections that ended as intended.
type past struct {
	expected, lost uint64 // messages
	lostOn         int
}

// maxArrivals limits the broadcasts of one stream whose last receiver is
// timed; later ones are not.
const maxArrivals = 1 << 20

func newLedger(s *Swarm, number, connections int) ledger {
	g := ledger{
		swarm: s, number: number, tracks: make([]sequence.Track, connections*len(s.streams)),
		connected: latency.NewHistogram(), arrivals: make([][]int64, len(s.streams)), deaths: oneline.Tally{},
		timeline: timeline.New(s.begun),
	}
	for i := range g.latency {
		g.latency[i] = latency.NewHistogram()
	}
	return g
}

// global is the swarm's index of the loop's connection i.
func (g *ledger) global(i int) int { return i*g.swarm.cfg.Loops + g.number }

// of returns the tracks of connection i, by stream.
func (g *ledger) of(i int) []sequence.Track {
	n := len(g.swarm.streams)
	return g.tracks[i*n : (i+1)*n]
}

// beginLife makes the streams expect, for connection i, all pushes that begin
// from now on.
func (g *ledger) beginLife(i int) {
	tracks := g.of(i)
	for n, st := range g.swarm.streams {
		base := st.of(g.global(i)).begun.Load()
		if st.kind != payload.Broadcast && g.swarm.cfg.BoundLater {
			base = math.MaxUint32 // until it is bound or a message arrives
		}
		tracks[n] = sequence.From(base)
	}
}

// beginBound makes the streams that need a binding expect, for connection i,
// all pushes that begin from now on.
func (g *ledger) beginBound(i int) {
	tracks := g.of(i)
	for n, st := range g.swarm.streams {
		// A message that arrived after the server executed the bind has already
		// set the beginning.
		if st.kind != payload.Broadcast && tracks[n].Next == math.MaxUint32 {
			tracks[n] = sequence.From(st.of(g.global(i)).begun.Load())
		}
	}
}

// endLife accounts for what connection i received. Messages in flight when it
// said goodbye may be missing; a message before one that arrived may not.
func (g *ledger) endLife(i int) {
	lost := uint64(0)
	tracks := g.of(i)
	for n := range tracks {
		t := &tracks[n]
		g.past.expected += uint64(t.Next - t.Base)
		lost += uint64(t.Next - t.Base - t.Received())
		*t = sequence.From(math.MaxUint32) // it expects nothing until it is back
	}
	g.past.lost += lost
	if lost > 0 {
		g.past.lostOn++
	}
}

// missing is how many messages connection i, which is open, has yet to receive.
func (g *ledger) missing(i int) (n uint64) {
	tracks := g.of(i)
	for k, st := range g.swarm.streams {
		want, got := tracks[k].Owed(st.of(g.global(i)).sent.Load()), tracks[k].Received()
		n += uint64(max(want, got) - got)
	}
	return n
}

// forgetLatencies drops the latencies measured so far; counts stay.
func (g *ledger) forgetLatencies() {
	for _, h := range g.latency {
		h.Reset()
	}
	g.connected.Reset()
	for _, times := range g.arrivals {
		clear(times)
	}
}

// check compares a message that connection i received at the time now with what it
// should be. It reports whether the message is a probe.
func (g *ledger) check(i int, op ws.OpCode, b []byte, now int64) (probed bool) {
	c := &g.counts
	s, err := payload.Parse(b)
	switch {
	case err == payload.ErrForeign, err == nil && s.Run != g.swarm.cfg.Run:
		c.foreign++
		c.example(&c.foreignExample, "a foreign message: ", b)
		return false
	case err == nil && s.Kind == payload.Probe:
		return true
	case err != nil, op != ws.OpText, int(s.Stream) >= len(g.swarm.streams):
		c.corrupt++
		c.example(&c.corruptExample, "a changed message: ", b)
		return false
	}
	st := g.swarm.streams[s.Stream]
	if s.Kind != st.kind || s.Target != g.swarm.targetOf(s.Kind, g.global(i)) {
		c.misrouted++
		c.example(&c.wrongRoute, "a message for another connection: ", b)
		return false
	}
	switch g.tracks[i*len(g.swarm.streams)+int(s.Stream)].See(s.Seq) {
	case sequence.Duplicate:
		c.duplicates++
		return false
	case sequence.Late:
		c.reordered++
	}
	g.fresh++
	took := now - s.Sent
	latency.Record(g.latency[s.Kind], took)
	g.timeline.Received(now, s.Kind, took)
	if s.Kind == payload.Broadcast {
		g.arrived(int(s.Stream), int(s.Seq), took)
	}
	return false
}

// example keeps the first message of a kind of fault.
func (c *counts) example(keep *string, what string, b []byte) {
	if *keep == "" {
		*keep = what + oneline.Excerpt(b)
	}
}

// arrived records the latency of a broadcast.
func (g *ledger) arrived(stream, seq int, took int64) {
	times := g.arrivals[stream]
	if seq >= len(times) {
		if seq >= maxArrivals {
			return
		}
		times = append(times, make([]int64, seq+1-len(times))...)
		g.arrivals[stream] = times
	}
	times[seq] = max(times[seq], took)
}

// addTo adds everything to r.
func (g *ledger) addTo(r *Report, connected *hdrhistogram.Histogram, last [][]int64) {
	g.counts.addTo(r)
	for text, n := range g.deaths {
		oneline.Tally(r.Deaths).Add(text, n)
	}
	for k := range g.latency {
		r.Histograms[k].Merge(g.latency[k])
	}
	connected.Merge(g.connected)
	for i, times := range g.arrivals {
		if len(times) > len(last[i]) {
			last[i] = append(last[i], make([]int64, len(times)-len(last[i]))...)
		}
		for seq, ns := range times {
			last[i][seq] = max(last[i][seq], ns)
		}
	}
	g.addDeliveries(r)
}

func (c *counts) addTo(r *Report) {
	r.Bytes += c.bytes
	r.Texts += c.texts
	r.Binaries += c.binaries
	r.Pings += c.pings
	r.Pongs += c.pongs
	r.Closes += c.closes
	r.Deflated += c.deflated
	r.TLSHandshakes += c.handshakes
	r.TLSResumed += c.resumed
	r.Duplicates += c.duplicates
	r.Reordered += c.reordered
	r.Corrupt += c.corrupt
	r.Misrouted += c.misrouted
	r.Foreign += c.foreign
	r.PongsRefused += c.pongsRefused
	for _, e := range []string{c.foreignExample, c.corruptExample, c.wrongRoute} {
		if e != "" {
			r.examples = append(r.examples, e)
		}
	}
}

// addDeliveries compares what was committed with what each connection received.
func (g *ledger) addDeliveries(r *Report) {
	r.Expected += g.past.expected
	r.Received += g.past.expected - g.past.lost
	r.Lost += g.past.lost
	r.LostOn += g.past.lostOn
	for i := range len(g.tracks) / len(g.swarm.streams) {
		lost := false
		tracks := g.of(i)
		for n, st := range g.swarm.streams {
			t := &tracks[n]
			c := st.of(g.global(i))
			want, got := t.Owed(c.sent.Load()), t.Received()
			r.Expected += uint64(want)
			r.Received += uint64(got)
			if got < want {
				r.Lost += uint64(want - got)
				lost = true
			} else if most := t.Owed(c.begun.Load()); got > most {
				// One more push may have begun than is known to be accepted.
				r.Unexpected += uint64(got - most)
			}
		}
		if lost {
			r.LostOn++
		}
	}
}
