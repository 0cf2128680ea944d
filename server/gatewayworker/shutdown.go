package gatewayworker

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/listen"
)

// Drain begins the end: what PHP has sent is executed. Connections of PHP are still
// accepted until Shutdown, so that commands reach the remaining clients. If a
// successor listens on the inner address (Config.ReusePort), new connections go to
// it instead. Call Drain while the server still accepts pushes. If ctx is done
// first it returns ctx's error, whatever the inner loop is doing.
func (f *Front) Drain(ctx context.Context) error {
	if f.cfg.ReusePort && listen.Shared(f.inner) {
		f.leave(ctx)
	}
	done := make(chan struct{})
	f.do(ctx, func(l *innerLoop) { l.drain(); close(done) }, done)
	return ctx.Err()
}

// leave makes Registers tell PHP that we leave, and closes the listeners once the
// connections that wait there are accepted and answered. Connections to the inner
// endpoint stay open.
func (f *Front) leave(ctx context.Context) {
	if !f.serving.Load() || !f.leaving.CompareAndSwap(false, true) {
		return
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		if f.register != nil {
			f.register.Leave(ctx)
		}
		f.closeRegisters()
	}()
	deaf := make(chan struct{})
	f.do(ctx, func(l *innerLoop) {
		l.arrivals.deafen()
		close(deaf)
	}, deaf)
	select {
	case <-time.After(f.settle):
	case <-f.ended:
	case <-ctx.Done():
	}
	closed := make(chan struct{})
	f.do(ctx, func(l *innerLoop) { l.drain(); l.arrivals.closeListener(); close(closed) }, closed)
	select {
	case <-left:
	case <-ctx.Done():
	}
}

func (f *Front) closeRegisters() {
	if f.joiner != nil {
		f.joiner.Close()
	}
	if f.register != nil {
		_ = f.register.Close()
	}
}

// Shutdown accepts PHP's waiting connections and then no more. It passes waiting
// events to workers, writes what waits for them as far as they accept it until ctx
// is done, and closes every connection. It does not wait longer than endGrace after
// that for the inner loop; the error says so.
func (f *Front) Shutdown(ctx context.Context) error {
	f.leave(ctx)
	for f.serving.Load() {
		var left int
		done := make(chan struct{})
		if !f.do(ctx, func(l *innerLoop) {
			if left = l.writer.allWaiting() + l.execution.underWay(); l.delivery.hasWorkers() { // nobody else would get what waits
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
	// endGrace is how long the inner loop may take to close its connections after
	// the time for a stop has passed.
	endGrace = time.Second
)

// halt makes the inner loop end after its turn.
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
		return errors.Join(ctx.Err(), errors.New("the inner loop does not stop"))
	}
}

// drain accepts the connections in the backlog and executes what has arrived.
func (l *innerLoop) drain() {
	l.arrivals.takeWaiting()
	events := make([]unix.EpollEvent, eventBatch)
	for range drainTurns {
		patience := 0
		if !l.shortage.none() {
			patience = int(shortPause.Milliseconds())
		}
		n, err := l.sys.wait(l.epoll, events, patience)
		if err == nil && n == 0 && l.reader.idle() && l.shortage.none() && l.execution.underWay() == 0 {
			return
		}
		l.turn(events[:max(n, 0)])
	}
}

// drainTurns bounds how long peers that keep sending can delay the end.
const drainTurns = 100
