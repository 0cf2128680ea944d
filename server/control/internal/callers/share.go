package callers

import "net/netip"

// share says whether one owner may take all places of callers. The last eighth
// is reserved for others, if there can be others.
type share struct {
	byKey     bool // there are several keys
	byAddress bool // callers also come from other hosts
}

// shareOf is the share of a caller from an address, where there are so many
// keys.
func shareOf(keys int, addr netip.Addr) share {
	return share{byKey: keys > 1, byAddress: addr.IsValid() && !addr.IsLoopback()}
}

// exhausted reports whether an owner with that many places, whose key has
// keyed, has reached its share of most.
func (s share) exhausted(most, owned, keyed int) bool {
	limit := most - most/8
	return s.byKey && keyed >= limit || s.byAddress && owned >= limit
}
