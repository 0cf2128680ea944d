package server

import (
	"testing"

	"castgate/server/frames"
)

func TestNodePool(t *testing.T) {
	var p nodePool
	var held []uint32
	for i := range 3 * nodeChunkLen {
		held = append(held, p.get(&frames.Frame{}))
		if i%3 == 0 {
			p.put(held[len(held)-1])
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
		p.put(n)
	}
	if p.used != 0 || len(p.chunks) > 1 {
		t.Errorf("%d used, %d chunks kept", p.used, len(p.chunks))
	}
}
