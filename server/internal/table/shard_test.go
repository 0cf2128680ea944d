package table

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(shard{}); n != 64 {
		t.Errorf("a shard is %d bytes, not a cache line", n)
	}
	if n := unsafe.Sizeof(Entry{}); n > 48 {
		t.Errorf("an entry is %d bytes", n)
	}
	if n := unsafe.Sizeof(Snapshot{}); n > 64 {
		t.Errorf("a snapshot is %d bytes", n)
	}
}

// The hashes are chosen so that runs of equal tags and homes occur, also across the
// end of the slots.
func TestShardAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, tags := range []uint32{2, 40, 1000} {
		var s shard
		want := map[string]*Entry{}
		hashOf := func(name int) uint64 {
			tag := uint32(name) % tags
			return uint64(^uint32(0) - tag*tag*1000) // crowds the upper end
		}
		for step := range 12_000 {
			name := r.IntN(400)
			key := fmt.Sprint(name)
			hash := hashOf(name)
			if e := s.find(hash, key); e != want[key] {
				t.Fatalf("step %d: find %q: %v, want %v", step, key, e, want[key])
			}
			grow := step/2000%2 == 0
			switch e := want[key]; {
			case e == nil && (grow || step%4 == 0):
				want[key] = &Entry{name: key, hash: hash}
				s.insert(want[key])
			case e != nil && (!grow || step%4 == 0):
				s.delete(e)
				delete(want, key)
			}
			if s.n != len(want) || len(s.tags) > leastSlots && 4*s.n < len(s.tags) || 5*s.n > 4*len(s.tags) {
				t.Fatalf("step %d: %d of %d in %d slots", step, s.n, len(want), len(s.tags))
			}
		}
		for key, e := range want {
			if s.find(e.hash, key) != e {
				t.Fatalf("%q is lost", key)
			}
		}
	}
}
