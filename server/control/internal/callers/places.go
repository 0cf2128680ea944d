package callers

import (
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/internal/quota"
)

// Which connections make room, and when.
const (
	// halfTime is how long a request may take to arrive before its connection
	// makes room in preference to an idle one.
	halfTime = 100 * time.Millisecond
	// strangerTime is how long a stranger may take to read its answer.
	strangerTime = time.Second
	// leastLobby is the smallest number of places for strangers.
	leastLobby = 8
)

// lobbyOf is the number of places for strangers beside so many for callers.
func lobbyOf(most int) int { return max(most/2, leastLobby) }

// PlacesFor is the largest number of places for callers, at least 1, for which
// that many descriptors suffice: strangers need some too.
func PlacesFor(descriptors int) int {
	if most := descriptors * 2 / 3; most >= 2*leastLobby {
		return most
	}
	return max(descriptors-leastLobby, 1)
}

// owner identifies whose connection a caller's is.
type owner struct {
	key     string // the key's name
	network uint64 // see quota.Network
}

// places are the open connections: those of callers, who have made an
// authorized request, at most most of them, and those of strangers, which take
// no places from callers. A stranger becomes a caller with a complete
// authorized request. So strangers compete only with strangers, and a caller
// that stops in the middle of its requests, or has very many connections, loses
// those first.
type places struct {
	most func() int // callers

	mu      sync.Mutex
	callers map[*Conn]struct{} // guarded by mu, as all below
	lobby   map[*Conn]struct{}
	owned   map[owner]int // callers
	keyed   map[string]int

	madeRoom, crowded atomic.Uint64
}

func newPlaces(most func() int) *places {
	return &places{most: most, callers: map[*Conn]struct{}{}, lobby: map[*Conn]struct{}{}, owned: map[owner]int{}, keyed: map[string]int{}}
}

// enter admits a stranger, if necessary in the place of another, which the
// calling goroutine must cut. ok is false if no other can be spared.
func (p *places) enter(c *Conn) (other *Conn, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lobby) >= lobbyOf(p.most()) {
		if other = p.spareStranger(); other == nil {
			return nil, false
		}
	}
	p.lobby[c] = struct{}{}
	return other, true
}

// promote makes a stranger a caller. ok is false if there is no place: all are
// serving requests, or this owner has its share. The calling goroutine must cut
// others.
func (p *places) promote(c *Conn, o owner, share share) (others []*Conn, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.lobby[c]; !here {
		return nil, false // it was evicted or has ended
	}
	most := p.most()
	own := share.exhausted(most, p.owned[o], p.keyed[o.key])
	for own || len(p.callers) >= most {
		other := p.spareCaller(o, share, own)
		if other == nil {
			p.crowded.Add(1)
			return others, false
		}
		others = append(others, other)
		own = share.exhausted(most, p.owned[o], p.keyed[o.key])
	}
	delete(p.lobby, c)
	p.add(c, o)
	return others, true
}

// own records that a caller's connection has a new owner.
func (p *places) own(c *Conn, o owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.callers[c]; here {
		p.remove(c)
		p.add(c, o)
	}
}

// demote makes a caller a stranger: its last request was refused.
func (p *places) demote(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.callers[c]; here {
		p.remove(c)
		p.lobby[c] = struct{}{}
	}
}

func (p *places) add(c *Conn, o owner) {
	c.owner = o
	p.callers[c] = struct{}{}
	p.owned[o]++
	p.keyed[o.key]++
}

func (p *places) remove(c *Conn) {
	if _, here := p.callers[c]; !here {
		delete(p.lobby, c)
		return
	}
	delete(p.callers, c)
	if p.owned[c.owner]--; p.owned[c.owner] == 0 {
		delete(p.owned, c.owner)
	}
	if p.keyed[c.owner.key]--; p.keyed[c.owner.key] == 0 {
		delete(p.keyed, c.owner.key)
	}
}

// leave removes a connection that has ended.
func (p *places) leave(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(c)
}

// spare removes the connection that can best be spared, strangers first; nil if
// there is none. The calling goroutine must cut it.
func (p *places) spare() *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.spareStranger(); c != nil {
		return c
	}
	return p.spareCaller(owner{}, share{}, false)
}

// spareStranger removes a stranger: of the address that has the most, the one
// longest in its state.
func (p *places) spareStranger() *Conn {
	at := now()
	of := map[uint64]int{} // by network
	for c := range p.lobby {
		of[quota.Network(c.addr)]++
	}
	return p.evict(p.lobby, func(c *Conn, s state) (rank, bool) {
		k := s.kind()
		return rank{owned: of[quota.Network(c.addr)], since: s.since()}, k != Evicted && (k != Serving || at-s.since() >= int64(strangerTime))
	})
}

// spareCaller removes a caller: one in the middle of a request before an idle
// one, of the owner that has the most. With own it must be the owner's own, or
// its key's if that is what is exhausted.
func (p *places) spareCaller(o owner, share share, own bool) *Conn {
	at := now()
	return p.evict(p.callers, func(c *Conn, s state) (rank, bool) {
		if own && (c.owner.key != o.key || share.byAddress && c.owner.network != o.network) {
			return rank{}, false
		}
		r := rank{owned: p.owned[c.owner], since: s.since()}
		switch k := s.kind(); {
		case k == Reading && at-s.since() >= int64(halfTime):
			r.class = 2
		case k == Idle:
			r.class = 1
		case k != Reading: // it serves a request
			return rank{}, false
		}
		return r, true
	})
}

// rank says how well a connection can be spared.
type rank struct {
	class, owned int
	since        int64
}

func (r *rank) above(o *rank) bool {
	switch {
	case r.class != o.class:
		return r.class > o.class
	case r.owned != o.owned:
		return r.owned > o.owned
	}
	return r.since < o.since
}

// evict removes the connection that ranks highest, unless its state changes
// meanwhile.
func (p *places) evict(from map[*Conn]struct{}, ranked func(*Conn, state) (rank, bool)) *Conn {
	for range len(from) {
		var best *Conn
		var top rank
		var was state
		for c := range from {
			s := state(c.state.Load())
			if r, ok := ranked(c, s); ok && (best == nil || r.above(&top)) {
				best, top, was = c, r, s
			}
		}
		if best == nil {
			return nil
		}
		if best.state.CompareAndSwap(int64(was), int64(stateOf(Evicted))) {
			p.remove(best)
			p.madeRoom.Add(1)
			return best
		}
	}
	return nil
}

// all are the open connections.
func (p *places) all() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Conn, 0, len(p.callers)+len(p.lobby))
	for c := range p.callers {
		all = append(all, c)
	}
	for c := range p.lobby {
		all = append(all, c)
	}
	return all
}

// count is the number of callers and of strangers.
func (p *places) count() (callers, strangers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.callers), len(p.lobby)
}
