package loop

import (
	"math/rand/v2"
	"testing"
)

func TestSlotsNeverRepeatAGeneration(t *testing.T) {
	var s slots
	type owner struct {
		slot uint32
		c    *conn
	}
	used := map[[2]uint32]bool{}
	var held []owner
	random := rand.New(rand.NewPCG(1, 2))
	take := func() {
		slot, c, ok := s.acquire()
		if !ok {
			t.Fatal("no slot")
		}
		key := [2]uint32{slot, c.gen}
		if used[key] || c.gen == 0 {
			t.Fatalf("slot %d generation %d given twice", slot, c.gen)
		}
		used[key] = true
		c.state = connOpen
		held = append(held, owner{slot, c})
	}
	for range 20 {
		for range random.IntN(3000) {
			take()
		}
		random.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		keep := random.IntN(len(held) + 1)
		for _, o := range held[keep:] {
			s.release(o.slot, o.c)
		}
		held = held[:keep]
	}
	for _, o := range held {
		s.release(o.slot, o.c)
	}
	chunks := 0
	for slot := uint32(0); slot < s.extent(); slot += chunkLen {
		if s.chunkAt(slot) != nil {
			chunks++
		}
	}
	if chunks != 1 || s.empty != 1 {
		t.Errorf("%d chunks kept for no connection (empty %d)", chunks, s.empty)
	}
}

func TestSlotOfLastGenerationIsRetired(t *testing.T) {
	var s slots
	slot, c, _ := s.acquire()
	c.gen, c.state = lastGen, connOpen
	s.release(slot, c)
	for range chunkLen {
		if again, _, _ := s.acquire(); again == slot {
			t.Fatal("a retired slot was given again")
		}
	}
}
