package cluster

import (
	"testing"

	"castgate/server/cluster/internal/names"
)

// A node that makes one of these mistakes is found out by the histories.
func TestMistakesAreFound(t *testing.T) {
	if raceEnabled {
		t.Skip("slow, and one goroutine")
	}
	// The simulation is the same for the same seed, so the search for rare ones begins
	// near the first that shows them. If others show them one day, it goes on.
	const most = 150
	for name, f := range map[string]struct {
		faults
		from  uint64
		names names.Faults
	}{
		"answers without the leases of all":      {faults{ignoreLease: true}, 1, names.Faults{}},
		"votes before a granted lease is over":   {faults{dismissEarly: true}, 1, names.Faults{}},
		"does not wait for the last answer":      {faults{skipReply: true}, 1, names.Faults{}},
		"carries out what comes too late":        {faults{ignoreDeadline: true}, 1, names.Faults{}},
		"carries out what comes twice":           {faults{ignoreRepeats: true}, 1, names.Faults{}},
		"does not tell claims to those who join": {faults{noReconcile: true}, 98, names.Faults{}},
		"ignores the stamps of exclusive binds":  {faults{noStamp: true}, 1, names.Faults{}},
		"does not wait until others have heard":  {faults{skipHeard: true}, 1, names.Faults{}},
		"ignores a gap in the names of others":   {faults{ignoreGap: true}, 1, names.Faults{}},
		"removes names that have come back":      {faults{}, 1, names.Faults{ForgetRebirth: true}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := f.from; seed < f.from+most; seed++ {
				found := simultaneousBinds(t, seed, f.faults)
				if !f.noStamp {
					found = oneHistory(t, seed, f.faults, f.names)
				}
				if len(found) > 0 {
					t.Logf("seed %d: %.200s", seed, found[0])
					return
				}
			}
			t.Errorf("not found in %d histories", most)
		})
	}
}
