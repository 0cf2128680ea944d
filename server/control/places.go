package control

import (
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/internal/quota"
)

// Who makes room, and when.
const (
	// halfTime is how long a request may be on its way before its connection
	// makes room rather than one that is idle.
	halfTime = 100 * time.Millisecond
	// strangerTime is how long a stranger may take its answer.
	strangerTime = time.Second
	// leastLobby is the fewest strangers that are listened to at once.
	leastLobby = 8
)

// lobbyOf is how many strangers there may be beside so many callers.
func lobbyOf(most int) int { return max(most/2, leastLobby) }

// PlacesFor is the largest Config.MaxConns for which so many descriptors are
// enough, 1 at least: strangers need some, too.
func PlacesFor(descriptors int) int {
	if most := descriptors * 2 / 3; most >= 2*leastLobby {
		return most
	}
	return max(descriptors-leastLobby, 1)
}

// owner is whose a caller's connection is.
type owner struct {
	key     string // the key's name
	network uint64 // quota.Network of the caller
}

// places are the connections there are: those of callers, who have shown that
// they may have a request, at most most of them, and those of strangers, which
// nobody else makes room for. A stranger becomes a caller by a whole request
// that is let in. So strangers compete with strangers only, and a caller who
// stops in the middle of its requests, or has very many connections, loses
// those first.
type places struct {
	most func() int // callers

	mu      sync.Mutex
	callers map[*conn]struct{} // guarded by mu, as all below
	lobby   map[*conn]struct{}
	owned   map[owner]int // callers
	keyed   map[string]int

	madeRoom, crowded atomic.Uint64
}

func newPlaces(most func() int) *places {
	return &places{most: most, callers: map[*conn]struct{}{}, lobby: map[*conn]struct{}{}, owned: map[owner]int{}, keyed: map[string]int{}}
}

// enter lets a stranger in, if need be in the place of another, which the caller
// cuts. It is false if no other can be spared.
func (p *places) enter(c *conn) (other *conn, ok bool) {
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

// promote makes a stranger a caller. It is false if there is no place: all serve
// requests, or this owner has its share. others are to be cut.
func (p *places) promote(c *conn, o owner, share share) (others []*conn, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.lobby[c]; !here {
		return nil, false // it was evicted, or has ended
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

// own notes that a caller's connection is another's now.
func (p *places) own(c *conn, o owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.callers[c]; here {
		p.remove(c)
		p.add(c, o)
	}
}

// demote makes a caller a stranger: its last request was refused.
func (p *places) demote(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.callers[c]; here {
		p.remove(c)
		p.lobby[c] = struct{}{}
	}
}

func (p *places) add(c *conn, o owner) {
	c.owner = o
	p.callers[c] = struct{}{}
	p.owned[o]++
	p.keyed[o.key]++
}

func (p *places) remove(c *conn) {
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

// leave takes a connection out that has ended.
func (p *places) leave(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(c)
}

// spare takes out the connection that can best be spared, of strangers first;
// nil if there is none. The caller cuts it.
func (p *places) spare() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.spareStranger(); c != nil {
		return c
	}
	return p.spareCaller(owner{}, share{}, false)
}

// spareStranger takes out a stranger: of the address that has most of them, the
// one that is longest in its state.
func (p *places) spareStranger() *conn {
	at := now()
	of := map[uint64]int{}
	for c := range p.lobby {
		of[quota.Network(c.addr)]++
	}
	return p.evict(p.lobby, func(c *conn, s state) (rank, bool) {
		k := s.kind()
		return rank{owned: of[quota.Network(c.addr)], since: s.since()}, k != kindEvicted && (k != kindServing || at-s.since() >= int64(strangerTime))
	})
}

// spareCaller takes out a caller: one in the middle of a request before one that
// is idle, of the owner who has most. With own it must be the owner's own, or
// its key's where that is what is exhausted.
func (p *places) spareCaller(o owner, share share, own bool) *conn {
	at := now()
	return p.evict(p.callers, func(c *conn, s state) (rank, bool) {
		if own && (c.owner.key != o.key || share.byAddress && c.owner.network != o.network) {
			return rank{}, false
		}
		r := rank{owned: p.owned[c.owner], since: s.since()}
		switch k := s.kind(); {
		case k == kindReading && at-s.since() >= int64(halfTime):
			r.class = 2
		case k == kindIdle:
			r.class = 1
		case k != kindReading: // it serves a request
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

// evict takes out of the connections the one that ranks highest; one that goes
// on meanwhile is not taken.
func (p *places) evict(from map[*conn]struct{}, ranked func(*conn, state) (rank, bool)) *conn {
	for range len(from) {
		var best *conn
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
		if best.state.CompareAndSwap(int64(was), int64(stateOf(kindEvicted))) {
			p.remove(best)
			p.madeRoom.Add(1)
			return best
		}
	}
	return nil
}

// all are the connections there are.
func (p *places) all() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*conn, 0, len(p.callers)+len(p.lobby))
	for c := range p.callers {
		all = append(all, c)
	}
	for c := range p.lobby {
		all = append(all, c)
	}
	return all
}

// count is how many callers and strangers there are.
func (p *places) count() (callers, strangers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.callers), len(p.lobby)
}

// size is how many connections have a place.
func (p *places) size() int {
	callers, strangers := p.count()
	return callers + strangers
}
