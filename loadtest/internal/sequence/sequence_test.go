package sequence

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTrack(t *testing.T) {
	for name, c := range map[string]struct {
		seqs     []uint32
		want     []Verdict
		received uint32
	}{
		"in order":           {[]uint32{0, 1, 2}, []Verdict{InOrder, InOrder, InOrder}, 3},
		"doubled at once":    {[]uint32{0, 0, 1}, []Verdict{InOrder, Duplicate, InOrder}, 2},
		"doubled later":      {[]uint32{0, 1, 2, 0}, []Verdict{InOrder, InOrder, InOrder, Duplicate}, 3},
		"lost":               {[]uint32{0, 2, 3}, []Verdict{InOrder, Ahead, InOrder}, 3},
		"first lost":         {[]uint32{1}, []Verdict{Ahead}, 1},
		"swapped":            {[]uint32{1, 0, 2}, []Verdict{Ahead, Late, InOrder}, 3},
		"middle of a hole":   {[]uint32{5, 2, 2, 1, 3, 0, 4, 6}, []Verdict{Ahead, Late, Duplicate, Late, Late, Late, Late, InOrder}, 7},
		"hole from its end":  {[]uint32{3, 2, 1, 0, 1}, []Verdict{Ahead, Late, Late, Late, Duplicate}, 4},
		"between two holes":  {[]uint32{2, 5, 2, 5}, []Verdict{Ahead, Ahead, Duplicate, Duplicate}, 2},
		"late comes doubled": {[]uint32{1, 0, 0}, []Verdict{Ahead, Late, Duplicate}, 2},
	} {
		var tr Track
		var got []Verdict
		for _, s := range c.seqs {
			got = append(got, tr.See(s))
		}
		if !slices.Equal(got, c.want) || tr.Received() != c.received {
			t.Errorf("%s: %v, received %d; want %v, %d", name, got, tr.Received(), c.want, c.received)
		}
	}
}

// Against a set, which is slow and obviously correct.
func TestTrackAgainstSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var tr Track
	seen := map[uint32]bool{}
	var high uint32
	for range 4_000 {
		seq := uint32(max(0, int(high)+rng.IntN(60)-50))
		want := Duplicate
		switch {
		case seq == high:
			want = InOrder
		case seq > high:
			want = Ahead
		case !seen[seq]:
			want = Late
		}
		if got := tr.See(seq); got != want {
			t.Fatalf("number %d after %d: verdict %d, want %d", seq, high, got, want)
		}
		seen[seq] = true
		high = max(high, seq+1)
		if int(tr.Received()) != len(seen) {
			t.Fatalf("received %d, want %d", tr.Received(), len(seen))
		}
	}
}

// A server that loses every other message forever costs a bounded amount of
// memory, and the count stays correct.
func TestTrackHolesAreBounded(t *testing.T) {
	var tr Track
	const sent = 20_000
	for seq := uint32(1); seq < sent; seq += 2 {
		tr.See(seq)
	}
	if len(tr.holes.spans) != maxHoles {
		t.Errorf("%d ranges, want %d", len(tr.holes.spans), maxHoles)
	}
	if tr.Received() != sent/2 {
		t.Errorf("received %d, want %d", tr.Received(), sent/2)
	}
}

// A connection that opens in the middle of a stream: a message in flight at
// that moment may arrive if it comes first.
func TestTrackFrom(t *testing.T) {
	for name, c := range map[string]struct {
		seqs           []uint32
		want           []Verdict
		received, owed uint32 // of a stream that has come to 8
	}{
		"nothing yet":             {nil, nil, 0, 3},
		"from there on":           {[]uint32{5, 6, 7}, []Verdict{InOrder, InOrder, InOrder}, 3, 3},
		"the first lost":          {[]uint32{6, 7}, []Verdict{Ahead, InOrder}, 2, 3},
		"one under way":           {[]uint32{4, 5, 6, 7}, []Verdict{InOrder, InOrder, InOrder, InOrder}, 4, 4},
		"under way, then a hole":  {[]uint32{4, 6, 7}, []Verdict{InOrder, Ahead, InOrder}, 3, 4},
		"under way, but too late": {[]uint32{5, 4, 6, 7}, []Verdict{InOrder, Duplicate, InOrder, InOrder}, 3, 3},
		"more than was sent":      {[]uint32{5, 6, 7, 8}, []Verdict{InOrder, InOrder, InOrder, InOrder}, 4, 3},
	} {
		tr := From(5)
		var got []Verdict
		for _, s := range c.seqs {
			got = append(got, tr.See(s))
		}
		if !slices.Equal(got, c.want) || tr.Received() != c.received || tr.Owed(8) != c.owed {
			t.Errorf("%s: %v, received %d of %d; want %v, %d of %d", name, got, tr.Received(), tr.Owed(8), c.want, c.received, c.owed)
		}
	}
	if tr := From(5); tr.Owed(4) != 0 {
		t.Errorf("owed %d before it began", tr.Owed(4))
	}
}
