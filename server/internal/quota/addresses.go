package quota

import (
	"encoding/binary"
	"net/netip"
	"sync"
)

// Limits are what one address may do.
type Limits struct {
	Conns    int  // connections at once; 0 is no limit
	Connects Rate // new connections
}

// On reports whether anything is limited.
func (l Limits) On() bool { return l.Conns > 0 || l.Connects.Limits() }

// Verdict is an answer of Admit.
type Verdict uint8

// The verdicts.
const (
	Admitted Verdict = iota
	TooMany          // Limits.Conns are open
	TooFast          // Limits.Connects is used up
)

const (
	shards = 64
	// maxIdle is how many addresses without a connection a shard remembers.
	maxIdle = 1024
)

// Addresses counts connections by address: an IPv4 address, or a /64 of IPv6,
// the smallest network that one host is given (RFC 4291 section 2.5.4). It
// holds an entry for each address that has a connection, whose number the
// gateway's own limit bounds, and for at most 65,536 others while their
// buckets fill. Beyond those, some are forgotten: who has that many networks to
// connect from gains nothing by it. All methods may be called from any
// goroutine; nothing is called under their locks.
type Addresses struct {
	shard [shards]addressShard
}

type addressShard struct {
	sync.Mutex
	entries  map[uint64]entry
	idle     int  // entries without a connection
	connects Rate // for which the buckets are
	_        [24]byte
}

// entry has no pointer: the garbage collector skips the table.
type entry struct {
	conns   int32
	connect Bucket
}

// Network is what an address counts as: an IPv4 address itself, an IPv6 address
// by its /64. IPv4 is put where IPv6 has no addresses to give out: 0:ffff::/32.
func Network(a netip.Addr) uint64 {
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

// place is the shard of a key, by its upper bits once multiplied.
func place(k uint64) uint64 { return k * 0x9e3779b97f4a7c15 >> 58 }

// Admit counts a connection from a, unless a limit is reached. For each that is
// Admitted, Release must be called once.
func (t *Addresses) Admit(a netip.Addr, l Limits, now int64) Verdict {
	k := Network(a)
	s := &t.shard[place(k)]
	s.Lock()
	defer s.Unlock()
	if l.Connects != s.connects {
		s.connects = l.Connects
		s.idle = 0
		forget(s.entries)
	}
	e, known := s.entries[k]
	if l.Conns > 0 && int(e.conns) >= l.Conns {
		return TooMany
	}
	if !e.connect.Take(l.Connects, 1, now) {
		return TooFast
	}
	s.add(k, e, known)
	return Admitted
}

// Count counts a connection from a that is there already, whatever the limits
// are. Release must be called for it as for one that was Admitted.
func (t *Addresses) Count(a netip.Addr) {
	k := Network(a)
	s := &t.shard[place(k)]
	s.Lock()
	defer s.Unlock()
	e, known := s.entries[k]
	s.add(k, e, known)
}

// add stores an entry with one connection more. The caller holds the lock.
func (s *addressShard) add(k uint64, e entry, known bool) {
	if s.entries == nil {
		s.entries = make(map[uint64]entry)
	}
	if known && e.conns == 0 {
		s.idle--
	}
	e.conns++
	s.entries[k] = e
}

// forget makes all buckets anew.
func forget(entries map[uint64]entry) {
	for k, e := range entries {
		if e.conns == 0 {
			delete(entries, k)
			continue
		}
		entries[k] = entry{conns: e.conns}
	}
}

// Release ends a connection that was Admitted.
func (t *Addresses) Release(a netip.Addr, now int64) {
	k := Network(a)
	s := &t.shard[place(k)]
	s.Lock()
	defer s.Unlock()
	e := s.entries[k]
	switch e.conns--; {
	case e.conns > 0:
		s.entries[k] = e
		return
	case int64(e.connect) <= now:
		delete(s.entries, k)
		return
	}
	s.entries[k] = e
	if s.idle++; s.idle <= maxIdle {
		return
	}
	for k, e := range s.entries {
		if e.conns == 0 && int64(e.connect) <= now {
			delete(s.entries, k)
			s.idle--
		}
	}
	for k, e := range s.entries {
		if s.idle <= maxIdle*3/4 {
			return
		}
		if e.conns == 0 {
			delete(s.entries, k)
			s.idle--
		}
	}
}

// Len is how many addresses are held.
func (t *Addresses) Len() int {
	n := 0
	for i := range t.shard {
		s := &t.shard[i]
		s.Lock()
		n += len(s.entries)
		s.Unlock()
	}
	return n
}
