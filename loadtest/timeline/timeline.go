// Package timeline records what happens to the connections of a swarm, second by second.
package timeline

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"castgate/loadtest/latency"
	"castgate/loadtest/payload"
)

// Limits of a timeline: moments last a second until there would be more than
// maxMoments; then neighbours are joined.
const (
	momentWidth = int64(time.Second)
	maxMoments  = 1200
)

// Timeline is what happened when, from the opening of the first connection
// until the report.
type Timeline struct {
	// Width is the length of a moment: a second, or more for long runs. The
	// last moment may be shorter.
	Width time.Duration `json:"width_ns"`
	// Length is the whole time.
	Length time.Duration `json:"length_ns"`
	// Moments are at most 1,200; each begins where the previous one ends.
	Moments []Moment `json:"moments"`
}

// Moment is one piece of a Timeline.
type Moment struct {
	Open     int    `json:"open"`     // connections at its end
	Opened   int    `json:"opened"`   // connections that became open in it, for the first time or again
	Ended    int    `json:"ended"`    // connections that ended in it
	Received uint64 `json:"received"` // different payloads, as in Report
	// Latencies of the received messages, by Kind; nil if there were none.
	Latencies [payload.Kinds]*Quantiles `json:"latencies"`
}

// Quantiles are latencies of one moment, at most 7 % too high.
type Quantiles struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// momentHistogram takes 3 KB: there is one for every moment, and recording must
// cost almost nothing.
func momentHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(latency.Lowest, latency.Highest, 1)
}

// moment is what one loop has seen in one interval.
type moment struct {
	open, opened, ended int
	received            uint64
	latency             [payload.Kinds]*hdrhistogram.Histogram // nil if none
}

// merge adds the moment after m.
func (m *moment) merge(next *moment) {
	m.open = next.open
	m.add(next)
}

// add adds the counts of other, except the open connections.
func (m *moment) add(other *moment) {
	m.opened += other.opened
	m.ended += other.ended
	m.received += other.received
	for k, h := range other.latency {
		switch {
		case h == nil:
		case m.latency[k] == nil:
			m.latency[k] = momentHistogram()
			m.latency[k].Merge(h)
		default:
			m.latency[k].Merge(h)
		}
	}
}

// Recorder is that of one loop and belongs to its goroutine.
type Recorder struct {
	start   int64 // Now() when the swarm began
	width   int64 // of a moment in ns
	end     int64 // of the last moment
	moments []moment
}

func New(start int64) Recorder {
	return Recorder{start: start, width: momentWidth, end: start + momentWidth, moments: make([]moment, 1)}
}

// at is the moment of a time of Now. A time before the last moment counts for
// the last one.
func (t *Recorder) at(now int64) *moment {
	for now >= t.end {
		if len(t.moments) == maxMoments {
			t.coarsen()
			continue
		}
		t.moments = append(t.moments, moment{open: t.last().open})
		t.end += t.width
	}
	return t.last()
}

func (t *Recorder) last() *moment { return &t.moments[len(t.moments)-1] }

// coarsen joins every two moments.
func (t *Recorder) coarsen() {
	half := (len(t.moments) + 1) / 2
	for i := range half {
		m := t.moments[2*i]
		if 2*i+1 < len(t.moments) {
			m.merge(&t.moments[2*i+1])
		}
		t.moments[i] = m
	}
	clear(t.moments[half:])
	t.moments = t.moments[:half]
	t.width *= 2
	t.end = t.start + int64(half)*t.width
}

// Received records a message of a kind that took ns.
func (t *Recorder) Received(now int64, kind payload.Kind, ns int64) {
	m := t.at(now)
	m.received++
	if m.latency[kind] == nil {
		m.latency[kind] = momentHistogram()
	}
	latency.Record(m.latency[kind], ns)
}

// Opened records a connection that has opened.
func (t *Recorder) Opened(now int64) {
	m := t.at(now)
	m.open++
	m.opened++
}

// Ended records a connection that has ended.
func (t *Recorder) Ended(now int64) {
	m := t.at(now)
	m.open--
	m.ended++
}

// AddTo adds the timeline up to now to sum, which has the same start. Both may
// become coarser.
func (t *Recorder) AddTo(sum *Recorder, now int64) {
	t.at(now)
	// The loop may already have seen a later time.
	sum.at(max(now, t.end-1))
	for t.width < sum.width {
		t.coarsen()
	}
	for sum.width < t.width {
		sum.coarsen()
	}
	for i := range sum.moments {
		sum.moments[i].open += t.moments[min(i, len(t.moments)-1)].open
		if i < len(t.moments) {
			sum.moments[i].add(&t.moments[i])
		}
	}
}

// Summary is the timeline up to now for a report.
func (t *Recorder) Summary(now int64) *Timeline {
	length := max(now, t.end-t.width) - t.start
	s := &Timeline{Width: time.Duration(t.width), Length: time.Duration(length), Moments: make([]Moment, len(t.moments))}
	for i := range t.moments {
		m := &t.moments[i]
		s.Moments[i] = Moment{Open: m.open, Opened: m.opened, Ended: m.ended, Received: m.received}
		for k, h := range m.latency {
			if h != nil {
				all := latency.Of(h)
				s.Moments[i].Latencies[k] = &Quantiles{Count: all.Count, P50: all.P50, P99: all.P99, Max: all.Max}
			}
		}
	}
	return s
}
