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

// After a partition a plain bind that is newer than an exclusive one on the other side
// stays; an older one is closed.
func TestPlainBindsAfterPartition(t *testing.T) {
	for _, newer := range []bool{true, false} {
		w, ids := ready(t, 5, 3, 1)
		for _, p := range w.procs[:2] {
			w.net.Cut(p.host, w.procs[2].host, true)
		}
		w.sim.Run(time.Duration(w.sim.Now()) + 4*time.Second)
		binds := []func(){
			func() {
				w.do(w.procs[0], func(ctx context.Context) {
					_, _ = w.procs[0].node.Bind(ctx, gateway.Bind{ClientID: ids[0][0], UID: "x", KickOld: true})
				})
			},
			func() {
				w.do(w.procs[2], func(ctx context.Context) {
					_, _ = w.procs[2].node.Bind(ctx, gateway.Bind{ClientID: ids[2][0], UID: "x"})
				})
			},
		}
		if !newer {
			binds[0], binds[1] = binds[1], binds[0]
		}
		for _, bind := range binds {
			bind()
			w.sim.Run(time.Duration(w.sim.Now()) + 300*time.Millisecond)
		}
		for _, p := range w.procs[:2] {
			w.net.Cut(p.host, w.procs[2].host, false)
		}
		w.settle(20 * time.Second)
		w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease)
		if got := len(w.procs[2].local.clients) == 1; got != newer || len(w.procs[0].local.clients) != 1 {
			t.Errorf("newer %v: stays %v", newer, got)
		}
		w.sim.Run(time.Duration(w.sim.Now()) + 5*w.lease)
		if w.procs[2].node.owned.noted != 0 {
			t.Error("what was kept is kept for ever")
		}
	}
}
