package server

import (
	"cmp"
	"context"
	"slices"

	"castgate/server/internal/table"
)

// seat is a client with its place in an order.
type seat struct {
	handle table.Handle
	place  uint64
}

// Members implements Gateway.
func (s *Server) Members(_ context.Context, q Members) ([]string, error) {
	seats, err := s.seats(Each{UID: q.UID, Group: q.Group})
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(seats))
	for _, seat := range seats {
		s.registry.lookup(seat.handle, func(c *client) {
			ids = append(ids, s.ids.string(seat.handle, c.connection))
		})
	}
	return ids, nil
}

// Each implements Gateway.
func (s *Server) Each(ctx context.Context, q Each, do func(ClientState) bool) error {
	seats, err := s.seats(q)
	if err != nil {
		return err
	}
	for _, seat := range seats {
		var st ClientState
		found := s.registry.lookup(seat.handle, func(c *client) {
			st.ClientID = s.ids.string(seat.handle, c.connection)
			if c.uid != nil {
				st.UID = c.uid.Name()
			}
			if c.session != nil {
				st.Session = c.session.bytes
			}
			if q.Groups && c.joined {
				st.Groups = make([]string, 0, c.groups.len())
				c.groups.each(func(e *table.Entry) { st.Groups = append(st.Groups, e.Name()) })
			}
		})
		if found && (ctx.Err() != nil || !do(st)) {
			return nil
		}
	}
	return nil
}

// GroupNames implements Gateway.
func (s *Server) GroupNames(context.Context) ([]string, error) { return s.registry.groups.Names(), nil }

// seats returns the clients q means, in their order.
func (s *Server) seats(q Each) (seats []seat, err error) {
	var members table.Snapshot
	switch {
	case q.ClientID != "":
		return []seat{{handle: s.ids.parse(q.ClientID)}}, nil
	case q.UID != "":
		if err := checkName("uid", q.UID); err != nil {
			return nil, err
		}
		members = s.registry.uids.Snapshot(q.UID)
	case q.Group != "":
		if err := checkName("group", q.Group); err != nil {
			return nil, err
		}
		members = s.registry.groups.Snapshot(q.Group)
	default:
		for _, l := range s.loops {
			for h := range l.registered() {
				seats = append(seats, seat{handle: h})
			}
		}
		s.sortByConnection(seats)
		return seats, nil
	}
	for h := range members.All() {
		seats = append(seats, seat{handle: h})
	}
	if len(seats) > table.OrderedLen {
		s.sortByConnection(seats)
	}
	return seats, nil
}

// sortByConnection sorts clients by when they connected: exactly where
// connection ids are given, which know their order, else to the millisecond.
func (s *Server) sortByConnection(seats []seat) {
	peers := s.ids.peers
	for i := range seats {
		s.registry.lookup(seats[i].handle, func(c *client) {
			seats[i].place = uint64(c.connectedAt)
			if peers != nil {
				seats[i].place = uint64(c.connection)
			}
		})
		if peers != nil {
			seats[i].place = peers.order(uint32(seats[i].place))
		}
	}
	slices.SortFunc(seats, func(a, b seat) int { return cmp.Compare(a.place, b.place) })
}
