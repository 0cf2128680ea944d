// Package quota counts what clients and addresses use of their limits. It has no
// clock of its own: now is always nanoseconds since a fixed instant, never negative
// and never going backwards.
package quota

import "time"

// Rate is a limit: tokens per second, and how many can accumulate. The zero Rate is
// no limit. It is an immutable value and comparable.
type Rate struct {
	interval float64 // nanoseconds per token
	depth    float64 // nanoseconds until an empty bucket is full
}

// maxDepth is 146 years, so that a Bucket cannot overflow.
const maxDepth = 1 << 62

// NewRate returns a Rate. perSecond is 0 for no limit, otherwise positive; burst is
// at least 1.
func NewRate(perSecond float64, burst int) Rate {
	if perSecond == 0 {
		return Rate{}
	}
	interval := float64(time.Second) / perSecond
	return Rate{interval, min(interval*float64(burst), maxDepth)}
}

// Limits reports whether r is a limit.
func (r Rate) Limits() bool { return r.interval > 0 }

// Bucket is a token bucket in eight bytes. It holds not the number of tokens but
// the time at which it will be full again (the theoretical arrival time of the
// generic cell rate algorithm, ITU-T I.371). So it needs no refilling: once that
// time has passed it equals a new bucket, the zero value. It has no lock.
//
// The time that it holds is in terms of one Rate. When the rate changes, the owner
// must reset the bucket, so that nobody who kept to the old rate is refused under
// the new one.
type Bucket int64

// Take takes n tokens, or none if there are fewer. A refusal costs nothing, so a
// client that exceeds its rate still gets exactly its rate. More tokens than the
// burst are always refused.
func (b *Bucket) Take(r Rate, n int, now int64) bool {
	if !r.Limits() {
		return true
	}
	full := max(int64(*b), now) + int64(r.interval*float64(n))
	if float64(full-now) > r.depth {
		return false
	}
	*b = Bucket(full)
	return true
}

// Wait returns how many nanoseconds after now there will be a token; 0 if there is
// one now.
func (b Bucket) Wait(r Rate, now int64) int64 {
	if !r.Limits() {
		return 0
	}
	return max(0, max(int64(b), now)+int64(r.interval)-now-int64(r.depth))
}
