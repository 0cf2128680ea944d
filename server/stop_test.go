package server

import (
	"context"
	"errors"
	"testing"
	"time"

	"castgate/server/kernel"
)

// A stop takes the time that it is given and a moment more, whatever an event
// loop is busy with.
func TestShutdownWhileALoopHangs(t *testing.T) {
	t.Parallel()
	sys, hangs, goOn := kernel.Linux, make(chan struct{}, 1), make(chan struct{})
	read := sys.Read
	sys.Read = func(fd int, p []byte) (int, error) {
		n, err := read(fd, p)
		if n == len("\x81\x84....hang") {
			hangs <- struct{}{}
			<-goOn
		}
		return n, err
	}
	s := startServerOn(t, &sys, nil)
	c := s.dial()
	if err := c.ws.Write(t.Context(), 1, []byte("hang")); err != nil {
		t.Fatal(err)
	}
	<-hangs
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(ctx) }()
	select {
	case err := <-stopped:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	case <-time.After(patience):
		t.Error("Shutdown waits for the loop")
	}
	close(goOn)
}
