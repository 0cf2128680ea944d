package frames

import (
	"testing"
)

func TestNodePool(t *testing.T) {
	var p Pool
	var held []uint32
	for i := range 3 * PoolChunk {
		held = append(held, p.Get(&Frame{}))
		if i%3 == 0 {
			p.Put(held[len(held)-1])
			held = held[:len(held)-1]
		}
	}
	seen := map[uint32]bool{}
	for _, n := range held {
		if n == 0 || seen[n] {
			t.Fatalf("node %d given twice", n)
		}
		seen[n] = true
	}
	for _, n := range held {
		p.Put(n)
	}
	if p.Used != 0 || len(p.chunks) > 1 {
		t.Errorf("%d used, %d chunks kept", p.Used, len(p.chunks))
	}
}
