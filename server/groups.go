package server

import (
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// bind gives a client a uid and returns the one it had and the uid's other
// connections at that instant. The caller holds the client's lock.
func (r *registry) bind(h table.Handle, c *client, uid string) (previous string, others table.Snapshot) {
	old := c.uid
	if old != nil {
		previous = old.Name()
		if previous == uid {
			return previous, r.uids.Renew(old, h)
		}
	}
	c.uid, _, others = r.uids.AddAndOthers(uid, h)
	if old != nil {
		r.uids.Remove(old, h)
	}
	return previous, others
}

// join returns whether the client was not in the group. The caller holds the
// client's lock.
func (r *registry) join(h table.Handle, c *client, group string) bool {
	e, added := r.groups.Add(group, h)
	if added {
		c.groups.add(e)
		c.joined = true
	}
	return added
}

// tooMany tells whether a client would be in too many groups with these. The
// caller holds the client's lock.
func (r *registry) tooMany(h table.Handle, c *client, groups []string) bool {
	room := gateway.MaxGroupsPerClient - c.groups.len()
	if len(groups) <= room {
		return false
	}
	for _, g := range table.Distinct(groups) { // it may be in some of them
		if !r.groups.Snapshot(g).Contains(h) {
			if room--; room < 0 {
				return true
			}
		}
	}
	return false
}

// fewGroups is up to how many groups of a client are searched by name. Those of
// one with more are found in the table of all groups.
const fewGroups = 16

// leave returns whether the client was in the group. The caller holds the
// client's lock.
func (r *registry) leave(h table.Handle, c *client, group string) bool {
	var e *table.Entry
	if c.groups.len() <= fewGroups {
		e = c.groups.find(group)
	} else {
		e = r.groups.Lookup(group) // the very one, if the client is in it
	}
	if !r.groups.Remove(e, h) {
		return false
	}
	c.groups.remove(e)
	return true
}
