package client

import (
	"net/netip"
	"time"

	"castgate/server/gateway"
	"castgate/server/history"
	"castgate/server/internal/clientid"
	"castgate/server/internal/table"
)

// Directory knows which clients have which uid and are in which groups, and tells those
// who watch. The caller of its methods holds the lock of the client that they are about.
type Directory struct {
	UIDs, Groups *table.Table
	IDs          *clientid.IDs
	Watchers     []gateway.Watcher
	History      *history.History
}

// Bind gives a client a uid and returns the one it had and the uid's other
// connections at that instant.
func (r *Directory) Bind(h table.Handle, c *Client, uid string) (previous string, others table.Snapshot) {
	old := c.UID
	if old != nil {
		previous = old.Name()
		if previous == uid {
			return previous, r.UIDs.Renew(old, h)
		}
	}
	c.UID, _, others = r.UIDs.AddAndOthers(uid, h)
	if old != nil {
		r.UIDs.Remove(old, h)
	}
	return previous, others
}

// Join returns whether the client was not in the group.
func (r *Directory) Join(h table.Handle, c *Client, group string) bool {
	e, added := r.Groups.Add(group, h)
	if added {
		c.Groups.Add(e)
		c.Joined = true
	}
	return added
}

// TooMany tells whether a client would be in too many groups with these. The
// caller holds the client's lock.
func (r *Directory) TooMany(h table.Handle, c *Client, groups []string) bool {
	room := gateway.MaxGroupsPerClient - c.Groups.Len()
	if len(groups) <= room {
		return false
	}
	for _, g := range table.Distinct(groups) { // it may be in some of them
		if !r.Groups.Snapshot(g).Contains(h) {
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

// Leave returns whether the client was in the group.
func (r *Directory) Leave(h table.Handle, c *Client, group string) bool {
	var e *table.Entry
	if c.Groups.Len() <= fewGroups {
		e = c.Groups.find(group)
	} else {
		e = r.Groups.Lookup(group) // the very one, if the client is in it
	}
	if !r.Groups.Remove(e, h) {
		return false
	}
	c.Groups.remove(e)
	return true
}

// Watched makes what watchers are told of a client, whose lock the caller holds.
func (r *Directory) Watched(h table.Handle, c *Client) gateway.Watched {
	w := gateway.Watched{
		Key: uint64(h), ID: string(r.IDs.Append(nil, h, c.Connection)), GroupCount: c.Groups.Len(),
		Remote: netip.AddrPortFrom(netip.AddrFrom16(c.Addr).Unmap(), c.Port), ConnectedAt: time.UnixMilli(c.ConnectedAt),
	}
	if c.UID != nil {
		w.UID = c.UID.Name()
	}
	if c.Session != nil {
		w.Session = c.Session.JSON
	}
	if n := min(w.GroupCount, gateway.MaxWatchedGroups); n > 0 {
		w.Groups = make([]string, 0, n)
		c.Groups.Each(func(e *table.Entry) {
			if len(w.Groups) < n {
				w.Groups = append(w.Groups, e.Name())
			}
		})
	}
	return w
}

// EachWatcher calls do with those who were told of a client, whose lock the caller
// holds.
func (r *Directory) EachWatcher(h table.Handle, c *Client, do func(gateway.Watcher, *gateway.Watched)) {
	if c.Watched == 0 {
		return
	}
	w := r.Watched(h, c)
	for i, watcher := range r.Watchers {
		if c.Watched>>i&1 == 1 {
			do(watcher, &w)
		}
	}
}

// TellBound tells that a client has another uid than previous. The caller holds its
// lock.
func (r *Directory) TellBound(h table.Handle, c *Client, previous string) {
	r.watchBound(h, c, previous)
	if c.Watched != 0 && (c.UID == nil || c.UID.Name() != previous) {
		r.EachWatcher(h, c, func(to gateway.Watcher, w *gateway.Watched) { to.Bound(w, previous) })
	}
}

// Unbind takes a client's uid away and tells of it. The caller holds its lock.
func (r *Directory) Unbind(h table.Handle, c *Client) (previous string) {
	previous = c.UID.Name()
	r.UIDs.Remove(c.UID, h)
	c.UID = nil
	r.watchBound(h, c, previous)
	r.EachWatcher(h, c, func(to gateway.Watcher, w *gateway.Watched) { to.Unbound(w, previous) })
	return previous
}

// Subject is a client, whose lock the caller holds, as far as filters look at it.
func (c *Client) Subject() history.Subject {
	s := history.Subject{
		Remote: netip.AddrPortFrom(netip.AddrFrom16(c.Addr).Unmap(), c.Port),
		Groups: c,
	}
	if c.UID != nil {
		s.UID = c.UID.Name()
	}
	return s
}

// InGroup implements history.Groups.
func (c *Client) InGroup(name string) bool { return c.Groups.find(name) != nil }

// Happening makes what is told of a client, whose lock the caller holds.
func (r *Directory) Happening(kind string, h table.Handle, c *Client, s *history.Subject) gateway.Happening {
	told := gateway.Happening{Kind: kind, ClientID: r.IDs.Of(h, c.Connection), UID: s.UID, Previous: s.Previous, Remote: s.Remote}
	c.Groups.Each(func(e *table.Entry) {
		if len(told.Groups) < gateway.MaxToldGroups {
			told.Groups = append(told.Groups, e.Name())
		}
	})
	return told
}

// watchBound tells those who watch that a client has another uid than previous, or
// none. The caller holds its lock.
func (r *Directory) watchBound(h table.Handle, c *Client, previous string) {
	if !r.History.Watched() {
		return
	}
	s := c.Subject()
	kind := gateway.WasBound
	if s.Previous = previous; s.UID == previous {
		return
	}
	if s.UID == "" {
		kind = gateway.Unbound
	}
	r.History.Tell(&s, func() gateway.Happening { return r.Happening(kind, h, c, &s) })
}

// WatchEnd tells those who watch of the end of a client, whose lock the caller holds.
func (r *Directory) WatchEnd(h table.Handle, c *Client, s history.Subject, e history.End) {
	r.History.Tell(&s, func() gateway.Happening {
		told := r.Happening(gateway.Ended, h, c, &s)
		end := e.Past(told.ClientID)
		told.End = &end
		return told
	})
}

// WatchNames tells of uids and groups that come into use and go out of it, from now on.
func (r *Directory) WatchNames(w gateway.NameWatcher) {
	tell := func(t *table.Table, kind gateway.NameKind) {
		t.Watch(func(name string, born bool) {
			if born {
				w.NameBorn(kind, name)
			} else {
				w.NameGone(kind, name)
			}
		})
	}
	tell(r.UIDs, gateway.UIDName)
	tell(r.Groups, gateway.GroupName)
}
