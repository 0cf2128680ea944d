package bench

import (
	"context"
	"fmt"
	"sync"

	"castgate/loadtest/payload"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// The latency scenario: unicasts while broadcasts keep the server at 70 % of
// its capacity, as measured just before, with as many broadcasts in flight.
const (
	latencyShare = 0.7
	unicastRate  = 100.0
	// probes is the number of connections that receive the unicasts. They have
	// an epoll of their own: otherwise a unicast would wait in the swarm behind
	// 10,000 broadcasts, and the server would be blamed for it.
	probes = 100
)

// latencyDepths are the numbers of broadcasts in flight when the capacity is
// measured: frames that wait together cost less, so there are two answers.
var latencyDepths = []int{1, 16}

// latency measures castgate once at every depth.
func (b *bench) latency(ctx context.Context, s *server, round *samples) error {
	crowd, err := b.audience(ctx, s, b.swarmOf(s, b.Clients, make([]payload.Kind, fanoutDepth)))
	if err != nil {
		return err
	}
	defer crowd.Close()
	for _, depth := range latencyDepths {
		name := fmt.Sprintf("unicast latency at 70 %% of what %d in flight carry", depth)
		rate, err := b.capacity(ctx, s, crowd, depth)
		if err != nil {
			return err
		}
		round.add(name, "broadcasts a second that it can carry", s.name, "1/s", rate)
		if err := b.probe(ctx, s, crowd, name, latencyShare*rate, round); err != nil {
			return err
		}
	}
	return crowd.Report().Err()
}

// capacity is how many broadcasts per second arrive everywhere in a closed
// loop.
func (b *bench) capacity(ctx context.Context, s *server, crowd *swarm.Swarm, depth int) (float64, error) {
	var streams []*swarm.Stream
	for i := range depth {
		streams = append(streams, crowd.Stream(i))
	}
	pace := pushing.Pace{For: b.Warmup, Size: b.Size}
	if _, err := pushing.Volleys(ctx, crowd, s.control.PushTo(nil), streams, pace, patience); err != nil {
		return 0, err
	}
	pace.For = b.Measure
	done, err := pushing.Volleys(ctx, crowd, s.control.PushTo(nil), streams, pace, patience)
	if err != nil {
		return 0, err
	}
	if done.Taken == 0 {
		return 0, fmt.Errorf("no broadcast was accepted: %w", context.Cause(ctx))
	}
	return float64(done.Taken) / done.Took.Seconds(), nil
}

// probe pushes unicasts during broadcasts and measures their latency.
func (b *bench) probe(ctx context.Context, s *server, crowd *swarm.Swarm, name string, rate float64, round *samples) error {
	config := b.swarmOf(s, min(probes, b.Clients), []payload.Kind{payload.Unicast})
	config.AcceptForeign = true // the broadcasts are another swarm's
	probe, err := swarm.Open(ctx, config)
	if err != nil {
		return err
	}
	defer probe.Close()
	push := s.control.PushTo(probe.ClientIDs())
	w, err := openWindow(name, s, crowd)
	if err != nil {
		return err
	}
	var both sync.WaitGroup
	var unicasts, broadcasts *pushing.Pushes
	var failed [2]error
	both.Go(func() {
		broadcasts, failed[0] = pushing.Along(ctx, crowd.Stream(0), s.control.PushTo(nil), pushing.Pace{Rate: rate, For: b.Measure, Size: b.Size})
	})
	both.Go(func() {
		unicasts, failed[1] = pushing.Along(ctx, probe.Stream(0), push, pushing.Pace{
			Rate: unicastRate, For: b.Measure, Size: b.Size, Target: func(k int) int { return k % probe.Len() },
		})
	})
	both.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	for _, s := range []*swarm.Swarm{probe, crowd} {
		if err := waitDelivered(ctx, s); err != nil {
			return err
		}
	}
	m, err := w.close(crowd)
	if err != nil {
		return err
	}
	report := probe.Report()
	round.addLatency(name, "unicast", s.name, report.Unicast)
	round.add(name, "of that, late wake-ups of the caller p99", s.name, "ns", float64(unicasts.Oversleep.P99))
	round.add(name, "control API's answer p99", s.name, "ns", float64(unicasts.Answer.P99))
	round.add(name, "broadcasts a second", s.name, "1/s", float64(broadcasts.Taken)/broadcasts.Took.Seconds())
	round.add(name, "pushes refused", s.name, "", float64(broadcasts.Refused+unicasts.Refused))
	round.addLoads(name, s.name, m)
	return report.Err()
}
