package gatewayworker

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Drain begins the end: PHP is told that we leave, connections that have come
// are taken, no further ones, and what they have sent is executed. Connections
// stay open. Call it while the server still takes pushes. When ctx is done first
// it returns ctx's error, whatever the inner loop is busy with.
func (f *Front) Drain(ctx context.Context) error {
	left := make(chan struct{})
	go func() {
		f.closeRegisters()
		close(left)
	}()
	select {
	case <-left:
	case <-ctx.Done():
	}
	done := make(chan struct{})
	f.do(ctx, func(l *innerLoop) { l.drain(done) }, done)
	return ctx.Err()
}

func (f *Front) closeRegisters() {
	if f.joiner != nil {
		f.joiner.Close()
	}
	if f.register != nil {
		_ = f.register.Close()
	}
}

// Shutdown hands workers the events that wait, writes what waits for them as
// far as they take it until ctx is done, and closes every connection. An inner
// loop that has not ended endGrace after that is not waited for: the error says so.
func (f *Front) Shutdown(ctx context.Context) error {
	for f.serving.Load() {
		var left int
		done := make(chan struct{})
		if !f.do(ctx, func(l *innerLoop) {
			if left = l.waiting + len(l.jobs); len(l.workers.list) > 0 { // nobody else would get what waits
				bytes, _, _ := f.queue.waiting()
				left += bytes
			}
			close(done)
		}, done) || left == 0 {
			break
		}
		select {
		case <-time.After(shutdownPoll):
		case <-ctx.Done():
		}
	}
	f.halt()
	err := ctx.Err()
	if f.serving.Load() {
		err = f.awaitEnd(ctx)
	} else {
		f.closeRegisters()
		f.release()
	}
	f.audit.Flush()
	return err
}

const (
	shutdownPoll = 5 * time.Millisecond
	// endGrace is how long the inner loop may take to close its connections once
	// the time for a stop has passed.
	endGrace = time.Second
)

// halt has the inner loop end after its turn.
func (f *Front) halt() {
	f.loop.stopped.Store(true)
	f.loop.bell.Ring()
}

// awaitEnd waits for the end of the inner loop.
func (f *Front) awaitEnd(ctx context.Context) error {
	select {
	case <-f.ended:
		return ctx.Err()
	case <-ctx.Done():
	}
	select {
	case <-f.ended:
		return ctx.Err()
	case <-time.After(endGrace):
		return errors.Join(ctx.Err(), errors.New("the inner loop does not end"))
	}
}

// drain takes what is in the backlog, closes the listener, and executes what
// has come.
func (l *innerLoop) drain(done chan<- struct{}) {
	defer close(done)
	if l.listener >= 0 {
		l.accept()
		l.enrol()
		l.sys.close(l.listener)
		l.listener = -1
	}
	events := make([]unix.EpollEvent, eventBatch)
	for range drainTurns {
		patience := 0
		if len(l.short) > 0 {
			patience = int(shortPause.Milliseconds())
		}
		n, err := l.sys.wait(l.epoll, events, patience)
		if err == nil && n == 0 && len(l.unfinished)+len(l.short)+len(l.jobs) == 0 {
			return
		}
		l.turn(events[:max(n, 0)])
	}
}

// drainTurns bounds how long peers that go on sending can hold up the end.
const drainTurns = 100
