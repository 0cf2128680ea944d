package client

import (
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// Leavers are clients that have ended and are in groups still, oldest first. They are out of
// the registry at once: no id, uid or group leads to them any more. Only the sizes of their
// groups are late, and pushes to these count them as closed. Fronts are told of the end of a
// client once it has left all groups. It is not safe for use by several goroutines.
type Leavers struct{ list []leaver }

type leaver struct {
	handle table.Handle
	groups []*table.Entry
	told   bool // its end is owed to a front
	client gateway.EventClient
}

// Add adds a client that is in these groups.
func (ls *Leavers) Add(h table.Handle, groups []*table.Entry) {
	ls.list = append(ls.list, leaver{handle: h, groups: groups})
}

// Tell has a front be told of a client's end later, if it is the newest of those who leave.
// Otherwise it returns false.
func (ls *Leavers) Tell(h table.Handle, e gateway.EventClient) bool {
	n := len(ls.list)
	if n == 0 || ls.list[n-1].handle != h {
		return false
	}
	ls.list[n-1].told, ls.list[n-1].client = true, e
	return true
}

// Some reports whether there are any.
func (ls *Leavers) Some() bool { return len(ls.list) > 0 }

// Leave goes on with them, for so many groups, and calls closed for each that has left all of
// its own and of whom a front is to be told.
func (ls *Leavers) Leave(budget int, groups *table.Table, closed func(gateway.EventClient)) {
	if len(ls.list) == 0 {
		return
	}
	done := 0
	for i := range ls.list {
		v := &ls.list[i]
		n := min(budget, len(v.groups))
		for _, e := range v.groups[:n] {
			groups.Remove(e, v.handle)
		}
		v.groups = v.groups[n:]
		if budget -= n; len(v.groups) > 0 {
			break
		}
		if v.told {
			closed(v.client)
		}
		done++
	}
	if clear(ls.list[:done]); done == len(ls.list) {
		ls.list = nil
		return
	}
	ls.list = ls.list[done:]
}
