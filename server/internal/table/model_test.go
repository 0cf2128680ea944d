package table

import (
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// check checks the invariants of a live entry's set.
func (e *Entry) check(g layout) error {
	if e.set == nil {
		if e.one == 0 {
			return fmt.Errorf("entry without members in the table")
		}
		return nil
	}
	switch d := e.set.dir; {
	case e.one != 0:
		return fmt.Errorf("both one and set")
	case d != nil:
		return d.check(g, e.set.epoch)
	case len(e.set.root.members) < 2 || len(e.set.root.members) > bucketMax:
		return fmt.Errorf("root of %d members", len(e.set.root.members))
	}
	return nil
}

func (d *directory) check(g layout, epoch uint64) error {
	seen := map[*bucket]int{}
	members, deep := 0, 0
	for i := range d.slots.len() {
		b := d.slots.at(i)
		if seen[b]++; seen[b] > 1 {
			continue
		}
		members += len(b.members)
		if 1<<b.depth() == d.slots.len() {
			deep++
		}
		if len(b.members) > bucketMax && b.depth() < g.maxDepth {
			return fmt.Errorf("bucket of %d", len(b.members))
		}
		for _, h := range b.members {
			if (g.hash(h)^uint64(i))&(1<<b.depth()-1) != 0 {
				return fmt.Errorf("handle %x in slot %d of depth %d", h, i, b.depth())
			}
		}
		if b.depth() == 0 {
			return fmt.Errorf("directory of one bucket")
		}
		buddy := d.slots.at(i ^ 1<<(b.depth()-1))
		if buddy.depth() == b.depth() && len(b.members)+len(buddy.members) <= mergeMax {
			return fmt.Errorf("buddies of %d and %d", len(b.members), len(buddy.members))
		}
	}
	for b, n := range seen {
		if n<<b.depth() != d.slots.len() {
			return fmt.Errorf("bucket of depth %d in %d of %d slots", b.depth(), n, d.slots.len())
		}
	}
	if members != d.members || deep != d.deep || len(seen) != d.buckets {
		return fmt.Errorf("members %d, deep %d, buckets %d; want %d, %d, %d", d.members, d.deep, d.buckets, members, deep, len(seen))
	}
	if bits.OnesCount(uint(d.slots.len())) != 1 {
		return fmt.Errorf("%d slots", d.slots.len())
	}
	return nil
}

// model is a simple implementation of a Table.
type model struct {
	t       *testing.T
	table   *Table
	names   map[string]map[Handle]bool
	entries map[string]*Entry
	taken   []taken
}

// taken is a snapshot and the members that it must keep.
type taken struct {
	snapshot Snapshot
	members  map[Handle]bool
}

func newModel(t *testing.T, loops int) *model {
	return &model{t: t, table: New(loops), names: map[string]map[Handle]bool{}, entries: map[string]*Entry{}}
}

func (m *model) add(name string, h Handle, others bool) {
	m.t.Helper()
	var e *Entry
	var added bool
	if others {
		var before Snapshot
		e, added, before = m.table.AddAndOthers(name, h)
		m.keep(before, name)
	} else {
		e, added = m.table.Add(name, h)
	}
	if added == m.names[name][h] {
		m.t.Fatalf("Add(%q, %x) = %v", name, h, added)
	}
	if old := m.entries[name]; old != nil && old != e || e.Name() != name {
		m.t.Fatalf("Add(%q) returned another entry, of %q", name, e.Name())
	}
	if m.names[name] == nil {
		m.names[name] = map[Handle]bool{}
		m.entries[name] = e
	}
	m.names[name][h] = true
}

func (m *model) remove(name string, h Handle) {
	m.t.Helper()
	e := m.entries[name]
	if removed := m.table.Remove(e, h); removed != m.names[name][h] {
		m.t.Fatalf("Remove(%q, %x) = %v", name, h, removed)
	}
	delete(m.names[name], h)
	if e != nil && len(m.names[name]) == 0 {
		delete(m.names, name)
		delete(m.entries, name)
		if m.table.Remove(e, h) || m.table.Lookup(name) != nil {
			m.t.Fatalf("%q is still there without members", name)
		}
	}
}

func (m *model) keep(s Snapshot, name string) {
	m.taken = append(m.taken, taken{s, maps.Clone(m.names[name])})
	if len(m.taken) > 8 {
		m.taken = m.taken[1:]
	}
}

func (m *model) snapshot(name string) { m.keep(m.table.Snapshot(name), name) }

func (m *model) check() {
	m.t.Helper()
	if m.table.Len() != len(m.names) {
		m.t.Fatalf("Len = %d, want %d", m.table.Len(), len(m.names))
	}
	for name, want := range m.names {
		e := m.table.Lookup(name)
		if e != m.entries[name] {
			m.t.Fatalf("Lookup(%q) is not the entry Add gave", name)
		}
		if err := e.check(m.table.layout); err != nil {
			m.t.Fatalf("%q: %v", name, err)
		}
		if n := m.table.Count(name); n != len(want) {
			m.t.Fatalf("Count(%q) = %d, want %d", name, n, len(want))
		}
	}
	for _, k := range m.taken {
		checkSnapshot(m.t, k.snapshot, k.members, int(m.table.layout.loops))
	}
	listed := map[string]int{}
	for cursor := ""; ; {
		names, counts, next, ok := m.table.Page(cursor, 7)
		if !ok || len(names) != len(counts) || len(names) > 7 || next != "" && len(names) < 7 {
			m.t.Fatalf("Page: %d names, %d counts, next %q, ok %v", len(names), len(counts), next, ok)
		}
		for i, name := range names {
			if _, twice := listed[name]; twice || counts[i] != len(m.names[name]) {
				m.t.Fatalf("Page: %q with %d members, want %d; twice: %v", name, counts[i], len(m.names[name]), twice)
			}
			listed[name] = counts[i]
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(listed) != len(m.names) {
		m.t.Fatalf("Page listed %d names of %d", len(listed), len(m.names))
	}
}

func checkSnapshot(t *testing.T, s Snapshot, want map[Handle]bool, loops int) {
	t.Helper()
	if s.Len() != len(want) {
		t.Fatalf("snapshot of %d members, want %d", s.Len(), len(want))
	}
	var wantLoops, gotLoops [4]uint64
	for h := range want {
		wantLoops[h.Loop()/64] |= 1 << (h.Loop() % 64)
		if !s.Contains(h) {
			t.Fatalf("snapshot does not contain %x", h)
		}
		if other := MakeHandle(uint8(h.Loop()), h.Slot(), h.Gen()+1); s.Contains(other) != want[other] {
			t.Fatalf("snapshot contains %x: %v", other, !want[other])
		}
	}
	if s.Contains(0) {
		t.Fatal("snapshot contains the zero handle")
	}
	if all := slices.Collect(s.All()); !sameMembers(all, want) {
		t.Fatalf("All gives %d handles, not the %d members", len(all), len(want))
	}
	s.Loops(&gotLoops)
	if len(want) <= bucketMax && gotLoops != wantLoops {
		t.Fatalf("Loops = %x, want %x", gotLoops, wantLoops)
	}
	var each []Handle
	for loop := range loops {
		before := len(each)
		buf := make([]Handle, 1+(loop+len(want))%50)
		for it := s.Iter(loop); ; {
			n := it.Next(buf)
			each = append(each, buf[:n]...)
			if n < len(buf) {
				if it.Next(buf) != 0 {
					t.Fatal("Next goes on after the end")
				}
				break
			}
		}
		for _, h := range each[before:] {
			if h.Loop() != loop {
				t.Fatalf("Iter(%d) gives %x", loop, h)
			}
		}
		if len(each) > before && gotLoops[loop/64]>>(loop%64)&1 == 0 {
			t.Fatalf("Loops left out loop %d", loop)
		}
	}
	if !sameMembers(each, want) {
		t.Fatalf("Iter gives %d handles, not the %d members", len(each), len(want))
	}
}

func sameMembers(got []Handle, want map[Handle]bool) bool {
	seen := map[Handle]bool{}
	for _, h := range got {
		seen[h] = true
	}
	return len(got) == len(want) && maps.Equal(seen, want)
}

func TestAgainstModel(t *testing.T) {
	for _, loops := range []int{1, 2, 3, 16, 256} {
		for _, c := range []struct{ names, slots int }{
			{500, 2},  // members in the entries and in tiny sets
			{15, 100}, // in root buckets and small directories
			{1, 1500}, // in one directory
		} {
			t.Run(fmt.Sprintf("%d loops/%d names", loops, c.names), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(uint64(loops), uint64(c.names)))
				m := newModel(t, loops)
				largest := 0
				for step := range 15_000 {
					joining := 85 // percent
					if step/3000%2 == 1 {
						joining = 15
					}
					name := fmt.Sprint("n", r.IntN(c.names))
					slot := r.IntN(c.slots)
					h := MakeHandle(uint8(slot%loops), uint32(slot), 1+2*uint32(r.IntN(2)))
					switch p := r.IntN(100); {
					case p == 0:
						m.snapshot(name)
					case p < joining:
						m.add(name, h, p == 1)
					default:
						m.remove(name, h)
					}
					if step%1500 == 1499 {
						m.check()
					}
					largest = max(largest, len(m.names[name]))
				}
				if c.names == 1 && largest < 8*bucketMax {
					t.Errorf("the set never had more than %d members", largest)
				}
				for name, members := range m.names {
					for h := range maps.Clone(members) {
						m.remove(name, h)
					}
				}
				m.check()
			})
		}
	}
}
