package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"castgate/server/gateway"
)

// losses is a watcher of uids that takes down which losses its node tells.
type losses struct{ told []gateway.LostNode }

func (l *losses) Look([]gateway.UIDLook) {}

func (l *losses) MembersChanged(lost []gateway.LostNode, _ bool) { l.told = append(l.told, lost...) }

// watchLosses makes a whole cluster whose nodes tell losses.
func watchLosses(t *testing.T, seed uint64, nodes int) (*world, []*losses) {
	t.Helper()
	w := newWorld(t, seed, nodes)
	var all []*losses
	for _, p := range w.procs {
		l := &losses{}
		p.node.WatchUIDs(l)
		all = append(all, l)
	}
	w.settle(10 * time.Second)
	return w, all
}

// told is who of those that live has told of a loss, and whether all did it by one stamp.
func (w *world) told(all []*losses, lost *proc) (by []uint16, same bool) {
	stamps := map[uint64]bool{}
	for i, p := range w.procs {
		if p.dead {
			continue
		}
		for _, l := range all[i].told {
			if l.Instance == lost.node.self.Instance && l.Node == lost.number {
				by = append(by, p.number)
				stamps[l.Stamp] = true
			}
		}
	}
	return by, len(stamps) == 1
}

func (w *world) pass(d time.Duration) { w.sim.Run(time.Duration(w.sim.Now()) + d) }

// One node says that another one is lost, once.
func TestLossIsTold(t *testing.T) {
	w, all := watchLosses(t, 1, 4)
	w.crash(2)
	w.pass(3 * w.lease)
	if by, _ := w.told(all, w.procs[2]); len(by) != 1 {
		t.Errorf("told by %v, want by one", by)
	}
	for _, l := range all {
		l.told = slices.DeleteFunc(l.told, func(n gateway.LostNode) bool { return n.Node == 3 })
		if len(l.told) > 0 {
			t.Errorf("also told: %v", l.told)
		}
	}
}

// Who has to tell of a loss may be lost itself before it has: then another one does, and
// both say it by one stamp. So also where a whole host ends, and with another order.
func TestLossOfTheTeller(t *testing.T) {
	for seed := range uint64(12) {
		w, all := watchLosses(t, seed+1, 5)
		first := w.procs[seed%5]
		first.node.mu.Lock()
		teller, ok := first.node.uids.owner(first.node.roster, first.node.self.String())
		first.node.mu.Unlock()
		if !ok {
			t.Fatal("nobody tells")
		}
		second := int(teller.Node) - 1
		if w.procs[second] == first {
			second = (second + 1) % 5
		}
		w.crash(int(first.number) - 1)
		w.pass(time.Duration(seed) * w.lease / 8)
		w.crash(second)
		w.pass(4 * w.lease)
		for _, lost := range []*proc{first, w.procs[second]} {
			if by, same := w.told(all, lost); len(by) == 0 || !same {
				t.Errorf("seed %d: of the loss of %d told %v, by one stamp %t", seed, lost.number, by, same)
			}
		}
	}
}

// A process that is killed while it ends in order is lost, also if nobody is left to
// decide but those who go on alone. One that has said goodbye is not.
func TestLossWhileDraining(t *testing.T) {
	w, all := watchLosses(t, 3, 3)
	for _, i := range []int{0, 1} {
		w.procs[i].node.Drain()
		w.pass(50 * time.Millisecond)
	}
	w.crash(0)
	w.crash(1)
	w.pass(4 * w.lease)
	for _, i := range []int{0, 1} {
		if by, _ := w.told(all, w.procs[i]); fmt.Sprint(by) != "[3]" {
			t.Errorf("of the loss of %d told %v", i+1, by)
		}
	}

	w, all = watchLosses(t, 4, 3)
	w.procs[0].node.Drain()
	w.procs[0].node.goodbye()
	w.pass(time.Second)
	w.crash(0)
	w.pass(3 * w.lease)
	if by, _ := w.told(all, w.procs[0]); len(by) != 0 {
		t.Errorf("one that has said goodbye is told to be lost by %v", by)
	}
}

// A process that was cut off and is back may be lost again: that is another loss. What
// was to be told of the first one is not told any more.
func TestLostAgain(t *testing.T) {
	w, all := watchLosses(t, 5, 3)
	stamps := map[uint64]bool{}
	for range 2 {
		w.procs[2].host.Pause()
		w.pass(3 * w.lease)
		for _, l := range all[:2] {
			for _, n := range l.told {
				stamps[n.Stamp] = true
			}
			l.told = nil
		}
		w.procs[2].host.Resume()
		w.settle(20 * time.Second)
		for i, p := range w.procs {
			if n := len(p.node.uids.losses); n != 0 {
				t.Errorf("node %d remembers %d losses of those who are back", i+1, n)
			}
		}
	}
	if len(stamps) != 2 {
		t.Errorf("%d stamps of two losses", len(stamps))
	}
}
