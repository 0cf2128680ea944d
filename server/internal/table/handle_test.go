package table

import "testing"

func TestHandleParts(t *testing.T) {
	for _, c := range []struct {
		loop uint8
		slot uint32
		gen  uint32
		want Handle
	}{
		{0, 0, 1, 1},
		{1, 2, 3, 0x01_000002_00000003},
		{255, MaxSlots - 1, 1<<32 - 1, 1<<64 - 1},
	} {
		h := MakeHandle(c.loop, c.slot, c.gen)
		if h != c.want || h.Loop() != int(c.loop) || h.Slot() != c.slot || h.Gen() != c.gen {
			t.Errorf("%v: %x, loop %d, slot %d, gen %d", c, h, h.Loop(), h.Slot(), h.Gen())
		}
	}
}

func TestOutOfRangePanics(t *testing.T) {
	for name, f := range map[string]func(){
		"slot":        func() { MakeHandle(0, MaxSlots, 1) },
		"no loops":    func() { New(0) },
		"many loops":  func() { New(MaxLoops + 1) },
		"zero handle": func() { New(1).Add("a", 0) },
		"loop":        func() { New(3).Add("a", MakeHandle(3, 0, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestHashKeepsLoopAndSpreads(t *testing.T) {
	const n = 1 << 16
	g := makeLayout(5)
	var slots [1 << 8]int
	for i := range n {
		h := MakeHandle(4, uint32(i), 1)
		x := g.hash(h)
		if x&7 != 4 {
			t.Fatalf("hash %x of a handle of loop 4", x)
		}
		slots[x>>3%(1<<8)]++
	}
	for i, got := range slots {
		if mean := n / len(slots); got < mean/2 || got > 2*mean {
			t.Errorf("%d of %d consecutive handles fall into place %d of %d", got, n, i, len(slots))
		}
	}
}
