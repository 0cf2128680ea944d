package loadtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

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

// Report is what a swarm has received so far.
type Report struct {
	Connections int `json:"connections"`
	Open        int `json:"open"` // handshake and init message done, and not lost since
	// Deaths counts lost connections by what ended them.
	Deaths map[string]int `json:"deaths"`

	Bytes    uint64 `json:"bytes"` // read from the sockets
	Texts    uint64 `json:"texts"` // messages, including the init message
	Binaries uint64 `json:"binaries"`
	Pings    uint64 `json:"pings"`
	Pongs    uint64 `json:"pongs"`
	Closes   uint64 `json:"closes"` // close frames
	// Deflated counts compressed messages (Config.Compress).
	Deflated uint64 `json:"deflated,omitempty"`
	// TLSHandshakes are those of wss connections; TLSResumed of them resumed an
	// earlier session.
	TLSHandshakes uint64 `json:"tls_handshakes,omitempty"`
	TLSResumed    uint64 `json:"tls_resumed,omitempty"`

	// Expected counts deliveries: a broadcast once for each connection.
	Expected   uint64 `json:"expected"`
	Received   uint64 `json:"received"` // of them, each counted once
	Lost       uint64 `json:"lost"`     // committed and not received yet
	LostOn     int    `json:"lost_on"`  // number of connections that miss something
	Unexpected uint64 `json:"unexpected"`
	Duplicates uint64 `json:"duplicates"`
	Reordered  uint64 `json:"reordered"` // arrived after a later one of the same stream
	Corrupt    uint64 `json:"corrupt"`   // payloads with changed bytes, and binary ones
	Misrouted  uint64 `json:"misrouted"` // payloads meant for another connection
	Foreign    uint64 `json:"foreign"`   // messages that are not a payload of this run
	// PongsRefused counts pings that could not be answered at once because the
	// socket accepted no bytes.
	PongsRefused uint64 `json:"pongs_refused"`

	Connect   Latency `json:"connect"` // from connect() to the init message, TLS included
	Broadcast Latency `json:"broadcast"`
	Unicast   Latency `json:"unicast"`
	Group     Latency `json:"group"`
	// Last is the time from a broadcast's sending until its last receiver has
	// it. Receivers that miss it are ignored.
	Last Latency `json:"last"`

	// Timeline is the same over time. It still contains latencies that were
	// forgotten.
	Timeline *Timeline `json:"timeline"`

	// Histograms of the above, in nanoseconds, by kind of push.
	Histograms [kinds]*hdrhistogram.Histogram `json:"-"`

	examples      []string
	acceptForeign bool
}

// Report returns what has been received so far. Deliveries in flight count as
// lost: call WaitDelivered first.
func (s *Swarm) Report() *Report {
	if r := s.report(); r != nil {
		return r
	}
	s.closing.Do(func() {}) // waits for a Close in progress
	return s.final
}

// report collects from the loops; nil if they have ended.
func (s *Swarm) report() *Report { return reportOf([]*Swarm{s}) }

// reportOf is the report of swarms that make up one: with the same streams, and
// begun at the same time. Nil if one of them has ended.
func reportOf(swarms []*Swarm) *Report {
	first := swarms[0]
	r := &Report{Deaths: tally{}, acceptForeign: first.cfg.AcceptForeign}
	for i := range r.Histograms {
		r.Histograms[i] = newHistogram()
	}
	connected := newHistogram()
	last := make([][]int64, len(first.streams))
	now, times := Now(), newTimeline(first.begun)
	for _, s := range swarms {
		r.Connections += s.cfg.Connections
		for _, l := range s.loops {
			if !l.do(func() { l.addTo(r, connected, last); l.timeline.addTo(&times, now) }) {
				return nil
			}
		}
	}
	r.Timeline = times.summary(now)
	slowest := newHistogram()
	for _, times := range last {
		for _, ns := range times {
			if ns > 0 {
				record(slowest, ns)
			}
		}
	}
	r.Connect, r.Last = Summary(connected), Summary(slowest)
	r.Broadcast, r.Unicast = Summary(r.Histograms[Broadcast]), Summary(r.Histograms[Unicast])
	r.Group = Summary(r.Histograms[Group])
	return r
}

