package simnet

import (
	"math/rand/v2"
	"testing"
)

// Events come in the order of their times, and those of the same time in the order in
// which they were made.
func TestEventsInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var list events
	var made uint64
	var last event
	popped := 0
	for round := range 20_000 {
		// First more come than go, then fewer.
		if rng.IntN(20_000) > round {
			made++
			list.push(event{at: last.at + rng.Int64N(50), order: made})
			continue
		}
		if len(list) == 0 {
			continue
		}
		e := list.pop()
		if e.before(&last) {
			t.Fatalf("round %d: %d, number %d, after %d, number %d", round, e.at, e.order, last.at, last.order)
		}
		last = e
		popped++
	}
	if popped < 9000 {
		t.Errorf("only %d events came", popped)
	}
}
