package names

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// A set does what a map does, through growing and shrinking, with hashes that meet.
func TestSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var s Set
	model := map[uint64]uint16{}
	for round := range 60_000 {
		hash := rng.Uint64N(3)<<restBits | rng.Uint64N(400)<<20 + 1
		put := rng.IntN(3) > 0
		if round/10_000%2 == 1 {
			put = rng.IntN(4) == 0
		}
		if put {
			s.Put(hash, uint16(round))
			model[hash] = uint16(round)
		} else {
			s.Delete(hash)
			delete(model, hash)
		}
		probe := rng.Uint64N(3)<<restBits | rng.Uint64N(400)<<20 + 1
		got, ok := s.Get(probe)
		if want, there := model[probe]; got != want || ok != there {
			t.Fatalf("round %d: %x is %d, %v; want %d, %v", round, probe, got, ok, want, there)
		}
	}
	var all, want []uint64
	for part := range Shards {
		all = s.AppendShard(all, part)
	}
	for hash := range model {
		want = append(want, hash)
	}
	slices.Sort(all)
	slices.Sort(want)
	if !slices.Equal(all, want) || s.Len() != len(want) {
		t.Errorf("%d hashes of %d, Len %d", len(all), len(want), s.Len())
	}
}

// bytesPerName is what a set of so many names weighs, each.
func bytesPerName(n int) float64 {
	rng := rand.New(rand.NewPCG(2, 2))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := &Set{}
	for range n {
		s.Put(rng.Uint64N(1<<hashBits-1)+1, 0)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(s)
	return float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
}

// A name weighs at most 16 bytes, whatever the number of names is.
func TestSetMemory(t *testing.T) {
	for n := 100_000; n < 500_000; n = n * 5 / 4 {
		if got := bytesPerName(n); got > 16 {
			t.Errorf("%.1f bytes a name with %d names", got, n)
		}
	}
}

// BenchmarkSetMemory reports what 10 M names weigh.
func BenchmarkSetMemory(b *testing.B) {
	for range b.N {
		b.ReportMetric(bytesPerName(10_000_000), "bytes/name")
	}
}

// BenchmarkSetGet looks for names that are not there, among 1 M.
func BenchmarkSetGet(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 3))
	s := &Set{}
	for range 1_000_000 {
		s.Put(rng.Uint64N(1<<hashBits-1)+1, 0)
	}
	for b.Loop() {
		s.Get(rng.Uint64N(1<<hashBits-1) + 1)
	}
}
