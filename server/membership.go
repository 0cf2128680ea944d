package server

import (
	"context"
	"fmt"

	"castgate/codec"
	"castgate/server/internal/table"
)

func unknownClient(id string) *Error {
	return &Error{CodeUnknownClient, fmt.Sprintf("no client %.64q is connected", id)}
}

var replaceOrder = &kickOrder{
	close: controlFrame(codec.AppendClose(nil, closeTable[closeReplaced].code, closeTable[closeReplaced].text)),
	why:   closeReplaced,
}

// Bind implements Gateway.
func (s *Server) Bind(_ context.Context, b Bind) (BindResult, error) {
	if err := checkName("uid", b.UID); err != nil {
		return BindResult{}, err
	}
	if err := checkNames("group", b.Groups); err != nil {
		return BindResult{}, err
	}
	h := s.ids.parse(b.ClientID)
	var result BindResult
	var others table.Snapshot
	var err error
	found := s.registry.lookup(h, func(c *client) {
		if c.groups.len()+len(b.Groups) > MaxGroupsPerClient {
			err = errTooManyGroups
			return
		}
		result.PreviousUID, others = s.registry.bind(h, c, b.UID)
		for _, g := range b.Groups {
			s.registry.join(h, c, g)
		}
	})
	if err != nil {
		return BindResult{}, err
	}
	if !found {
		return BindResult{}, unknownClient(b.ClientID)
	}
	if b.KickOld {
		for other := range others.All() {
			if other != h {
				result.Kicked += s.kickOne(other, replaceOrder)
			}
		}
	}
	return result, nil
}

var errTooManyGroups = &Error{CodeTooManyGroups, fmt.Sprintf("a client can be in %d groups", MaxGroupsPerClient)}

// bind gives a client a uid and answers the one it had and the uid's other
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

// join answers whether the client was not in the group. The caller holds the
// client's lock.
func (r *registry) join(h table.Handle, c *client, group string) bool {
	e, added := r.groups.Add(group, h)
	if added {
		c.groups.add(e)
		c.joined = true
	}
	return added
}

// leave answers whether the client was in the group. The caller holds the
// client's lock.
func (r *registry) leave(h table.Handle, c *client, group string) bool {
	e := c.groups.remove(group)
	return e != nil && r.groups.Remove(e, h)
}

// Unbind implements Gateway.
func (s *Server) Unbind(_ context.Context, clientID string) (BindResult, error) {
	h := s.ids.parse(clientID)
	var result BindResult
	found := s.registry.lookup(h, func(c *client) {
		if c.uid != nil {
			result.PreviousUID = c.uid.Name()
			s.registry.uids.Remove(c.uid, h)
			c.uid = nil
		}
	})
	if !found {
		return BindResult{}, unknownClient(clientID)
	}
	return result, nil
}

// Join implements Gateway.
func (s *Server) Join(_ context.Context, m Membership) (MembershipResult, error) {
	return s.changeMembership(m, func(h table.Handle, c *client, groups []string) (changed int, err error) {
		for _, g := range groups {
			if c.groups.len() >= MaxGroupsPerClient {
				return changed, errTooManyGroups
			}
			if s.registry.join(h, c, g) {
				changed++
			}
		}
		return changed, nil
	})
}

// Leave implements Gateway.
func (s *Server) Leave(_ context.Context, m Membership) (MembershipResult, error) {
	return s.changeMembership(m, func(h table.Handle, c *client, groups []string) (changed int, err error) {
		for _, g := range groups {
			if s.registry.leave(h, c, g) {
				changed++
			}
		}
		return changed, nil
	})
}

// changeMembership applies change to each client m names.
func (s *Server) changeMembership(m Membership, change func(table.Handle, *client, []string) (int, error)) (MembershipResult, error) {
	var result MembershipResult
	if len(m.ClientIDs) == 0 && len(m.UIDs) == 0 {
		return result, &Error{CodeNoTarget, "neither client_ids nor uids are named"}
	}
	if len(m.Groups) == 0 {
		return result, &Error{CodeInvalidName, "no group is named"}
	}
	if err := checkNames("group", m.Groups); err != nil {
		return result, err
	}
	if err := checkNames("uid", m.UIDs); err != nil {
		return result, err
	}
	var failed error
	apply := func(h table.Handle) bool {
		return s.registry.lookup(h, func(c *client) {
			n, err := change(h, c, m.Groups)
			result.Changed += n
			if err != nil && failed == nil {
				failed = err
			}
		})
	}
	for _, id := range m.ClientIDs {
		if !apply(s.ids.parse(id)) {
			result.UnknownClientIDs = append(result.UnknownClientIDs, id)
		}
	}
	for _, u := range m.UIDs {
		for h := range s.registry.uids.Snapshot(u).All() {
			apply(h)
		}
	}
	return result, failed
}

// Ungroup implements Gateway.
func (s *Server) Ungroup(_ context.Context, groups []string) (int, error) {
	if len(groups) == 0 {
		return 0, &Error{CodeInvalidName, "no group is named"}
	}
	if err := checkNames("group", groups); err != nil {
		return 0, err
	}
	changed := 0
	for _, g := range groups {
		for h := range s.registry.groups.Snapshot(g).All() {
			s.registry.lookup(h, func(c *client) {
				if s.registry.leave(h, c, g) {
					changed++
				}
			})
		}
	}
	return changed, nil
}
