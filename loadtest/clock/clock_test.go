package clock

import (
	"testing"
)

func TestClockIsMonotonicClock(t *testing.T) {
	base, _ := read()
	now := Now()
	later, _ := read()
	// Both readings of clock_gettime enclose Now, within the time it took to
	// relate the two clocks at the start.
	const slack = 1e6
	if now < int64(base)-slack || now > int64(later)+slack {
		t.Errorf("Now %d is not between %d and %d", now, base, later)
	}
}
