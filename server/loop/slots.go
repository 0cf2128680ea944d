package loop

import (
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"

	"castgate/server/client"
	"castgate/server/internal/table"
	"castgate/server/transport"
)

const (
	chunkLen = 256
	// lastGen retires a slot: a generation never comes twice.
	lastGen = 1<<32 - 1
)

// chunk holds the state of chunkLen neighbouring connections of one loop.
// Each part of it has its own owner.
type chunk struct {
	conns [chunkLen]conn // owned by the loop
	free  int            // free slots, owned by the loop
	first uint32         // first free slot + 1, owned by the loop

	live [chunkLen]uint32 // generations of registered clients, guarded by the loop's mailbox.mu

	mu      sync.Mutex // guards clients
	clients [chunkLen]client.Client

	secure  *[chunkLen]*transport.Conn // TLS sides, owned by the loop; nil until there is one
	expires *[chunkLen]uint32          // see flagExpires; owned by the loop, nil until there is one
	tallies *[chunkLen]exchanged       // owned by the loop; nil unless clients are watched
}

// slots is one loop's set of connections: an array in chunks that grows and
// shrinks. The loop takes and frees slots; the registry reads the directory
// from other goroutines to reach chunk.clients.
type slots struct {
	dir atomic.Pointer[[]atomic.Pointer[chunk]]

	// Owned by the loop.
	gens  []uint32 // by chunk: the generation its slots begin with when it is made
	avail []uint64 // bit per chunk: has a free slot, or is not there
	empty int      // chunks that are there and hold nothing
}

// chunkAt returns the chunk of a slot, nil if there is none. Any goroutine.
func (s *slots) chunkAt(slot uint32) *chunk {
	dir := s.dir.Load()
	if i := int(slot / chunkLen); dir != nil && i < len(*dir) {
		return (*dir)[i].Load()
	}
	return nil
}

// extent is one above the highest slot there may be. Any goroutine.
func (s *slots) extent() uint32 {
	if dir := s.dir.Load(); dir != nil {
		return uint32(len(*dir)) * chunkLen
	}
	return 0
}

// acquire returns a free slot, the lowest chunk first so that high ones can
// empty. ok is false when the loop has table.MaxSlots connections.
func (s *slots) acquire() (slot uint32, c *conn, ok bool) {
	i := s.firstAvail()
	if i < 0 {
		if i = s.grow(); i < 0 {
			return 0, nil, false
		}
	}
	ch := s.chunkAt(uint32(i) * chunkLen)
	if ch == nil {
		ch = s.makeChunk(i)
	}
	if ch.free == chunkLen {
		s.empty--
	}
	n := ch.first - 1
	c = &ch.conns[n]
	ch.first = c.aux
	if ch.free--; ch.first == 0 {
		s.avail[i/64] &^= 1 << (i % 64)
	}
	c.aux = 0
	return uint32(i)*chunkLen + n, c, true
}

func (s *slots) firstAvail() int {
	for w, set := range s.avail {
		if set != 0 {
			return w*64 + bits.TrailingZeros64(set)
		}
	}
	return -1
}

// grow adds room for one more chunk to the directory and returns its index.
func (s *slots) grow() int {
	i := len(s.gens)
	if i == table.MaxSlots/chunkLen {
		return -1
	}
	s.gens = append(s.gens, 1)
	if i/64 == len(s.avail) {
		s.avail = append(s.avail, 0)
	}
	s.avail[i/64] |= 1 << (i % 64)
	old := s.dir.Load()
	if old == nil || i >= len(*old) {
		// Readers hold the old directory, so a larger one is made beside it.
		dir := make([]atomic.Pointer[chunk], max(4, i+i/2))
		for j := range i {
			dir[j].Store((*old)[j].Load())
		}
		s.dir.Store(&dir)
	}
	return i
}

func (s *slots) makeChunk(i int) *chunk {
	ch := &chunk{free: chunkLen, first: 1}
	for n := range ch.conns {
		ch.conns[n] = conn{fd: -1, gen: s.gens[i], aux: uint32(n + 2)}
	}
	ch.conns[chunkLen-1].aux = 0
	(*s.dir.Load())[i].Store(ch)
	s.empty++
	return ch
}

// release frees a slot. A chunk that is empty goes back to the collector, but for
// one that is kept so that a single connection does not make and drop it.
func (s *slots) release(slot uint32, c *conn) {
	i, n := int(slot/chunkLen), slot%chunkLen
	ch := s.chunkAt(slot)
	gen := c.gen
	if c.is(flagSecure) {
		ch.secure[n] = nil
	}
	*c = conn{fd: -1, gen: gen}
	if gen < lastGen {
		c.gen++
		c.aux = ch.first
		ch.first = n + 1
		ch.free++
		s.avail[i/64] |= 1 << (i % 64)
	}
	if ch.free < chunkLen {
		return
	}
	if s.empty > 0 {
		for n := range ch.conns {
			s.gens[i] = max(s.gens[i], ch.conns[n].gen)
		}
		(*s.dir.Load())[i].Store(nil)
		return
	}
	s.empty++
}

// conn returns the connection in a slot, nil if there is none.
func (l *loop) conn(slot uint32) *conn {
	ch := l.slots.chunkAt(slot)
	if ch == nil {
		return nil
	}
	if c := &ch.conns[slot%chunkLen]; c.state != connFree {
		return c
	}
	return nil
}

func (l *loop) freeSlot(slot uint32, c *conn) { l.slots.release(slot, c) }

// registered returns the handles of the loop's clients in the order of their
// slots. Clients that come or go meanwhile may or may not be among them. Any
// goroutine.
func (l *loop) registered() iter.Seq[table.Handle] { return l.registeredFrom(0) }

func (l *loop) registeredFrom(slot uint32) iter.Seq[table.Handle] {
	return func(yield func(table.Handle) bool) {
		for ; slot < l.slots.extent(); slot = (slot/chunkLen + 1) * chunkLen {
			ch := l.slots.chunkAt(slot)
			if ch == nil {
				continue
			}
			live := l.mail.livingOf(ch)
			for n := slot % chunkLen; n < chunkLen; n++ {
				if live[n] != 0 && !yield(table.MakeHandle(uint8(l.idx), slot/chunkLen*chunkLen+n, live[n])) {
					return
				}
			}
		}
	}
}
