package swarm

import (
	"testing"
)

func TestIndices(t *testing.T) {
	var q indices
	next, want := 0, 0
	for round := range 200 {
		for range 100 + round {
			q.push(next)
			next++
		}
		for range 99 + round {
			if q.oldest() != want || q.pop() != want {
				t.Fatalf("not %d", want)
			}
			want++
		}
	}
	for ; !q.empty(); want++ {
		if got := q.pop(); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	}
	if want != next || cap(q.all) > 8192 {
		t.Errorf("%d of %d came out, room for %d", want, next, cap(q.all))
	}
}
