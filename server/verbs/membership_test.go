package verbs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"castgate/server/gateway"
)

// lookedAt is a context that is done once it was looked at so many times.
type lookedAt struct {
	context.Context
	looks, most int
}

func (c *lookedAt) Err() error {
	if c.looks++; c.looks > c.most {
		return context.DeadlineExceeded
	}
	return nil
}

func groupNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint("group ", i))
	}
	return names
}

// A client or group that is named many times is changed once. Between two locks
// of a client's chunk, which its loop and its neighbours wait for, only some
// dozens of groups are changed, and the context is looked at.
func TestMembershipRepeated(t *testing.T) {
	k := startVerbs(t, 1)
	id := k.connect()
	if _, err := k.Bind(t.Context(), gateway.Bind{ClientID: id, UID: "ann"}); err != nil {
		t.Fatal(err)
	}
	names := groupNames(gateway.MaxGroupsPerClient)
	m := gateway.Membership{ClientIDs: repeated(id, 10_000), UIDs: repeated("ann", 10_000), Groups: slices.Repeat(names, 2)}
	parts := 2 * (len(names) + lockedGroups - 1) / lockedGroups // by id and by uid
	for _, verb := range []struct {
		name   string
		change func(context.Context, gateway.Membership) (gateway.MembershipResult, error)
	}{{"join", k.Join}, {"leave", k.Leave}} {
		ctx := &lookedAt{t.Context(), 0, parts}
		want := len(names)
		if r, err := verb.change(ctx, m); err != nil || r.Changed != want {
			t.Errorf("%s: %+v, %v after %d looks at the context", verb.name, r, err, ctx.looks)
		}
		if ctx.looks < parts/2 {
			t.Errorf("%s: %d looks at the context for %d groups", verb.name, ctx.looks, len(names))
		}
	}
	r, err := k.Leave(t.Context(), gateway.Membership{ClientIDs: []string{"gone", id, "gone", "lost"}, Groups: names[:1]})
	if err != nil || fmt.Sprint(r.UnknownClientIDs) != "[gone lost]" {
		t.Errorf("unknown clients: %+v, %v", r, err)
	}
	if st := k.stats(); st.Groups != 0 {
		t.Errorf("%d groups are left", st.Groups)
	}
	// A computed list of groups may be empty: that makes nobody unknown.
	for _, change := range []func(context.Context, gateway.Membership) (gateway.MembershipResult, error){k.Join, k.Leave} {
		r, err := change(t.Context(), gateway.Membership{ClientIDs: []string{"gone", id}, UIDs: []string{"ann"}})
		if err != nil || r.Changed != 0 || fmt.Sprint(r.UnknownClientIDs) != "[gone]" {
			t.Errorf("no groups: %+v, %v", r, err)
		}
	}
}

// A change that there is no more time for ends where it is, as an error.
func TestMembershipDeadline(t *testing.T) {
	k := startVerbs(t, 1)
	var ids []string
	for range 3 {
		ids = append(ids, k.connect())
	}
	names := groupNames(1000)
	want := &gateway.Error{Code: gateway.CodeDeadline}
	in := func() int {
		st := k.stats()
		return st.Groups
	}
	m := gateway.Membership{ClientIDs: ids, Groups: names}
	if r, err := k.Join(&lookedAt{t.Context(), 0, 2}, m); !errors.Is(err, want) || r.Changed != 2*lockedGroups || in() != r.Changed {
		t.Errorf("join: %+v, %v, %d groups", r, err, in())
	}
	if _, err := k.Join(t.Context(), m); err != nil || in() != len(names) {
		t.Fatalf("%v, %d groups", err, in())
	}
	if r, err := k.Leave(&lookedAt{t.Context(), 0, 1}, m); !errors.Is(err, want) || r.Changed != lockedGroups {
		t.Errorf("leave: %+v, %v", r, err)
	}
	if n, err := k.Ungroup(&lookedAt{t.Context(), 0, 0}, names); !errors.Is(err, want) || n != 0 {
		t.Errorf("ungroup: %d, %v", n, err)
	}
	if n, err := k.Ungroup(t.Context(), slices.Repeat(names, 2)); err != nil || n != 3*len(names)-lockedGroups {
		t.Errorf("ungroup: %d, %v", n, err)
	}
}

