package server

import (
	"context"
	"time"

	"castgate/server/kernel"
	"castgate/server/loop"
)

// drainPoll is how often a drain is looked at.
const drainPoll = 10 * time.Millisecond

// drain closes every client with 1001, behind what waits for it. The error is
// ctx's, or that of DrainTimeout where ctx has no deadline, and tells that some are
// still there.
func (s *Server) drain(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(s.config.DrainTimeout)
		limited, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		ctx = limited
	}
	left := time.Until(deadline)
	clients := int64(s.loops.Connected())
	rate, raised := drainRate(int64(s.config.DrainRate), clients, left)
	s.log.Info("closing clients", "clients", clients, "per_second", rate, "raised", raised, "within", left.Round(time.Millisecond).String())
	s.loops.Drain(rate)
	return s.await(ctx, func() bool { return s.loops.OpenSockets() == 0 })
}

// logEnds tells how the clients of a drain have ended.
func (s *Server) logEnds(before loop.Drained, began time.Time) {
	d := s.loops.Ends()
	cut, unanswered := d.CutOff-before.CutOff, d.Unanswered-before.Unanswered
	s.log.Info("clients are closed", "in_order", d.InOrder-before.InOrder-cut-unanswered, "unanswered", unanswered,
		"cut_off", cut, "not_reading", d.NotReading-before.NotReading, "took", time.Since(began).Round(time.Millisecond).String())
}

// drainRate is how many clients are closed a second, 0 for all at once: as asked
// for, or as many more as to have begun with the last one after half of the time.
func drainRate(asked, clients int64, left time.Duration) (rate int64, raised bool) {
	half := max(left/2, kernel.Tick)
	if asked == 0 || asked >= clients {
		return asked, false
	}
	least := (clients*int64(time.Second) + int64(half) - 1) / int64(half)
	return max(asked, least), least > asked
}

// await waits for a condition, or for the loops to end. It returns ctx's error if
// ctx is done before.
func (s *Server) await(ctx context.Context, done func() bool) error {
	t := time.NewTicker(drainPoll)
	defer t.Stop()
	for !done() {
		// Not by the deadline: a clock that is read may be ahead of ctx's timer, and
		// who gives up has to say so.
		select {
		case <-ctx.Done():
			if done() {
				return nil
			}
			return ctx.Err()
		case <-s.loops.WhenEnded():
			return nil
		case <-t.C:
		}
	}
	return nil
}
