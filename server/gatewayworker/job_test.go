package gatewayworker

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// serialized makes a frame with a serialized body.
func serialized(command wire.Command, id uint32, ext, body string) []byte {
	return wire.AppendFrame(nil, &wire.Header{Command: command, ConnectionID: id}, []byte(ext), []byte(body))
}

// integers is a serialized list.
func integers(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "a:%d:{", n)
	for i := range n {
		fmt.Fprintf(&b, "i:%d;i:1;", i)
	}
	return b.String() + "}"
}

// numbered joins n texts, formatted from their numbers.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// longCommands are frames that cause a lot of work, by a size.
var longCommands = map[string]func(n int) []byte{
	"one client again and again": func(n int) []byte {
		return frame(wire.SendToAll, 0, `{"connections":[`+strings.Repeat("1,", n)+`1]}`, "m")
	},
	"many clients, in an object": func(n int) []byte {
		return frame(wire.SendToAll, 0, `{"connections":{`+numbered(n, `"%[1]d":%[1]d`)+`}}`, "m")
	},
	"all but many": func(n int) []byte {
		return frame(wire.SendToAll, 0, `{"exclude":{`+numbered(n, `"%[1]d":%[1]d`)+`}}`, "m")
	},
	"one uid again and again": func(n int) []byte {
		return frame(wire.SendToUID, 0, `[`+strings.Repeat(`"u",`, n)+`"u"]`, "m")
	},
	"one group again and again": func(n int) []byte {
		return frame(wire.SendToGroup, 0, `{"group":[`+strings.Repeat(`"g",`, n)+`"g"]}`, "m")
	},
	"many groups, many exclusions, and a body": func(n int) []byte {
		return serialized(wire.SendToGroup, 0, `{"group":[`+numbered(n/2, `"%d"`)+`],"exclude":{`+numbered(n/2, `"%d":1`)+`}}`, integers(n/4))
	},
	"select of one group again and again": func(n int) []byte {
		return frame(wire.SelectClients, 0, `{"fields":["uid"],"where":{"groups":[`+strings.Repeat(`"g",`, n)+`"g"]}}`, "")
	},
	"select of many uids": func(n int) []byte {
		return frame(wire.SelectClients, 0, `{"fields":["uid"],"where":{"uid":[`+numbered(n, `"%d"`)+`]}}`, "")
	},
	"select with many keys": func(n int) []byte {
		return frame(wire.SelectClients, 0, `{"fields":[`+numbered(n, `"%d"`)+`],"where":{`+numbered(n, `"%d":[1]`)+`}}`, "")
	},
	"counts of many groups": func(n int) []byte { return frame(wire.CountsOfGroups, 0, `[`+numbered(n, `"%d"`)+`]`, "") },
	"clients of many uids":  func(n int) []byte { return frame(wire.ClientsOfUIDs, 0, `[`+numbered(n, `"%d"`)+`]`, "") },
	"a body of many values": func(n int) []byte { return serialized(wire.SendToOne, 9, "", integers(n)) },
	"a body that refers to a part of it": func(n int) []byte {
		body := "a:11:{i:0;" + integers(n/2)
		for i := range 10 {
			body += fmt.Sprintf("i:%d;R:2;", i+1)
		}
		return serialized(wire.SendToOne, 9, "", body+"}")
	},
	"a session of many values": func(n int) []byte { return frame(wire.UpdateSession, 1, integers(n), "") },
}

// idle waits until there is nothing left to do.
func (r *rig) idle() {
	r.t.Helper()
	r.answers("")
	r.await("the inner loop is idle", func() bool {
		return r.number(func(l *innerLoop) uint64 {
			return uint64(len(l.execution.jobs) + len(l.reader.unfinished) + l.reader.held + l.execution.built)
		}) == 0
	})
}

// A command of twice the length takes at most about twice the work and memory.
func TestWorkIsLinear(t *testing.T) {
	r := startRig(t, nil)
	r.client()
	r.tell(frame(wire.BindUID, 1, "u", ""))
	r.tell(frame(wire.JoinGroup, 1, "g", ""))
	n := 4000
	if raceEnabled {
		n = 1000
	}
	for name, make := range longCommands {
		cost := func(n int) (steps, bytes uint64) {
			r.tell(frame(wire.SetSession, 1, integers(n), ""))
			b := make(n)
			r.idle()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			steps = r.front.count.steps.Load()
			r.tell(b)
			r.idle()
			runtime.ReadMemStats(&after)
			return r.front.count.steps.Load() - steps, after.TotalAlloc - before.TotalAlloc
		}
		least := func(n int) (steps, bytes uint64) { // others in the process allocate as well
			steps, bytes = cost(n)
			for range 3 {
				s, b := cost(n)
				steps, bytes = min(steps, s), min(bytes, b)
			}
			return steps, bytes
		}
		steps, bytes := least(n)
		steps2, bytes2 := least(2 * n)
		if steps2 > 3*steps+1000 || bytes2 > 3*bytes+1<<20 {
			t.Errorf("%s: %d steps and %d bytes for one size, %d and %d for twice that", name, steps, bytes, steps2, bytes2)
		}
	}
}

