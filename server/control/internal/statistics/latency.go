package statistics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// latencyBounds are the upper bounds of the buckets: from a push that is only
// queued to a query that control-timeout ends.
var latencyBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 10 * time.Second,
}

// latency is a histogram of the durations of one route's requests. It allocates
// nothing and takes no lock: a request adds to two numbers.
type latency struct {
	buckets [len(latencyBounds) + 1]atomic.Uint64 // the last has no bound
	sum     atomic.Int64                          // nanoseconds
}

func (l *latency) observe(took time.Duration) {
	at := 0
	for at < len(latencyBounds) && took > latencyBounds[at] {
		at++
	}
	l.buckets[at].Add(1)
	l.sum.Add(int64(took))
}

// metric is the histogram as a Prometheus metric, nil if it is empty.
func (l *latency) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	sum := time.Duration(l.sum.Load())
	buckets := make(map[float64]uint64, len(latencyBounds))
	count := uint64(0)
	for i := range l.buckets {
		count += l.buckets[i].Load()
		if i < len(latencyBounds) {
			buckets[latencyBounds[i].Seconds()] = count
		}
	}
	if count == 0 {
		return nil
	}
	return prometheus.MustNewConstHistogram(d, count, sum.Seconds(), buckets, labels...)
}
