package client

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"castgate/server/internal/table"
)

// Groups keep the order in which a client has joined them, whichever it leaves.
func TestGroupsKeepTheirOrder(t *testing.T) {
	names := table.New(1)
	h := table.MakeHandle(0, 1, 1)
	random := rand.New(rand.NewPCG(1, 2))
	var g Groups
	var want []string
	for step := range 2000 {
		name := fmt.Sprint(random.IntN(20))
		i := slices.Index(want, name)
		switch e := g.find(name); {
		case (e != nil) != (i >= 0):
			t.Fatalf("step %d: %q is found: %v", step, name, e != nil)
		case e == nil:
			e, _ := names.Add(name, h)
			g.Add(e)
			want = append(want, name)
		default:
			g.remove(e)
			names.Remove(e, h)
			want = slices.Delete(want, i, i+1)
		}
		var got []string
		g.Each(func(e *table.Entry) { got = append(got, e.Name()) })
		if g.Len() != len(want) || !slices.Equal(got, want) {
			t.Fatalf("step %d: %q, want %q", step, got, want)
		}
	}
}

// Only a large set is handed out whole.
func TestManyGroups(t *testing.T) {
	names := table.New(1)
	h := table.MakeHandle(0, 1, 1)
	var g Groups
	for i := range ManyGroups {
		if g.Many() != nil {
			t.Fatalf("%d groups are many", i)
		}
		e, _ := names.Add(fmt.Sprint(i), h)
		g.Add(e)
	}
	if n := len(g.Many()); n != ManyGroups {
		t.Errorf("%d of %d groups", n, ManyGroups)
	}
}
