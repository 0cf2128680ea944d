package control

import "net/netip"

// share says whether one owner may have all places of callers. The last eighth
// is for others, where there can be others.
type share struct {
	byKey     bool // there are several keys
	byAddress bool // callers come from other hosts as well
}

// shareOf is that of a caller from an address, where there are so many keys.
func shareOf(keys int, addr netip.Addr) share {
	return share{byKey: keys > 1, byAddress: addr.IsValid() && !addr.IsLoopback()}
}

// exhausted tells whether an owner with so many places, whose key has so many,
// has its share of most.
func (s share) exhausted(most, owned, keyed int) bool {
	limit := most - most/8
	return s.byKey && keyed >= limit || s.byAddress && owned >= limit
}
