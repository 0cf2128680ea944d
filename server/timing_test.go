package server

import (
	"testing"
	"time"

	"castgate/server/gateway"
)

// A push is timed from its request to its last write or drop, whoever it is for. Pushes
// to nobody are not timed.
func TestPushTimes(t *testing.T) {
	s, clock := startOnClock(t, nil)
	clock.advance(time.Second)
	clients := []*testClient{s.dial(), s.dial(), s.dial()}
	for _, c := range clients {
		if _, err := s.Bind(t.Context(), gateway.Bind{ClientID: c.id, UID: "42", Groups: []string{"news"}}); err != nil {
			t.Fatal(err)
		}
	}
	timed := uint64(0)
	for _, to := range []gateway.Targets{
		{All: true}, {UIDs: []string{"42"}}, {Groups: []string{"news"}}, {ClientIDs: []string{clients[0].id}},
		{ClientIDs: []string{clients[0].id, clients[1].id}}, {UIDs: []string{"nobody"}}, {Groups: []string{"none"}},
	} {
		for _, wait := range []bool{false, true} {
			r, err := s.Push(t.Context(), gateway.Push{To: to, Payload: []byte("hi"), Wait: wait})
			if err != nil {
				t.Fatal(err)
			}
			if r.Matched > 0 {
				timed++
			}
			eventually(t, "the push to be timed", func() bool {
				st := s.stats()
				return st.PushTimes.Count() >= timed
			})
		}
	}
	st := s.stats()
	if st.PushTimes.Count() != timed || timed != 10 || st.PushTimes.Sum != 0 {
		t.Errorf("%d pushes were timed, want %d; %v on a clock that stands still", st.PushTimes.Count(), timed, st.PushTimes.Sum)
	}
	if st.Turns.Count() == 0 {
		t.Error("no turn of a loop was timed")
	}
}

// Quiet grows while a loop does not tick.
func TestQuiet(t *testing.T) {
	s, clock := startOnClock(t, nil)
	clock.pass(s, 1)
	if q := s.Quiet(); q != 0 {
		t.Errorf("quiet for %v after a tick", q)
	}
	stuck := make(chan struct{})
	s.loops.Do(1, func() { <-stuck })
	clock.advance(time.Minute)
	clock.tick()
	for range 2 { // it may be in the turn in which the tick came, but not twice
		ticked := make(chan struct{})
		s.loops.Do(0, func() { close(ticked) })
		<-ticked
	}
	if q := s.Quiet(); q < time.Minute {
		t.Errorf("quiet for %v while a loop hangs", q)
	}
	close(stuck)
	clock.pass(s, 1)
	if q := s.Quiet(); q != 0 {
		t.Errorf("quiet for %v once it goes on", q)
	}
}
