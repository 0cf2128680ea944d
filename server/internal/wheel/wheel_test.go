package wheel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// model is the wheel as a list of ids with their ticks.
type model struct {
	now     uint32
	horizon uint32
	ids     []timed
}

type timed struct{ id, at uint32 }

func (m *model) add(id, at uint32) {
	ahead := int32(at - m.now)
	ahead = max(ahead, 1)
	ahead = int32(min(uint32(ahead), m.horizon))
	m.ids = append(m.ids, timed{id, m.now + uint32(ahead)})
}

func (m *model) advance(now uint32) (due []uint32) {
	slices.SortStableFunc(m.ids, func(a, b timed) int { return int(int32(a.at - b.at)) })
	n := 0
	for n < len(m.ids) && int32(m.ids[n].at-now) <= 0 {
		due = append(due, m.ids[n].id)
		n++
	}
	m.ids = m.ids[n:]
	m.now = now
	return due
}

// reach moves both to a tick before the wrap-around, which takes two jumps.
func reach(w *Wheel, m *model, tick uint32) {
	for _, now := range []uint32{math.MaxInt32, tick} {
		w.Advance(now, nil)
		m.advance(now)
	}
}

func TestAgainstModel(t *testing.T) {
	for _, buckets := range []int{1, 2, 16, 512} {
		t.Run(fmt.Sprint(buckets), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, uint64(buckets)))
			w, m := New(buckets), &model{horizon: uint32(buckets)}
			reach(w, m, math.MaxUint32-1000)
			for step := range 5000 {
				for range r.IntN(20) {
					id := r.Uint32()
					at := w.Now() + uint32(r.IntN(3*buckets)-buckets/2)
					if r.IntN(50) == 0 {
						at = r.Uint32()
					}
					w.Add(id, at)
					m.add(id, at)
				}
				now := w.Now() + uint32(r.IntN(3))
				if r.IntN(200) == 0 {
					now += uint32(r.IntN(3 * buckets)) // a stall, perhaps past the horizon
				}
				got, want := w.Advance(now, []uint32{7}), append([]uint32{7}, m.advance(now)...)
				if !slices.Equal(got, want) {
					t.Fatalf("step %d, tick %d: %v, want %v", step, now, got, want)
				}
				if w.Now() != now || w.Len() != len(m.ids) {
					t.Fatalf("Now %d, Len %d; want %d, %d", w.Now(), w.Len(), now, len(m.ids))
				}
			}
			if w.Now() > math.MaxInt32 {
				t.Fatal("the ticks have not wrapped around")
			}
		})
	}
}

func TestLateAndFarAway(t *testing.T) {
	w := New(8)
	w.Advance(100, nil)
	w.Add(1, 100)      // now
	w.Add(2, 3)        // long ago
	w.Add(3, 108)      // the horizon
	w.Add(4, 109)      // beyond
	w.Add(5, 50+1<<31) // far beyond
	if got := w.Advance(101, nil); !slices.Equal(got, []uint32{1, 2}) {
		t.Errorf("tick 101: %v", got)
	}
	if got := w.Advance(107, nil); len(got) != 0 {
		t.Errorf("tick 107: %v", got)
	}
	for _, now := range []uint32{107, 90, 0, 1<<31 + 200} {
		if got := w.Advance(now, nil); len(got) != 0 || w.Now() != 107 {
			t.Errorf("going back to %d: %v, Now %d", now, got, w.Now())
		}
	}
	if got := w.Advance(math.MaxInt32, nil); !slices.Equal(got, []uint32{3, 4, 5}) || w.Len() != 0 {
		t.Errorf("a long jump: %v, %d left", got, w.Len())
	}
}

func TestNewPanics(t *testing.T) {
	for _, n := range []int{-1, 0, 3, 1 << 21} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%d) did not panic", n)
				}
			}()
			New(n)
		}()
	}
}

// connections has n ids that expire every period ticks and are added again, as
// pings do. They are spread over the period.
type connections struct {
	w      *Wheel
	period uint32
	due    []uint32
}

func newConnections(n int, period uint32) *connections {
	c := &connections{w: New(512), period: period}
	for i := range n {
		c.w.Add(uint32(i), uint32(i)%period)
	}
	return c
}

func (c *connections) tick() {
	now := c.w.Now() + 1
	c.due = c.w.Advance(now, c.due[:0])
	for _, id := range c.due {
		c.w.Add(id, now+c.period)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for name, c := range map[string]*connections{
		"spread": newConnections(100_000, 250),
		"spikes": newConnections(100_000, 1),
	} {
		c.period = 250 // the load comes in spikes again
		for range 2 * 512 {
			c.tick()
		}
		if n := testing.AllocsPerRun(512, c.tick); n != 0 {
			t.Errorf("%s: %v allocations per tick", name, n)
		}
		if c.w.Len() != 100_000 {
			t.Errorf("%s: %d ids", name, c.w.Len())
		}
	}
}

func TestMemory(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const n = 1_000_000
	before := heap()
	w := New(512)
	for i := range uint32(n) {
		w.Add(i, i%512)
	}
	each := float64(heap()-before) / n
	t.Logf("%.2f bytes per id", each)
	if each > 8 {
		t.Errorf("%.2f bytes per id", each)
	}
	// A few ids stay; all other memory must be freed within two revolutions.
	w.Advance(600, make([]uint32, 0, n))
	for now := range uint32(2 * 512) {
		w.Add(now, 0)
		w.Advance(600+1+now, nil)
	}
	if left := heap() - before; left > 64<<10 {
		t.Errorf("%d bytes are kept for an empty wheel", left)
	}
	if len(w.free) > 8 || cap(w.free) > 1024 {
		t.Errorf("%d chunks of %d kept", len(w.free), cap(w.free))
	}
	runtime.KeepAlive(w)
}

// One tick of a loop with a million connections that are pinged every 25 s.
func BenchmarkTick(b *testing.B) {
	c := newConnections(1_000_000, 250)
	for range 512 {
		c.tick()
	}
	b.ReportAllocs()
	for b.Loop() {
		c.tick()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4000, "ns/id")
}

func BenchmarkAdd(b *testing.B) {
	w := New(512)
	b.ReportAllocs()
	i := uint32(0)
	due := make([]uint32, 0, 1<<16)
	for b.Loop() {
		if i++; i%(1<<16) == 0 {
			due = w.Advance(w.Now()+512, due[:0])
		}
		w.Add(i, i%512)
	}
}
