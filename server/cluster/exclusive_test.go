package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	"castgate/server/gateway"
)

// simultaneousBinds has clients of three nodes bind one uid exclusively at the same
// moment, and returns what is wrong afterwards: one has to stay, the others get 4001.
func simultaneousBinds(t *testing.T, seed uint64, f faults) (found []string) {
	w := newWorld(t, seed, 3)
	w.settle(20 * time.Second)
	defer w.sim.End()
	for _, p := range w.procs {
		p.node.faults = f
		id := p.local.connect()
		w.sim.After(w.sim.Between(0, 3*time.Millisecond), func() {
			w.sim.Go(p.host, func() {
				if _, err := p.node.Bind(context.Background(), gateway.Bind{ClientID: id, UID: "x", KickOld: true}); err != nil {
					found = append(found, err.Error())
				}
			})
		})
	}
	w.sim.Run(time.Duration(w.sim.Now()) + time.Second)
	left := 0
	for _, p := range w.procs {
		left += len(p.local.order)
	}
	if left != 1 || len(w.history.closes) != 2 {
		found = append(found, fmt.Sprintf("%d connections are left, %d were closed", left, len(w.history.closes)))
	}
	for _, c := range w.history.closes {
		if c.code != replacedCode {
			found = append(found, fmt.Sprintf("a client was closed with %d", c.code))
		}
	}
	return found
}

// Of exclusive binds at the same moment, the latest stays.
func TestSimultaneousBinds(t *testing.T) {
	for seed := range uint64(100) {
		for _, what := range simultaneousBinds(t, seed, faults{}) {
			t.Errorf("seed %d: %s", seed, what)
		}
	}
}
