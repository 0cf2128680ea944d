package gatewayworker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/listen"
)

// arrive makes connections wait at the listener, of which the kernel knows when their bytes
// came; 0 for one that has sent nothing.
func (l *stillLoop) arrive(at ...int64) {
	for _, at := range at {
		s := &socket{room: 1 << 30}
		if at != 0 {
			s.in, s.at = [][]byte{online(1)}, []int64{at}
		}
		l.backlog = append(l.backlog, s)
	}
}

// listen gives the loop a listener.
func (l *stillLoop) listen() {
	l.arrivals.listener = 7
	l.sockets[7] = &socket{}
}

// welcomes has arrivals welcome what waits.
func (l *stillLoop) welcomes() {
	l.ready = l.ready[:0]
	l.arrivals.begin()
	l.gather([]unix.EpollEvent{{Fd: 7, Events: unix.EPOLLIN}})
	l.arrivals.welcome()
}

// New connections and old ones are sorted by the time at which their bytes came. One without a
// time keeps its place behind the one before it.
func TestArrivalsSortByTime(t *testing.T) {
	l := newStillLoop(t, nil)
	l.listen()
	old, s := l.connect(online(1))
	s.at = []int64{20}
	older, s := l.connect(online(1))
	s.at = []int64{10}
	unknown, s := l.connect(online(1))
	s.at = nil
	l.arrive(15, 0, 5, 30, 1)
	l.backlog[4].at = nil
	l.ready = l.ready[:0]
	l.arrivals.begin()
	l.gather([]unix.EpollEvent{{Fd: int32(older.fd), Events: unix.EPOLLIN}, {Fd: 7, Events: unix.EPOLLIN},
		{Fd: int32(old.fd), Events: unix.EPOLLIN}, {Fd: int32(unknown.fd), Events: unix.EPOLLIN}})
	l.arrivals.welcome()
	var at []int64
	for _, c := range l.ready {
		at = append(at, c.at)
	}
	if want := []int64{5, 10, 15, 20, 20, 30, 30}; !slices.Equal(at, want) || l.ready[3] != old || l.ready[4] != unknown {
		t.Errorf("the times in order are %v, want %v", at, want)
	}
	if n := l.count.accepted.Load(); n != 5 {
		t.Errorf("%d are accepted", n)
	}
	l.arrivals.enrol()
	for fd := range l.sockets {
		if c := l.connections.at(fd); c != nil && c.fresh {
			t.Error("a connection is not in the epoll")
		}
	}
}

// Bytes that are there with their end take one call, and are all that is read.
func TestArrivalsWithTheirEnd(t *testing.T) {
	l := newStillLoop(t, nil)
	l.listen()
	l.arrive(5)
	l.backlog[0].over = true
	l.welcomes()
	c := l.ready[0]
	if !c.whole || len(c.first) != len(online(1)) {
		t.Fatalf("whole %v, %d bytes", c.whole, len(c.first))
	}
	l.reader.serve(c)
	l.writer.flushAll()
	if !c.closed || l.count.bytesIn.Load() != uint64(len(online(1))) {
		t.Errorf("closed %v, %d bytes", c.closed, l.count.bytesIn.Load())
	}
}

// At a limit the oldest silent connection goes, unless it has sent something by now; then new
// ones wait until the next turn.
func TestArrivalsAtTheLimit(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.MaxSilent, c.MaxConns = 2, 100 })
	l.listen()
	oldest, s := l.connect()
	next, _ := l.connect()
	s.in = [][]byte{online(1)}
	l.arrive(5)
	if l.welcomes(); len(l.backlog) != 1 || oldest.closed || next.closed {
		t.Fatalf("closed: %v %v; %d wait", oldest.closed, next.closed, len(l.backlog))
	}
	l.reader.read(oldest) // it has spoken
	l.connect()
	if l.welcomes(); len(l.backlog) != 0 || !next.closed || oldest.closed {
		t.Errorf("closed: %v %v; %d wait", oldest.closed, next.closed, len(l.backlog))
	}
	l.expectClosed("at the limit", closeFull)
}

// If all connections are in use, new ones wait for fullPatience, with pauses, and are then
// turned away.
func TestArrivalsWaitForRoom(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.MaxConns = 1 })
	l.listen()
	c, _ := l.connect()
	l.connections.spoken(c)
	l.arrive(5)
	waiting := l.backlog[0]
	turns := 0
	for began := l.time; len(l.backlog) > 0; turns++ {
		l.welcomes()
		if len(l.backlog) == 0 {
			if waited := l.time.Sub(began); waited <= fullPatience || waited > fullPatience+2*fullPause {
				t.Errorf("turned away after %v", waited)
			}
			break
		}
		if !l.arrivals.until().Equal(l.time.Add(fullPause)) || l.watched[7] != 0 {
			t.Fatalf("accepting does not pause: until %v, epoll reports %x", l.arrivals.until(), l.watched[7])
		}
		l.pass(fullPause + 1)
		if l.arrivals.begin(); l.watched[7] != unix.EPOLLIN || !l.arrivals.until().IsZero() {
			t.Fatal("accepting does not go on")
		}
	}
	if !waiting.closed || !waiting.orderly || l.count.fullWaits.Load() != 1 || turns < 30 {
		t.Errorf("closed %v, with a FIN %v; %d waits are counted, %d turns", waiting.closed, waiting.orderly, l.count.fullWaits.Load(), turns)
	}
}

