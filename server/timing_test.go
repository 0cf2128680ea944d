package server

import (
	"testing"
	"time"

	"castgate/server/frames"
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
		f := (&delivery{message: gateway.Message{Payload: []byte("hi")}, began: 1}).encode(l.srv, 0, true)
		before, steps := timedBy(&l.count.pushTimes), []func(){
			func() { l.count.drop(f, dropClosed) },
			func() { l.count.dropMany(f, 2, dropClosed) },
		}
		matched := func() { l.count.timeOf(f, 3) }
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

// Of pushes to many one is timed at a time, the next when it has ended or takes long.
// Its deliveries are counted together.
func TestManyAreTimedOneByOne(t *testing.T) {
	l := idleLoop(t)
	begin := func(began time.Duration) *frames.Frame {
		f := (&delivery{message: gateway.Message{Payload: []byte("hi")}, began: began}).encode(l.srv, 0, true)
		if f.Timed() {
			l.count.timeOf(f, 2)
		}
		return f
	}
	first := begin(1)
	if begin(2).Timed() {
		t.Error("a second push to many is timed beside the first")
	}
	if f := (&delivery{began: 2}).encode(l.srv, 0, false); !f.Timed() {
		t.Error("a push to few is not timed beside one to many")
	}
	l.count.delivered(first)
	l.count.delivered(first)
	if n := timedBy(&l.count.pushTimes); n != 0 {
		t.Errorf("%d pushes have ended before the end of the turn", n)
	}
	l.count.settle()
	if n := timedBy(&l.count.pushTimes); n != 1 {
		t.Errorf("%d pushes have ended, want 1", n)
	}
	if slow := begin(3); !slow.Timed() || begin(3+maxTiming-1).Timed() {
		t.Error("the next push to many is not the one that is timed")
	}
	if !begin(3 + maxTiming).Timed() {
		t.Error("a push to many that takes long keeps others from being timed")
	}
	if none := (&delivery{began: 3 + 2*maxTiming}).encode(l.srv, 0, true); none.Timed() {
		l.count.timeOf(none, 0)
	}
	if n := timedBy(&l.count.pushTimes); n != 1 || l.srv.timing.began.Load() != 0 {
		t.Errorf("a push to nobody: %d pushes have ended, timed is %d", n, l.srv.timing.began.Load())
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
