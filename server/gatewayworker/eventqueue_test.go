package gatewayworker

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
	"castgate/server/internal/quota"
)

// What happens to a client's events in each phase.
func TestQueueInPhases(t *testing.T) {
	for p, want := range map[phase]struct {
		admission gateway.Admission
		taking    gateway.Taking
		events    int // after open, message and close
		unserved  uint64
	}{
		phaseOff:    {gateway.AdmitNow, gateway.Taken, 0, 0},
		phaseServed: {gateway.AdmitNow, gateway.Taken, 3, 0},
		phaseAwait:  {gateway.AdmitLater, gateway.Taken, 0, 0}, // no worker need learn of it
		phaseAlone:  {gateway.AdmitNever, gateway.RefusedNobody, 0, 2},
	} {
		q := newStillLoop(t, nil).queue
		q.phase.Store(int32(p))
		if got := q.Admit(netip.MustParseAddr("192.0.2.1")); got != want.admission {
			t.Errorf("phase %d: admission %d, want %d", p, got, want.admission)
		}
		c := gateway.EventClient{Connection: 1}
		q.Opened(c, nil)
		if got := q.Message(c, false, []byte("m")); got != want.taking {
			t.Errorf("phase %d: a message is taken as %d, want %d", p, got, want.taking)
		}
		q.Closed(c)
		events := 0
		if b := q.clients[1]; b != nil {
			events = b.count()
		}
		if events != want.events || q.count.unserved.Load() != want.unserved {
			t.Errorf("phase %d: %d events wait, %d were refused", p, events, q.count.unserved.Load())
		}
	}
}

// A client is held once as many bytes wait for it as its share, and the server is told so; the
// share is an eighth of the room that is left, within bounds.
func TestQueueHolds(t *testing.T) {
	q := newStillLoop(t, func(c *Config) { c.EventQueue = 1 << 20 }).queue
	q.phase.Store(int32(phaseServed))
	c := from("192.0.2.1", 1)
	taken := 0
	for q.Message(c, false, make([]byte, 100)) == gateway.Taken {
		taken++
	}
	bytes, clients, held := q.waiting()
	b := q.clients[1]
	if share := q.share(b.network); bytes < share || bytes > share+2*(100+wire.HeaderLen) || clients != 1 || held != 1 || q.count.holds.Load() != 1 {
		t.Errorf("%d bytes of %d clients wait, %d are held, the share is %d", bytes, clients, held, share)
	}
	if q.Message(c, false, nil) != gateway.TakenEnough || q.count.holds.Load() != 1 {
		t.Error("it is held twice, or no more")
	}
	if n := q.share(nil); n < leastShare || n > mostShare {
		t.Errorf("a share of %d", n)
	}
	small := newStillLoop(t, func(c *Config) { c.EventQueue = 1 << 10 }).queue
	if n := small.share(nil); n != leastShare {
		t.Errorf("of a small room the share is %d, want %d", n, leastShare)
	}
	large := newStillLoop(t, func(c *Config) { c.EventQueue = 1 << 30 }).queue
	if n := large.share(nil); n != mostShare {
		t.Errorf("of a large room the share is %d, want %d", n, mostShare)
	}
}

// A message that can be no frame, or a large one for which there is no room, is refused and
// counted; a small one never is.
func TestQueueRefuses(t *testing.T) {
	q := newStillLoop(t, func(c *Config) { c.EventQueue = 1 << 20 }).queue
	q.phase.Store(int32(phaseServed))
	c := from("192.0.2.1", 1)
	if got := q.Message(c, false, make([]byte, wire.MaxFrame-wire.HeaderLen+1)); got != gateway.RefusedLarge || q.count.refusals[refuseLarge].Load() != 1 {
		t.Errorf("a message that is no frame: %d", got)
	}
	if got := q.Message(c, false, make([]byte, 2<<20)); got != gateway.TakenEnough {
		t.Errorf("a large one while nothing waits: %d", got)
	}
	if got := q.Message(from("192.0.2.2", 2), false, make([]byte, largeEvent)); got != gateway.RefusedFull {
		t.Errorf("a large one without room: %d", got)
	}
	if got := q.Message(from("192.0.2.2", 2), false, make([]byte, leastShare-wire.HeaderLen)); got == gateway.RefusedFull {
		t.Errorf("a small one without room: %d", got)
	}
	if got := q.Message(c, false, make([]byte, leastShare-wire.HeaderLen)); got == gateway.RefusedFull {
		t.Errorf("a small one of a network without any room: %d", got)
	}
	if left := q.left(q.networks[quota.Network(c.Remote.Addr())]); left != 0 {
		t.Errorf("%d bytes of room are left: that shows nothing", left)
	}
	other := from("192.0.2.3", 3)
	left := q.left(nil)
	if got := q.Message(other, false, make([]byte, 2*leastShare)); got == gateway.RefusedFull || left == 0 || left > leastShare {
		t.Errorf("a middling one with a little room, %d bytes: %d", left, got)
	}
	if n := q.count.refusals[refuseFull].Load(); n != 1 {
		t.Errorf("%d are counted", n)
	}
}

