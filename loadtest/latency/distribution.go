package latency

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Distribution is the distribution of the latencies of one kind of push, in a
// form that is small enough to store.
type Distribution struct {
	Kind  string `json:"kind"`
	Count int64  `json:"count"`
	// Buckets are a tenth of a power of ten wide. Empty ones before the first
	// value and after the last are left out.
	Buckets []Bucket `json:"buckets"`
	// Percentiles go up to the one that a single message determines.
	Percentiles []Percentile `json:"percentiles"`
}

// Bucket counts the latencies from its From up to the next bucket's.
type Bucket struct {
	From  time.Duration `json:"from_ns"`
	Count int64         `json:"count"`
}

// Percentile says that Percent of all messages took at most Latency.
type Percentile struct {
	Percent float64       `json:"percent"`
	Latency time.Duration `json:"latency_ns"`
}

// Steps of a distribution per power of ten: of latency, and of the share above
// a percentile.
const (
	BucketsPerDecade     = 10
	percentilesPerDecade = 20
	// The largest number of messages among which a single one is distinguished.
	finestPercentile = 1e7
)

// TailPercents are the percentiles that people ask for; percents are these and
// enough others for a smooth line.
var (
	TailPercents = []float64{0, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 99.999, 99.9999}
	percents     = func() []float64 {
		all := slices.Clone(TailPercents)
		for left := 1.0; left >= 1/finestPercentile; left *= math.Pow(10, -1.0/percentilesPerDecade) {
			all = append(all, 100*(1-left))
		}
		slices.Sort(all)
		// Values that are almost equal are merged.
		return slices.CompactFunc(all, func(a, b float64) bool { return math.Abs(a-b) < (100-b)*1e-9 || a == b })
	}()
)

// DistributionOf summarizes a histogram of nanoseconds that is not empty.
func DistributionOf(kind string, h *hdrhistogram.Histogram) Distribution {
	d := Distribution{Kind: kind, Count: h.TotalCount()}
	last, wanted, seen := math.MinInt, percents, int64(0)
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		n := bucketOf(bar.From)
		for last != math.MinInt && last < n-1 {
			last++
			d.Buckets = append(d.Buckets, Bucket{From: bucketStart(last)})
		}
		if last != n {
			last = n
			d.Buckets = append(d.Buckets, Bucket{From: bucketStart(n)})
		}
		d.Buckets[len(d.Buckets)-1].Count += bar.Count
		seen += bar.Count
		for len(wanted) > 0 && float64(seen) >= wanted[0]/100*float64(d.Count) && (1-wanted[0]/100)*float64(d.Count) > 1-1e-6 {
			d.Percentiles = append(d.Percentiles, Percentile{wanted[0], time.Duration(bar.To)})
			wanted = wanted[1:]
		}
	}
	return d
}

// bucketOf is the index of the bucket that ns belongs to, at least 0.
func bucketOf(ns int64) int {
	n := int(math.Floor(math.Log10(float64(max(ns, 1))) * BucketsPerDecade))
	for time.Duration(ns) >= bucketStart(n+1) {
		n++
	}
	for n > 0 && time.Duration(ns) < bucketStart(n) {
		n--
	}
	return n
}

func bucketStart(n int) time.Duration {
	return time.Duration(math.Round(math.Pow(10, float64(n)/BucketsPerDecade)))
}

// At is one of TailPercents; false if there are too few messages for it.
func (d *Distribution) At(percent float64) (time.Duration, bool) {
	for _, p := range d.Percentiles {
		if math.Abs(p.Percent-percent) <= (100-percent)*1e-6 {
			return p.Latency, true
		}
	}
	return 0, false
}
