package table

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestNameIsCopied(t *testing.T) {
	table := New(1)
	name := []byte("group")
	e, _ := table.Add(unsafe.String(&name[0], len(name)), 1)
	copy(name, "xxxxx")
	if e.Name() != "group" || table.Count("group") != 1 {
		t.Errorf("the entry's name is %q", e.Name())
	}
}

func TestRemoveWhatIsNotThere(t *testing.T) {
	table := New(1)
	if table.Remove(nil, 1) {
		t.Error("removed from nil")
	}
	old, _ := table.Add("a", 1)
	if table.Remove(old, 0) || table.Remove(old, 2) || !table.Remove(old, 1) {
		t.Error("wrong answer from Remove")
	}
	now, _ := table.Add("a", 1)
	if now == old {
		t.Fatal("an entry came back")
	}
	if table.Remove(old, 1) {
		t.Error("removed through an entry that has gone")
	}
	if table.Count("a") != 1 || table.Len() != 1 || table.Lookup("a") != now || table.Lookup("b") != nil || table.Count("b") != 0 {
		t.Error("an entry that has gone changed the one in its place")
	}
}

// Of handles of a name that are removed at the same moment, exactly one is the last.
func TestRemoveLast(t *testing.T) {
	table := New(2)
	for range 2000 {
		e, _ := table.Add("u", MakeHandle(0, 1, 1))
		table.Add("u", MakeHandle(1, 1, 1))
		var last atomic.Int32
		var both sync.WaitGroup
		for loop := range uint8(2) {
			both.Go(func() {
				if table.RemoveLast(e, MakeHandle(loop, 1, 1)) {
					last.Add(1)
				}
			})
		}
		both.Wait()
		if n := last.Load(); n != 1 || table.RemoveLast(e, MakeHandle(0, 1, 1)) {
			t.Fatalf("%d were the last", n)
		}
	}
}

func TestAllStops(t *testing.T) {
	table := New(1)
	for _, size := range []int{1, 50, 1000} {
		for i := table.Count("g"); i < size; i++ {
			table.Add("g", MakeHandle(0, uint32(i), 1))
		}
		for range table.Snapshot("g").All() {
			break // another call of yield after false would panic
		}
	}
}

func TestLoopsOfLargeSet(t *testing.T) {
	table := New(70)
	for i := range 100_000 {
		table.Add("g", MakeHandle(uint8(i%2), uint32(i), 1))
	}
	var mask [4]uint64
	mask[3] = 1 // must stay set
	table.Snapshot("g").Loops(&mask)
	if want := [4]uint64{1<<64 - 1, 1<<6 - 1, 0, 1}; mask != want {
		t.Errorf("Loops = %x, want %x", mask, want)
	}
}

// Everything at once, for the race detector. Each worker has handles of its own and
// knows where they are; residents never leave.
func TestConcurrent(t *testing.T) {
	const workers, residents, loops = 4, 300, 4
	table := New(loops)
	for i := range residents {
		table.Add("hot", MakeHandle(uint8(i%loops), uint32(i), 1))
	}
	var wg, readers sync.WaitGroup
	var stop atomic.Bool
	for w := range workers {
		wg.Go(func() { churn(t, table, uint32(w), loops) })
	}
	readers.Go(func() {
		for !stop.Load() {
			s := table.Snapshot("hot")
			n, seen := 0, 0
			for loop := range loops {
				var buf [64]Handle
				for it := s.Iter(loop); ; {
					got := it.Next(buf[:])
					for _, h := range buf[:got] {
						if h.Gen() == 1 {
							seen++
						}
					}
					if n += got; got == 0 {
						break
					}
				}
			}
			if n != s.Len() || seen != residents {
				t.Errorf("%d members of %d, %d residents of %d", n, s.Len(), seen, residents)
				return
			}
		}
	})
	readers.Go(func() {
		for cursor := ""; !stop.Load(); {
			_, _, cursor, _ = table.Page(cursor, 50)
			table.Count("hot")
		}
	})
	wg.Wait()
	stop.Store(true)
	readers.Wait()
	if table.Count("hot") != residents || table.Len() != 1 {
		t.Errorf("%d members, %d names at the end", table.Count("hot"), table.Len())
	}
	if err := table.Lookup("hot").check(table.layout); err != nil {
		t.Error(err)
	}
}

