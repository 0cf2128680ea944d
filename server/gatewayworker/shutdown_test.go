package gatewayworker

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A stop takes the time that it is given and a moment more, whatever the inner
// loop is busy with; when that comes back, the front ends all the same.
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
