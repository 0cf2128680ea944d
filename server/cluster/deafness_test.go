package cluster

import (
	"testing"
	"time"
)

// After an outage of NATS nodes connect again one after the other. The first of them
// does not take the others for dead: it was deaf itself.
func TestOwnSilenceIsNoEvidence(t *testing.T) {
	for _, first := range []int{0, 1} {
		w, _ := ready(t, 1, 2, 1)
		changes := w.changes()
		for _, p := range w.procs {
			p.host.SetUp(false)
		}
		w.sim.Run(time.Duration(w.sim.Now()) + 3*w.lease)
		w.procs[first].host.SetUp(true)
		w.sim.Run(time.Duration(w.sim.Now()) + w.lease/4)
		w.procs[1-first].host.SetUp(true)
		w.settle(20 * time.Second)
		w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease)
		if n := w.changes() - changes; n != 0 {
			t.Errorf("node %d is back first: %d changes of the view", first+1, n)
		}
	}
}

// A node that was stopped for longer than a lease does not take the others for dead,
// either, although it could decide without them.
func TestWakeIsNoEvidence(t *testing.T) {
	w, _ := ready(t, 1, 2, 1)
	changes := w.changes()
	w.procs[0].host.Pause()
	w.sim.Run(time.Duration(w.sim.Now()) + 3*w.lease)
	for range 3 { // before it has read what waits for it
		w.procs[0].node.Tick()
	}
	w.procs[0].host.Resume()
	w.settle(20 * time.Second)
	w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease)
	if n := w.changes() - changes; n != 0 {
		t.Errorf("%d changes of the view", n)
	}
}

// What an outage delays is not lost: a node that has died in it is out a lease after
// the others have connected again.
func TestDeathInAnOutage(t *testing.T) {
	w, _ := ready(t, 1, 3, 1)
	for _, p := range w.procs {
		p.host.SetUp(false)
	}
	w.crash(2)
	w.sim.Run(time.Duration(w.sim.Now()) + 3*w.lease)
	for _, p := range w.procs[:2] {
		p.host.SetUp(true)
	}
	w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease)
	for _, p := range w.procs[:2] {
		if n := len(p.node.view.Members); n != 2 {
			t.Errorf("node %d has a view of %d", p.number, n)
		}
	}
}

// changes is how often the views of all nodes have changed.
func (w *world) changes() (n uint64) {
	for _, p := range w.procs {
		n += p.node.count.views.Load()
	}
	return n
}