// startCountingSteps runs a rig. mostSteps returns the most steps that a turn has
// taken since it was last called.
func startCountingSteps(t *testing.T) (r *rig, mostSteps func() uint64) {
	t.Helper()
	sys := linux
	var front atomic.Pointer[Front]
	var most, last uint64 // used by the inner loop
	sys.wait = func(epoll int, events []unix.EpollEvent, ms int) (int, error) {
		if f := front.Load(); f != nil {
			now := f.count.steps.Load()
			most, last = max(most, now-last), now
		}
		return linux.wait(epoll, events, ms)
	}
	r = startRigOn(t, &sys, nil)
	front.Store(r.front)
	return r, func() uint64 {
		return r.number(func(*innerLoop) uint64 { defer func() { most = 0 }(); return most })
	}
}

// Whatever commands ask for, a turn takes a bounded number of steps, and everything
// is done in the end.
func TestTurnsAreBounded(t *testing.T) {
	r, mostSteps := startCountingSteps(t)
	r.client()
	r.tell(frame(wire.BindUID, 1, "u", ""))
	r.tell(frame(wire.JoinGroup, 1, "g", ""))
	long, many := 40_000, 2000
	if raceEnabled {
		long, many = 10_000, 300
	}
	for name, make := range longCommands {
		r.tell(make(long))
		r.idle()
		if n := mostSteps(); n > turnSteps+jobSteps+leastSteps+2*partLen {
			t.Errorf("%s: %d steps in a turn", name, n)
		}
	}
	// Many cheap commands at once, and queries that are not cheap.
	r.tell(frame(wire.SetSession, 1, strings.Repeat("s", 5000), ""))
	conn := r.dial()
	var b []byte
	for range many {
		b = append(b, frame(wire.SendToUID, 0, `[`+strings.Repeat(`"n",`, 500)+`"n"]`, "m")...)
	}
	b = append(b, frame(wire.IsOnline, 0, "", "")...)
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, conn); got != "i:0;" {
		t.Errorf("after many commands: %q", got)
	}
	r.idle()
	if n := mostSteps(); n > turnSteps+jobSteps+leastSteps+2*partLen {
		t.Errorf("commands one after the other: %d steps in a turn", n)
	}
}

// A short update of a long session is as much work as the session is long, so it
// gives way like a long command.
func TestShortUpdatesOfALongSession(t *testing.T) {
	r, mostSteps := startCountingSteps(t)
	r.client()
	session := integers(20_000)
	r.tell(frame(wire.SetSession, 1, session, ""))
	r.idle()
	mostSteps()
	begun := r.front.count.steps.Load()
	const updates = 5
	conns := make([]net.Conn, updates)
	release := r.hold() // so that one turn accepts all of them
	for i := range conns {
		conns[i] = r.dial()
		b := append(frame(wire.UpdateSession, 1, fmt.Sprintf(`a:1:{s:2:"k%d";i:%d;}`, i, i), ""), frame(wire.IsOnline, 1, "", "")...)
		if _, err := conns[i].Write(b); err != nil {
			t.Fatal(err)
		}
	}
	release(func(*innerLoop) {})
	for _, c := range conns {
		if got := readReply(t, c); got != "i:1;" {
			t.Errorf("after an update: %q", got)
		}
	}
	r.idle()
	if n := r.front.count.steps.Load() - begun; n < updates*uint64(len(session))/byteStep {
		t.Errorf("%d steps for %d updates of %d bytes", n, updates, len(session))
	}
	// All of them may be in one turn, and each connection may take leastSteps of it.
	if n := mostSteps(); n > turnSteps+jobSteps+updates*leastSteps+2*partLen {
		t.Errorf("%d steps in a turn", n)
	}
	stored, online, err := r.server.SessionBytes(background, r.front.loop.commands.clientID(1))
	if !online {
		t.Error("the client is gone")
	}
	for i := range updates {
		if want := fmt.Sprintf(`s:2:"k%d";i:%d;`, i, i); err != nil || !strings.Contains(stored, want) {
			t.Errorf("%q is not in the session of %d bytes that ends with %.100q (%v)", want, len(stored), stored[max(len(stored)-100, 0):], err)
		}
	}
}

