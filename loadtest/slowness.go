package loadtest

import (
	"context"

	"castgate/loadtest/control"
)

// slowness is what castgate reports about clients that do not read fast enough:
// how many it has closed for that, and how many of their messages it has
// dropped. It distinguishes dropped messages from lost ones.
type slowness struct{ closed, dropped int }

// The names of these in castgate's metrics. A client that does not read does
// not answer pings either.
var (
	metricSlowCloses = []string{`castgate_closes_total{reason="slow"}`, `castgate_closes_total{reason="ping_timeout"}`}
	metricSlowDrops  = `castgate_deliveries_total{outcome="dropped_slow"}`
)

// slownessOf asks the server. Nil if it does not report it.
func slownessOf(ctx context.Context, c *control.Client) *slowness {
	dropped, err := c.Metric(ctx, metricSlowDrops)
	if err != nil {
		return nil
	}
	all := &slowness{dropped: int(dropped)}
	for _, name := range metricSlowCloses {
		n, err := c.Metric(ctx, name)
		if err != nil {
			return nil
		}
		all.closed += int(n)
	}
	return all
}

// since is what was added to s until later. Nil if the server does not report
// it.
func (s *slowness) since(later *slowness) *slowness {
	if s == nil || later == nil {
		return nil
	}
	return &slowness{later.closed - s.closed, later.dropped - s.dropped}
}

// judge warns if the server considered connections slow that should have kept
// up. That is no excuse, but a hint.
func (s *slowness) judge(r *Result) {
	if s == nil {
		return
	}
	closed, dropped := s.closed, s.dropped
	if r.Mixed != nil && r.Mixed.Slow != nil {
		slow := r.Mixed.Slow
		closed -= slow.Closed
		if closed <= 0 && slow.Closed > 0 {
			return // the dropped messages were those of closed connections
		}
		dropped -= int(slow.Owed - slow.Received)
	}
	if closed > 0 || dropped > 0 {
		r.warn("the server reports that readers were too slow: %d connections closed, %d messages dropped; the swarm may not have got enough CPU time", max(closed, 0), max(dropped, 0))
	}
}
