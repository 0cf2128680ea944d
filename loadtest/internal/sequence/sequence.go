// Package sequence follows the numbers of a stream of messages: which are missing, late
// or duplicates.
package sequence

import (
	"slices"
)

// maxHoles limits the ranges of missing numbers kept for one connection and
// stream.
const maxHoles = 1024

// Track follows the sequence numbers of one stream on one connection. The zero
// value expects 0. It takes 16 bytes while nothing is missing.
type Track struct {
	Base  uint32 // the first number that must arrive
	Next  uint32 // one more than the highest number seen
	holes *holes // numbers missing between them, nil if none is
}

// From expects numbers from base on. A message that was in flight when the
// connection opened may also arrive, if it comes before all others.
func From(base uint32) Track { return Track{Base: base, Next: base} }

// holes are the missing numbers below Track.Next as ranges, ascending.
type holes struct {
	spans []span
	// forgotten counts missing numbers for which maxHoles left no range: they
	// count as lost for good, and as duplicates if they arrive later.
	forgotten uint32
}

// span is the half-open range of numbers from to to.
type span struct{ from, to uint32 }

// Verdict classifies a sequence number.
type Verdict uint8

const (
	InOrder   Verdict = iota // the expected number
	Ahead                    // numbers were skipped and are missing for now
	Late                     // a missing number: reordered
	Duplicate                // seen before
)

// See records the number of a received message.
func (t *Track) See(seq uint32) Verdict {
	switch {
	case seq == t.Next:
		t.Next++
		return InOrder
	case seq < t.Base && t.Next == t.Base:
		t.Base, t.Next = seq, seq+1
		return InOrder
	case seq > t.Next:
		t.skip(span{t.Next, seq})
		t.Next = seq + 1
		return Ahead
	case t.holes != nil && t.holes.fill(seq):
		return Late
	}
	return Duplicate
}

func (t *Track) skip(s span) {
	if t.holes == nil {
		t.holes = &holes{}
	}
	if len(t.holes.spans) == maxHoles {
		t.holes.forgotten += s.to - s.from
		return
	}
	t.holes.spans = append(t.holes.spans, s)
}

// fill removes seq from the missing numbers and reports whether it was missing.
func (h *holes) fill(seq uint32) bool {
	i, _ := slices.BinarySearchFunc(h.spans, seq, func(s span, seq uint32) int {
		if s.to <= seq {
			return -1
		}
		if s.from > seq {
			return 1
		}
		return 0
	})
	if i == len(h.spans) || seq < h.spans[i].from {
		return false
	}
	s := &h.spans[i]
	switch {
	case s.from+1 == s.to:
		h.spans = slices.Delete(h.spans, i, i+1)
	case s.from == seq:
		s.from++
	case s.to == seq+1:
		s.to--
	default:
		rest := span{seq + 1, s.to}
		s.to = seq
		if len(h.spans) == maxHoles {
			h.forgotten += rest.to - rest.from
			break
		}
		h.spans = slices.Insert(h.spans, i+1, rest)
	}
	return true
}

// Owed is how many numbers must have been seen once the stream has reached
// next.
func (t *Track) Owed(next uint32) uint32 { return max(next, t.Base) - t.Base }

// Received is how many different numbers were seen.
func (t *Track) Received() uint32 {
	n := t.Next - t.Base
	if t.holes != nil {
		n -= t.holes.forgotten
		for _, s := range t.holes.spans {
			n -= s.to - s.from
		}
	}
	return n
}
