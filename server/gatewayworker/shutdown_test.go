package gatewayworker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// A stop takes its time limit and little more, whatever the inner loop is doing.
// When the inner loop returns, the front still ends.
func TestStopWhileTheInnerLoopIsBusy(t *testing.T) {
	r := startRig(t, nil)
	begun, done := make(chan struct{}), make(chan struct{})
	r.front.loop.tasks <- func(*innerLoop) { close(begun); <-done }
	r.front.loop.bell.Ring()
	<-begun
	for len(r.front.loop.tasks) < cap(r.front.loop.tasks) {
		r.front.loop.tasks <- func(*innerLoop) {}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	for what, stop := range map[string]func(context.Context) error{"Drain": r.front.Drain, "Shutdown": r.front.Shutdown} {
		stopped := make(chan error, 1)
		go func() { stopped <- stop(ctx) }()
		select {
		case err := <-stopped:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(patience):
			t.Errorf("%s waits for the inner loop", what)
		}
	}
	close(done)
}

// As long as clients are connected PHP's calls are answered, at the inner endpoint
// and at the Register.
func TestCallsDuringTheDrain(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.Register, c.ReusePort = "127.0.0.1:0", true })
	client := r.client()
	if err := r.front.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	dial(t, r.front.Register().String()).send(asWorker).expect(listing(r.front.Address().String()))
	r.tell(frame(wire.SendToOne, 1, "", "m"))
	client.expect("a message", "81016d")
}

// With a successor on the inner address, calls go to the successor.
func TestDrainWithSuccessor(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.ReusePort = true })
	c := Defaults()
	c.Inner, c.ReusePort = r.front.Inner().String(), true
	next, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.front.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := r.front.count.accepted.Load()
	for range 20 {
		dial(t, c.Inner)
	}
	if n := r.front.count.accepted.Load() - before; n != 0 {
		t.Errorf("%d connections reached the predecessor", n)
	}
	if err := next.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Connections that wait at the inner endpoint when it stops are answered.
func TestStopWithCallsThatWait(t *testing.T) {
	r := startRig(t, nil)
	begun, goOn := make(chan struct{}), make(chan struct{})
	r.front.loop.tasks <- func(*innerLoop) { close(begun); <-goOn }
	r.front.loop.bell.Ring()
	<-begun
	var calls []net.Conn
	for range 50 {
		c := r.dial()
		if _, err := c.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.front.Shutdown(t.Context()) }()
	close(goOn)
	for i, c := range calls {
		if got := readReply(t, c); got != "i:0;" {
			t.Fatalf("call %d: %q", i, got)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// Connections that wait at the Register when it stops get the list.
func TestRegisterLeavesWithCallsThatWait(t *testing.T) {
	r, err := newRegister(RegisterConfig{Address: "127.0.0.1:0", Own: []string{"127.0.0.1:2900"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var calls []*peer
	for range 50 {
		calls = append(calls, dial(t, r.Addr().String()).send(asWorker))
	}
	served, left := make(chan error, 1), make(chan struct{})
	go func() { r.leave(t.Context()); close(left) }()
	go func() { served <- r.Serve() }()
	<-left
	if err := errors.Join(r.Close(), <-served); err != nil {
		t.Error(err)
	}
	for _, c := range calls {
		c.expect(listing("127.0.0.1:2900"))
	}
}

// A second Register on the same address is reported in the log.
func TestSharedRegisterIsToldOf(t *testing.T) {
	first := startRegister(t, RegisterConfig{ReusePort: true})
	var log bytes.Buffer
	second, err := newRegister(RegisterConfig{Address: first.Addr().String(), ReusePort: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "another process also listens on this address"); n != 1 {
		t.Errorf("%d warnings: %s", n, &log)
	}
}
