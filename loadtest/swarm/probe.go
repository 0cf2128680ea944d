package swarm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"castgate/loadtest/clock"
	"castgate/loadtest/control"
	"castgate/loadtest/payload"
)

// probePause is the time between two probes.
const probePause = 20 * time.Millisecond

// Probe publishes with push until every connection has received something of it. An
// error says how many have not when ctx is done or a connection is lost. Not at the
// same time as WaitDelivered or another Probe.
func (s *Swarm) Probe(ctx context.Context, push control.Pusher) error {
	err := s.everywhere(func(l *loop) {
		for i := range l.conns {
			if c := &l.conns[i]; c.heard {
				c.heard = false
				s.heard.Add(-1)
			}
		}
	})
	if err != nil {
		return err
	}
	pause := time.NewTicker(probePause)
	defer pause.Stop()
	for seq := uint32(0); ; seq++ {
		payload := payload.Append(nil, payload.Stamp{Run: s.cfg.Run, Kind: payload.Probe, Target: payload.Everyone, Seq: seq, Sent: clock.Now(), Size: payload.MinSize})
		_, err := push(ctx, 0, payload)
		var refused *control.RefusedError
		if err != nil && ctx.Err() == nil && !(errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable) {
			return fmt.Errorf("probe: %w", err)
		}
		for waiting := true; waiting; {
			left := int64(s.cfg.Connections) - s.heard.Load()
			if left == 0 {
				return nil
			}
			if n := s.died.Load(); n > 0 {
				return fmt.Errorf("%d connections have heard no probe, and %d were lost", left, n)
			}
			select {
			case <-s.reached:
			case <-pause.C:
				waiting = false
			case <-ctx.Done():
				return fmt.Errorf("%d of %d connections have heard none of %d probes: %w", left, s.cfg.Connections, seq+1, context.Cause(ctx))
			}
		}
	}
}

// hear notes that a probe has reached connection i.
func (l *loop) hear(i int) {
	if c := &l.conns[i]; !c.heard {
		c.heard = true
		if l.swarm.heard.Add(1) == int64(l.swarm.cfg.Connections) {
			ring(l.swarm.reached)
		}
	}
}
