package cluster

import "testing"

// A sequence number is taken once, in whatever order they come; those far below the
// highest are taken for old.
func TestWindow(t *testing.T) {
	var w window
	for _, c := range []struct {
		seq   uint64
		first bool
	}{
		{5, true}, {5, false}, {3, true}, {4, true}, {4, false}, {100, true}, {99, true}, {5, false},
		{100 + windowLen, true}, {100, false}, {101, true}, {101, false}, {10 * windowLen, true}, {10*windowLen - 1, true}, {9 * windowLen, false},
	} {
		if got := w.first(c.seq); got != c.first {
			t.Errorf("%d comes for the first time: %v", c.seq, got)
		}
	}
}
