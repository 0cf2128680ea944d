package server

import (
	"context"
	"fmt"
	"slices"

	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// nameLimit is how long a uid or group may be, in bytes.
type nameLimit int

// checkTargets returns the first name that can't be one.
func (most nameLimit) checkTargets(t *gateway.Targets) error {
	if err := most.checkAll("uid", t.UIDs); err != nil {
		return err
	}
	return most.checkAll("group", t.Groups)
}

func (most nameLimit) checkAll(what string, names []string) error {
	for _, n := range names {
		if err := most.check(what, n); err != nil {
			return err
		}
	}
	return nil
}

func (most nameLimit) check(what, name string) error {
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
func (s *Server) handles(ctx context.Context, clientIDs, uids, groups []string) ([]table.Handle, error) {
	var list []table.Handle
	for i, id := range clientIDs {
		if i%idStride == idStride-1 && ctx.Err() != nil {
			return nil, errQuery(ctx)
		}
		if h := s.ids.Parse(id); s.registry.online(h) {
			list = append(list, h)
		}
	}
	list, err := s.appendMembers(ctx, list, s.registry.uids, uids)
	if err == nil {
		list, err = s.appendMembers(ctx, list, s.registry.groups, groups)
	}
	if err != nil {
		return nil, err
	}
	return sorted(list), nil
}

// idStride is how many ids are looked up between two looks at a context.
const idStride = 256

// sortLeast is the size up to which a list of handles may hold some many times.
const sortLeast = 8192

// appendMembers appends the members of names. A caller may give thousands of
// names that have mostly the same members, or give one again and again: a list
// that exceeds twice what there are clients is sorted, and each is kept once.
func (s *Server) appendMembers(ctx context.Context, list []table.Handle, t *table.Table, names []string) ([]table.Handle, error) {
	most, once := sortLeast, false
	for i := 0; i < len(names); i++ {
		members := t.Snapshot(names[i])
		if len(list)+members.Len() > most {
			if err := ctx.Err(); err != nil {
				return nil, errQuery(ctx)
			}
			if !once {
				names, i, once = distinct(names[i:]), 0, true
			}
			if most = max(most, 2*s.connected()); len(list)+members.Len() > most {
				list = sorted(list)
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

// connected is how many clients there are.
func (s *Server) connected() (n int) {
	for _, l := range s.loops {
		n += int(l.count.connections.Load())
	}
	return n
}

// sorted sorts a list of handles in place and leaves each once.
func sorted(list []table.Handle) []table.Handle {
	slices.Sort(list)
	return slices.Compact(list)
}

// distinct is names in their order, each once: the list itself if it is so
// already. A few cost no memory.
func distinct(names []string) []string {
	const few = 16
	if len(names) <= few {
		for i, n := range names {
			if slices.Contains(names[:i], n) {
				return distinctOf(names)
			}
		}
		return names
	}
	return distinctOf(names)
}

func distinctOf(names []string) []string {
	seen := make(map[string]struct{}, len(names))
	once := make([]string, 0, len(names))
	for _, n := range names {
		if _, again := seen[n]; !again {
			seen[n] = struct{}{}
			once = append(once, n)
		}
	}
	return once
}

// excluded tells whether h is in a sorted list.
func excluded(list []table.Handle, h table.Handle) bool {
	if len(list) == 0 {
		return false
	}
	_, found := slices.BinarySearch(list, h)
	return found
}

// without takes the handles of one sorted list out of another, in place.
func without(list, exclude []table.Handle) []table.Handle {
	if len(exclude) == 0 {
		return list
	}
	return slices.DeleteFunc(list, func(h table.Handle) bool { return excluded(exclude, h) })
}

// ofLoop cuts the first loop's part off a sorted list: handles begin with
// their loop.
func ofLoop(list []table.Handle) (loop int, part, rest []table.Handle) {
	loop = list[0].Loop()
	n, _ := slices.BinarySearchFunc(list, loop+1, func(h table.Handle, loop int) int { return h.Loop() - loop })
	return loop, list[:n:n], list[n:]
}
