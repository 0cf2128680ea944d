package cluster

import (
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"castgate/server/cluster/internal/names"
)

// envNumber is that of an environment variable.
func envNumber(name string, def uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return def
}

// seeds is how many histories a test looks at.
func seeds(def int) int {
	if testing.Short() {
		def /= 10
	}
	return int(envNumber("CASTGATE_SIM_SEEDS", uint64(def)))
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
// make histories looks at thousands of them, and at others with SEED.
func TestHistories(t *testing.T) {
	first, n := envNumber("CASTGATE_SIM_SEED", 1), seeds(20)
	if raceEnabled {
		n = min(n, 4) // each runs on one goroutine, and is slow
	}
	var next atomic.Uint64
	all := t
	for core := range min(runtime.GOMAXPROCS(0), n) {
		t.Run(strconv.Itoa(core), func(t *testing.T) {
			t.Parallel()
			for i := next.Add(1); i <= uint64(n) && !all.Failed(); i = next.Add(1) {
				lookAt(t, first+i-1)
			}
		})
	}
}

// lookAt looks at the history of one seed, and names it if there is something wrong.
func lookAt(t *testing.T, seed uint64) {
	defer func() {
		if t.Failed() {
			t.Logf("again: CASTGATE_SIM_SEED=%d CASTGATE_SIM_SEEDS=1 go test -run TestHistories ./server/cluster", seed)
		}
	}()
	for _, fault := range oneHistory(t, seed, faults{}, names.Faults{}) {
		t.Errorf("seed %d: %s", seed, fault)
	}
}
