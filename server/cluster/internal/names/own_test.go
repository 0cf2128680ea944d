package names

import "testing"

// told is what an Own has to tell, as hashes; removed ones are negative.
func told(o *Own) (list []int64) {
	_, changes := o.Take()
	for _, c := range changes {
		hash := int64(c.Hash())
		if c.Removes() {
			hash = -hash
		}
		list = append(list, hash)
	}
	return list
}

func expectTold(t *testing.T, o *Own, what string, want ...int64) {
	t.Helper()
	got := told(o)
	if len(got) != len(want) {
		t.Fatalf("%s: told %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: told %v, want %v", what, got, want)
		}
	}
}

// A name is told once, lingers, may come back without a word, and is removed once it
// has been gone for long.
func TestLinger(t *testing.T) {
	woken := 0
	o := NewOwn(func() { woken++ }, Faults{})
	o.Sweep(100)
	o.Born(1)
	o.Born(1)
	o.Born(2)
	expectTold(t, o, "new", 1, 2)
	o.Gone(1)
	o.Gone(2)
	o.Sweep(100 + lingerTicks/2)
	o.Born(2)
	o.Gone(1)
	expectTold(t, o, "gone and back")
	o.Sweep(100 + lingerTicks)
	expectTold(t, o, "lingers from its last death on")
	o.Gone(2)
	o.Born(2)
	o.Sweep(100 + 2*lingerTicks)
	expectTold(t, o, "gone", -1)
	o.Gone(2)
	o.Sweep(100 + 4*lingerTicks)
	expectTold(t, o, "the other one too", -2)
	o.Gone(2) // it is not there
	o.Born(2)
	expectTold(t, o, "back after all", 2)
	if woken == 0 || o.Len() != 1 {
		t.Errorf("woken %d times, %d names", woken, o.Len())
	}
}

// A name that is new has to be heard of, one that all have heard of has not.
func TestHold(t *testing.T) {
	o := NewOwn(func() {}, Faults{})
	first := o.Hold([]uint64{1, 2})
	if again := o.Hold([]uint64{1}); again == 0 || again > first {
		t.Errorf("needs %d, the same again %d", first, again)
	}
	o.Take()
	o.HeardBy(first - 1)
	if need := o.Hold([]uint64{1}); need != 0 {
		t.Errorf("what was heard needs %d", need)
	}
	if need := o.Hold([]uint64{2, 3}); need <= first {
		t.Errorf("needs %d", need)
	}
	o.HeardBy(1 << 60)
	if need := o.Hold([]uint64{1, 2, 3}); need != 0 {
		t.Errorf("what all have heard needs %d", need)
	}
	if !o.Holds([]uint64{9, 3}) || o.Holds([]uint64{9}) {
		t.Error("does not know what it holds")
	}
}

// Changes that are not known any more have to be replaced by all names, and what has
// not been told for too long is not told one by one.
func TestLogIsLimited(t *testing.T) {
	o := NewOwn(func() {}, Faults{})
	hash := func(i uint64) uint64 { return i << (hashBits - 17) }
	for i := range uint64(logLen + 10) {
		o.Born(hash(i + 1))
	}
	if after, changes := o.Take(); len(changes) != 0 || after != logLen+11 {
		t.Errorf("%d changes after %d", len(changes), after)
	}
	if _, ok := o.Since(5); ok {
		t.Error("knows changes that it can't know")
	}
	if changes, ok := o.Since(100); !ok || len(changes) != MaxChanges || changes[0].Hash() != hash(100) {
		t.Errorf("%d changes, %v", len(changes), ok)
	}
	if need := o.Hold([]uint64{hash(1)}); need == 0 { // there are too many to know each
		t.Error("a name that nobody has heard of needs nothing")
	}
	o.HeardBy(o.Told())
	if need := o.Hold([]uint64{hash(1), hash(logLen + 10)}); need != 0 {
		t.Errorf("what all have heard needs %d", need)
	}
}
