package quota

import (
	"encoding/binary"
	"net/netip"
	"sync"
)

// Limits are the limits for one address.
type Limits struct {
	Conns    int  // concurrent connections; 0 is no limit
	Connects Rate // new connections
}

// On reports whether there is any limit.
func (l Limits) On() bool { return l.Conns > 0 || l.Connects.Limits() }

// Verdict is the result of Admit.
type Verdict uint8

// The verdicts.
const (
	Admitted Verdict = iota
	TooMany          // Limits.Conns connections are open
	TooFast          // Limits.Connects is exhausted
)

const (
	shards = 64
	// maxIdle is how many addresses without a connection a shard remembers.
	maxIdle = 1024
)

// Addresses counts connections by address: an IPv4 address, or a /64 of IPv6, the
// smallest network that a host is assigned (RFC 4291 section 2.5.4). It holds an
// entry for each address with a connection, whose number is bounded by the
// gateway's own limit, and for at most 65,536 others until their buckets have
// refilled. Beyond those it forgets some, which helps nobody: a client with that
// many networks gains nothing by it. All methods may be called from any goroutine.
// They call nothing while they hold a lock.
type Addresses struct {
	shard [shards]addressShard
}

type addressShard struct {
	sync.Mutex
	entries  map[uint64]entry
	idle     int  // number of entries without a connection
	connects Rate // the rate that the buckets count for
	_        [24]byte
}

// entry contains no pointer, so the garbage collector skips the table.
type entry struct {
	conns   int32
	connect Bucket
}

// Network returns the key of an address: an IPv4 address itself, or the /64 of an
// IPv6 address. IPv4 addresses are placed in 0:ffff::/32, where no IPv6 addresses
// are assigned. The key of an invalid address is 0.
func Network(a netip.Addr) uint64 {
	if !a.IsValid() {
		return 0
	}
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

// place returns the shard of a key by a multiplicative hash.
func place(k uint64) uint64 { return k * 0x9e3779b97f4a7c15 >> 58 }

// Admit counts a connection from a unless a limit is reached. Call Release once for
// each connection that was Admitted.
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

// Count counts an existing connection from a, whatever the limits are. Call Release
// for it as for one that was Admitted.
func (t *Addresses) Count(a netip.Addr) {
	k := Network(a)
	s := &t.shard[place(k)]
	s.Lock()
	defer s.Unlock()
	e, known := s.entries[k]
	s.add(k, e, known)
}

// add stores an entry with one more connection. The caller holds the lock.
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

// forget resets all buckets.
func forget(entries map[uint64]entry) {
	for k, e := range entries {
		if e.conns == 0 {
			delete(entries, k)
			continue
		}
		entries[k] = entry{conns: e.conns}
	}
}

// Release uncounts a connection.
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

// Len returns how many addresses are held.
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
