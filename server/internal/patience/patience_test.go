package patience

import (
	"math"
	"testing"
	"time"
)

const (
	tick     = 100 * time.Millisecond
	patience = 100 // ticks
	answer   = 30
)

// end is at which tick from start on a peer is ended, of which what is known at each look;
// 0 if it still is not after many.
func end(b *Book, start uint32, known func(since uint32) Peer) uint32 {
	for now := start; now-start < 10_000; {
		p := known(now - start)
		next, ok := b.Look(1, now, &p, patience, answer)
		switch {
		case !ok:
			return now - start
		case next-now == 0 || next-now > answer:
			panic("the next look is now, or later than an answer may come")
		}
		now = next
	}
	return 0
}

// Whatever the tick is, as it wraps around.
func TestLook(t *testing.T) {
	for what, k := range map[string]struct {
		known func(since uint32) Peer
		want  uint32
	}{
		"takes nothing": {func(since uint32) Peer {
			return Peer{Waits: true, Still: time.Duration(since) * tick}
		}, patience},
		"has taken nothing for a while": {func(since uint32) Peer {
			return Peer{Waits: true, Still: time.Duration(since+40) * tick}
		}, patience - 40},
		"takes little": {func(since uint32) Peer {
			return Peer{Waits: true, Edge: since}
		}, patience},
		"takes enough": {func(since uint32) Peer {
			return Peer{Waits: true, Edge: since * leastTaken}
		}, 0},
		"takes nothing, but may be reading": {func(since uint32) Peer {
			return Peer{Waits: true, Still: time.Duration(since) * tick, Sent: 8, Acked: 1 << 20} // two seconds
		}, patience + 20},
		"may be reading for long": {func(since uint32) Peer {
			return Peer{Waits: true, Still: time.Duration(since) * tick, Sent: 255, Acked: 1 << 20}
		}, 3 * patience},
		"has taken all and does not answer": {func(uint32) Peer { return Peer{} }, answer},
		"has taken all and reads": {func(since uint32) Peer {
			return Peer{Sent: 8, Acked: 1 << 20, Still: time.Duration(since) * tick}
		}, answer + 20},
		"has taken all long ago": {func(since uint32) Peer {
			return Peer{Still: time.Duration(since+25) * tick}
		}, answer - 25},
		"nothing was written for it": {func(uint32) Peer { return Peer{Queue: true} }, 0},
		"unknown":                    {func(uint32) Peer { return Peer{Waits: true, Still: math.MaxInt64} }, math.MaxUint32},
	} {
		for _, start := range []uint32{1 << 20, math.MaxUint32 - 50} {
			b := NewBook(tick)
			got := end(&b, start, k.known)
			if k.want == math.MaxUint32 {
				if got != 0 || b.Len() != 0 { // ended by the first look, which remembers nothing
					t.Errorf("%s, from %d on: ended after %d ticks", what, start, got)
				}
				continue
			}
			if got != k.want {
				t.Errorf("%s, from %d on: ended after %d ticks, want %d", what, start, got, k.want)
			}
		}
	}
}

// Once a peer has taken all there was, what it takes of later bytes gives it no more time.
func TestTakenAll(t *testing.T) {
	b := NewBook(tick)
	got := end(&b, 0, func(since uint32) Peer {
		return Peer{Waits: since > 0, Edge: since * leastTaken}
	})
	if got != answer {
		t.Errorf("ended after %d ticks, want %d", got, answer)
	}
}

// Who is forgiven is looked at as if for the first time, and nothing is kept of it.
func TestForgive(t *testing.T) {
	b := NewBook(tick)
	for slot := range uint32(3) {
		b.Look(slot, 10, &Peer{Waits: true}, patience, answer)
	}
	if b.Forgive(7); b.Len() != 3 {
		t.Errorf("%d are remembered, want 3", b.Len())
	}
	for slot := range uint32(3) {
		b.Forgive(slot)
	}
	if b.Len() != 0 || b.takers != nil {
		t.Error("a map is kept of nobody")
	}
	b.Look(1, 10, &Peer{Waits: true}, patience, answer)
	b.Forgive(1)
	if _, ok := b.Look(1, 10+2*patience, &Peer{Waits: true}, patience, answer); !ok {
		t.Error("one that was forgiven is ended")
	}
}

// Over many clients, what is counted is what was sent.
func TestSent(t *testing.T) {
	var s Sent
	counts := [100]uint8{}
	all := 0
	for i := range 5000 {
		n := i % 97
		counts[i%len(counts)] = s.Add(counts[i%len(counts)], n)
		all += n
	}
	units := 0
	for _, n := range counts {
		units += int(n)
	}
	if units != all/sentUnit {
		t.Errorf("%d units for %d bytes, want %d", units, all, all/sentUnit)
	}
	if n := s.Add(250, 1<<30); n != math.MaxUint8 {
		t.Errorf("the count of a lot is %d", n)
	}
}

func TestReading(t *testing.T) {
	b := NewBook(tick)
	for _, k := range []struct {
		sent  uint8
		acked uint64
		want  time.Duration
	}{{0, 1 << 30, 0}, {4, 1 << 30, time.Second}, {4, 1024, time.Second / 2}, {255, 1 << 30, MaxReading}} {
		if got := b.Reading(&Peer{Sent: k.sent, Acked: k.acked}); time.Duration(got)*tick != k.want {
			t.Errorf("%d units, %d acknowledged: %d ticks, want %v", k.sent, k.acked, got, k.want)
		}
	}
}
