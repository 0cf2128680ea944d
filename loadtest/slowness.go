package loadtest

import "context"

// slowness is what castgate says of clients that do not read fast enough: how
// many it has closed for that, and how many messages for them it has dropped.
// It tells what it dropped from what it lost.
type slowness struct{ closed, dropped int }

// What castgate calls them at /metrics. Who does not read answers no ping
// either.
var (
	metricSlowCloses = []string{`castgate_closes_total{reason="slow"}`, `castgate_closes_total{reason="ping_timeout"}`}
	metricSlowDrops  = `castgate_deliveries_total{outcome="dropped_slow"}`
)

// slowness asks the server. Nil if it does not say.
func (c *Control) slowness(ctx context.Context) *slowness {
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

// since is what was added to s until later. Nil if the server does not say.
func (s *slowness) since(later *slowness) *slowness {
	if s == nil || later == nil {
		return nil
	}
	return &slowness{later.closed - s.closed, later.dropped - s.dropped}
}

// judge says where the server thinks that connections which should have kept
// up were slow. That is no excuse, but where to look.
func (s *slowness) judge(r *Result) {
	if s == nil {
		return
	}
	closed, dropped := s.closed, s.dropped
	if r.Mixed != nil && r.Mixed.Slow != nil {
		slow := r.Mixed.Slow
		closed -= slow.Closed
		if closed <= 0 && slow.Closed > 0 {
			return // what it dropped, it dropped with them
		}
		dropped -= int(slow.Owed - slow.Received)
	}
	if closed > 0 || dropped > 0 {
		r.warn("the server says that readers were too slow: %d connections closed, %d messages dropped; if the swarm did not get the CPU time it needs, that is why", max(closed, 0), max(dropped, 0))
	}
}
