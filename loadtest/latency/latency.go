// Package latency records latencies in histograms and summarizes them.
package latency

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histograms hold nanoseconds with three significant digits.
const (
	Lowest  = int64(time.Microsecond)
	Highest = int64(2 * time.Minute)
)

// NewHistogram returns a histogram of nanoseconds; it takes about 200 KB.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(Lowest, Highest, 3)
}

// Record adds one value; values out of range are clamped.
func Record(h *hdrhistogram.Histogram, ns int64) {
	if err := h.RecordValue(min(max(ns, 0), Highest)); err != nil {
		panic("loadtest: " + err.Error()) // clamped above
	}
}

// Latency is a summary of a histogram.
type Summary struct {
	Count int64         `json:"count"`
	Min   time.Duration `json:"min_ns"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Of returns the usual figures of a histogram of nanoseconds.
func Of(h *hdrhistogram.Histogram) Summary {
	if h.TotalCount() == 0 {
		return Summary{}
	}
	q := func(percent float64) time.Duration { return time.Duration(h.ValueAtPercentile(percent)) }
	return Summary{
		Count: h.TotalCount(), Min: time.Duration(h.Min()), Mean: time.Duration(h.Mean()),
		P50: q(50), P90: q(90), P99: q(99), P999: q(99.9), Max: time.Duration(h.Max()),
	}
}
