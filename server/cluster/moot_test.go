package cluster

import (
	"slices"
	"testing"
)

// What the checker leaves out of a client's history says nothing of it: the client is
// as it was, whatever it is.
func TestMootOpsChangeNothing(t *testing.T) {
	names := map[string]bool{"u0": true, "g0": true}
	var states, there []state
	for _, uid := range []string{"", "u0"} {
		for _, groups := range []string{"", "g0,"} {
			there = append(there, state{life: 1, uid: uid, groups: groups})
			states = append(states, state{life: 2, uid: uid, groups: groups})
		}
	}
	moot := 0
	for kind := range opOnline + 1 {
		for _, name := range []string{"u0", "u1", "g0", "g1"} {
			for bits := range 1 << 6 {
				is := func(bit int) bool { return bits>>bit&1 == 1 }
				one := touch{op: &op{kind: kind, name: name, unknown: is(3), online: is(4)}, self: is(0), delivered: is(1), certain: is(2)}
				gone := is(5)
				byID := kind != opPushUID && kind != opPushGroup && kind != opPushAll && kind != opKickUID && kind != opBindExclusively
				if byID && !one.self || !one.moot(names, gone) {
					continue
				}
				moot++
				may := slices.Clone(states)
				if !gone {
					may = append(may, there...)
				}
				for _, s := range may {
					if next := step(s, one); !slices.Equal(next, []state{s}) {
						t.Errorf("%s, gone %v: %+v becomes %+v", describe(one), gone, s, next)
					}
				}
			}
		}
	}
	if moot < 100 {
		t.Errorf("only %d are moot", moot)
	}
}
