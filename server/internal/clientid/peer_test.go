package clientid

import (
	"net/netip"
	"testing"
)

func TestPermutation(t *testing.T) {
	p, err := newPermutation()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	steps := map[uint32]int{}
	last := uint32(0)
	for i := range 20_000 {
		v := p.next()
		if seen[v] {
			t.Fatalf("%d came twice", v)
		}
		seen[v] = true
		steps[v-last]++
		last = v
		if p.order(v) != uint64(i) {
			t.Fatalf("%d was number %d, order says %d", v, i, p.order(v))
		}
	}
	for step, n := range steps {
		if n > 3 {
			t.Errorf("%d of 20,000 steps are %d", n, step)
		}
	}
}

// An id that is 0 or in use is skipped.
func TestConnectionIDsInUse(t *testing.T) {
	ids := []uint32{0, 7, 7, 0, 8}
	p, err := NewPeers(netip.MustParseAddrPort("10.0.0.1:1"), func() uint32 {
		id := ids[0]
		ids = ids[1:]
		return id
	})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := p.Give(1), p.Give(2); a != 7 || b != 8 || p.Handle(7) != 1 || p.Handle(8) != 2 {
		t.Errorf("given %d and %d", a, b)
	}
	if p.Release(7); p.Handle(7) != 0 {
		t.Error("an id outlives its use")
	}
}
