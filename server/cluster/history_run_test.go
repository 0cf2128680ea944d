package cluster

import (
	"os"
	"strconv"
	"testing"
	"time"

	"castgate/server/cluster/internal/names"
)

// seeds is how many histories a test looks at.
func seeds(def int) int {
	if n, err := strconv.Atoi(os.Getenv("CASTGATE_SIM_SEEDS")); err == nil {
		return n
	}
	if testing.Short() {
		return def / 10
	}
	return def
}

func oneHistory(t *testing.T, seed uint64, f faults, nf names.Faults) []string {
	w := newFaultyWorld(t, seed, 3+int(seed%3), nf)
	w.faults = f
	for _, p := range w.procs {
		p.node.faults = f
	}
	m := &mayhem{world: w}
	m.everybody(4, 25*time.Second)
	defer w.sim.End() // thousands of them would not fit into memory
	return w.check(m)
}

// Histories of callers through all nodes of a cluster in trouble keep the contract.
// They run on one goroutine, in which the race detector would find nothing.
func TestHistories(t *testing.T) {
	if raceEnabled {
		t.Skip("slow, and one goroutine")
	}
	first := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("CASTGATE_SIM_SEED"), 10, 64); err == nil {
		first = n
	}
	for seed := first; seed < first+uint64(seeds(20)); seed++ {
		for _, fault := range oneHistory(t, seed, faults{}, names.Faults{}) {
			t.Errorf("seed %d: %s", seed, fault)
		}
		if t.Failed() {
			return
		}
	}
}
