package names

import (
	"math/rand/v2"
	"testing"
)

// wire carries messages of one node to the copy at another, badly.
type wire struct {
	rng  *rand.Rand
	own  *Own
	copy *Copy
	late []func()
}

func (w *wire) carry(do func()) {
	switch w.rng.IntN(10) {
	case 0: // lost
	case 1:
		w.late = append(w.late, do)
	case 2:
		do()
		w.late = append(w.late, do)
	default:
		do()
	}
	if len(w.late) > 0 && w.rng.IntN(3) == 0 {
		i := w.rng.IntN(len(w.late))
		do := w.late[i]
		w.late = append(w.late[:i], w.late[i+1:]...)
		do()
	}
}

// ask does what a node does whose copy is behind.
func (w *wire) ask() {
	if w.copy.Current() {
		return
	}
	from, part := w.copy.Missing()
	if changes, ok := w.own.Since(from); ok {
		w.carry(func() { w.copy.Apply(from, changes) })
		return
	}
	if from != 0 {
		part = 0
	}
	pos, hashes, next := w.own.Part(part)
	w.carry(func() { w.copy.Fill(pos, part, next, hashes) })
}

// A copy that says it is current lacks no name that was told of, however messages are
// lost, repeated and overtaken; and it gets current once that is over.
func TestCopy(t *testing.T) {
	for seed := range uint64(200) {
		w := &wire{rng: rand.New(rand.NewPCG(seed, 7)), own: NewOwn(func() {}, Faults{}), copy: &Copy{}}
		in := map[uint64]int{}
		for step := range uint64(400) {
			hash := w.rng.Uint64N(40)<<restBits + 1
			if in[hash] > 0 && w.rng.IntN(2) == 0 {
				in[hash]--
				w.own.Gone(hash)
			} else {
				in[hash]++
				w.own.Born(hash)
			}
			w.own.Sweep(step / 2)
			if w.rng.IntN(3) == 0 {
				after, changes := w.own.Take()
				w.carry(func() { w.copy.Apply(after, changes) })
			}
			if w.rng.IntN(10) == 0 {
				for _, changes := w.own.Take(); len(changes) > 0; _, changes = w.own.Take() {
				}
				w.copy.Heard(w.own.Told()) // a heartbeat
				for hash, n := range in {
					if n > 0 && !w.copy.May([]uint64{hash}) {
						t.Fatalf("seed %d, step %d: %x is missing", seed, step, hash)
					}
				}
			}
			w.ask()
		}
		w.copy.Heard(w.own.Told())
		for range 2000 {
			w.ask()
		}
		if !w.copy.Current() || w.copy.May([]uint64{9}) {
			t.Fatalf("seed %d: current %v with %d names", seed, w.copy.Current(), w.copy.Len())
		}
	}
}

// A node with too many names is asked about all.
func TestCopyIsLimited(t *testing.T) {
	c := &Copy{}
	c.Heard(5)
	c.set, c.next, c.applied = &Set{n: MaxNames}, Shards, 5
	c.Apply(5, []Change{Add(7)})
	if !c.Hopeless() || c.Current() || !c.May([]uint64{1}) || c.Position() != 6 {
		t.Errorf("%+v", c)
	}
}
