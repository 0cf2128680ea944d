package loop

import (
	"testing"
	"time"

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
