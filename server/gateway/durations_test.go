package gateway

import (
	"slices"
	"testing"
	"time"
)

// A duration is counted in one bucket, the smallest whose bound it does not exceed, and
// allocates nothing.
func TestStopwatch(t *testing.T) {
	if !slices.IsSorted(DurationBounds[:]) {
		t.Fatal("the bounds do not ascend")
	}
	var s, other Stopwatch
	for _, took := range []time.Duration{0, DurationBounds[0], DurationBounds[0] + 1, time.Hour} {
		s.Observe(took)
	}
	other.Observe(time.Hour)
	var d Durations
	s.AddTo(&d)
	other.AddTo(&d)
	last := len(DurationBounds)
	if d.Buckets[0] != 2 || d.Buckets[1] != 1 || d.Buckets[last] != 2 || d.Count() != 5 {
		t.Errorf("%v", d.Buckets)
	}
	if want := 2*time.Hour + 2*DurationBounds[0] + 1; d.Sum != want {
		t.Errorf("the sum is %v, want %v", d.Sum, want)
	}
	upTo := d.Cumulative()
	if upTo[DurationBounds[0].Seconds()] != 2 || upTo[10] != 3 || len(upTo) != last {
		t.Errorf("%v", upTo)
	}
	if n := testing.AllocsPerRun(100, func() { s.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
