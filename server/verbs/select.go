package verbs

import (
	"cmp"
	"context"
	"slices"

	"castgate/server/client"
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// seat is a client with its place in an order.
type seat struct {
	handle table.Handle
	place  uint64
}

// Members implements GatewayWorker.
func (v *Verbs) Members(ctx context.Context, q gateway.Members) ([]string, error) {
	seats, err := v.seats(ctx, gateway.Each{UID: q.UID, Group: q.Group})
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(seats))
	for i, seat := range seats {
		if i%idStride == idStride-1 && ctx.Err() != nil {
			return nil, errQuery(ctx)
		}
		v.loops.Registry.Lookup(seat.handle, func(c *client.Client) {
			ids = append(ids, v.loops.IDs.Of(seat.handle, c.Connection))
		})
	}
	return ids, nil
}

// Each implements GatewayWorker.
func (v *Verbs) Each(ctx context.Context, q gateway.Each, do func(gateway.ClientState) bool) error {
	seats, err := v.seats(ctx, q)
	if err != nil {
		return err
	}
	for i, seat := range seats {
		if i%rowStride == rowStride-1 && ctx.Err() != nil {
			return errQuery(ctx)
		}
		var st gateway.ClientState
		found := v.loops.Registry.Lookup(seat.handle, func(c *client.Client) {
			st.ClientID = v.loops.IDs.Of(seat.handle, c.Connection)
			if c.UID != nil {
				st.UID = c.UID.Name()
			}
			if c.Session != nil {
				st.Session = c.Session.Bytes
			}
			if q.Groups && c.Joined {
				st.Groups = make([]string, 0, c.Groups.Len())
				c.Groups.Each(func(e *table.Entry) { st.Groups = append(st.Groups, e.Name()) })
			}
		})
		if found && !do(st) {
			return nil
		}
	}
	return nil
}

// GroupNames implements GatewayWorker.
func (v *Verbs) GroupNames(ctx context.Context) ([]string, error) {
	names := v.loops.Registry.Groups.Names(func() bool { return ctx.Err() == nil })
	if ctx.Err() != nil {
		return nil, errQuery(ctx)
	}
	return names, nil
}

// seats returns the clients q means, in their order.
func (v *Verbs) seats(ctx context.Context, q gateway.Each) (seats []seat, err error) {
	var members table.Snapshot
	switch {
	case q.ClientID != "":
		return []seat{{handle: v.loops.IDs.Parse(q.ClientID)}}, nil
	case q.UID != "":
		if err := v.names.Check("uid", q.UID); err != nil {
			return nil, err
		}
		members = v.loops.Registry.UIDs.Snapshot(q.UID)
	case q.Group != "":
		if err := v.names.Check("group", q.Group); err != nil {
			return nil, err
		}
		members = v.loops.Registry.Groups.Snapshot(q.Group)
	default:
		for h := range v.loops.After(0) {
			if seats = append(seats, seat{handle: h}); len(seats)%seatStride == 0 && ctx.Err() != nil {
				return nil, errQuery(ctx)
			}
		}
		return sortByConnection(ctx, v, seats)
	}
	for h := range until(ctx, members) {
		seats = append(seats, seat{handle: h})
	}
	if len(seats) < members.Len() {
		return nil, errQuery(ctx)
	}
	if len(seats) > table.OrderedLen {
		return sortByConnection(ctx, v, seats)
	}
	return seats, nil
}

// rowStride is how many clients Each tells of between two looks at a context.
const rowStride = 64

// seatStride is how many seats are handled between two looks at a context.
const seatStride = 1024

// sortByConnection sorts clients by when they connected: exactly where
// connection ids are given, which know their order, else to the millisecond.
func sortByConnection(ctx context.Context, v *Verbs, seats []seat) ([]seat, error) {
	peers := v.loops.IDs.Peers
	for i := range seats {
		if i%idStride == idStride-1 && ctx.Err() != nil {
			return nil, errQuery(ctx)
		}
		v.loops.Registry.Lookup(seats[i].handle, func(c *client.Client) {
			seats[i].place = uint64(c.ConnectedAt)
			if peers != nil {
				seats[i].place = uint64(c.Connection)
			}
		})
		if peers != nil {
			seats[i].place = peers.Order(uint32(seats[i].place))
		}
	}
	compared := 0
	slices.SortFunc(seats, func(a, b seat) int {
		if compared++; compared%(2*seatStride) == 0 && ctx.Err() != nil {
			return 0 // the order does not matter any more
		}
		return cmp.Compare(a.place, b.place)
	})
	if ctx.Err() != nil {
		return nil, errQuery(ctx)
	}
	return seats, nil
}
