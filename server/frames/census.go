package frames

import "sync/atomic"

// Census counts clients by their form. Any goroutine may use it. The zero value has none.
// WebSocket clients, which are most, are not counted: a count that all loops write would cost
// more than it tells.
type Census struct{ of [NumForms]atomic.Int64 }

// Add counts n more clients of a form.
func (c *Census) Add(m Form, n int64) {
	if m != WebSocket {
		c.of[m].Add(n)
	}
}

// Deflated are the deflated forms that some client has.
func (c *Census) Deflated() (set Set) {
	for _, m := range DeflatedForms {
		if c.of[m].Load() > 0 {
			set |= 1 << m
		}
	}
	return set
}

// CountDeflated is how many clients have a deflated form.
func (c *Census) CountDeflated() (n int) {
	for _, m := range DeflatedForms {
		n += int(c.of[m].Load())
	}
	return n
}
