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

// A frame that several loops deliver ends once, whether the pusher or a loop is last.
func TestPushEndsOnce(t *testing.T) {
	l := idleLoop(t)
	for name, matchedFirst := range map[string]bool{"the pusher is first": true, "the pusher is last": false} {
		f := (&delivery{message: gateway.Message{Payload: []byte("hi")}, began: 1}).encode(l.srv.encoder, 0)
		before, steps := timedBy(&l.count.pushTimes), []func(){
			func() { l.count.drop(f, dropClosed) },
			func() { l.count.dropMany(f, 2, dropClosed) },
		}
		matched := func() { l.count.timed(f.Matched(3)) }
		if matchedFirst {
			steps = append([]func(){matched}, steps...)
		} else {
			steps = append(steps, matched)
		}
		for i, step := range steps {
			step()
			if ended := timedBy(&l.count.pushTimes) - before; ended != uint64(i/2) {
				t.Errorf("%s: after step %d it has ended %d times", name, i+1, ended)
			}
		}
	}
}

func timedBy(s *gateway.Stopwatch) uint64 {
	var d gateway.Durations
	s.AddTo(&d)
	return d.Count()
}

// Quiet grows while a loop does not tick.
func TestQuiet(t *testing.T) {
	s, clock := startOnClock(t, nil)
	clock.pass(s, 1)
	if q := s.Quiet(); q != 0 {
		t.Errorf("quiet for %v after a tick", q)
	}
	stuck := make(chan struct{})
	s.loops[1].mail.post(command{kind: cmdFunc, run: func(*loop) { <-stuck }})
	clock.advance(time.Minute)
	ticked := make(chan struct{})
	s.loops[0].mail.post(command{kind: cmdFunc, run: func(l *loop) { l.clock.tick(); close(ticked) }})
	<-ticked
	if q := s.Quiet(); q < time.Minute {
		t.Errorf("quiet for %v while a loop hangs", q)
	}
	close(stuck)
	clock.pass(s, 1)
	if q := s.Quiet(); q != 0 {
		t.Errorf("quiet for %v once it goes on", q)
	}
}
