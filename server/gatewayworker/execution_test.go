package gatewayworker

import (
	"slices"
	"strings"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
)

// names is a command for n uids that nobody has, each of which is a step.
func names(n int, text string) []byte {
	return frame(wire.SendToUID, 0, `[`+strings.Repeat(`"n",`, n-1)+`"n"]`, text)
}

// executes parses a frame and has it executed for a connection.
func (l *stillLoop) executes(c *innerConn, b []byte) {
	l.t.Helper()
	var reader wire.FrameReader
	f, _, ok, err := reader.Next(b)
	if !ok || err != nil {
		l.t.Fatal("no frame:", err)
	}
	l.commands.execute(c, &f)
}

// A command that takes few steps is done at once; one that may take many is a job, which ends
// at once, too, if the turn has steps for it.
func TestJobsThatFitIntoTheirTurn(t *testing.T) {
	l := newStillLoop(t, nil)
	c, _ := l.connect()
	l.executes(c, frame(wire.SendToOne, 1, "", "short"))
	l.executes(c, names(2000, "long"))
	if l.execution.underWay() != 0 || c.job != nil {
		t.Fatal("it gives way although the turn has steps left")
	}
	if steps := turnSteps - l.execution.left(); steps < 2000 || steps > 8000 || uint64(steps) != l.count.steps.Load() {
		t.Errorf("%d steps, %d are counted", steps, l.count.steps.Load())
	}
	calls := l.server.heard()
	if len(calls) != 2+(2000+partLen-1)/partLen {
		t.Errorf("%d calls: %q", len(calls), calls)
	}
	l.expectNoAccounts("all is done")
}

// A job gives way when its turn has no steps left, and goes on for its share of each later
// turn. Its own connection waits for it, and its frame is held.
func TestJobsGiveWay(t *testing.T) {
	l := newStillLoop(t, nil)
	l.execution.steps = 0
	c, s := l.connect(append(names(20_000, "long"), frame(wire.SendToOne, 1, "", "next")...))
	l.reader.read(c)
	if l.execution.underWay() != 1 || !c.stopped || c.held < 80_000 || l.reader.held != c.held {
		t.Fatalf("%d jobs, stopped %v, %d bytes held", l.execution.underWay(), c.stopped, c.held)
	}
	other, _ := l.connect(names(20_000, "other"))
	l.reader.read(other)
	if l.execution.underWay() != 2 {
		t.Fatalf("%d jobs", l.execution.underWay())
	}
	turns := 0
	for ; l.execution.underWay() > 0; turns++ {
		l.pass(time.Second)
		l.execution.begin()
		before := l.execution.left()
		l.execution.goOnWithJobs()
		if steps := before - l.execution.left(); steps > jobSteps+2*(partLen+lookSteps) {
			t.Errorf("a turn of jobs takes %d steps", steps)
		}
		if turns > 100 {
			t.Fatal("they never end")
		}
	}
	if turns < 5 {
		t.Errorf("they took %d turns", turns)
	}
	if c.stopped || !c.lastIn.Equal(l.time) {
		t.Error("the time that its job took counts as silence of the connection")
	}
	l.reader.begin()
	l.reader.goOn()
	if calls := l.server.heard(); !strings.HasSuffix(calls[len(calls)-1], "next") || len(s.in) != 0 {
		t.Errorf("the command behind it: %q", calls[len(calls)-1])
	}
	l.expectNoAccounts("all is done")
}

// Frames of jobs are parsed at the same time only up to maxJobBytes, but one always is.
func TestJobsAreNotParsedTogether(t *testing.T) {
	l := newStillLoop(t, nil)
	large := names(maxJobBytes/5, "m") // four bytes each
	var cs []*innerConn
	for range 3 {
		c, _ := l.connect()
		l.execution.steps = 0
		l.executes(c, large)
		cs = append(cs, c)
	}
	begun := func() (n int) {
		for _, j := range l.execution.jobs {
			if j.yield != nil {
				n++
			}
		}
		return n
	}
	if begun() != 1 || l.execution.underWay() != 3 {
		t.Fatalf("%d of %d jobs have begun", begun(), l.execution.underWay())
	}
	for turns := 0; l.execution.underWay() > 0; turns++ {
		l.execution.begin()
		l.execution.goOnWithJobs()
		if begun() > 1 {
			t.Fatalf("%d have begun", begun())
		}
		if turns > 1<<16 {
			t.Fatal("they never end")
		}
	}
	for i, c := range cs {
		if c.job != nil {
			t.Errorf("connection %d still waits", i)
		}
	}
}

