package rounds

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// walkers is a log and the places that a walk carries it to.
type walkers struct {
	Log[int]
	cursor uint32
	seen   []uint32
	got    [][]int
}

func newWalkers(places int, seq uint32) *walkers {
	w := &walkers{seen: make([]uint32, places), got: make([][]int, places)}
	w.seq = seq
	for i := range w.seen {
		w.seen[i] = seq
	}
	return w
}

// give gives a place what it has yet to get.
func (w *walkers) give(place uint32) {
	newer := w.Newer(w.seen[place])
	for i := range newer {
		e := &newer[i]
		w.seen[place] = e.Seq
		e.Given++
		w.got[place] = append(w.got[place], e.Value)
	}
}

// step goes on to the next place, and returns what retires.
func (w *walkers) step() (retired []Entry[int]) {
	if int(w.cursor) == len(w.seen) {
		w.cursor = 0
		w.Around()
	}
	for w.Done(w.cursor) {
		retired = append(retired, w.Retire())
	}
	if w.Len() > 0 {
		w.give(w.cursor)
		w.cursor++
	}
	return retired
}

// However appending, walking and giving early mix: every place gets everything once, in order,
// and what retires has been given to all. Numbers wrap around.
func TestEveryPlaceGetsEverything(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(3, seed))
		places := 1 + random.IntN(7)
		w := newWalkers(places, math.MaxUint32-uint32(random.IntN(40)))
		var want []int
		var retired []int
		took := func(entries []Entry[int]) {
			for _, e := range entries {
				if e.Given != places || e.Meant != places {
					t.Fatalf("seed %d: entry %d retires, given to %d of %d", seed, e.Value, e.Given, e.Meant)
				}
				retired = append(retired, e.Value)
			}
		}
		for i := range 200 {
			switch random.IntN(4) {
			case 0:
				w.Append(i, places, w.cursor)
				want = append(want, i)
			case 1:
				w.give(uint32(random.IntN(places)))
			default:
				took(w.step())
			}
		}
		steps := 0
		for ; w.Len() > 0; steps++ {
			if took(w.step()); steps > 2*places+2 {
				t.Fatalf("seed %d: %d entries are left after %d steps", seed, w.Len(), steps)
			}
		}
		if !slices.Equal(retired, want) {
			t.Fatalf("seed %d: %v retire, want %v", seed, retired, want)
		}
		for place, got := range w.got {
			if !slices.Equal(got, want) || w.seen[place] != w.Seq() {
				t.Fatalf("seed %d: place %d got %v, want %v", seed, place, got, want)
			}
		}
	}
}

// An entry retires when the walk has come round to where it stood, no earlier and no later.
func TestDone(t *testing.T) {
	w := newWalkers(5, 0)
	w.cursor = 3
	w.Append(1, 5, 3)
	for i := range 5 {
		if len(w.step()) != 0 {
			t.Fatalf("it retires after %d places", i)
		}
	}
	if len(w.step()) != 1 {
		t.Error("it does not retire after a whole round")
	}
	if w.Done(0) || w.Len() != 0 {
		t.Error("an empty log has something to retire")
	}
}

// A place that has come since an entry is not given it.
func TestNewer(t *testing.T) {
	var l Log[string]
	l.Append("a", 1, 0)
	l.Append("b", 1, 0)
	seen := l.Seq()
	l.Append("c", 1, 0)
	if newer := l.Newer(seen); len(newer) != 1 || newer[0].Value != "c" {
		t.Errorf("%v", newer)
	}
	if n := len(l.Newer(l.Seq())); n != 0 {
		t.Errorf("%d entries for one that has got all", n)
	}
	l.Retire()
	if newer := l.Newer(0); len(newer) != 2 || newer[0].Value != "b" {
		t.Errorf("%v of those that are left", newer)
	}
	if l.End(); l.Len() != 0 || len(l.Newer(0)) != 0 || l.Seq() != 3 {
		t.Errorf("%d entries at the end", l.Len())
	}
}

// A log that is emptied again and again takes no new memory, and neither does one that always
// holds something.
func TestLogMemory(t *testing.T) {
	var l Log[[4]int]
	round := func() {
		for range 10 {
			l.Append([4]int{}, 1, 0)
		}
		for l.Len() > 0 {
			l.Retire()
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%.1f allocations for ten entries", n)
	}
	busy := func() {
		l.Append([4]int{}, 1, 0)
		if l.Len() > 5 {
			l.Retire()
		}
	}
	for range 100 {
		busy()
	}
	if n := testing.AllocsPerRun(1000, busy); n != 0 {
		t.Errorf("%.1f allocations for an entry beside five", n)
	}
	if n := cap(l.entries); n > 64 {
		t.Errorf("room for %d entries is kept for five", n)
	}
}
