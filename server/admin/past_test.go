package admin

import "testing"

// The past is an hour in fixed memory; a long part of it is thinned out, but the newest
// sample is always there.
func TestPast(t *testing.T) {
	var p past
	const all = samplesKept + 100
	for i := range all {
		p.add(sample{At: int64(i)}, map[string]uint64{"slow": uint64(i)}, map[string]uint64{"kicked": 1, "slow": 2})
	}
	if len(p.samples) != samplesKept {
		t.Fatalf("%d samples are kept", len(p.samples))
	}
	read := func(after int64, most int) (at []int64) {
		p.since(after, most, func(s *sample) {
			if s.Drops[0] != uint64(s.At) || len(s.Closes) != 2 {
				t.Errorf("%+v", s)
			}
			at = append(at, s.At)
		})
		return at
	}
	if at := read(-1, samplesKept); len(at) != samplesKept || at[0] != 100 || at[len(at)-1] != all-1 {
		t.Errorf("all: %d, %v…", len(at), at[:3])
	}
	if at := read(all-4, 600); len(at) != 3 || at[0] != all-3 {
		t.Errorf("the last: %v", at)
	}
	if at := read(-1, 600); len(at) > 600 || at[len(at)-1] != all-1 || at[1]-at[0] != at[2]-at[1] {
		t.Errorf("thinned: %d, %v…", len(at), at[:3])
	}
	if at := read(all, 600); len(at) != 0 {
		t.Errorf("nothing new: %v", at)
	}
	if drops, closes := p.reasons(); len(drops) != 1 || len(closes) != 2 {
		t.Errorf("%v %v", drops, closes)
	}
}