// A job whose connection is closed does nothing more, and what it held is given back.
func TestJobsOfClosedConnections(t *testing.T) {
	l := newStillLoop(t, nil)
	l.execution.steps = 0
	c, _ := l.connect(names(20_000, "m"))
	l.reader.read(c)
	done := 0
	for turns := 0; done == 0 && turns < 10; turns++ {
		l.execution.goOnWithJobs()
		done = len(l.server.heard())
	}
	l.close(c, closePeer)
	l.execution.goOnWithJobs()
	if l.execution.underWay() != 0 || len(l.server.heard()) != 0 || done == 0 {
		t.Errorf("%d jobs are left; it had done %d things before", l.execution.underWay(), done)
	}
	l.expectNoAccounts("closed")
}

// What a job has built of its reply counts, and is given back when its connection is closed.
func TestJobsGiveBackTheirReply(t *testing.T) {
	l := newStillLoop(t, nil)
	l.execution.steps = 0
	l.server.clients = 2000
	c, _ := l.connect(frame(wire.AllSessions, 0, "", ""))
	l.reader.read(c)
	if l.execution.underWay() != 1 || l.execution.built == 0 {
		t.Fatalf("%d jobs, %d bytes are built", l.execution.underWay(), l.execution.built)
	}
	l.close(c, closePeer)
	l.execution.goOnWithJobs()
	l.expectNoAccounts("closed")
	l.server.clients = 20
	c, s := l.connect(frame(wire.AllSessions, 0, "", ""))
	l.execution.begin()
	l.reader.read(c)
	l.writer.flushAll()
	if len(s.out) < 20*len("session") {
		t.Errorf("%d bytes of a reply", len(s.out))
	}
	l.expectNoAccounts("answered")
}

// A short update of a long session is a job, since it is as much work as the session is long.
func TestJobsByTheSession(t *testing.T) {
	l := newStillLoop(t, nil)
	l.execution.steps = 0
	for size, want := range map[int]int{100: 0, 2 * longBody: 1} {
		l.server.sessions[l.commands.clientID(1)] = integers(size / 10)
		c, _ := l.connect(frame(wire.UpdateSession, 1, `a:1:{s:1:"k";i:1;}`, ""))
		l.reader.read(c)
		if n := l.execution.underWay(); n != want {
			t.Errorf("a session of %d bytes: %d jobs, want %d", size, n, want)
		}
		l.close(c, closePeer)
		l.execution.goOnWithJobs()
	}
}

// An update that has given way merges with the session that there is when it goes on.
func TestUpdateBeginsAgain(t *testing.T) {
	l := newStillLoop(t, nil)
	l.execution.steps = 0
	id := l.commands.clientID(1)
	l.server.sessions[id] = integers(20_000)
	c, _ := l.connect(frame(wire.UpdateSession, 1, `a:1:{s:1:"k";i:1;}`, ""))
	if l.reader.read(c); l.execution.underWay() != 1 {
		t.Fatal("it has not given way")
	}
	l.server.sessions[id] = `a:1:{s:1:"l";i:2;}`
	for l.execution.underWay() > 0 {
		l.execution.begin()
		l.execution.goOnWithJobs()
	}
	if got := l.server.sessions[id]; got != `a:2:{s:1:"l";i:2;s:1:"k";i:1;}` {
		t.Errorf("the session is %.100q", got)
	}
}

// A job that waits for room at the event loops waits alone; nothing else is slowed.
func TestJobsWaitForRoomAlone(t *testing.T) {
	l := newStillLoop(t, nil)
	l.server.busy = 3
	c, _ := l.connect(names(2000, "m"))
	l.reader.read(c)
	if l.execution.underWay() != 1 || !l.execution.allBusy() || l.slept != 0 {
		t.Fatalf("%d jobs, all busy %v, slept %v", l.execution.underWay(), l.execution.allBusy(), l.slept)
	}
	if n := l.patience(); n != 1 {
		t.Errorf("epoll waits %d ms for room, want 1", n)
	}
	for turns := 0; l.execution.underWay() > 0; turns++ {
		if turns > 10 {
			t.Fatal("it never ends")
		}
		l.execution.goOnWithJobs()
	}
	if n := len(slices.DeleteFunc(l.server.heard(), func(s string) bool { return !strings.HasPrefix(s, "push") })); n != (2000+partLen-1)/partLen {
		t.Errorf("%d pushes", n)
	}
	if l.count.busyWaits.Load() != 3 {
		t.Errorf("%d waits are counted", l.count.busyWaits.Load())
	}
}