// Whoever serves the clients when no worker comes in time: those that need one are closed, in
// batches; close events of clients that a worker knew stay for the next one.
func TestDeliveryGivesUp(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.WorkerWait = time.Minute })
	w, s := l.attach("w:0")
	known := gateway.EventClient{Connection: 1}
	l.queue.Opened(known, nil)
	l.delivery.deliver()
	l.writer.flushAll()
	s.over = true
	l.reader.read(w)
	if l.queue.now() != phaseAwait || !l.delivery.until().Equal(l.time.Add(time.Minute)) {
		t.Fatalf("phase %d until %v", l.queue.now(), l.delivery.until())
	}
	l.queue.Message(known, false, []byte("m"))
	l.queue.Closed(known)
	const clients = 3*doomedBatch - 1
	for i := range uint32(clients) {
		l.queue.Message(gateway.EventClient{Connection: 10 + i}, false, []byte("m"))
	}
	l.delivery.deliver()
	l.server.heard()
	l.pass(time.Minute - 1)
	if l.delivery.awaited(l.time); l.queue.now() != phaseAwait {
		t.Error("it gives up too early")
	}
	l.pass(1)
	if l.delivery.awaited(l.time); l.queue.now() != phaseAlone || !l.delivery.until().IsZero() {
		t.Fatalf("phase %d", l.queue.now())
	}
	if calls := l.server.heard(); !slices.Equal(calls, []string{"messages true", "no init true", "readmit"}) {
		t.Errorf("the server is told %q", calls)
	}
	for batch := range 3 {
		before := len(l.server.abandons)
		l.delivery.deliver()
		if n := len(l.server.abandons) - before; n > doomedBatch || batch < 2 && n < doomedBatch-1 {
			t.Errorf("batch %d: %d clients are closed", batch, n)
		}
	}
	if len(l.server.abandons) != clients || slices.Contains(l.server.abandons, 1) {
		t.Errorf("%d clients are closed, want %d", len(l.server.abandons), clients)
	}
	if n := l.count.eventDrops[dropNoWorker].Load(); n != clients+1 || l.count.unserved.Load() != clients {
		t.Errorf("%d events are dropped, %d clients unserved", n, l.count.unserved.Load())
	}
	_, s = l.attach("w:1")
	l.writer.flushAll()
	if _, command, connection, rest := cutFrame(s.out); command != wire.OnClose || connection != 1 || len(rest) != 0 {
		t.Errorf("the next worker gets command %d of %d", command, connection)
	}
	if bytes, waiting, held := l.queue.waiting(); bytes+waiting+held != 0 {
		t.Errorf("%d bytes of %d clients are left", bytes, waiting)
	}
}

// With WorkersAuto, a gateway to which no worker has ever attached serves clients without, and
// one without WorkerWait does not wait. With WorkersNever nothing changes.
func TestDeliveryPhases(t *testing.T) {
	for what, k := range map[string]struct {
		workers              Workers
		wait                 time.Duration
		first, late, without phase // at the start, after WorkerWait, when the last worker has left
		served               phase
	}{
		"auto":            {WorkersAuto, time.Minute, phaseAwait, phaseOff, phaseAwait, phaseServed},
		"auto, no wait":   {WorkersAuto, 0, phaseOff, phaseOff, phaseAlone, phaseServed},
		"always":          {WorkersAlways, time.Minute, phaseAwait, phaseAlone, phaseAwait, phaseServed},
		"always, at once": {WorkersAlways, 0, phaseAlone, phaseAlone, phaseAlone, phaseServed},
		"never":           {WorkersNever, time.Minute, phaseOff, phaseOff, phaseOff, phaseOff},
	} {
		l := newStillLoop(t, func(c *Config) { c.Workers, c.WorkerWait = k.workers, k.wait })
		l.queue.phase.Store(int32(l.cfg.firstPhase()))
		l.delivery.begin()
		got := []phase{l.queue.now()}
		l.pass(k.wait)
		l.delivery.awaited(l.time)
		got = append(got, l.queue.now())
		w, _ := l.attach("w:0")
		got = append(got, l.queue.now())
		l.close(w, closePeer)
		got = append(got, l.queue.now())
		if want := []phase{k.first, k.late, k.served, k.without}; !slices.Equal(got, want) {
			t.Errorf("%s: the phases %v, want %v", what, got, want)
		}
	}
}

// A held client is read again when half of its share has been handed on.
func TestDeliveryResumes(t *testing.T) {
	l := newStillLoop(t, nil)
	w, s := l.attach("w:0")
	c := from("192.0.2.1", 5)
	for l.queue.Message(c, false, make([]byte, 1000)) == gateway.Taken {
	}
	l.delivery.deliver()
	for turns := 0; len(l.server.resumes) == 0; turns++ {
		s.out = nil
		before, _, held := l.queue.waiting()
		if l.delivery.fill(w); held != 1 || before == 0 {
			t.Fatalf("it is not read again before %d bytes wait, and %d are held", before, held)
		}
		w.out.drop()
	}
	bytes, _, held := l.queue.waiting()
	if share := l.queue.share(l.queue.clients[5].network); bytes > share/2 || bytes < share/2-10_000 || held != 0 {
		t.Errorf("it is read again when %d bytes wait, with a share of %d", bytes, share)
	}
	if !slices.Equal(l.server.resumes, []uint32{5}) {
		t.Errorf("%v are read again", l.server.resumes)
	}
}
