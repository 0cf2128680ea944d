package gatewayworker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	wire "castgate/codec/gatewayworker"
)

// inPieces cuts b into pieces of n bytes.
func inPieces(b []byte, n int) (pieces [][]byte) {
	for len(b) > 0 {
		n := min(n, len(b))
		pieces, b = append(pieces, b[:n:n]), b[n:]
	}
	return pieces
}

// A frame is executed when its last byte is there, and what is held of it until then is
// counted and then no more.
func TestReaderHoldsIncompleteFrames(t *testing.T) {
	l := newStillLoop(t, nil)
	push := frame(wire.SendToOne, 1, "", "piece")
	c, s := l.connect()
	for i := range push {
		s.in = append(s.in, push[i:i+1])
		l.reader.read(c)
		if want := (i + 1) % len(push); l.reader.held != want || l.count.held.Load() != int64(want) || c.held != want {
			t.Fatalf("after %d bytes: %d are held, %d of this one", i+1, l.reader.held, c.held)
		}
		if pushes := len(l.server.heard()); pushes != (i+1)/len(push) {
			t.Fatalf("after %d bytes: %d pushes", i+1, pushes)
		}
	}
	s.in = [][]byte{push[:7]}
	l.reader.read(c)
	l.close(c, closePeer)
	l.expectNoAccounts("closed within a frame")
}

// Above MaxHeld the connection goes that holds the most, whoever it was that exceeded it.
func TestReaderClosesWhoHoldsTheMost(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.MaxHeld = 100_000 })
	half := frame(wire.SendToAll, 0, "", strings.Repeat("m", 100_000))
	large, _ := l.connect(half[:60_000])
	small, _ := l.connect(half[:30_000])
	l.reader.read(large)
	l.reader.read(small)
	last, s := l.connect(half[:10_000])
	l.reader.read(last)
	l.expectClosed("at the limit")
	s.in = [][]byte{half[10_000:10_001]}
	l.reader.read(last)
	l.expectClosed("above it", closeHeld)
	if !large.closed || small.closed || last.closed || l.reader.held != 40_001 {
		t.Errorf("closed: %v %v %v; %d bytes are held", large.closed, small.closed, last.closed, l.reader.held)
	}
}

// Who has not sent its key may hold little.
func TestReaderHoldsLittleBeforeTheKey(t *testing.T) {
	for n, want := range map[int]bool{heldUnauthorized: false, heldUnauthorized + 1: true} {
		l := newStillLoop(t, func(c *Config) { c.Secret = "secret" })
		c, _ := l.connect(frame(wire.GatewayClientConnect, 0, "", strings.Repeat(" ", 10_000))[:n])
		if l.reader.read(c); c.closed != want {
			t.Errorf("%d bytes: closed %v, want %v", n, c.closed, want)
		}
	}
}

// A connection is read up to readBudget and continues in the next turn; one that is empty
// before that is not asked again.
func TestReaderSharesTurns(t *testing.T) {
	l := newStillLoop(t, nil)
	stream := bytes.Repeat(frame(wire.Ping, 0, "", strings.Repeat("p", 4000)), 2*readBudget/4028)
	c, s := l.connect(inPieces(stream, readLen)...)
	l.reader.begin()
	l.execution.begin()
	l.reader.read(c)
	if got := int(l.count.bytesIn.Load()); got < readBudget || got > readBudget+readLen {
		t.Errorf("%d bytes are read in a turn", got)
	}
	if l.reader.idle() || !c.later {
		t.Fatal("the rest is not read later")
	}
	l.reader.readLater(c)
	if len(l.reader.unfinished) != 1 {
		t.Error("it has two places")
	}
	read := l.count.bytesIn.Load()
	l.reader.begin()
	l.reader.read(c) // it is ready again, and has its turn behind the others
	if l.count.bytesIn.Load() != read {
		t.Error("it is read before its turn")
	}
	l.reader.goOn()
	if len(s.in) != 0 || !l.reader.idle() || c.later {
		t.Errorf("%d pieces are left, idle %v", len(s.in), l.reader.idle())
	}
	s.reads = []error{unix.EBADF} // it would be closed
	s.in = [][]byte{online(1)}
	c2, s2 := l.connect(online(1))
	s2.reads = []error{nil, unix.EBADF}
	if l.reader.read(c2); c2.closed {
		t.Error("a socket that was empty is read again")
	}
}

// When the steps of a turn are used up, a connection still has leastSteps, and the rest of its
// commands in the next turn.
func TestReaderSharesSteps(t *testing.T) {
	l := newStillLoop(t, nil)
	l.execution.steps = 0
	const commands = leastSteps + 100
	c, _ := l.connect(bytes.Repeat(online(1), commands))
	l.reader.read(c)
	if n := l.count.commands[wire.IsOnline].Load(); n != leastSteps {
		t.Errorf("%d commands, want %d", n, leastSteps)
	}
	l.reader.begin()
	l.execution.begin()
	l.reader.goOn()
	if n := l.count.commands[wire.IsOnline].Load(); n != commands || !l.reader.idle() {
		t.Errorf("%d commands in the end, want %d", n, commands)
	}
}

