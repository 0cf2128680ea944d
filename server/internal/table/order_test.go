package table

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A set that never had more than OrderedLen members keeps their order through every
// change, and so do its snapshots.
func TestOrderIsKept(t *testing.T) {
	table := New(2)
	rng := rand.New(rand.NewPCG(1, 2))
	var want []Handle
	type taken struct {
		s    Snapshot
		want []Handle
	}
	var kept []taken
	var e *Entry
	for i := range 5000 {
		switch n := rng.IntN(10); {
		case len(want) == 0 || n < 5 && len(want) < OrderedLen:
			h := MakeHandle(uint8(i%2), uint32(i), 1)
			e, _ = table.Add("g", h)
			want = append(want, h)
		case n < 8:
			at := rng.IntN(len(want))
			table.Remove(e, want[at])
			want = slices.Delete(want, at, at+1)
		default:
			at := rng.IntN(len(want))
			h := want[at]
			others := slices.Collect(table.Renew(e, h).All())
			if !slices.Equal(others, want) {
				t.Fatalf("step %d: members before were %v, want %v", i, others, want)
			}
			want = append(slices.Delete(want, at, at+1), h)
		}
		if got := slices.Collect(table.Snapshot("g").All()); !slices.Equal(got, want) {
			t.Fatalf("step %d: %v, want %v", i, got, want)
		}
		if i%250 == 0 {
			kept = append(kept, taken{table.Snapshot("g"), slices.Clone(want)})
		}
	}
	for _, k := range kept {
		if got := slices.Collect(k.s.All()); !slices.Equal(got, k.want) {
			t.Errorf("an old snapshot has changed: %v, want %v", got, k.want)
		}
	}
}

// In a larger set Renew changes nothing, nor for a handle that is not a member.
func TestRenewElsewhere(t *testing.T) {
	table := New(1)
	var e *Entry
	for i := range uint32(3 * OrderedLen) {
		e, _ = table.Add("g", MakeHandle(0, i, 1))
	}
	if n := table.Renew(e, MakeHandle(0, 7, 1)).Len(); n != 3*OrderedLen || table.Count("g") != n {
		t.Errorf("%d members, then %d", n, table.Count("g"))
	}
	few, _ := table.Add("few", 1)
	table.Add("few", 2)
	table.Renew(few, 3)
	if got := slices.Collect(table.Snapshot("few").All()); !slices.Equal(got, []Handle{1, 2}) {
		t.Errorf("%v", got)
	}
}

// Names come in the order in which they were created. A name that comes back is the
// newest.
func TestNames(t *testing.T) {
	table := New(1)
	var want []string
	entries := map[string]*Entry{}
	for i := range 500 {
		name := fmt.Sprint("name ", i)
		entries[name], _ = table.Add(name, 1)
		want = append(want, name)
	}
	table.Add("name 3", 2) // is there already
	table.Remove(entries["name 100"], 1)
	table.Add("name 100", 1)
	want = append(slices.Delete(want, 100, 101), "name 100")
	if got := table.Names(func() bool { return true }); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := New(1).Names(func() bool { return true }); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
