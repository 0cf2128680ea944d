package gatewayworker

import "testing"

type item struct {
	n    int
	next *item
}

func (i *item) behind() **item { return &i.next }

func TestLine(t *testing.T) {
	var l line[*item]
	if l.pop() != nil || !l.empty() {
		t.Error("an empty line has somebody")
	}
	items := [3]item{{n: 0}, {n: 1}, {n: 2}}
	for round := range 3 { // the items are used again
		for i := range items {
			l.push(&items[i])
		}
		for i := range items {
			if got := l.pop(); got != &items[i] || got.next != nil {
				t.Fatalf("round %d: item %d is %v", round, i, got)
			}
		}
		if !l.empty() || l.pop() != nil {
			t.Fatal("the line is not empty")
		}
	}
	l.push(&items[0])
	l.pop()
	l.push(&items[1])
	l.push(&items[2])
	if l.pop() != &items[1] || l.pop() != &items[2] {
		t.Error("a line that was empty has lost its order")
	}
}

func TestSpares(t *testing.T) {
	var s spares[*item]
	for range 2 {
		for range keepSpare + 10 {
			s.keep(new(item))
		}
		n := 0
		for s.get() != nil {
			n++
		}
		if n != keepSpare {
			t.Errorf("%d are kept, want %d", n, keepSpare)
		}
	}
}

// A newcomer goes first, but every other turn belongs to those who have waited longer.
func TestRota(t *testing.T) {
	var r rota[*item]
	for i := range 3 {
		r.quick.push(&item{n: 10 + i})
		r.line.push(&item{n: 20 + i})
	}
	for i, want := range []int{10, 20, 11, 21, 12, 22} {
		e, first := r.pick()
		if e.n != want || first != (want < 20) {
			t.Errorf("turn %d: %d, a newcomer %v; want %d", i, e.n, first, want)
		}
	}
	if e, first := r.pick(); e != nil || first || !r.idle() {
		t.Error("somebody has a turn who does not wait")
	}
	r.quick.push(&item{n: 1})
	r.quick.push(&item{n: 2})
	for i := 1; i <= 2; i++ { // alone, newcomers need not wait
		if e, first := r.pick(); e.n != i || !first {
			t.Errorf("newcomer %d: %d", i, e.n)
		}
	}
}
