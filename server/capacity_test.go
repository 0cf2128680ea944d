package server

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/gateway"
	"castgate/server/kernel"
	"castgate/server/loop"
)

// More clients may come at once, and fewer; those who are there stay.
func TestSetMaxConns(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConns = 1 })
	first := s.dial()
	if _, err := s.tryDial(); err == nil {
		t.Fatal("a client above max-conns was taken")
	}
	limits := s.config.Capacity
	limits.MaxConns = 2
	if err := s.SetCapacity(limits); err != nil {
		t.Fatal(err)
	}
	// The refused socket may still be open.
	var second *testClient
	eventually(t, "room for a second client", func() (ok bool) {
		second, _ = s.tryDial()
		return second != nil
	})
	limits.MaxConns = 1
	if err := s.SetCapacity(limits); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryDial(); err == nil {
		t.Error("a client above the lower max-conns was taken")
	}
	s.push(gateway.Targets{All: true}, "to both")
	first.expect("to both")
	second.expect("to both")
	if st := s.stats(); st.MaxConns != 1 || st.Connections != 2 {
		t.Errorf("%d of %d clients", st.Connections, st.MaxConns)
	}
	for want, change := range map[string]func(*capacity.Capacity){
		"send-queue: ":        func(n *capacity.Capacity) { n.SendQueue = 0 },
		"max-message: ":       func(n *capacity.Capacity) { n.MaxMessage = 0 },
		"max-conns: -1 ":      func(n *capacity.Capacity) { n.MaxConns = -1 },
		"max-conns: 10":       func(n *capacity.Capacity) { n.MaxConns = 1 << 30 },
		"slow-policy: ":       func(n *capacity.Capacity) { n.SlowPolicy = "shout" },
		"push-queue: ":        func(n *capacity.Capacity) { n.PushQueue = 0 },
		"ping-timeout: ":      func(n *capacity.Capacity) { n.PingTimeout = 0 },
		"tcp-keepalive: ":     func(n *capacity.Capacity) { n.TCPKeepalive = 1 },
		"handshake-timeout: ": func(n *capacity.Capacity) { n.HandshakeTimeout = 0 },
		"unbound-timeout: ":   func(n *capacity.Capacity) { n.UnboundTimeout = time.Hour * 25 },
	} {
		wrong := limits
		change(&wrong)
		if err := s.SetCapacity(wrong); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", wrong, err, want)
		}
	}
	if s.MaxConns() != 1 {
		t.Errorf("wrong limits were taken: %d", s.MaxConns())
	}
}

