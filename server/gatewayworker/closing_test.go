package gatewayworker

import (
	"slices"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// A close gives back all that a connection held, once, whatever the reason is given later.
func TestCloseGivesBack(t *testing.T) {
	l := newStillLoop(t, nil)
	c, s := l.connect(append(online(1), online(1)[:9]...))
	s.room = 3
	l.reader.read(c)
	l.writer.flushAll()
	if c.held == 0 || c.waiting() == 0 {
		t.Fatalf("%d bytes held, %d wait: this shows nothing", c.held, c.waiting())
	}
	l.close(c, closeStalled)
	l.close(c, closeFull)
	l.expectClosed("twice", closeStalled)
	l.expectNoAccounts("closed")
	if !s.closed || l.connections.at(c.fd) != nil || c.waiting() != 0 {
		t.Errorf("closed %v, %d bytes wait", s.closed, c.waiting())
	}
}

// A connection to which nothing was ever written, and that its caller has ended, ends with a
// reset; all others with a FIN.
func TestCloseInOrder(t *testing.T) {
	for what, k := range map[string]struct {
		why            closeReason
		ended, written bool
		fin            bool
	}{
		"a command":            {closePeer, true, false, false},
		"a query":              {closePeer, true, true, true},
		"the peer has gone":    {closePeer, false, false, true},
		"closed by us":         {closeFull, true, false, true},
		"closed by us, silent": {closeSilent, false, false, true},
	} {
		l := newStillLoop(t, nil)
		c, s := l.connect()
		if k.written {
			l.writer.send(c, []byte("x"))
			l.writer.flushAll()
		}
		c.ended = k.ended
		if l.close(c, k.why); s.orderly != k.fin {
			t.Errorf("%s: a FIN: %v, want %v", what, s.orderly, k.fin)
		}
	}
}

// Once nothing can be written any more, the peer's data are read for lastBudgets and its
// replies dropped; the connection is closed for the first reason.
func TestReadOut(t *testing.T) {
	l := newStillLoop(t, nil)
	c, s := l.connect()
	l.writer.send(c, []byte("a reply"))
	l.readOut(c, closeReplaced)
	l.readOut(c, closePeer)
	l.expectNoAccounts("its replies are dropped")
	for range 10 {
		s.in = append(s.in, frame(wire.SendToOne, 1, "", "m"))
	}
	l.reader.begin()
	l.reader.goOn()
	l.expectClosed("all is read", closeReplaced)
	if n := len(l.server.heard()); n != 10 {
		t.Errorf("%d commands, want 10", n)
	}
	endless, s := l.connect()
	chunk := make([]byte, readLen)
	copy(chunk, frame(wire.Ping, 0, "", string(make([]byte, readLen-wire.HeaderLen))))
	l.readOut(endless, closePeer)
	turns := 0
	for ; !endless.closed && turns < 100; turns++ {
		for len(s.in) < 2*readBudget/readLen {
			s.in = append(s.in, chunk)
		}
		l.reader.begin()
		l.execution.begin()
		l.reader.goOn()
	}
	if turns != lastBudgets {
		t.Errorf("a peer that sends without end has %d budgets, want %d", turns, lastBudgets)
	}
}

// A worker that has ended its side is waited for while its kernel has not said what becomes of
// events on the way, for fatePatience at most.
func TestUndecidedWorker(t *testing.T) {
	for what, settle := range map[string]func(l *stillLoop, s *socket){
		"acknowledged": func(_ *stillLoop, s *socket) { s.unacked = 0 },
		"refused":      func(_ *stillLoop, s *socket) { s.gone = true },
		"no answer":    func(l *stillLoop, _ *socket) { l.pass(fatePatience) },
	} {
		l := newStillLoop(t, nil)
		w, s := l.attach("w:0")
		l.server.heard()
		event := frame(wire.OnMessage, 1, "", "on the way")
		l.writer.send(w, event)
		l.writer.flushAll()
		s.unacked, s.over = len(event), true
		l.reader.read(w)
		for range int(fatePatience/shortPause) - 1 {
			l.pass(shortPause)
			if l.shortage.retry(); w.closed {
				t.Fatalf("%s: closed before it is decided", what)
			}
		}
		settle(l, s)
		l.pass(shortPause)
		if l.shortage.retry(); !w.closed {
			t.Errorf("%s: it is not closed", what)
		}
		bytes, _, _ := l.queue.waiting()
		if want := map[bool]int{true: len(event), false: 0}[what == "refused"]; bytes != want {
			t.Errorf("%s: %d bytes are for the next worker, want %d", what, bytes, want)
		}
	}
}

// What a worker gets back in the queue when it leaves: what it has not been sent, or, once its
// connection is gone, what its kernel has not acknowledged.
func TestUndelivered(t *testing.T) {
	one, two := frame(wire.OnMessage, 1, "", "one"), frame(wire.OnMessage, 1, "", "two")
	for what, k := range map[string]struct {
		gone, reset bool
		unacked     int
		want        int
	}{
		"it ended its side":              {false, false, len(one), len(two)},
		"it is gone":                     {true, false, len(one), len(one) + len(two)},
		"it is gone and has it":          {true, false, 0, len(two)},
		"it has reset, unread":           {true, true, len(one), len(one) + len(two)},
		"it has reset, and has read one": {true, true, 0, len(two)},
	} {
		l := newStillLoop(t, nil)
		w, s := l.attach("w:0")
		s.room = len(one)
		l.writer.send(w, one)
		l.writer.flushAll()
		l.writer.send(w, two)
		s.gone, w.reset, s.unacked = k.gone, k.reset, k.unacked
		if got := len(l.undelivered(w)); got != k.want {
			t.Errorf("%s: %d bytes, want %d", what, got, k.want)
		}
	}
}

// Of two writes on the way to a worker that has reset, the first may have been read, so its
// events are not given to another one.
func TestUndeliveredAfterReset(t *testing.T) {
	one, two := frame(wire.OnMessage, 1, "", "one"), frame(wire.OnMessage, 1, "", "two")
	for reset, want := range map[bool]int{false: len(one) + len(two), true: len(two)} {
		l := newStillLoop(t, nil)
		w, s := l.attach("w:0")
		for _, event := range [][]byte{one, two} {
			l.writer.send(w, event)
			l.writer.flushAll()
		}
		s.gone, w.reset, s.unacked = true, reset, len(one)+len(two)
		if got := len(l.undelivered(w)); got != want {
			t.Errorf("reset %v: %d bytes, want %d", reset, got, want)
		}
	}
}

// The next worker gets what the one before was not sent, in front of what came later.
func TestLeavingWorkerHandsOn(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.WorkerWait = time.Hour })
	w, s := l.attach("w:0")
	s.room = 0
	client := gateway.EventClient{Connection: 7}
	l.queue.Message(client, false, []byte("first"))
	l.delivery.deliver()
	l.writer.flushAll()
	l.queue.Message(client, false, []byte("second"))
	l.close(w, closePeer)
	l.queue.Message(client, false, []byte("third"))
	_, s = l.attach("w:1")
	l.writer.flushAll()
	if got := s.bodies(); !slices.Equal(got, []string{"first", "second", "third"}) {
		t.Errorf("%q", got)
	}
	l.expectNoAccounts("all is written")
}

// A worker that attaches under another key gives back what it was not sent under the first,
// once.
func TestWorkerUnderAnotherKey(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.WorkerWait = time.Hour })
	w, s := l.attach("w:0")
	first := frame(wire.OnMessage, 7, "", "first")
	s.room = len(first) + 3
	l.queue.Message(gateway.EventClient{Connection: 7}, false, []byte("first"))
	l.queue.Message(gateway.EventClient{Connection: 7}, false, []byte("second"))
	l.queue.Message(gateway.EventClient{Connection: 7}, false, []byte("third"))
	l.delivery.deliver()
	l.writer.flushAll()
	l.delivery.attach(w, []byte("w:1"))
	s.room = 1 << 20
	for range 5 {
		l.writer.flush(w)
	}
	if got := s.bodies(); !slices.Equal(got, []string{"first", "second", "third"}) {
		t.Errorf("%q", got)
	}
	l.expectNoAccounts("all is written")
}
