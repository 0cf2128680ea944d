package loop

import (
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/internal/bell"
	"castgate/server/internal/rush"
	"castgate/server/kernel"
)

// passTick has the next tick of a loop come.
func (l *loop) passTick() {
	l.clock.began = l.sys.Elapsed() - time.Duration(l.clock.now()+1)*kernel.Tick
	l.clock.tick()
}

// storm are clients that have all connected in one tick.
func storm(t *testing.T, clients int, pingInterval time.Duration) (*Sink, *loop) {
	s := NewSink(t, 1, clients)
	c := s.config.Capacity
	c.PingInterval = pingInterval
	s.ticks.Store(c.Ticks())
	for n := range clients {
		s.Connect(t, n)
	}
	return s, s.loops[0]
}

// The pings of clients that connect at the same moment are spread over half of the time
// between pings, and none comes late.
func TestPingsAreSpread(t *testing.T) {
	const clients, interval = 5000, 25 * tickSecond
	s, l := storm(t, clients, 25*time.Second)
	var pings [interval + 1]uint64
	before := uint64(0)
	for tick := uint32(1); tick <= interval; tick++ {
		l.passTick()
		s.Turns(t)
		pings[tick] = l.count.Pings.Load() - before
		before += pings[tick]
	}
	if before != clients {
		t.Errorf("%d pings to %d clients within the interval", before, clients)
	}
	const even = uint64(clients / (interval / 2))
	for tick, n := range pings {
		switch {
		case tick <= int(interval/2) && n > 0:
			t.Errorf("%d pings at tick %d already", n, tick)
		case tick > int(interval/2) && (n < even-even/10 || n > even+even/10):
			t.Errorf("%d pings at tick %d, spread evenly %d", n, tick, even)
		}
	}
}

// Pings that are due at one moment are sent a slice a turn, so that others are served
// between them. What one tick leaves is not lost to the next.
func TestPingsInSlices(t *testing.T) {
	const clients = 3*turnExpiries + 7
	s, l := storm(t, clients, kernel.Tick)
	sent := func() int { return int(l.count.Pings.Load()) }
	for slice := 1; slice <= 3; slice++ {
		switch slice {
		case 1:
			l.passTick()
		case 2:
			if err := l.turn(); err != nil {
				t.Fatal(err)
			}
		case 3:
			l.passTick()
		}
		if got := sent(); got != slice*turnExpiries || !l.busy() || !l.mail.waiting() {
			t.Fatalf("%d pings after %d slices, more to do %v, asked for a turn %v", got, slice, l.busy(), l.mail.waiting())
		}
	}
	s.Turns(t)
	if got := sent(); got != clients || l.busy() || len(l.clock.due) != 0 {
		t.Errorf("%d pings to %d clients, more to do %v", got, clients, l.busy())
	}
}

// Answers to pings that come in a rush gather while the loop rests, once for each rush,
// and not while it has something to do.
func TestAnswersGather(t *testing.T) {
	now, rests, sys := time.Hour, 0, kernel.Linux
	sys.Elapsed = func() time.Duration { return now }
	sys.Rest = func(bell.Bell, time.Duration) { rests++ }
	sys.Yield = func() {}
	l := idleLoopOn(t, &sys)
	clients := make([]connected, rush.Enough)
	for i := range clients {
		clients[i] = l.connect(t)
		defer l.disconnect(clients[i])
	}
	pong := codec.AppendMaskedFrame(nil, ws.OpPong, nil, [4]byte{})
	answer := func(pinged bool, apart time.Duration) {
		for _, c := range clients {
			if pinged {
				c.set(flagPinged)
			}
			now += apart
			if _, err := unix.Write(c.peer, pong); err != nil {
				t.Fatal(err)
			}
			l.reader.readable(c.slot, c.conn)
		}
	}
	for _, step := range []struct {
		name   string
		pinged bool
		apart  time.Duration
		busy   bool
		want   int
	}{
		{"after a quiet time", true, rush.Span, false, 0},
		{"in a rush", true, rush.Span / 100, false, 1},
		{"in a rush, with work left", true, rush.Span / 100, true, 0},
		{"the work is done", false, rush.Span / 100, false, 1},
		{"pongs that nobody has asked for", false, rush.Span / 100, false, 0},
		{"slowly", true, rush.Span, false, 0},
	} {
		rests = 0
		l.mail.answer()
		answer(step.pinged, step.apart)
		if rung := l.mail.waiting(); rung != (step.pinged && step.apart < rush.Span) {
			t.Errorf("%s: the loop is rung: %v", step.name, rung)
		}
		if step.busy {
			l.entrance.later(func() {})
			l.entrance.later(func() {})
		}
		for range 2 {
			if _ = l.turn(); step.busy {
				break
			}
		}
		if rests != step.want {
			t.Errorf("%s: %d rests, want %d", step.name, rests, step.want)
		}
	}
}