// Connections that find no room wait for fullPatience, however long ago others have waited.
func TestArrivalsWaitEachTime(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.MaxConns = 1 })
	l.listen()
	c, _ := l.connect()
	l.connections.spoken(c)
	l.arrive(5)
	l.welcomes() // it waits
	l.close(c, closePeer)
	l.pass(fullPause + 1)
	l.arrivals.begin()
	l.welcomes() // and gets the room
	l.connections.spoken(l.ready[0])
	l.arrivals.enrol()
	l.ready = l.ready[:0]
	l.arrivals.begin()
	l.arrivals.welcome() // a turn in which nobody waits
	l.pass(time.Hour)
	l.arrive(5)
	if l.welcomes(); len(l.backlog) != 1 || l.count.fullWaits.Load() != 2 {
		t.Errorf("%d wait, %d waits are counted", len(l.backlog), l.count.fullWaits.Load())
	}
}

// An error of accept pauses accepting if the next call would only repeat it; a broken listener
// ends the loop.
func TestArrivalsErrors(t *testing.T) {
	for err, want := range map[error]struct{ paused, broken bool }{
		unix.ECONNABORTED: {false, false}, unix.EMFILE: {true, false}, unix.EBADF: {false, true},
	} {
		l := newStillLoop(t, nil)
		l.listen()
		l.arrive(5)
		l.refuse = []error{err}
		l.welcomes()
		paused := l.arrivals.until().Equal(l.time.Add(listen.Pause))
		if paused != want.paused || (l.arrivals.failure() != nil) != want.broken || (len(l.backlog) == 0) == (want.paused || want.broken) {
			t.Errorf("%v: paused %v, failure %v, %d wait", err, paused, l.arrivals.failure(), len(l.backlog))
		}
		if want.broken {
			continue
		}
		l.pass(listen.Pause + 1)
		if l.welcomes(); len(l.backlog) != 0 {
			t.Errorf("%v: it is not accepted in the end", err)
		}
	}
}

// A connection that epoll takes later is enrolled later; at the limit of watches it gets its
// reply and is closed.
func TestArrivalsEnrol(t *testing.T) {
	l := newStillLoop(t, nil)
	l.listen()
	l.arrive(5)
	l.welcomes()
	c := l.ready[0]
	l.reader.serve(c)
	l.unwatch = unix.ENOMEM
	l.arrivals.enrol()
	if l.shortage.none() || !c.fresh || c.closed {
		t.Fatal("it is not tried again")
	}
	l.pass(shortPause)
	l.unwatch = unix.ENOSPC
	l.shortage.retry()
	l.arrivals.enrol()
	if s := l.sockets[c.fd]; !s.closed || len(s.out) != 8 || l.count.acceptErrors.Load() != 1 {
		t.Errorf("closed %v, %d bytes of its reply, %d errors", s.closed, len(s.out), l.count.acceptErrors.Load())
	}
	l.expectClosed("no watch", closeFull)
}

// The kernel's notes are read whatever else they have, and however they are cut.
func TestStamp(t *testing.T) {
	oob := make([]byte, 128)
	n := putStamp(oob, 1_700_000_000_123_456_789)
	if got := stamp(oob[:n], 1); got != 1_700_000_000_123_456_789 {
		t.Errorf("%d", got)
	}
	for cut := range n {
		if got := stamp(oob[:cut], 1); got != 1 {
			t.Errorf("%d bytes of a note: %d", cut, got)
		}
	}
	other := slices.Concat(oob[:n], oob[:n])
	other[8]++ // of another level
	if got := stamp(other, 1); got != 1_700_000_000_123_456_789 {
		t.Errorf("behind another note: %d", got)
	}
}

// Waiting for arrivals, for workers or for memory is waited for no longer than it takes.
func TestPatience(t *testing.T) {
	l := newStillLoop(t, nil)
	l.sweeper.begin()
	for i, k := range []struct {
		set  func()
		want time.Duration
	}{
		{func() {}, sweepEvery},
		{func() { l.delivery.awaitUntil = l.time.Add(900 * time.Millisecond) }, 900 * time.Millisecond},
		{func() { l.arrivals.paused = l.time.Add(fullPause) }, fullPause},
		{func() { l.shortage.until = l.time.Add(shortPause) }, shortPause},
		{func() { l.pass(shortPause) }, 0},
		{func() { l.pass(time.Minute) }, 0},
	} {
		k.set()
		if got := l.patience(); got != int(k.want.Milliseconds())+1 {
			t.Errorf("%d: %d ms, want a little more than %v", i, got, k.want)
		}
	}
	c, _ := l.connect()
	if l.reader.readLater(c); l.patience() != 0 {
		t.Error(fmt.Sprint(l.patience(), " ms although there is more to read"))
	}
}
