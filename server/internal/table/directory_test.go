package table

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// footprint is the heap that a set uses in bytes, apart from size classes.
func (e *Entry) footprint() int {
	if e.set == nil {
		return 48
	}
	n := 96 + 8*cap(e.set.root.members)
	if d := e.set.dir; d != nil {
		n += 64 + 8*cap(d.slots)
		seen := map[*page]bool{}
		for _, p := range d.slots {
			if !seen[p] {
				n += 32 + 8*cap(p.slots)
				seen[p] = true
			}
		}
		for i := range d.slots.len() {
			b := d.slots.at(i)
			if i>>b.depth() == 0 {
				n += 32 + 8*cap(b.members)
			}
		}
	}
	return n
}

// Memory per member is bounded at every size, growing and shrinking. If only a few
// of many loops have all the members, most of the directory repeats the same
// buckets, and that is bounded too. The order of leaving is fixed; other orders
// differ by a tenth.
func TestBytesPerMember(t *testing.T) {
	if raceEnabled {
		t.Skip("slow, and one goroutine")
	}
	const most = 100_000
	for _, c := range []struct {
		loops, used        int
		growing, shrinking float64 // bytes per member at most
	}{
		{1, 1, 12, 20},
		{4, 4, 12, 20},
		{6, 6, 12, 20},
		{16, 4, 12, 20},
		{256, 256, 12, 20},
		{256, 1, 64, 128},
	} {
		table := New(c.loops)
		h := func(i int) Handle { return MakeHandle(uint8(i%c.used), uint32(i/c.used), 1) }
		worst := 0.0
		var e *Entry
		for i := range most {
			e, _ = table.Add("g", h(i))
			if i > 20_000 && i%500 == 0 {
				worst = max(worst, float64(e.footprint())/float64(i+1))
			}
		}
		if worst > c.growing {
			t.Errorf("%d of %d loops: %.1f bytes per member while growing", c.used, c.loops, worst)
		}
		t.Logf("%d of %d loops: %.1f bytes per member while growing", c.used, c.loops, worst)
		worst = 0
		for i, j := range rand.New(rand.NewPCG(1, 2)).Perm(most) {
			if left := most - i; left%500 == 0 && left > 2000 {
				worst = max(worst, float64(e.footprint())/float64(left))
			}
			table.Remove(e, h(j))
		}
		t.Logf("%d of %d loops: %.1f bytes per member while shrinking", c.used, c.loops, worst)
		if worst > c.shrinking {
			t.Errorf("%d of %d loops: %.1f bytes per member while shrinking", c.used, c.loops, worst)
		}
		if e.set != nil || e.one != 0 || table.Len() != 0 {
			t.Errorf("%d of %d loops: the set is not empty at the end", c.used, c.loops)
		}
	}
}

// At the depth limit a bucket grows instead of splitting, and everything still
// works.
func TestDepthLimit(t *testing.T) {
	for _, depth := range []uint8{0, 1, 3} {
		m := newModel(t, 4)
		m.table.layout.maxDepth = depth
		for i := range 3000 {
			m.add("g", MakeHandle(uint8(i%4), uint32(i), 1), false)
			if i%700 == 0 {
				m.snapshot("g")
			}
		}
		for _, k := range m.taken {
			checkSnapshot(t, k.snapshot, k.members, 4)
		}
		if d := m.entries["g"].set.dir; d.slots.len() > 1<<depth {
			t.Errorf("%d slots at a depth limit of %d", d.slots.len(), depth)
		}
		for i := range 3000 {
			m.remove("g", MakeHandle(uint8(i%4), uint32(i), 1))
		}
		m.check()
	}
}

// Joins and leaves around the size at which a large directory doubles must not copy
// it each time.
func TestNoThrashing(t *testing.T) {
	table := New(1)
	var e *Entry
	for i := uint32(0); e == nil || e.set == nil || e.set.dir == nil || e.set.dir.slots.len() < 1024; i++ {
		e, _ = table.Add("g", MakeHandle(0, i, 1))
	}
	d := e.set.dir
	slots := &d.slots[0]
	for i := range d.slots.len() {
		b := d.slots.at(i)
		if 1<<b.depth() < d.slots.len() {
			continue
		}
		// The directory has doubled for this pair: empty it and fill it again.
		pair := append(slices.Clone(b.members), d.slots.at(i^512).members...)
		for range 3 {
			for _, h := range pair {
				table.Remove(e, h)
			}
			if d.deep != 0 {
				t.Fatalf("%d buckets need the full depth", d.deep)
			}
			for _, h := range pair {
				table.Add("g", h)
			}
			if d.deep != 2 {
				t.Fatalf("%d buckets need the full depth", d.deep)
			}
		}
		break
	}
	if &d.slots[0] != slots {
		t.Error("the directory was copied")
	}
}

// A change after a snapshot copies pages and a bucket, not the directory. What it
// allocates does not grow with the set.
func TestCopiedAfterSnapshot(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	bytesPerChange := func(members int) uint64 {
		table := New(2)
		for i := range members {
			table.Add("g", MakeHandle(uint8(i%2), uint32(i), 1))
		}
		const changes = 1000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range uint32(changes) {
			table.Snapshot("g")
			e, _ := table.Add("g", MakeHandle(0, i, 2))
			table.Remove(e, MakeHandle(0, i, 2))
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / changes
	}
	small, large := bytesPerChange(40_000), bytesPerChange(400_000)
	t.Logf("%d bytes at 40,000 members, %d at 400,000", small, large)
	if large > 3*small {
		t.Errorf("%d bytes at 40,000 members, %d at 400,000", small, large)
	}
}
