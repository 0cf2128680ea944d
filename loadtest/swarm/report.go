package swarm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"castgate/loadtest/clock"
	"castgate/loadtest/internal/oneline"
	"castgate/loadtest/latency"
	"castgate/loadtest/payload"
	"castgate/loadtest/timeline"
)

// Distributions are those of the kinds of push that occurred. Nil for a report
// that was read from JSON.
func (r *Report) Distributions() (all []latency.Distribution) {
	for k, h := range r.Histograms {
		if h != nil && h.TotalCount() > 0 {
			all = append(all, latency.DistributionOf(payload.Kind(k).String(), h))
		}
	}
	return all
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

	Connect   latency.Summary `json:"connect"` // from connect() to the init message, TLS included
	Broadcast latency.Summary `json:"broadcast"`
	Unicast   latency.Summary `json:"unicast"`
	Group     latency.Summary `json:"group"`
	// Last is the time from a broadcast's sending until its last receiver has
	// it. Receivers that miss it are ignored.
	Last latency.Summary `json:"last"`

	// Timeline is the same over time. It still contains latencies that were
	// forgotten.
	Timeline *timeline.Timeline `json:"timeline"`

	// Histograms of the above, in nanoseconds, by kind of push.
	Histograms [payload.Kinds]*hdrhistogram.Histogram `json:"-"`

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
func (s *Swarm) report() *Report { return ReportOf(s) }

// ReportOf is the report of swarms that make up one: with the same streams, and
// begun at the same time. Nil if one of them has ended.
func ReportOf(swarms ...*Swarm) *Report {
	first := swarms[0]
	r := &Report{Deaths: oneline.Tally{}, acceptForeign: first.cfg.AcceptForeign}
	for i := range r.Histograms {
		r.Histograms[i] = latency.NewHistogram()
	}
	connected := latency.NewHistogram()
	last := make([][]int64, len(first.streams))
	now, times := clock.Now(), timeline.New(first.begun)
	for _, s := range swarms {
		r.Connections += s.cfg.Connections
		for _, l := range s.loops {
			if !l.mail.do(func() {
				l.ledger.addTo(r, connected, last)
				l.ledger.timeline.AddTo(&times, now)
				r.Open += l.open()
			}) {
				return nil
			}
		}
	}
	r.Timeline = times.Summary(now)
	slowest := latency.NewHistogram()
	for _, times := range last {
		for _, ns := range times {
			if ns > 0 {
				latency.Record(slowest, ns)
			}
		}
	}
	r.Connect, r.Last = latency.Of(connected), latency.Of(slowest)
	r.Broadcast, r.Unicast = latency.Of(r.Histograms[payload.Broadcast]), latency.Of(r.Histograms[payload.Unicast])
	r.Group = latency.Of(r.Histograms[payload.Group])
	return r
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
	fault(uint64(dead), "%d of %d connections were lost (%s)", dead, r.Connections, oneline.Counts(r.Deaths))
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
