//go:build !race

package loop_test

import (
	"testing"
)

// pushAllocations is the most that a push to 100 receivers on two loops may
// allocate: its frame and the bytes of that, and a list of the loops.
var pushAllocations = map[string]float64{"all": 2, "uid": 3, "group": 3}

// TestPushAllocations: what a push allocates does not grow with its receivers.
// Lists of nodes that a loop needs more than one chunk of are given back after
// each push; they are one allocation for thousands of receivers.
func TestPushAllocations(t *testing.T) {
	few, fewPushes := crowd(t, 100)
	many, manyPushes := crowd(t, 10_000)
	for to := range fewPushes {
		once := testing.AllocsPerRun(50, func() { few.push(t, fewPushes[to]) })
		more := testing.AllocsPerRun(50, func() { many.push(t, manyPushes[to]) })
		t.Logf("to %s: %v allocations for 100 receivers, %v for 10,000", to, once, more)
		if most := pushAllocations[to]; once > most {
			t.Errorf("to %s: %v allocations, more than %v", to, once, most)
		}
		if chunks := 2 * float64(many.NodeChunks(10_000)); more > once+chunks {
			t.Errorf("to %s: %v allocations for 100 receivers, %v for 10,000", to, once, more)
		}
	}
}
