package bench

import (
	"context"
	"fmt"
)

// growthSpan is the ratio of the numbers of clients in the second and first
// measurement: 19,000 after 1,000.
const growthSpan = 19

// growth measures how CPU per message grows with the number of clients at the
// same rate of broadcasts.
func (b *bench) growth(ctx context.Context, s *server, round *samples) error {
	few := max(b.IdleClients/growthSpan, 1)
	var costs [2]float64
	for i, n := range []int{few, b.IdleClients} {
		cost, err := b.costAt(ctx, s, n, round)
		if err != nil {
			return err
		}
		costs[i] = cost
		if err := b.pause(ctx); err != nil {
			return err
		}
	}
	if costs[0] > 0 {
		round.rate("growth", fmt.Sprintf("CPU a message, %d clients by %d", b.IdleClients, few), s.name, "×", costs[1]/costs[0])
	}
	return nil
}

// costAt is the server's CPU per message in ns with n clients.
func (b *bench) costAt(ctx context.Context, s *server, n int, round *samples) (float64, error) {
	swarm, err := b.audience(ctx, s, b.swarmOf(s, n, nil))
	if err != nil {
		return 0, err
	}
	defer swarm.Close()
	name := fmt.Sprintf("growth, %d clients", n)
	m, err := b.warm(ctx, s, swarm, phase{name, b.steady(s, swarm, b.Size)})
	if err != nil {
		return 0, err
	}
	report := swarm.Report()
	round.rate(name, "CPU a message", s.name, "ns", float64(m.perMessage))
	round.addLatency(name, "last receiver", s.name, report.Last)
	round.addLoads(name, s.name, m)
	return float64(m.perMessage), report.Err()
}