// Only new groups count against what a client may be in: who binds or joins it
// once more, after an answer that was lost for one, gets the same again.
func TestGroupsAtTheLimit(t *testing.T) {
	k := startVerbs(t, 1)
	id := k.connect()
	names := groupNames(gateway.MaxGroupsPerClient + 1)
	all, one := names[:gateway.MaxGroupsPerClient], names[gateway.MaxGroupsPerClient:]
	for range 2 {
		if _, err := k.Bind(t.Context(), gateway.Bind{ClientID: id, UID: "ann", Groups: slices.Repeat(all, 2)}); err != nil {
			t.Fatal(err)
		}
	}
	m := gateway.Membership{ClientIDs: []string{id}, UIDs: []string{"ann"}, Groups: all}
	if r, err := k.Join(t.Context(), m); err != nil || r.Changed != 0 {
		t.Errorf("join once more: %+v, %v", r, err)
	}
	var refused *gateway.Error
	if _, err := k.Join(t.Context(), gateway.Membership{ClientIDs: []string{id}, Groups: one}); !errors.As(err, &refused) || refused.Code != gateway.CodeTooManyGroups {
		t.Errorf("join of one more: %v", err)
	}
	if _, err := k.Bind(t.Context(), gateway.Bind{ClientID: id, UID: "bob", Groups: one}); !errors.As(err, &refused) || refused.Code != gateway.CodeTooManyGroups {
		t.Errorf("bind with one more: %v", err)
	}
	err := k.Each(t.Context(), gateway.Each{ClientID: id, Groups: true}, func(c gateway.ClientState) bool {
		if len(c.Groups) != len(all) {
			t.Errorf("afterwards it is in %d groups", len(c.Groups))
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A client's groups, of whichever number, are those it has joined and not left,
// in the order in which it joined them.
func TestGroupsOfAClient(t *testing.T) {
	k := startVerbs(t, 1)
	id, other := k.connect(), k.connect()
	random := rand.New(rand.NewPCG(1, 2))
	names := groupNames(60)
	// Groups that others are in are no groups of this client.
	if _, err := k.Join(t.Context(), gateway.Membership{ClientIDs: []string{other}, Groups: names[:30]}); err != nil {
		t.Fatal(err)
	}
	var want []string
	for step := range 5000 {
		m := gateway.Membership{ClientIDs: []string{id}, Groups: []string{names[random.IntN(len(names))]}}
		i := slices.Index(want, m.Groups[0])
		if random.IntN(200) < 100+80*(step/500%2*2-1) { // up and down
			r, err := k.Join(t.Context(), m)
			if err != nil || (r.Changed == 1) != (i < 0) {
				t.Fatalf("join: %+v, %v", r, err)
			}
			if i < 0 {
				want = append(want, m.Groups[0])
			}
		} else {
			r, err := k.Leave(t.Context(), m)
			if err != nil || (r.Changed == 1) != (i >= 0) {
				t.Fatalf("leave: %+v, %v", r, err)
			}
			if i >= 0 {
				want = slices.Delete(want, i, i+1)
			}
		}
		err := k.Each(t.Context(), gateway.Each{ClientID: id, Groups: true}, func(c gateway.ClientState) bool {
			if !slices.Equal(c.Groups, want) {
				t.Fatalf("step %d: in %q, want %q", step, c.Groups, want)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if st := k.stats(); st.Groups < 30 {
		t.Errorf("%d groups, another client is in 30", st.Groups)
	}
}
