package loop

import (
	"testing"
	"time"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/reason"
	"castgate/server/tally"
)

// A frame that several loops deliver ends once, whether the pusher or a loop is last.
func TestPushEndsOnce(t *testing.T) {
	l := idleLoop(t)
	for name, matchedFirst := range map[string]bool{"the pusher is first": true, "the pusher is last": false} {
		f := (&Delivery{Message: gateway.Message{Payload: []byte("hi")}, Began: 1}).encode(l.srv, 0, true)
		before, steps := timedBy(&l.count.PushTimes), []func(){
			func() { l.count.Drop(f, reason.DropClosed) },
			func() { l.count.DropMany(f, 2, reason.DropClosed) },
		}
		matched := func() { l.count.TimeOf(f, 3) }
		if matchedFirst {
			steps = append([]func(){matched}, steps...)
		} else {
			steps = append(steps, matched)
		}
		for i, step := range steps {
			step()
			if ended := timedBy(&l.count.PushTimes) - before; ended != uint64(i/2) {
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
		f := (&Delivery{Message: gateway.Message{Payload: []byte("hi")}, Began: began}).encode(l.srv, 0, true)
		if f.Timed() {
			l.count.TimeOf(f, 2)
		}
		return f
	}
	first := begin(1)
	if begin(2).Timed() {
		t.Error("a second push to many is timed beside the first")
	}
	if f := (&Delivery{Began: 2}).encode(l.srv, 0, false); !f.Timed() {
		t.Error("a push to few is not timed beside one to many")
	}
	l.count.Delivered(first)
	l.count.Delivered(first)
	if n := timedBy(&l.count.PushTimes); n != 0 {
		t.Errorf("%d pushes have ended before the end of the turn", n)
	}
	l.count.Settle()
	if n := timedBy(&l.count.PushTimes); n != 1 {
		t.Errorf("%d pushes have ended, want 1", n)
	}
	if slow := begin(3); !slow.Timed() || begin(3+tally.MaxTiming-1).Timed() {
		t.Error("the next push to many is not the one that is timed")
	}
	if !begin(3 + tally.MaxTiming).Timed() {
		t.Error("a push to many that takes long keeps others from being timed")
	}
	if none := (&Delivery{Began: 3 + 2*tally.MaxTiming}).encode(l.srv, 0, true); none.Timed() {
		l.count.TimeOf(none, 0)
	}
	if n := timedBy(&l.count.PushTimes); n != 1 || l.srv.timing.Began.Load() != 0 {
		t.Errorf("a push to nobody: %d pushes have ended, timed is %d", n, l.srv.timing.Began.Load())
	}
}

func timedBy(s *gateway.Stopwatch) uint64 {
	var d gateway.Durations
	s.AddTo(&d)
	return d.Count()
}
