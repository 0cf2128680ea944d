package quota

import (
	"slices"
	"testing"
)

// holdings are holders of a budget, each with a network and some bytes.
type holdings struct {
	Budget[int]
	of    map[int]holding
	taken []int
}

type holding struct {
	network uint64
	bytes   int
}

func newHoldings(limit, most int) *holdings {
	return &holdings{Budget: NewBudget[int](limit, most), of: map[int]holding{}}
}

func (h *holdings) holds(k int) bool { _, ok := h.of[k]; return ok }

// take has a holder give back.
func (h *holdings) take(k int) {
	h.Leave(h.of[k].network, h.of[k].bytes)
	delete(h.of, k)
	h.taken = append(h.taken, k)
}

// add adds a new holder, and takes memory back if it is too much.
func (h *holdings) add(k int, network uint64, bytes int) {
	h.of[k] = holding{network, bytes}
	h.Join(k, h.holds)
	if !h.Grow(network, bytes) {
		h.Relieve(func(k int) (uint64, bool) { return h.of[k].network, h.holds(k) }, h.take)
	}
}

// Memory is taken back from the network that holds most, its oldest first, until an eighth is
// free; who holds little keeps it.
func TestBudgetRelieves(t *testing.T) {
	h := newHoldings(8000, 100)
	h.add(1, 7, 100) // the oldest of all
	for k := range 79 {
		h.add(10+k, 9, 100)
	}
	if bytes, holders := h.Held(); bytes != 8000 || holders != 80 || h.taken != nil {
		t.Fatalf("%d bytes of %d, %v were taken back", bytes, holders, h.taken)
	}
	h.add(2, 8, 100) // one byte too many, of somebody else
	want := []int{10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	if !slices.Equal(h.taken, want) {
		t.Errorf("taken back from %v, want %v", h.taken, want)
	}
	if bytes, holders := h.Held(); bytes != 7000 || holders != 70 {
		t.Errorf("%d bytes of %d are held", bytes, holders)
	}
}

// If many networks hold a little each, the oldest gives back.
func TestBudgetOfMany(t *testing.T) {
	h := newHoldings(8000, 100)
	for k := range 81 {
		h.add(k, uint64(k), 100)
	}
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(h.taken, want) {
		t.Errorf("taken back from %v, want %v", h.taken, want)
	}
	if len(h.networks) != 70 || len(h.order) != 70 {
		t.Errorf("%d networks, an order of %d", len(h.networks), len(h.order))
	}
}

// Networks with half of the budget give back before those with a quarter.
func TestBudgetBySize(t *testing.T) {
	h := newHoldings(8000, 100)
	for k := range 24 {
		h.add(k, 1, 100) // more than a quarter, and older
	}
	for k := range 56 {
		h.add(100+k, 2, 100) // more than half
	}
	h.add(1000, 3, 1)
	if len(h.taken) != 11 || h.taken[0] != 100 {
		t.Errorf("taken back from %v", h.taken)
	}
}

// Who has given back is forgotten, however many come and go while one stays.
func TestBudgetForgets(t *testing.T) {
	h := newHoldings(1<<20, 100)
	h.add(0, 1, 100)
	for k := 1; k < 100_000; k++ {
		h.add(k, uint64(k), 100)
		h.take(k)
		if len(h.order) > 2*spareOrder {
			t.Fatalf("an order of %d for %d holders", len(h.order), h.count)
		}
	}
	h.take(0)
	if bytes, holders := h.Held(); bytes+holders+len(h.networks) != 0 {
		t.Errorf("%d bytes of %d holders in %d networks", bytes, holders, len(h.networks))
	}
}
