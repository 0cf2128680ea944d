package verbs

import (
	"context"
	"fmt"
	"slices"

	"castgate/server/client"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/loop"
)

func unknownClient(id string) *gateway.Error {
	return &gateway.Error{Code: gateway.CodeUnknownClient, Detail: fmt.Sprintf("no client %.64q is connected", id)}
}

// Bind implements Gateway.
func (v *Verbs) Bind(_ context.Context, b gateway.Bind) (gateway.BindResult, error) {
	if err := v.names.Check("uid", b.UID); err != nil {
		return gateway.BindResult{}, err
	}
	if err := v.names.CheckAll("group", b.Groups); err != nil {
		return gateway.BindResult{}, err
	}
	h := v.loops.IDs.Parse(b.ClientID)
	var result gateway.BindResult
	var others table.Snapshot
	var err error
	found := v.loops.Registry.Lookup(h, func(c *client.Client) {
		if v.loops.Registry.TooMany(h, c, b.Groups) {
			err = errTooManyGroups
			return
		}
		result.PreviousUID, others = v.loops.Registry.Bind(h, c, b.UID)
		for _, g := range b.Groups {
			v.loops.Registry.Join(h, c, g)
		}
		v.loops.Registry.TellBound(h, c, result.PreviousUID)
	})
	if err != nil {
		return gateway.BindResult{}, err
	}
	if !found {
		return gateway.BindResult{}, unknownClient(b.ClientID)
	}
	if b.KickOld {
		for other := range others.All() {
			if other != h {
				result.Kicked += v.loops.KickOne(other, loop.ReplaceOrder)
			}
		}
	}
	return result, nil
}

var errTooManyGroups = &gateway.Error{Code: gateway.CodeTooManyGroups, Detail: fmt.Sprintf("a client can be in at most %d groups", gateway.MaxGroupsPerClient)}

// Unbind implements Gateway.
func (v *Verbs) Unbind(_ context.Context, clientID string) (gateway.BindResult, error) {
	h := v.loops.IDs.Parse(clientID)
	var result gateway.BindResult
	found := v.loops.Registry.Lookup(h, func(c *client.Client) {
		if c.UID != nil {
			result.PreviousUID = v.loops.Registry.Unbind(h, c)
		}
	})
	if !found {
		return gateway.BindResult{}, unknownClient(clientID)
	}
	return result, nil
}

// UnbindUIDs implements Gateway.
func (v *Verbs) UnbindUIDs(ctx context.Context, uids []string) (unbound int, err error) {
	if err := v.names.CheckAll("uid", uids); err != nil {
		return 0, err
	}
	for _, u := range table.Distinct(uids) {
		for h := range until(ctx, v.loops.Registry.UIDs.Snapshot(u)) {
			v.loops.Registry.Lookup(h, func(c *client.Client) {
				if c.UID != nil && c.UID.Name() == u {
					v.loops.Registry.Unbind(h, c)
					unbound++
				}
			})
		}
		if ctx.Err() != nil {
			return unbound, errQuery(ctx)
		}
	}
	return unbound, nil
}

// Join implements Gateway.
func (v *Verbs) Join(ctx context.Context, m gateway.Membership) (gateway.MembershipResult, error) {
	return v.changeMembership(ctx, m, func(h table.Handle, c *client.Client, groups []string) (changed int, err error) {
		for _, g := range groups {
			if c.Groups.Len() >= gateway.MaxGroupsPerClient && v.loops.Registry.TooMany(h, c, []string{g}) {
				return changed, errTooManyGroups
			}
			if v.loops.Registry.Join(h, c, g) {
				changed++
			}
		}
		return changed, nil
	})
}

// Leave implements Gateway.
func (v *Verbs) Leave(ctx context.Context, m gateway.Membership) (gateway.MembershipResult, error) {
	return v.changeMembership(ctx, m, func(h table.Handle, c *client.Client, groups []string) (changed int, err error) {
		for _, g := range groups {
			if v.loops.Registry.Leave(h, c, g) {
				changed++
			}
		}
		return changed, nil
	})
}

// lockedGroups is how many groups a client joins or leaves at a time: meanwhile
// its chunk is locked, for which the loop and up to 255 other clients wait.
const lockedGroups = 64

// changeMembership applies change to each client m names, once by its id and
// once by its uid, for some groups after the other.
func (v *Verbs) changeMembership(ctx context.Context, m gateway.Membership, change func(table.Handle, *client.Client, []string) (int, error)) (gateway.MembershipResult, error) {
	var result gateway.MembershipResult
	if err := v.names.checkMembership(&m); err != nil {
		return result, err
	}
	groups := table.Distinct(m.Groups)
	var failed error
	apply := func(h table.Handle) (known bool, late error) {
		if len(groups) == 0 { // nothing changes, but who is unknown is still told
			return v.loops.Registry.Lookup(h, func(*client.Client) {}), nil
		}
		for part := range slices.Chunk(groups, lockedGroups) {
			if ctx.Err() != nil {
				return known, errQuery(ctx)
			}
			var err error
			found := v.loops.Registry.Lookup(h, func(c *client.Client) {
				var n int
				n, err = change(h, c, part)
				result.Changed += n
			})
			if !found {
				break
			}
			known = true
			if err != nil {
				failed = err
				break
			}
		}
		return known, nil
	}
	for _, id := range table.Distinct(m.ClientIDs) {
		known, late := apply(v.loops.IDs.Parse(id))
		if late != nil {
			return result, late
		}
		if !known {
			result.UnknownClientIDs = append(result.UnknownClientIDs, id)
		}
	}
	for _, u := range table.Distinct(m.UIDs) {
		for h := range v.loops.Registry.UIDs.Snapshot(u).All() {
			if _, late := apply(h); late != nil {
				return result, late
			}
		}
	}
	return result, failed
}

func (most NameLimit) checkMembership(m *gateway.Membership) error {
	if err := most.CheckAll("group", m.Groups); err != nil {
		return err
	}
	return most.CheckAll("uid", m.UIDs)
}

// Ungroup implements Gateway.
func (v *Verbs) Ungroup(ctx context.Context, groups []string) (int, error) {
	if err := v.names.CheckAll("group", groups); err != nil {
		return 0, err
	}
	changed := 0
	for _, g := range table.Distinct(groups) {
		for h := range until(ctx, v.loops.Registry.Groups.Snapshot(g)) {
			v.loops.Registry.Lookup(h, func(c *client.Client) {
				if v.loops.Registry.Leave(h, c, g) {
					changed++
				}
			})
		}
		if ctx.Err() != nil {
			return changed, errQuery(ctx)
		}
	}
	return changed, nil
}