func churn(t *testing.T, table *Table, worker uint32, loops int) {
	r := rand.New(rand.NewPCG(uint64(worker), 7))
	type membership struct {
		e *Entry
		h Handle
	}
	in := map[Handle]membership{}
	for i := range 8000 {
		slot := uint32(r.IntN(500))
		h := MakeHandle(uint8(int(slot)%loops), slot, 2+worker)
		if m, ok := in[h]; ok {
			if !table.Remove(m.e, h) {
				t.Errorf("%x left %q without a Remove", h, m.e.Name())
				return
			}
			delete(in, h)
			continue
		}
		name := "hot"
		if i%2 == 0 {
			name = "few " + strconv.Itoa(r.IntN(20))
		}
		e, added, before := table.AddAndOthers(name, h)
		if !added || before.Contains(h) || e.Name() != name {
			t.Errorf("%x was in %q before it came", h, name)
			return
		}
		in[h] = membership{e, h}
	}
	for _, m := range in {
		table.Remove(m.e, m.h)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestMemory(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures memory")
	}
	const n = 1_000_000
	table := New(4)
	for _, c := range []struct {
		what  string
		most  float64
		added func(i int) (string, Handle)
	}{
		{"name of 16 bytes, one member", 110 + 16, func(i int) (string, Handle) {
			return fmt.Sprintf("user-%011d", i), MakeHandle(uint8(i%4), uint32(i/4), 1)
		}},
		{"second member", 90, func(i int) (string, Handle) {
			return fmt.Sprintf("user-%011d", i), MakeHandle(uint8(i%4), uint32(i/4), 2)
		}},
		{"member of a group", 14, func(i int) (string, Handle) {
			return "group", MakeHandle(uint8(i%4), uint32(i/4), 1)
		}},
	} {
		before := heap()
		for i := range n {
			table.Add(c.added(i))
		}
		each := float64(heap()-before) / n
		t.Logf("%s: %.1f bytes", c.what, each)
		if each > c.most {
			t.Errorf("%s: %.1f bytes, at most %.0f wanted", c.what, each, c.most)
		}
	}
	runtime.KeepAlive(table)
}

func TestReadsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("counts allocations")
	}
	table := New(4)
	for _, size := range []int{1, 10, 128, 100_000} {
		for i := table.Count("g"); i < size; i++ {
			table.Add("g", MakeHandle(uint8(i%4), uint32(i), 1))
		}
		var s Snapshot
		buf := make([]Handle, 64)
		n := 0
		for what, f := range map[string]func(){
			"Snapshot": func() { s = table.Snapshot("g") },
			"Count":    func() { n += table.Count("g") },
			"Len":      func() { n += table.Len() },
			"Contains": func() { _ = s.Contains(MakeHandle(0, 0, 1)) },
			"Loops":    func() { var mask [4]uint64; s.Loops(&mask) },
			"Iter": func() {
				it := s.Iter(1)
				for it.Next(buf) > 0 {
					n++
				}
			},
			"All": func() {
				for h := range s.All() {
					n += h.Loop()
				}
			},
			"Add of a member": func() { table.Add("g", MakeHandle(0, 0, 1)) },
		} {
			if a := testing.AllocsPerRun(10, f); a != 0 {
				t.Errorf("%s with %d members: %v allocations", what, size, a)
			}
		}
	}
}

// Whoever watches a table is told of each name's birth and end, and of nothing else.
func TestWatch(t *testing.T) {
	table := New(1)
	var told []string
	table.Watch(func(name string, born bool) { told = append(told, fmt.Sprint(name, born)) })
	one, two := MakeHandle(0, 1, 1), MakeHandle(0, 2, 1)
	e, _ := table.Add("a", one)
	table.Add("a", two)
	table.Add("a", two)
	table.AddAndOthers("b", one)
	table.Renew(e, one)
	table.Remove(e, one)
	table.Remove(e, one)
	table.Remove(e, two)
	table.Add("a", one)
	if want := []string{"atrue", "btrue", "afalse", "atrue"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
