package gatewayworker

import (
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
)

// tick lets time pass and looks at the deadlines.
func (l *stillLoop) tick(d time.Duration) {
	l.pass(d)
	l.sweeper.sweep(l.time)
}

// A connection without a first command is closed after SilentTimeout, however many bytes of it
// have come; one that has sent a command may be silent for ever.
func TestSweepSilent(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.SilentTimeout, c.StallTimeout = 10*time.Second, time.Hour })
	silent, _ := l.connect()
	slow, s := l.connect()
	spoken, _ := l.connect(online(1))
	l.reader.read(spoken)
	l.writer.flushAll()
	l.pass(time.Second)
	later, _ := l.connect()
	s.in = [][]byte{online(1)[:5]}
	l.reader.read(slow)
	l.tick(9*time.Second - 1)
	l.expectClosed("before the time")
	l.tick(1)
	if !silent.closed || !slow.closed || spoken.closed || later.closed {
		t.Errorf("closed: %v %v %v %v", silent.closed, slow.closed, spoken.closed, later.closed)
	}
	l.tick(time.Second)
	l.expectClosed("in the end", closeSilent, closeSilent, closeSilent)
	if l.tick(time.Hour); spoken.closed {
		t.Error("one that has sent a command is closed for its silence")
	}
}

// An incomplete frame that makes no progress for StallTimeout ends its connection, unless it is
// us who do not read.
func TestSweepStalled(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.StallTimeout = 10 * time.Second })
	var cs []*innerConn
	for range 4 {
		c, _ := l.connect(append(online(1), online(1)[:5]...))
		l.reader.read(c)
		l.writer.flushAll()
		cs = append(cs, c)
	}
	stalled, moves, stopped, works := cs[0], cs[1], cs[2], cs[3]
	stopped.stopped = true
	works.job = &job{loop: l.innerLoop, conn: works}
	l.pass(5 * time.Second)
	l.sockets[moves.fd].in = [][]byte{online(1)[5:6]}
	l.reader.read(moves)
	l.tick(5*time.Second - 1)
	l.expectClosed("before the time")
	l.tick(1)
	if l.expectClosed("at the time", closeStalled); !stalled.closed {
		t.Error("another one is closed")
	}
	l.tick(5 * time.Second)
	if l.expectClosed("later", closeStalled, closeStalled); !moves.closed {
		t.Error("another one is closed")
	}
}

// A caller that reads none of its replies for StallTimeout is closed; a worker is not, it
// counts as stuck.
func TestSweepUnread(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.StallTimeout, c.StuckAfter = 10*time.Second, 20*time.Second })
	reads, rs := l.connect()
	unread, us := l.connect()
	w, ws := l.attach("w:0")
	rs.room, us.room, ws.room = 0, 0, 0
	for _, c := range []*innerConn{reads, unread, w} {
		l.connections.spoken(c)
		l.writer.send(c, []byte("what nobody reads"))
	}
	l.writer.flushAll()
	l.pass(5 * time.Second)
	rs.room = 1
	l.writer.flush(reads)
	l.tick(5*time.Second - 1)
	l.expectClosed("before the time")
	l.tick(1)
	if l.expectClosed("at the time", closeUnread); !unread.closed {
		t.Error("another one is closed")
	}
	l.tick(time.Minute)
	if w.closed || !w.worker.stuck {
		t.Errorf("the worker: closed %v, stuck %v", w.closed, w.worker.stuck)
	}
}

// A worker is stuck while it reads nothing although something waits, which is said once each
// way; new clients go to others meanwhile.
func TestSweepStuckWorker(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.StuckAfter = 10 * time.Second })
	w, s := l.attach("w:0")
	other, _ := l.attach("w:1")
	l.tick(time.Hour)
	if w.worker.stuck {
		t.Fatal("a worker for which nothing waits is stuck")
	}
	s.room = 0
	l.writer.send(w, []byte("x"))
	l.writer.flushAll()
	l.tick(10*time.Second - 1)
	if w.worker.stuck {
		t.Error("it is stuck before the time")
	}
	for range 3 {
		l.tick(1)
	}
	if !w.worker.stuck || l.count.stuck.Load() != 1 || l.count.stalls.Load() != 1 {
		t.Errorf("stuck %v, %d are, %d times", w.worker.stuck, l.count.stuck.Load(), l.count.stalls.Load())
	}
	other.worker.clients = 100
	if l.delivery.workers.choose() != other.worker {
		t.Error("a new client goes to the stuck one")
	}
	s.room = 1
	l.writer.flush(w)
	l.tick(1)
	if w.worker.stuck || l.count.stuck.Load() != 0 || l.delivery.workers.choose() != w.worker {
		t.Error("it is still stuck")
	}
	if l.logged("a worker is not reading its events; it keeps its clients, new clients go to other workers") != 1 ||
		l.logged("a worker is reading its events again") != 1 {
		t.Error("it is not logged once each way")
	}
}

// A worker elsewhere gets a keepalive every keepaliveEvery, unless events wait for it anyway.
func TestSweepKeepalive(t *testing.T) {
	for local, want := range map[bool]int{true: 0, false: 2} {
		l := newStillLoop(t, nil)
		l.sweeper = newSweeper(l.innerLoop, local)
		w, s := l.attach("w:0")
		busy, bs := l.attach("w:1")
		caller, cs := l.connect(online(1))
		l.reader.read(caller)
		l.writer.flushAll()
		bs.room = 0
		l.writer.send(busy, frame(wire.OnMessage, 1, "", "x"))
		l.tick(keepaliveEvery - 1)
		if len(s.out) != 0 {
			t.Error("a keepalive before the time")
		}
		l.tick(1)
		l.tick(1)
		l.tick(keepaliveEvery)
		if len(s.out) != want*wire.HeaderLen || want > 0 && wire.Command(s.out[4]) != wire.Ping {
			t.Errorf("local %v: %d bytes, want %d keepalives", local, len(s.out), want)
		}
		if busy.waiting() != wire.HeaderLen+1 || len(cs.out) != 8 || w.closed {
			t.Errorf("local %v: a worker with events has %d bytes waiting, a caller got %d", local, busy.waiting(), len(cs.out))
		}
	}
}

// It is looked once a sweepEvery, however often it is asked.
func TestSweepTicks(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.SilentTimeout = 1 })
	l.sweeper.begin()
	c, _ := l.connect()
	l.pass(sweepEvery - 1)
	if l.sweeper.tick(l.time); c.closed {
		t.Error("too early")
	}
	l.pass(1)
	if l.sweeper.tick(l.time); !c.closed || !l.sweeper.until().Equal(l.time.Add(sweepEvery)) {
		t.Errorf("closed %v, next look %v", c.closed, l.sweeper.until())
	}
}