// addTo adds what the loop has seen to r. It runs on the loop's goroutine.
func (l *loop) addTo(r *Report, connected *hdrhistogram.Histogram, last [][]int64) {
	c := &l.counts
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
	for text, n := range l.deaths {
		tally(r.Deaths).add(text, n)
	}
	for k := range l.latency {
		r.Histograms[k].Merge(l.latency[k])
	}
	connected.Merge(l.connected)
	for i, times := range l.arrivals {
		if len(times) > len(last[i]) {
			last[i] = append(last[i], make([]int64, len(times)-len(last[i]))...)
		}
		for seq, ns := range times {
			last[i][seq] = max(last[i][seq], ns)
		}
	}
	l.addDeliveries(r)
}

// addDeliveries compares what was committed with what each connection received.
func (l *loop) addDeliveries(r *Report) {
	r.Expected += l.past.expected
	r.Received += l.past.expected - l.past.lost
	r.Lost += l.past.lost
	r.LostOn += l.past.lostOn
	for i := range l.conns {
		if l.conns[i].phase == phaseOpen {
			r.Open++
		}
		lost := false
		for n, st := range l.swarm.streams {
			t := &l.tracks[i*len(l.swarm.streams)+n]
			c := st.of(l.global(i))
			want, got := t.owed(c.sent.Load()), t.received()
			r.Expected += uint64(want)
			r.Received += uint64(got)
			if got < want {
				r.Lost += uint64(want - got)
				lost = true
			} else if most := t.owed(c.begun.Load()); got > most {
				// One more push may have begun than is known to be accepted.
				r.Unexpected += uint64(got - most)
			}
		}
		if lost {
			r.LostOn++
		}
	}
}

// Err is nil if everything was as it should be, or says everything that was
// not.
func (r *Report) Err() error {
	var all []string
	fault := func(n uint64, format string, args ...any) {
		if n > 0 {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	dead := 0
	for _, n := range r.Deaths {
		dead += n
	}
	fault(uint64(dead), "%d of %d connections were lost (%s)", dead, r.Connections, joinCounts(r.Deaths))
	fault(r.Lost, "%d of %d messages did not arrive, on %d connections", r.Lost, r.Expected, r.LostOn)
	fault(r.Duplicates, "%d messages arrived more than once", r.Duplicates)
	fault(r.Reordered, "%d messages arrived after a later one", r.Reordered)
	fault(r.Corrupt, "%d messages arrived changed", r.Corrupt)
	fault(r.Misrouted, "%d messages reached a connection they were not for", r.Misrouted)
	fault(r.Unexpected, "%d messages arrived that were never sent", r.Unexpected)
	if !r.acceptForeign {
		fault(r.Foreign, "%d messages are not payloads of this run", r.Foreign)
	}
	fault(r.PongsRefused, "%d pings could not be answered: the socket accepted no bytes", r.PongsRefused)
	if all == nil {
		return nil
	}
	if len(r.examples) > 0 {
		all = append(all, "for example "+r.examples[0])
	}
	return errors.New(strings.Join(all, "; "))
}

// joinCounts lists texts with their counts, the most frequent first.
func joinCounts(m map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	for i, k := range keys {
		keys[i] = fmt.Sprintf("%s: %d", k, m[k])
	}
	return strings.Join(keys, ", ")
}

// Round rounds a duration for reading, to about three significant digits.
func Round(d time.Duration) time.Duration {
	for unit := time.Second; unit >= time.Microsecond; unit /= 10 {
		if d >= 10*unit {
			return d.Round(unit / 10)
		}
	}
	return d
}
