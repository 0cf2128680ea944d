package gatewayworker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
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
	register, err := net.Dial("tcp", r.front.Register().String())
	if err != nil {
		t.Fatal(err)
	}
	defer register.Close()
	_ = register.SetDeadline(time.Now().Add(patience))
	if _, err := register.Write(wire.AppendWorkerConnect(nil, "")); err != nil {
		t.Fatal(err)
	}
	want := wire.AppendBroadcast(nil, []string{r.front.Address().String()})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(register, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q, %v", got, err)
	}
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
		call, err := net.Dial("tcp", c.Inner)
		if err != nil {
			t.Fatal(err)
		}
		defer call.Close()
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
