package rush

import (
	"testing"
	"time"
)

// A rush begins with many in a short span, goes on while they keep coming, and ends with
// the first span without them.
func TestRush(t *testing.T) {
	var r Rush
	now := time.Hour
	look := func(many int, after time.Duration) bool {
		now += after
		for range many {
			r.Count()
		}
		return r.TooFast(now)
	}
	for i, step := range []struct {
		many  int
		after time.Duration
		want  bool
	}{
		{Enough, time.Second, false}, // nobody has looked for a second: they may have come one by one
		{Enough - 1, time.Millisecond, false},
		{1, time.Millisecond, true},
		{Enough, Rest, true},
		{Enough - 1, Rest, false},
		{1, Span, false},
		{1, time.Millisecond, false},
		{Enough, time.Microsecond, true},
	} {
		if got := look(step.many, step.after); got != step.want || r.On() != got {
			t.Errorf("step %d: %v, on: %v", i, got, r.On())
		}
	}
}

// The clock need not be looked at before there are enough.
func TestEnough(t *testing.T) {
	var r Rush
	for n := 1; n <= 2*Enough; n++ {
		if enough := r.Count(); enough != (n >= Enough) {
			t.Errorf("%d are enough: %v", n, enough)
		}
	}
}
