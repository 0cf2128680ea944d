package acceptor

import "time"

// rush tells when sockets come so fast that it pays to let them gather in the kernel's
// queue. To wake the acceptor, and then a loop, for each of them costs more than half of
// what a connect costs beside the kernel's own work on it (BENCHMARKS.md, "A connect");
// for many at once it costs the same once. So in a rush the acceptor rests for rushRest
// after it has emptied the queue. At other times nobody waits.
type rush struct {
	began time.Time // of the span in which sockets are counted
	count int
	on    bool // the acceptor has just rested
}

const (
	// rushMany sockets in rushSpan are a rush: 2,000 a second.
	rushMany = 8
	rushSpan = 4 * time.Millisecond
	// rushRest is the most by which a rush delays a connect. The queue holds as many
	// sockets as come in it at four million a second (net.core.somaxconn).
	rushRest = time.Millisecond
)

// accepted counts a socket.
func (r *rush) accepted() { r.count++ }

// tooFast reports whether the acceptor should rest, now that the queue is empty.
func (r *rush) tooFast(now time.Time) bool {
	switch {
	case now.Sub(r.began) > rushSpan:
		r.began, r.count, r.on = now, 0, false
	case r.count >= rushMany:
		r.began, r.count, r.on = now, 0, true
	default:
		r.on = false
	}
	return r.on
}

// batch is how many sockets to accept before the queue is looked at again. After a rest
// they are counted, which is one system call instead of a look for each.
func (r *rush) batch(q *queue) int {
	if !r.on {
		return 1
	}
	return q.length()
}
