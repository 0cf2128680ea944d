package loadtest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTrack(t *testing.T) {
	for name, c := range map[string]struct {
		seqs     []uint32
		want     []verdict
		received uint32
	}{
		"in order":           {[]uint32{0, 1, 2}, []verdict{inOrder, inOrder, inOrder}, 3},
		"doubled at once":    {[]uint32{0, 0, 1}, []verdict{inOrder, duplicate, inOrder}, 2},
		"doubled later":      {[]uint32{0, 1, 2, 0}, []verdict{inOrder, inOrder, inOrder, duplicate}, 3},
		"lost":               {[]uint32{0, 2, 3}, []verdict{inOrder, ahead, inOrder}, 3},
		"first lost":         {[]uint32{1}, []verdict{ahead}, 1},
		"swapped":            {[]uint32{1, 0, 2}, []verdict{ahead, late, inOrder}, 3},
		"middle of a hole":   {[]uint32{5, 2, 2, 1, 3, 0, 4, 6}, []verdict{ahead, late, duplicate, late, late, late, late, inOrder}, 7},
		"hole from its end":  {[]uint32{3, 2, 1, 0, 1}, []verdict{ahead, late, late, late, duplicate}, 4},
		"between two holes":  {[]uint32{2, 5, 2, 5}, []verdict{ahead, ahead, duplicate, duplicate}, 2},
		"late comes doubled": {[]uint32{1, 0, 0}, []verdict{ahead, late, duplicate}, 2},
	} {
		var tr track
		var got []verdict
		for _, s := range c.seqs {
			got = append(got, tr.see(s))
		}
		if !slices.Equal(got, c.want) || tr.received() != c.received {
			t.Errorf("%s: %v, received %d; want %v, %d", name, got, tr.received(), c.want, c.received)
		}
	}
}

// Against a set, which is slow and obviously correct.
func TestTrackAgainstSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var tr track
	seen := map[uint32]bool{}
	var high uint32
	for range 4_000 {
		seq := uint32(max(0, int(high)+rng.IntN(60)-50))
		want := duplicate
		switch {
		case seq == high:
			want = inOrder
		case seq > high:
			want = ahead
		case !seen[seq]:
			want = late
		}
		if got := tr.see(seq); got != want {
			t.Fatalf("number %d after %d: verdict %d, want %d", seq, high, got, want)
		}
		seen[seq] = true
		high = max(high, seq+1)
		if int(tr.received()) != len(seen) {
			t.Fatalf("received %d, want %d", tr.received(), len(seen))
		}
	}
}

// A server that loses every other message forever costs a bounded amount of
// memory, and the count stays correct.
func TestTrackHolesAreBounded(t *testing.T) {
	var tr track
	const sent = 20_000
	for seq := uint32(1); seq < sent; seq += 2 {
		tr.see(seq)
	}
	if len(tr.holes.spans) != maxHoles {
		t.Errorf("%d ranges, want %d", len(tr.holes.spans), maxHoles)
	}
	if tr.received() != sent/2 {
		t.Errorf("received %d, want %d", tr.received(), sent/2)
	}
}

// A connection that opens in the middle of a stream: a message in flight at
// that moment may arrive if it comes first.
func TestTrackFrom(t *testing.T) {
	for name, c := range map[string]struct {
		seqs           []uint32
		want           []verdict
		received, owed uint32 // of a stream that has come to 8
	}{
		"nothing yet":             {nil, nil, 0, 3},
		"from there on":           {[]uint32{5, 6, 7}, []verdict{inOrder, inOrder, inOrder}, 3, 3},
		"the first lost":          {[]uint32{6, 7}, []verdict{ahead, inOrder}, 2, 3},
		"one under way":           {[]uint32{4, 5, 6, 7}, []verdict{inOrder, inOrder, inOrder, inOrder}, 4, 4},
		"under way, then a hole":  {[]uint32{4, 6, 7}, []verdict{inOrder, ahead, inOrder}, 3, 4},
		"under way, but too late": {[]uint32{5, 4, 6, 7}, []verdict{inOrder, duplicate, inOrder, inOrder}, 3, 3},
		"more than was sent":      {[]uint32{5, 6, 7, 8}, []verdict{inOrder, inOrder, inOrder, inOrder}, 4, 3},
	} {
		tr := trackFrom(5)
		var got []verdict
		for _, s := range c.seqs {
			got = append(got, tr.see(s))
		}
		if !slices.Equal(got, c.want) || tr.received() != c.received || tr.owed(8) != c.owed {
			t.Errorf("%s: %v, received %d of %d; want %v, %d of %d", name, got, tr.received(), tr.owed(8), c.want, c.received, c.owed)
		}
	}
	if tr := trackFrom(5); tr.owed(4) != 0 {
		t.Errorf("owed %d before it began", tr.owed(4))
	}
}
