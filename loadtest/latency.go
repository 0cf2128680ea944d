package loadtest

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histograms hold nanoseconds with three significant digits.
const (
	lowestLatency  = int64(time.Microsecond)
	highestLatency = int64(2 * time.Minute)
)

// newHistogram returns a histogram of nanoseconds; it takes about 200 KB.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(lowestLatency, highestLatency, 3)
}

// record adds one value; values out of range are clamped.
func record(h *hdrhistogram.Histogram, ns int64) {
	if err := h.RecordValue(min(max(ns, 0), highestLatency)); err != nil {
		panic("loadtest: " + err.Error()) // clamped above
	}
}

// Latency is a summary of a histogram.
type Latency struct {
	Count int64         `json:"count"`
	Min   time.Duration `json:"min_ns"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Summary returns the usual figures of a histogram of nanoseconds.
func Summary(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	q := func(percent float64) time.Duration { return time.Duration(h.ValueAtPercentile(percent)) }
	return Latency{
		Count: h.TotalCount(), Min: time.Duration(h.Min()), Mean: time.Duration(h.Mean()),
		P50: q(50), P90: q(90), P99: q(99), P999: q(99.9), Max: time.Duration(h.Max()),
	}
}
