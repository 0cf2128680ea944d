package verbs

import (
	"context"
	"fmt"
	"slices"

	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// NameLimit is how long a uid or group may be, in bytes.
type NameLimit int

// checkTargets returns the first name that can't be one.
func (most NameLimit) checkTargets(t *gateway.Targets) error {
	if err := most.CheckAll("uid", t.UIDs); err != nil {
		return err
	}
	return most.CheckAll("group", t.Groups)
}

// CheckAll returns the first of some names that can't be one. what says in the error what
// they name.
func (most NameLimit) CheckAll(what string, names []string) error {
	for _, n := range names {
		if err := most.Check(what, n); err != nil {
			return err
		}
	}
	return nil
}

// Check says why something can't be a name; nil if it can.
func (most NameLimit) Check(what, name string) error {
	switch {
	case name == "":
		return &gateway.Error{Code: gateway.CodeInvalidName, Detail: fmt.Sprintf("a %s is empty; 1 to %d bytes are allowed", what, most)}
	case len(name) > int(most):
		return &gateway.Error{Code: gateway.CodeInvalidName, Detail: fmt.Sprintf("a %s is longer than %d bytes", what, most)}
	}
	return nil
}

// handles returns the clients that are registered now for targets other than
// all, sorted, each once. With an error, for want of time, it returns none.
func (v *Verbs) handles(ctx context.Context, clientIDs, uids, groups []string) ([]table.Handle, error) {
	var list []table.Handle
	for i, id := range clientIDs {
		if i%idStride == idStride-1 && ctx.Err() != nil {
			return nil, errQuery(ctx)
		}
		if h := v.loops.IDs.Parse(id); v.loops.Registry.Online(h) {
			list = append(list, h)
		}
	}
	list, err := v.appendMembers(ctx, list, v.loops.Registry.UIDs, uids)
	if err == nil {
		list, err = v.appendMembers(ctx, list, v.loops.Registry.Groups, groups)
	}
	if err != nil {
		return nil, err
	}
	return table.Sorted(list), nil
}

// idStride is how many ids are looked up between two looks at a context.
const idStride = 256

// sortLeast is the size up to which a list of handles may hold some many times.
const sortLeast = 8192

// appendMembers appends the members of names. A caller may give thousands of
// names that have mostly the same members, or give one again and again: a list
// that exceeds twice what there are clients is sorted, and each is kept once.
func (v *Verbs) appendMembers(ctx context.Context, list []table.Handle, t *table.Table, names []string) ([]table.Handle, error) {
	most, once := sortLeast, false
	for i := 0; i < len(names); i++ {
		members := t.Snapshot(names[i])
		if len(list)+members.Len() > most {
			if err := ctx.Err(); err != nil {
				return nil, errQuery(ctx)
			}
			if !once {
				names, i, once = table.Distinct(names[i:]), 0, true
			}
			if most = max(most, 2*v.loops.Connected()); len(list)+members.Len() > most {
				list = table.Sorted(list)
				most = max(most, 2*len(list)) // some may be gone by now
			}
		}
		list = slices.Grow(list, members.Len())
		for h := range members.All() {
			list = append(list, h)
		}
	}
	return list, nil
}
