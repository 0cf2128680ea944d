package gateway

import (
	"slices"
	"sync/atomic"
	"time"
)

// DurationBounds are the upper bounds of the buckets that durations are counted in, in
// ascending order: from a push to one client to a query that control-timeout ends.
var DurationBounds = [...]time.Duration{
	25 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 10 * time.Second,
}

// Stopwatch counts durations in buckets. It allocates nothing and takes no lock: a
// duration adds to two numbers. The zero value is ready. Any goroutine may call its
// methods.
type Stopwatch struct {
	buckets [len(DurationBounds) + 1]atomic.Uint64 // the last has no bound
	sum     atomic.Int64                           // nanoseconds
}

// Observe counts one duration, in the first bucket whose bound it does not exceed.
func (s *Stopwatch) Observe(took time.Duration) {
	at := 0
	for at < len(DurationBounds) && took > DurationBounds[at] {
		at++
	}
	s.buckets[at].Add(1)
	s.sum.Add(int64(took))
}

// AddTo adds what was counted to a reading.
func (s *Stopwatch) AddTo(d *Durations) {
	d.Sum += time.Duration(s.sum.Load())
	for i := range s.buckets {
		d.Buckets[i] += s.buckets[i].Load()
	}
}

// Durations is a reading of Stopwatches.
type Durations struct {
	// Buckets counts durations: each those that a bound of DurationBounds allows and
	// the bound before does not, the last those above all bounds.
	Buckets [len(DurationBounds) + 1]uint64
	Sum     time.Duration
}

// Count is the number of durations.
func (d *Durations) Count() (n uint64) {
	for _, in := range d.Buckets {
		n += in
	}
	return n
}

// Cumulative is the number of durations up to each bound, by the bound in seconds.
func (d *Durations) Cumulative() map[float64]uint64 {
	upTo, n := make(map[float64]uint64, len(DurationBounds)), uint64(0)
	for i, bound := range slices.All(DurationBounds[:]) {
		n += d.Buckets[i]
		upTo[bound.Seconds()] = n
	}
	return upTo
}
