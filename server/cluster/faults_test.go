package cluster

import "testing"

// A node that makes one of these mistakes is found out by the histories.
func TestMistakesAreFound(t *testing.T) {
	if raceEnabled {
		t.Skip("slow, and one goroutine")
	}
	const most = 150 // histories until one shows the mistake
	for name, f := range map[string]faults{
		"answers without the leases of all":      {ignoreLease: true},
		"votes before a granted lease is over":   {dismissEarly: true},
		"does not wait for the last answer":      {skipReply: true},
		"carries out what comes too late":        {ignoreDeadline: true},
		"carries out what comes twice":           {ignoreRepeats: true},
		"does not tell claims to those who join": {noReconcile: true},
		"ignores the stamps of exclusive binds":  {noStamp: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= most; seed++ {
				if found := oneHistory(t, seed, f); len(found) > 0 {
					t.Logf("seed %d: %.200s", seed, found[0])
					return
				}
			}
			t.Errorf("not found in %d histories", most)
		})
	}
}
