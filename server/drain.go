package server

import (
	"context"
	"time"
)

const (
	drainPoll = 10 * time.Millisecond
	// drainRateMost is how many clients a second one loop closes at the most
	// while draining: each reconnects elsewhere, and shall not do so at once
	// with all others.
	drainRateMost = 5000
	// drainLeast is how many clients a loop closes in a tick at the least.
	drainLeast = 50
)

// drain lets queued pushes out and then closes every client with 1001.
func (s *Server) drain(ctx context.Context) error {
	left := time.Duration(0)
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	} else {
		left = s.config.DrainTimeout
	}
	// Pushes first, but a client that doesn't read may not use up all the time.
	s.await(ctx, left/3, func() bool { return s.queued() == 0 })
	for _, l := range s.loops {
		n := l.count.connections.Load()
		ticks := max(int64(left/3/tickLen), 1)
		perTick := min(max(n/ticks+1, drainLeast), drainRateMost*int64(tickLen)/int64(time.Second))
		perTick = max(perTick, n/ticks+1) // the time there is outweighs the rate
		l.post(command{kind: cmdDrain, matched: int(perTick)})
	}
	s.await(ctx, left, func() bool { return s.sockets.Load() == 0 })
	return ctx.Err()
}

// await waits for a condition, at most so long.
func (s *Server) await(ctx context.Context, most time.Duration, done func() bool) {
	t := time.NewTicker(drainPoll)
	defer t.Stop()
	end := time.Now().Add(most)
	for !done() && time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			return
		case <-t.C:
		}
	}
}

// queued is how many deliveries have not ended.
func (s *Server) queued() int64 {
	var ended, matched uint64
	for _, l := range s.loops { // before matched: it can't be seen to be less
		ended += l.count.written.Load()
		for i := range l.count.dropped {
			ended += l.count.dropped[i].Load()
		}
	}
	for _, l := range s.loops {
		matched += l.count.matched.Load()
	}
	return int64(matched - ended)
}

func (l *loop) beginDrain(perTick int) { l.drain = max(perTick, 1) }

// drainSome closes the next clients. Sockets that are no clients yet go at
// once: their handshakes are refused from now on.
func (l *loop) drainSome() {
	for n := 0; n < l.drain && l.drained < l.slots.extent(); l.drained++ {
		c := l.conn(l.drained)
		if c == nil {
			continue
		}
		switch c.state {
		case connOpen:
			n++
			if l.catchUp(l.drained, c) {
				l.startClose(l.drained, c, closeShutdown, closeFrames[closeShutdown], false)
			}
		case connProxy, connHandshake, connRefusing, connVerifying:
			l.closeNow(l.drained, c, closeShutdown)
		}
	}
}
