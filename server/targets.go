package server

import (
	"slices"

	"castgate/server/internal/table"
)

// empty tells whether no target is named.
func (t *Targets) empty() bool {
	return !t.All && len(t.ClientIDs) == 0 && len(t.UIDs) == 0 && len(t.Groups) == 0
}

// check answers the first name that can't be one.
func (t *Targets) check() error {
	if t.empty() {
		return &Error{CodeNoTarget, "to names no client_ids, uids or groups, and not all"}
	}
	if err := checkNames("uid", t.UIDs); err != nil {
		return err
	}
	return checkNames("group", t.Groups)
}

func checkNames(what string, names []string) error {
	for _, n := range names {
		if err := checkName(what, n); err != nil {
			return err
		}
	}
	return nil
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return &Error{CodeInvalidName, "a " + what + " is empty; 1 to 128 bytes are allowed"}
	case len(name) > MaxNameLen:
		return &Error{CodeInvalidName, "a " + what + " is longer than 128 bytes"}
	}
	return nil
}

// handles answers the clients that are registered now for targets other than
// all, sorted, each once.
func (s *Server) handles(clientIDs, uids, groups []string) []table.Handle {
	var list []table.Handle
	for _, id := range clientIDs {
		if h := s.ids.parse(id); s.registry.online(h) {
			list = append(list, h)
		}
	}
	for _, u := range uids {
		list = appendMembers(list, s.registry.uids.Snapshot(u))
	}
	for _, g := range groups {
		list = appendMembers(list, s.registry.groups.Snapshot(g))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func appendMembers(list []table.Handle, members table.Snapshot) []table.Handle {
	list = slices.Grow(list, members.Len())
	for h := range members.All() {
		list = append(list, h)
	}
	return list
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