// number asks the inner loop for a number.
func (r *rig) number(ask func(*innerLoop) uint64) (n uint64) {
	r.t.Helper()
	done := make(chan struct{})
	if !r.front.do(r.t.Context(), func(l *innerLoop) { n = ask(l); close(done) }, done) {
		r.t.Fatal("the inner loop has ended")
	}
	return n
}

// While a command continues in later turns, others are answered after a few of its
// steps, and the commands after it on its own connection wait for it.
func TestOthersAreAnswered(t *testing.T) {
	sys := linux
	var front atomic.Pointer[Front]
	var answered atomic.Uint64 // steps done when a reply of one integer was written
	sys.write = func(fd int, p []byte) (int, error) {
		if f := front.Load(); f != nil && len(p) == 8 {
			answered.Store(f.count.steps.Load())
		}
		return linux.write(fd, p)
	}
	r := startRigOn(t, &sys, nil)
	front.Store(r.front)
	c := r.client()
	other, own := r.dial(), r.dial()
	begin := r.front.count.steps.Load()
	long := frame(wire.SendToUID, 0, `[`+strings.Repeat(`"n",`, 1_000_000)+`"u"]`, "m")
	r.tell(frame(wire.BindUID, 1, "u", ""))
	go func() {
		_, _ = own.Write(append(long, frame(wire.SendToOne, 1, "", "o")...))
	}()
	frozen, release := make(chan struct{}), make(chan struct{})
	var at uint64
	r.await("it has begun", func() bool {
		began := make(chan bool, 1)
		r.front.loop.tasks <- func(l *innerLoop) {
			at = l.count.steps.Load()
			began <- l.execution.underWay() == 1
			if l.execution.underWay() == 1 {
				close(frozen)
				<-release
			}
		}
		r.front.loop.bell.Ring()
		return <-began
	})
	<-frozen
	if _, err := other.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		t.Fatal(err)
	}
	close(release)
	if got := readReply(t, other); got != "i:0;" {
		t.Fatalf("%q", got)
	}
	if took := answered.Load() - at; took > 4*jobSteps {
		t.Errorf("%d steps until another command was answered", took)
	}
	c.expect("a message and the one behind it", "81016d"+"81016f")
	if took := r.front.count.steps.Load() - begin; took < 1_000_000 {
		t.Errorf("it took %d steps in all", took)
	}
}

// A reply that exceeds the limit ends its connection, not the process, and frees
// its memory; so does a peer that has gone.
func TestReplyOverTheLimit(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.MaxAllReplies = 100_000 })
	for i := range 5 {
		r.client()
		r.tell(frame(wire.SetSession, uint32(i+1), strings.Repeat("s", 30_000), ""))
	}
	for _, b := range [][]byte{
		frame(wire.AllSessions, 0, "", ""),
		frame(wire.SelectClients, 0, `{"fields":["session"],"where":[]}`, ""),
		frame(wire.CountsOfGroups, 0, `[`+numbered(10_000, `"group %d"`)+`]`, ""),
		frame(wire.ClientsOfUIDs, 0, `[`+numbered(10_000, `"user %d"`)+`]`, ""),
	} {
		before := r.front.count.closes[closeReplies].Load()
		c := r.dial()
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		expectClosed(t, "too long a reply", c)
		r.idle()
		if n := r.front.count.closes[closeReplies].Load() - before; n != 1 || r.front.count.waiting.Load() != 0 {
			t.Errorf("%d closes, %d bytes wait", n, r.front.count.waiting.Load())
		}
	}
}

// The end of the front does not wait for long commands.
func TestShutdownEndsJobs(t *testing.T) {
	r := startRig(t, nil)
	c, err := net.Dial("tcp", r.front.Inner().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		_, _ = c.Write(frame(wire.SendToUID, 0, `[`+strings.Repeat(`"n",`, 2_000_000)+`"u"]`, "m"))
	}()
	r.await("it has begun", func() bool { return r.front.count.steps.Load() > turnSteps })
	ended := make(chan struct{})
	go func() { r.front.halt(); <-r.front.ended; close(ended) }()
	<-ended
	if n := len(r.front.loop.execution.jobs); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}