// A lower send queue and the other slow policy hold for connected clients.
func TestSetSendQueue(t *testing.T) {
	const before, after = 64 << 20, 16 << 10
	s := startServer(t, func(c *Config) { c.SendQueue = before })
	c := s.dialRaw()
	limits := s.config.Capacity
	limits.SendQueue, limits.SlowPolicy = after, capacity.SlowDrop
	if err := s.SetCapacity(limits); err != nil {
		t.Fatal(err)
	}
	payload := strings.Repeat("x", 8<<10)
	fill(s, gateway.Targets{All: true}, payload, func(st gateway.Stats) bool { return st.Dropped["slow"] > 0 })
	if st := s.stats(); st.Closes["slow"] != 0 || st.QueuedBytes > after+2*len(payload) {
		t.Errorf("%d closed as slow, %d bytes wait", st.Closes["slow"], st.QueuedBytes)
	}
	limits.SlowPolicy = capacity.SlowClose
	if err := s.SetCapacity(limits); err != nil {
		t.Fatal(err)
	}
	fill(s, gateway.Targets{All: true}, payload, func(st gateway.Stats) bool { return st.Connections == 0 })
	if _, code, reason := c.drain(); code != 1008 || reason != "slow consumer" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

// The largest message changes for those who are connected, also while one of
// theirs is under way, and what a rate of bytes lets pass at once with it.
func TestSetMaxMessage(t *testing.T) {
	const small, large = 2000, 200_000
	s := startServer(t, func(c *Config) {
		c.OnMessage, c.MaxMessage, c.ByteRate = loop.OnMessageEcho, small, 1<<20
		c.ByteBurst = small + admission.MaxRead
	})
	limits := s.config.Capacity
	set := func(n int, sign string) {
		t.Helper()
		limits.MaxMessage = n
		if err := s.SetCapacity(limits); err != nil {
			t.Fatal(err)
		}
		s.push(gateway.Targets{All: true}, sign) // each loop has taken the limit up before
	}
	text := strings.Repeat("x", large)
	c, rested, half := s.dial(), s.dial(), s.dialRaw()
	set(large, "larger")
	c.expect("larger")
	half.expectText("larger")
	c.echoes(t, text) // three times the burst of before

	begin := codec.AppendMaskedFrame(nil, ws.OpText, []byte(text[:small]), [4]byte{})
	begin[0] &^= 0x80 // more follows
	if _, err := half.Write(begin); err != nil {
		t.Fatal(err)
	}
	set(small, "smaller")
	half.expectText("smaller")
	if _, err := half.Write(codec.AppendMaskedFrame(nil, ws.OpContinuation, []byte("x"), [4]byte{})); err != nil {
		t.Fatal(err)
	}
	if _, code, _ := half.drain(); code != 1009 {
		t.Errorf("one byte above the lower limit: closed with %d, want 1009", code)
	}
	if err := rested.ws.Write(context.Background(), websocket.MessageText, []byte(text[:small+1])); err != nil {
		t.Fatal(err)
	}
	rested.expectClose(websocket.StatusMessageTooBig, "message too big")
}

// A push queue that grows or shrinks counts what waits in it.
func TestSetPushQueue(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Loops, c.PushQueue = 1, 10_000 })
	c := s.dial()
	push := func() error {
		_, err := s.Push(context.Background(), gateway.Push{To: gateway.Targets{All: true}, Payload: make([]byte, 4000)})
		return err
	}
	release := s.hold()
	limits := s.config.Capacity
	set := func(n int) {
		t.Helper()
		limits.PushQueue = n
		if err := s.SetCapacity(limits); err != nil {
			t.Fatal(err)
		}
	}
	busy := &gateway.Error{Code: gateway.CodeBusy}
	for i, want := range []error{nil, nil, busy} {
		if err := push(); !errors.Is(err, want) {
			t.Errorf("push %d: %v, want %v", i, err, want)
		}
	}
	set(14_000)
	for i, want := range []error{nil, busy} {
		if err := push(); !errors.Is(err, want) {
			t.Errorf("push %d with more room: %v, want %v", i, err, want)
		}
	}
	set(5_000)
	if err := push(); !errors.Is(err, busy) {
		t.Errorf("with less room than is taken: %v", err)
	}
	release()
	eventually(t, "the three pushes", func() bool { return len(c.log()) == 3 })
	s.settle()
	release = s.hold()
	defer release()
	if err := push(); err != nil {
		t.Errorf("with the room free again: %v", err)
	}
	if err := push(); !errors.Is(err, busy) {
		t.Errorf("with more than the room free again: %v", err)
	}
}

// Timeouts that change close nobody who is there: pings begin late, and their
// answer has all of its time; the time to be bound is that of connecting.
func TestSetTimeouts(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) { c.Loops, c.PingInterval = 1, time.Hour })
	limits := s.config.Capacity
	set := func() {
		t.Helper()
		if err := s.SetCapacity(limits); err != nil {
			t.Fatal(err)
		}
	}
	silent := s.dialRaw() // answers no ping
	clock.pass(s, 3)
	limits.UnboundTimeout, limits.HandshakeTimeout = kernel.Tick, kernel.Tick
	set()
	late := s.dial()
	clock.pass(s, 2)
	late.expectClose(1008, "not bound in time")
	eventually(t, "its end", func() bool { return s.stats().Sockets == 1 })
	slow, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Close() }()
	_ = slow.SetReadDeadline(time.Now().Add(patience))
	eventually(t, "the silent handshake", func() bool { return s.stats().Sockets == 2 })
	clock.pass(s, 2)
	b := make([]byte, 64)
	if n, _ := slow.Read(b); !strings.HasPrefix(string(b[:n]), "HTTP/1.1 408 ") {
		t.Errorf("a silent handshake: %q", b[:n])
	}
	limits.UnboundTimeout = 0
	limits.PingInterval, limits.PingTimeout = kernel.Tick, 8*kernel.Tick
	set()
	clock.eventually(s, "a ping, at the next deadline", func() bool { return s.stats().Pings == 1 })
	clock.pass(s, 7)
	if s.stats().Closes["ping_timeout"] != 0 {
		t.Error("the ping had less than its time to be answered")
	}
	clock.eventually(s, "the silent one's end", func() bool { return s.stats().Closes["ping_timeout"] == 1 })
	_ = silent.Close()
}
