package verbs

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// overlapping makes clients that are all in each of some groups, and returns their ids
// and the groups.
func overlapping(t *testing.T, clients, groups int) (k *testVerbs, all, names []string) {
	k = startVerbs(t, 2)
	for i := range groups {
		names = append(names, fmt.Sprint("group ", i))
	}
	for range clients {
		all = append(all, k.connect())
	}
	if _, err := k.Join(t.Context(), gateway.Membership{ClientIDs: all, Groups: names}); err != nil {
		t.Fatal(err)
	}
	return k, all, names
}

func repeated(name string, n int) []string { return slices.Repeat([]string{name}, n) }

// What it takes to find the clients of a push or kick is bounded by how many
// there are, not by how often and under how many names they are asked for.
func TestTargetsAreBounded(t *testing.T) {
	const clients = 2000
	k, ids, names := overlapping(t, clients, 100)
	var all []table.Handle
	for _, id := range ids {
		all = append(all, k.loops.IDs.Parse(id))
	}
	slices.Sort(all)
	for what, groups := range map[string][]string{
		"one group 10,000 times": repeated(names[0], 10_000),
		"100 groups":             names,
		"100 groups 100 times":   slices.Repeat(names, 100),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		list, err := k.handles(t.Context(), nil, nil, groups)
		runtime.ReadMemStats(&after)
		if err != nil || !slices.Equal(list, all) {
			t.Errorf("%s: %d clients of %d, %v", what, len(list), clients, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: %d bytes for %d clients", what, took, clients)
		}
	}
	r, err := k.Push(t.Context(), gateway.Push{To: gateway.Targets{Groups: slices.Repeat(names, 2)}, Payload: []byte("x")})
	if err != nil || r.Matched != clients {
		t.Errorf("a push: %+v, %v", r, err)
	}
}

// A push or kick whose clients take too long to find does nothing.
func TestTargetsDeadline(t *testing.T) {
	k, all, names := overlapping(t, 100, 200)
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	want := &gateway.Error{Code: gateway.CodeDeadline}
	if r, err := k.Push(ctx, gateway.Push{To: gateway.Targets{Groups: names}, Payload: []byte("x")}); !errors.Is(err, want) {
		t.Errorf("a push: %+v, %v", r, err)
	}
	for _, id := range all {
		if _, err := k.Bind(t.Context(), gateway.Bind{ClientID: id, UID: "everyone"}); err != nil {
			t.Fatal(err)
		}
	}
	except := gateway.Push{To: gateway.Targets{All: true}, ExcludeUIDs: repeated("everyone", 200), Payload: []byte("x")}
	if r, err := k.Push(ctx, except); !errors.Is(err, want) {
		t.Errorf("a push with exceptions: %+v, %v", r, err)
	}
	if n, err := k.Kick(ctx, gateway.Kick{To: gateway.Targets{Groups: names}}); n != 0 || !errors.Is(err, want) {
		t.Errorf("a kick: %d, %v", n, err)
	}
	if st := k.stats(); st.Matched+st.PushesRefused != 0 || st.Connections != len(all) {
		t.Errorf("%+v", st)
	}
}

func TestDistinct(t *testing.T) {
	for _, c := range []struct{ list, want []string }{
		{nil, nil},
		{[]string{"a"}, []string{"a"}},
		{[]string{"b", "a"}, []string{"b", "a"}},
		{[]string{"b", "a", "b", "b", "c", "a"}, []string{"b", "a", "c"}},
		{repeated("x", 10_000), []string{"x"}},
		{append(repeated("x", 100), "y", "x"), []string{"x", "y"}},
	} {
		was := slices.Clone(c.list)
		if got := table.Distinct(c.list); !slices.Equal(got, c.want) {
			t.Errorf("%.20q: %q", c.list, got)
		}
		if !slices.Equal(c.list, was) {
			t.Error("the list itself was changed")
		}
	}
	few := []string{"a", "b", "c", "d"}
	if n := testing.AllocsPerRun(10, func() { table.Distinct(few) }); n > 0 {
		t.Errorf("%v allocations for a few that differ", n)
	}
}
