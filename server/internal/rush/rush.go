// Package rush tells when things come so fast that it pays to let them gather.
package rush

import "time"

// Rush counts what comes: sockets at a listener, answers to pings at a loop. To wake a
// thread for each of them costs more than the work on it (BENCHMARKS.md, "A connect" and
// "Pings"); for many at once it costs the same once. So in a rush the one who takes them
// up rests for Rest before it looks for more. At other times nobody waits.
//
// The zero value has counted nothing. It is not safe for concurrent use.
type Rush struct {
	began time.Duration // of the span in which is counted
	count int
	on    bool
}

const (
	// Enough in Span are a rush: 2,000 a second.
	Enough = 8
	Span   = 4 * time.Millisecond
	// Rest is the most by which a rush delays anything.
	Rest = time.Millisecond
)

// Count counts one. It reports whether there are enough of them to look at the clock.
func (r *Rush) Count() bool {
	r.count++
	return r.count >= Enough
}

// TooFast reports whether enough have come in the span that ends now, on any monotonic
// clock. Then, and after the end of a span, counting begins anew.
func (r *Rush) TooFast(now time.Duration) bool {
	switch {
	case now-r.began > Span:
		r.began, r.count, r.on = now, 0, false
	case r.count >= Enough:
		r.began, r.count, r.on = now, 0, true
	default:
		r.on = false
	}
	return r.on
}

// On is what TooFast has said last.
func (r *Rush) On() bool { return r.on }