// A caller that does not read its replies is not read, until it has.
func TestReaderWaitsForReplies(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.MaxReplies = 80 }) // ten replies
	c, s := l.connect(bytes.Repeat(online(1), 15))
	s.room = 0
	l.reader.read(c)
	if c.waiting() != 80 || !c.stopped {
		t.Fatalf("%d bytes wait, reading has stopped: %v", c.waiting(), c.stopped)
	}
	l.writer.flush(c)
	if !l.reader.idle() {
		t.Error("it is read while its replies wait")
	}
	s.room = 1000
	l.writer.flush(c)
	if l.reader.idle() {
		t.Fatal("it is not read again")
	}
	l.reader.begin()
	l.reader.goOn()
	l.writer.flush(c)
	if len(s.out) != 15*8 {
		t.Errorf("%d bytes of replies, want %d", len(s.out), 15*8)
	}
	l.expectNoAccounts("all is written")
	w, ws := l.attach("w:0")
	ws.in = [][]byte{bytes.Repeat(online(1), 15)}
	ws.room = 0
	if l.reader.read(w); w.waiting() < 15*8 {
		t.Error("a worker is not read for its events' sake")
	}
}

// What the peer sent before its end is executed, and then the connection is closed; a caller
// that has ended only its side gets its replies first.
func TestReaderAtTheEnd(t *testing.T) {
	for what, of := range map[string]struct {
		sent    []byte
		replies bool
	}{"a command": {frame(wire.SendToOne, 1, "", "m"), false}, "a query": {online(1), true}, "nothing": {nil, false}, "half a frame": {online(1)[:9], false}} {
		l := newStillLoop(t, nil)
		c, s := l.connect()
		if s.over = true; of.sent != nil {
			s.in = [][]byte{of.sent}
		}
		c.told = unix.EPOLLIN | unix.EPOLLRDHUP
		l.reader.serve(c)
		if len(s.in) != 0 || c.closed == of.replies {
			t.Errorf("%s: %d pieces are left, closed %v", what, len(s.in), c.closed)
		}
		l.writer.flushAll()
		if l.expectClosed(what, closePeer); s.orderly != of.replies {
			t.Errorf("%s: a FIN: %v, want %v", what, s.orderly, of.replies)
		}
		l.expectNoAccounts(what)
	}
}

// An error of read that says nothing about the peer is retried after a rest; another ends the
// connection, and a reset is remembered.
func TestReaderErrors(t *testing.T) {
	for _, k := range []struct {
		err           error
		closed, rests bool
	}{
		{unix.EINTR, false, false}, {unix.ENOMEM, false, true}, {unix.ENOBUFS, false, true},
		{unix.EAGAIN, false, false}, {unix.ETIMEDOUT, true, false}, {unix.ECONNRESET, true, false},
	} {
		l := newStillLoop(t, nil)
		c, s := l.connect(frame(wire.SendToOne, 1, "", "m"))
		s.reads = []error{k.err}
		l.reader.read(c)
		if c.closed != k.closed || l.shortage.none() == k.rests || c.reset != (k.err == unix.ECONNRESET) {
			t.Errorf("%v: closed %v, rests %v, reset %v", k.err, c.closed, !l.shortage.none(), c.reset)
		}
		if k.rests {
			l.pass(shortPause)
			l.shortage.retry()
		}
		if n := len(l.server.heard()); (n == 1) != (k.rests || k.err == unix.EINTR) {
			t.Errorf("%v: %d commands", k.err, n)
		}
	}
}

// A frame that breaks the rules ends its connection for its reason, after the frames before it.
func TestReaderBadFrame(t *testing.T) {
	l := newStillLoop(t, nil)
	c, _ := l.connect(append(frame(wire.SendToOne, 1, "", "m"), 0, 0, 0, 1))
	l.reader.read(c)
	l.expectClosed("a frame of one byte", closeShort)
	if calls := l.server.heard(); len(calls) != 1 {
		t.Errorf("%q", calls)
	}
}

// A complete frame shows that a connection is alive, and so do bytes of an incomplete one; but
// before the first command none do, however slowly it comes.
func TestReaderNotesWhenItRead(t *testing.T) {
	l := newStillLoop(t, nil)
	began := l.time
	c, s := l.connect(online(1)[:5])
	l.pass(time.Second)
	if l.reader.read(c); !c.lastIn.Equal(began) {
		t.Error("half of a first command counts")
	}
	s.in = [][]byte{online(1)[5:]}
	if l.reader.read(c); !c.lastIn.Equal(l.time) || c.silent != nil {
		t.Error("the first command does not count")
	}
	s.in = [][]byte{online(1)[:5]}
	l.pass(time.Second)
	if l.reader.read(c); !c.lastIn.Equal(l.time) {
		t.Error("half of a later command does not count")
	}
}
