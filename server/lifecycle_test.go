package server

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/capacity"
	"castgate/server/gateway"
	"castgate/server/kernel"
)

// Shutdown writes what is queued, closes with 1001 and leaves nothing.
func TestShutdownDrains(t *testing.T) {
	s := startServer(t, nil)
	var clients []*testClient
	for range 50 {
		clients = append(clients, s.dial())
	}
	var want []string
	for i := range 100 {
		want = append(want, strings.Repeat("m", i+1))
		s.push(gateway.Targets{All: true}, want[i])
	}
	stopCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.Shutdown(stopCtx); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		c.expect(want...)
		c.expectClose(1001, "shutting down")
	}
	if _, err := s.Push(ctx, gateway.Push{To: gateway.Targets{All: true}}); err == nil {
		t.Error("a push after Shutdown was taken")
	}
}

// lateContext is one whose deadline has passed a while before its timer says so.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

// A client that does not read can't hold a shutdown up beyond its time, and the
// shutdown says that it has cut somebody off, whether the clock or the timer
// shows first that the time is over.
func TestShutdownEndsInTime(t *testing.T) {
	const soon = 100 * time.Millisecond
	for _, try := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
		want error
	}{
		{"of its context", func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, soon) }, context.DeadlineExceeded},
		{"of a context whose timer is late", func() (context.Context, context.CancelFunc) {
			late, cancel := context.WithCancel(ctx)
			time.AfterFunc(soon, cancel)
			return lateContext{late, time.Now()}, cancel
		}, context.Canceled},
		{"of the settings", func() (context.Context, context.CancelFunc) { return ctx, func() {} }, context.DeadlineExceeded},
	} {
		t.Run(try.name, func(t *testing.T) {
			s := startServer(t, func(c *Config) { c.DrainTimeout = capacity.MinTimeout })
			c := s.dialRaw()
			s.push(gateway.Targets{ClientIDs: []string{c.id}}, strings.Repeat("x", 32<<20))
			ctx, cancel := try.ctx()
			defer cancel()
			if err := s.Shutdown(ctx); !errors.Is(err, try.want) {
				t.Errorf("Shutdown says %v, want %v", err, try.want)
			}
			if st := s.stats(); st.Sockets != 0 || st.Queued != 0 || st.Dropped["closed"] == 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// dialUnfinished opens n sockets that say nothing, or too little for a handshake, and
// waits until the server has them.
func dialUnfinished(t *testing.T, s *testServer, n int) (socks []net.Conn) {
	t.Helper()
	for i := range n {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if i%2 == 0 {
			_, _ = c.Write([]byte("GET / HTTP/1.1\r\n"))
		}
		socks = append(socks, c)
	}
	eventually(t, "the sockets", func() bool { return s.stats().Sockets == n })
	return socks
}

// While the gateway stops, those who have not finished their handshake are told so.
func TestShutdownTellsUnfinishedHandshakes(t *testing.T) {
	s := startServer(t, nil)
	socks := dialUnfinished(t, s, 10)
	stopCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.Shutdown(stopCtx); err != nil {
		t.Fatal(err)
	}
	for _, c := range socks {
		b := make([]byte, 512)
		if n, _ := c.Read(b); !strings.HasPrefix(string(b[:n]), "HTTP/1.1 503 ") {
			t.Errorf("answered %q", b[:n])
		}
	}
}

// Sockets that say nothing, or too little, are gone after the timeout.
func TestHandshakeTimeout(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) { c.HandshakeTimeout = 2 * kernel.Tick })
	socks := dialUnfinished(t, s, 20)
	clock.pass(s, 3) // the first takes them in
	for _, c := range socks {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 512)
		n, _ := c.Read(b)
		if !strings.HasPrefix(string(b[:n]), "HTTP/1.1 408 ") {
			t.Fatalf("answered %q", b[:n])
		}
		_ = c.Close()
	}
	eventually(t, "the sockets to be gone", func() bool { return s.stats().Sockets == 0 })
	if st := s.stats(); st.Handshakes["timeout"] != 20 {
		t.Errorf("%+v", st.Handshakes)
	}
}

func TestPingTimeout(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) { c.PingInterval, c.PingTimeout = 2*kernel.Tick, 4*time.Second })
	silent, alive := s.dialRaw(), s.dial()
	clock.pass(s, 3)
	_ = silent.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 64)
	n, err := silent.Read(b)
	if err != nil || string(b[:n]) != string(codec.AppendFrame(nil, ws.OpPing, nil)) {
		t.Fatalf("read %x %v, want a ping", b[:n], err)
	}
	clock.eventually(s, "the end of the silent client", func() bool {
		clock.awaitPong(s, alive.id)
		return s.stats().Closes["ping_timeout"] == 1
	})
	if _, err := silent.Read(b); err == nil {
		t.Error("a silent client was not closed")
	}
	s.push(gateway.Targets{All: true}, "alive")
	alive.expect("alive")
	if st := s.stats(); st.Closes["ping_timeout"] != 1 || st.Pings < 2 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
}

func TestUnboundTimeout(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) { c.UnboundTimeout = 3 * kernel.Tick })
	bound, unbound := s.dial(), s.dial()
	s.bind(bound, "u")
	clock.pass(s, 4)
	unbound.expectClose(1008, "not bound in time")
	s.push(gateway.Targets{All: true}, "still here")
	bound.expect("still here")
}

// Above MaxConns clients are told 503; one that leaves makes room.
func TestMaxConns(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConns = 5 })
	var clients []*testClient
	for range 5 {
		clients = append(clients, s.dial())
	}
	for range 30 {
		if _, err := s.tryDial(); err == nil || !strings.Contains(err.Error(), "503") {
			t.Fatalf("a sixth client: %v", err)
		}
	}
	_ = clients[0].ws.CloseNow()
	eventually(t, "room", func() bool {
		c, err := s.tryDial()
		return err == nil && c != nil
	})
}

// A full mailbox refuses pushes instead of eating memory, and takes them again.
func TestBusy(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PushQueue = 4 << 10; c.Loops = 1 })
	c := s.dial()
	release := s.hold()
	busy := 0
	for range 100 {
		if _, err := s.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, Payload: []byte("x")}); err != nil {
			if err.(*gateway.Error).Code != gateway.CodeBusy {
				t.Fatal(err)
			}
			busy++
		}
	}
	release()
	const cost = 256 + 3 // what a push takes, and its frame
	if taken := 100 - busy; taken != 4<<10/cost {
		t.Errorf("%d pushes were taken", taken)
	}
	eventually(t, "room", func() bool {
		_, err := s.Push(ctx, gateway.Push{To: gateway.Targets{ClientIDs: []string{c.id}}, Payload: []byte("y")})
		return err == nil
	})
	if st := s.stats(); st.PushesRefused < uint64(busy) {
		t.Errorf("%d refused, counted %d", busy, st.PushesRefused)
	}
	s.settle()
	release = s.hold()
	defer release()
	taken := 0
	for ; taken < 100; taken++ {
		if _, err := s.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, Payload: []byte("z")}); err != nil {
			break
		}
	}
	if taken != 4<<10/cost {
		t.Errorf("%d pushes were taken with the mailbox empty again", taken)
	}
}

func TestNoGoroutinePerConnection(t *testing.T) {
	s := startServer(t, nil)
	before := runtime.NumGoroutine()
	for range 200 {
		s.dialRaw()
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines before 200 connections, %d after", before, after)
	}
}
