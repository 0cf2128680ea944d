package loadtest

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of a timeline: moments are a second long until there would be more
// than maxMoments of them; then neighbours are joined.
const (
	momentWidth = int64(time.Second)
	maxMoments  = 1200
)

// Timeline tells what happened when, from the opening of the first connection
// to the report.
type Timeline struct {
	// Width is the length of a moment: a second, or more if it was a long
	// time. The last moment may be shorter.
	Width time.Duration `json:"width_ns"`
	// Length is the whole time.
	Length time.Duration `json:"length_ns"`
	// Moments are at most 1,200, each beginning where the one before ends.
	Moments []Moment `json:"moments"`
}

// Moment is one piece of a Timeline.
type Moment struct {
	Open     int    `json:"open"`     // connections at its end
	Opened   int    `json:"opened"`   // connections that became open in it, for the first time or again
	Ended    int    `json:"ended"`    // connections that were open before
	Received uint64 `json:"received"` // different payloads, as in Report
	// Latencies of what was received, by Kind; nil if it was nothing.
	Latencies [kinds]*Quantiles `json:"latencies"`
}

// Quantiles are latencies of one moment, at most 7 % too high.
type Quantiles struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// momentHistogram is 3 KB: there is one for every moment, and to record into
// it has to cost next to nothing.
func momentHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(lowestLatency, highestLatency, 1)
}

// moment is what one loop has seen in one piece of time.
type moment struct {
	open, opened, ended int
	received            uint64
	latency             [kinds]*hdrhistogram.Histogram // nil: none
}

// merge adds what came right after m.
func (m *moment) merge(next *moment) {
	m.open = next.open
	m.add(next)
}

// add adds what was counted in other, all but the connections open.
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

// timeline is one loop's: it belongs to the loop's goroutine.
type timeline struct {
	start   int64 // Now() when the swarm began
	width   int64 // of a moment in ns
	end     int64 // of the last moment
	moments []moment
}

func newTimeline(start int64) timeline {
	return timeline{start: start, width: momentWidth, end: start + momentWidth, moments: make([]moment, 1)}
}

// at is the moment of a time of Now, which must not lie before the last one:
// then it counts for that.
func (t *timeline) at(now int64) *moment {
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

func (t *timeline) last() *moment { return &t.moments[len(t.moments)-1] }

// coarsen joins every two moments.
func (t *timeline) coarsen() {
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

// received notes a message of a kind that took latency ns.
func (t *timeline) received(now int64, kind Kind, latency int64) {
	m := t.at(now)
	m.received++
	if m.latency[kind] == nil {
		m.latency[kind] = momentHistogram()
	}
	record(m.latency[kind], latency)
}

// opened notes a connection that is open.
func (t *timeline) opened(now int64) {
	m := t.at(now)
	m.open++
	m.opened++
}

// ended notes a connection that is open no more.
func (t *timeline) ended(now int64) {
	m := t.at(now)
	m.open--
	m.ended++
}

// addTo adds the timeline up to now to sum, which has the same start. The two
// may become coarser.
func (t *timeline) addTo(sum *timeline, now int64) {
	t.at(now)
	// The loop may have seen a later time already.
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

// summary is the timeline up to now for a report.
func (t *timeline) summary(now int64) *Timeline {
	length := max(now, t.end-t.width) - t.start
	s := &Timeline{Width: time.Duration(t.width), Length: time.Duration(length), Moments: make([]Moment, len(t.moments))}
	for i := range t.moments {
		m := &t.moments[i]
		s.Moments[i] = Moment{Open: m.open, Opened: m.opened, Ended: m.ended, Received: m.received}
		for k, h := range m.latency {
			if h != nil {
				all := Summary(h)
				s.Moments[i].Latencies[k] = &Quantiles{Count: all.Count, P50: all.P50, P99: all.P99, Max: all.Max}
			}
		}
	}
	return s
}
