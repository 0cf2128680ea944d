package history

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"castgate/server/gateway"
)

// Misses are remembered by name, each at one place, which another name may take.
const (
	missShards = 16
	missPlaces = 64 // of a shard
)

// missKey is the name of a uid or a client.
type missKey struct {
	uid  bool
	name string
}

// miss is pushes to a name that matched nobody. Times are Unix times in milliseconds.
type miss struct {
	missKey
	first, last int64
	count       uint64
}

// misses remember pushes that matched nobody.
type misses struct {
	once   sync.Once
	seed   maphash.Seed
	shards [missShards]missShard
}

type missShard struct {
	mu     sync.Mutex
	places [missPlaces]miss
}

// place is where a name is.
func (m *misses) place(k missKey) (*missShard, *miss) {
	m.once.Do(func() { m.seed = maphash.MakeSeed() })
	h := maphash.String(m.seed, k.name)
	if k.uid {
		h = ^h
	}
	s := &m.shards[h%missShards]
	return s, &s.places[h/missShards%missPlaces]
}

// note counts a push to a name, of which the longest is that of a client id.
func (m *misses) note(k missKey, now int64) {
	if len(k.name) > gateway.MaxNameLen {
		return // no client ever had it
	}
	s, p := m.place(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.missKey != k {
		*p = miss{missKey: missKey{k.uid, strings.Clone(k.name)}, first: now}
	}
	p.last = now
	p.count++
}

// of returns what is remembered of a name: nothing or one.
func (m *misses) of(k missKey) []gateway.PastMiss {
	s, p := m.place(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.count == 0 || p.missKey != k {
		return nil
	}
	return []gateway.PastMiss{{First: time.UnixMilli(p.first), Last: time.UnixMilli(p.last), Count: p.count}}
}
