package gatewayworker

import (
	"slices"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// A command that is done at once waits for room at the event loops, everything with it, since
// later commands must come later. After busyPatience it is dropped, and counted.
func TestPushWaitsForRoom(t *testing.T) {
	for busy, done := range map[int]bool{0: true, 5: true, 1 << 20: false} {
		l := newStillLoop(t, nil)
		l.server.busy = busy
		c, _ := l.connect()
		l.executes(c, frame(wire.SendToOne, 1, "", "m"))
		calls := l.server.heard()
		if got := slices.Contains(calls, "push 1 ids 0 uids 0 groups all false in series false: m"); got != done {
			t.Errorf("busy %d times: done %v after %v", busy, got, l.slept)
		}
		if dropped := l.count.ignored[ignoreFailed].Load(); (dropped == 0) != done {
			t.Errorf("busy %d times: %d are counted", busy, dropped)
		}
		if !done && (l.slept < busyPatience || l.slept > busyPatience+20*time.Millisecond) {
			t.Errorf("it waited %v, want %v", l.slept, busyPatience)
		}
		if waits := int(l.count.busyWaits.Load()); done && waits != busy || busy > 0 && !slices.Contains(calls, "wake") {
			t.Errorf("busy %d times: %d waits; the event loops were woken: %v", busy, waits, slices.Contains(calls, "wake"))
		}
	}
}

// A single name is one push. More of them are a series, in parts.
func TestPushInParts(t *testing.T) {
	for n, want := range map[int]int{1: 0, 2: 1, partLen: 1, partLen + 1: 1} {
		l := newStillLoop(t, nil)
		c, _ := l.connect()
		l.executes(c, names(n, "m"))
		pushes := 0
		for _, call := range l.server.heard() {
			if call[:4] == "push" {
				pushes++
			}
		}
		if l.server.series != want || pushes != (n+partLen-1)/partLen {
			t.Errorf("%d names: %d series, %d pushes", n, l.server.series, pushes)
		}
	}
}

// A limit of ours that forbids a change is counted each time, and logged once in a while for
// each of the limits.
func TestRefusedChangesAreLoggedSeldom(t *testing.T) {
	l := newStillLoop(t, nil)
	c, _ := l.connect()
	refused := func() int { return l.logged("refused a command of PHP") }
	long := frame(wire.JoinGroup, 1, string(make([]byte, gateway.MaxPeerNameLen+1)), "")
	for range 3 {
		l.executes(c, long)
	}
	l.pass(warnEvery - 1)
	l.executes(c, long)
	if n := l.count.ignored[ignoreName].Load(); n != 4 || refused() != 1 {
		t.Errorf("%d are counted, %d logged", n, refused())
	}
	l.server.err = &gateway.Error{Code: gateway.CodeSessionTooLarge}
	if l.executes(c, frame(wire.SetSession, 1, "s", "")); refused() != 2 {
		t.Errorf("%d logged, want one of each reason", refused())
	}
	l.pass(1)
	if l.executes(c, long); refused() != 3 {
		t.Errorf("%d logged, want one more after a while", refused())
	}
	l.server.err = &gateway.Error{Code: gateway.CodeUnknownClient}
	if l.executes(c, frame(wire.SetSession, 1, "s", "")); refused() != 3 || l.count.ignored[ignoreOffline].Load() != 1 {
		t.Error("that a client is offline is logged, or not counted")
	}
}

// Without the key nothing is executed, and the connection is closed at once.
func TestCommandsNeedKey(t *testing.T) {
	for what, of := range map[string]struct {
		sent []byte
		ok   bool
	}{
		"none":  {frame(wire.SendToOne, 1, "", "m"), false},
		"wrong": {frame(wire.GatewayClientConnect, 0, "", `{"secret_key":"secre"}`), false},
		"right": {frame(wire.GatewayClientConnect, 0, "", `{"secret_key":"secret"}`), true},
	} {
		l := newStillLoop(t, func(c *Config) { c.Secret = "secret" })
		c, _ := l.connect()
		l.executes(c, of.sent)
		if c.closed == of.ok || c.authorized != of.ok || (c.silent == nil) != true {
			t.Errorf("%s: closed %v, authorized %v", what, c.closed, c.authorized)
		}
		if !of.ok {
			l.expectClosed(what, closeUnauthorized)
		}
		if len(l.server.heard()) != 0 {
			t.Errorf("%s: it was executed", what)
		}
	}
}

// Replies count while they wait, and the next caller that asks when they are too many is
// closed.
func TestAnswersAreBounded(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.MaxAllReplies = 16 })
	a, _ := l.connect()
	b, s := l.connect()
	l.executes(a, online(1))
	l.executes(b, online(1))
	if l.writer.allWaiting() != 16 || a.waiting() != 8 {
		t.Fatalf("%d bytes wait", l.writer.allWaiting())
	}
	l.executes(b, online(1))
	l.expectClosed("above the limit", closeReplies)
	if !b.closed || !s.closed || l.writer.allWaiting() != 8 {
		t.Errorf("closed %v, %d bytes wait", b.closed, l.writer.allWaiting())
	}
}

// A reply to a worker mixes with its events: none of them is given to another worker any more.
func TestAnswersToWorkers(t *testing.T) {
	l := newStillLoop(t, nil)
	w, _ := l.attach("w:0")
	if l.executes(w, online(1)); !w.out.mixed {
		t.Error("a reply to a worker is not noted")
	}
	c, _ := l.connect()
	if l.executes(c, online(1)); c.out.mixed {
		t.Error("a reply to a caller is noted as one to a worker")
	}
}
