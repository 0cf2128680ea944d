// Package quota counts what clients and addresses use of their allowance. It
// has no clock of its own: now is always nanoseconds since any fixed instant,
// which is at least 0 and does not go back.
package quota

import "time"

// Rate is an allowance: tokens a second, and how many can be saved up. The
// zero Rate is no limit. It is a value, never changed; equal ones are ==.
type Rate struct {
	interval float64 // nanoseconds a token
	depth    float64 // nanoseconds that saving up all tokens takes
}

// maxDepth is 146 years, so that a Bucket does not wrap around.
const maxDepth = 1 << 62

// NewRate makes a Rate. perSecond is above 0, burst at least 1; 0 for
// perSecond is no limit.
func NewRate(perSecond float64, burst int) Rate {
	if perSecond == 0 {
		return Rate{}
	}
	interval := float64(time.Second) / perSecond
	return Rate{interval, min(interval*float64(burst), maxDepth)}
}

// Limits reports whether r is a limit at all.
func (r Rate) Limits() bool { return r.interval > 0 }

// Bucket is a token bucket in eight bytes: not the number of tokens but the
// time at which it will be full again (the theoretical arrival time of the
// generic cell rate algorithm, ITU-T I.371). So it needs no refilling, and one
// whose time has passed is as good as a new one, which is the zero value. It
// holds no lock.
//
// What was used counts in seconds of the rate at that time, which mean nothing
// under another one: when the rate changes, whoever holds the bucket makes it
// anew. So nobody who keeps to each rate in its time is refused.
type Bucket int64

// Take takes n tokens, or none if there are fewer; a refusal costs nothing, so
// that a client that is over its rate still gets exactly its rate. Whoever asks
// for more than the burst is always refused.
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

// Wait is how many nanoseconds after now one token will be there; 0 if there
// is one.
func (b Bucket) Wait(r Rate, now int64) int64 {
	if !r.Limits() {
		return 0
	}
	return max(0, max(int64(b), now)+int64(r.interval)-now-int64(r.depth))
}
