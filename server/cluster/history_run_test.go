package cluster

import (
	"os"
	"strconv"
	"testing"
	"time"
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

func oneHistory(t *testing.T, seed uint64, f faults) []string {
	w := newWorld(t, seed, 3+int(seed%3))
	w.faults = f
	for _, p := range w.procs {
		p.node.faults = f
	}
	m := &mayhem{world: w}
	m.everybody(4, 25*time.Second)
	return w.check(m)
}

// skipUnderRace skips histories that run on one goroutine: the race detector finds
// nothing in them, and takes ten times as long.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("one goroutine, and slow")
	}
}

// Histories of callers through all nodes of a cluster in trouble keep the contract.
func TestHistories(t *testing.T) {
	skipUnderRace(t)
	first := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("CASTGATE_SIM_SEED"), 10, 64); err == nil {
		first = n
	}
	for seed := first; seed < first+uint64(seeds(40)); seed++ {
		for _, fault := range oneHistory(t, seed, faults{}) {
			t.Errorf("seed %d: %s", seed, fault)
		}
		if t.Failed() {
			return
		}
	}
}
