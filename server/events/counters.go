package events

import (
	"sync/atomic"
	"time"

	"castgate/server/events/internal/post"
)

// counters are those of the whole queue.
type counters struct {
	happened    [numTypes]atomic.Uint64 // events written, by type
	written     atomic.Uint64           // records
	writeErrors atomic.Uint64
	stuck       atomic.Bool   // the disk takes nothing
	unwritten   atomic.Int64  // bytes of records that it has not taken yet
	overflowed  atomic.Uint64 // events that found no room while the disk took nothing
	untold      atomic.Uint64 // of them, clients of which nothing is said
	damaged     atomic.Uint64 // records that the disk has lost, found by the start
	refused     atomic.Uint64 // messages that were not taken
	holds       atomic.Uint64 // times that a client was not read any more
	clients     atomic.Int64  // that were told connected
	uids        atomic.Int64  // that are online, or were so a moment ago
}

// subscriberCounters are those of a URL.
type subscriberCounters struct {
	attempts [post.NumOutcomes]atomic.Uint64
	told     atomic.Uint64 // events that were accepted
	lost     atomic.Uint64 // by the quota
	dead     atomic.Uint64 // set aside
	failing  atomic.Int64  // lanes whose last attempt was not accepted
	latency  latencies
}

// latencyBounds are the buckets of how long attempts take, in seconds.
var latencyBounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// latencies is a histogram that any goroutine may add to.
type latencies struct {
	buckets [len(latencyBounds) + 1]atomic.Uint64
	nanos   atomic.Int64
}

func (l *latencies) observe(d time.Duration) {
	i := 0
	for i < len(latencyBounds) && d.Seconds() > latencyBounds[i] {
		i++
	}
	l.buckets[i].Add(1)
	l.nanos.Add(int64(d))
}
