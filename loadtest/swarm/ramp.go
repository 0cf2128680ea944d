package swarm

import (
	"time"
)

// ramp decides which connection of a loop begins next, and when: first all of them at
// a rate, then those that reconnect. It belongs to the loop's goroutine.
type ramp struct {
	total int     // connections of the loop
	rate  float64 // connections per second; 0: as fast as the limit allows
	limit int     // of inFlight

	begun    time.Time
	next     int     // connections below have been started
	waiting  indices // those waiting for the server, in the order of started
	again    indices // those to reconnect
	inFlight int     // being opened
}

func newRamp(c *Config, total int) ramp {
	return ramp{total: total, rate: c.Rate / float64(c.Loops), limit: max(1, c.InFlight/c.Loops)}
}

// allowed is how many connections the rate allows to have begun by now.
func (r *ramp) allowed() int {
	if r.rate > 0 {
		return min(r.total, 1+int(time.Since(r.begun).Seconds()*r.rate))
	}
	return r.total
}

// pick returns the next connection to begin, if the limit permits one: one of those
// allowed, or one that reconnects.
func (r *ramp) pick(allowed int) (i int, ok bool) {
	switch {
	case r.inFlight >= r.limit:
		return 0, false
	case r.next < allowed:
		i = r.next
		r.next++
		return i, true
	case !r.again.empty():
		return r.again.pop(), true
	}
	return 0, false
}

// patience is the longest wait of epoll in milliseconds.
func (r *ramp) patience() int {
	if r.next == r.total && r.waiting.empty() && r.again.empty() {
		return -1
	}
	if r.next < r.total && r.rate > 0 && r.inFlight < r.limit {
		return 1
	}
	return 100
}
