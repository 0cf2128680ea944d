package events

import "testing"

// A lane that gets room while the others are read for is not taken along: what it
// has not read would be lost.
func TestLaneBehindIsNotTakenAlong(t *testing.T) {
	c := config("http://127.0.0.1:1/")
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		life(e, n+1)
	}
	e.journal.cycle(nil)
	s := (*e.subscribers.Load())[0]
	behind := s.lanes[3]
	if err := s.readSome(e.store.NewReader(1), 200); err != nil {
		t.Fatal(err)
	}
	if behind.next != 1 || len(behind.queue) > 0 {
		t.Errorf("next is %d with %d in the queue", behind.next, len(behind.queue))
	}
	if err := s.readSome(e.store.NewReader(1), 1); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range s.lanes {
		n += len(l.queue)
		if l.next != 401 {
			t.Errorf("lane %d has come to %d", l.index, l.next)
		}
	}
	if n != 400 {
		t.Errorf("%d events in the lanes, want 400", n)
	}
	e.Start()
	end(t, e)
}
