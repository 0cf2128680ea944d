package bench

import (
	"context"
	"fmt"
	"time"

	"castgate/loadtest/payload"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// The fan-out scenario: CPU per delivered message, at two broadcasts a second
// and with 16 in flight; then with one in flight, and at two a second again with
// messages of fanoutLong bytes.
const (
	fanoutRate  = 2.0
	fanoutDepth = 16
	fanoutLong  = 1024
	// patience is how long a message may take before it counts as lost.
	patience = 20 * time.Second
)

// fanout measures one server once, through all phases.
func (b *bench) fanout(ctx context.Context, s *server, round *samples) error {
	crowd, err := b.audience(ctx, s, b.swarmOf(s, b.Clients, make([]payload.Kind, fanoutDepth)))
	if err != nil {
		return err
	}
	defer crowd.Close()
	err = b.fanoutPhases(ctx, s, crowd, round)
	report := crowd.Report()
	round.add("fanout", "messages lost", s.name, "", float64(report.Lost))
	if err != nil {
		return err
	}
	return report.Err()
}

// audience opens a swarm that the server is to push to. Rivals report to a client that it
// is subscribed before all their workers know, and lose what is published meanwhile:
// so a rival is probed until everyone is reached. castgate and the floor are not,
// since they must reach everyone from the first message on.
func (b *bench) audience(ctx context.Context, s *server, config swarm.Config) (*swarm.Swarm, error) {
	crowd, err := swarm.Open(ctx, config)
	if err != nil || !isRival(s.name) {
		return crowd, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := crowd.Probe(ctx, s.broadcast); err != nil {
		crowd.Close()
		return nil, err
	}
	return crowd, nil
}

func (b *bench) fanoutPhases(ctx context.Context, s *server, crowd *swarm.Swarm, round *samples) error {
	single := phase{"fanout 1 in flight", volleys(s, crowd, 1, b.Size)}
	long := phase{fmt.Sprintf("fanout %g/s of 1 KiB", fanoutRate), b.steady(s, crowd, fanoutLong)}
	for _, p := range append(b.loads(s, crowd, "fanout", b.Size), single, long) {
		if err := b.carry(ctx, s, crowd, p, round); err != nil {
			return err
		}
	}
	return nil
}

// loads are the two loads of broadcasts of that many bytes, as phases whose
// names begin with name.
func (b *bench) loads(s *server, crowd *swarm.Swarm, name string, size int) []phase {
	return []phase{
		{fmt.Sprintf("%s %g/s", name, fanoutRate), b.steady(s, crowd, size)},
		{fmt.Sprintf("%s %d in flight", name, fanoutDepth), volleys(s, crowd, fanoutDepth, size)},
	}
}

// volleys keeps that many broadcasts of that many bytes in flight.
func volleys(s *server, crowd *swarm.Swarm, depth, size int) func(context.Context, time.Duration) error {
	var streams []*swarm.Stream
	for i := range depth {
		streams = append(streams, crowd.Stream(i))
	}
	return func(ctx context.Context, d time.Duration) error {
		_, err := pushing.Volleys(ctx, crowd, s.broadcast, streams, pushing.Pace{For: d, Size: size}, patience)
		return err
	}
}

// carry measures a phase of broadcasts.
func (b *bench) carry(ctx context.Context, s *server, crowd *swarm.Swarm, p phase, round *samples) error {
	m, err := b.warm(ctx, s, crowd, p)
	if err != nil {
		return err
	}
	report := crowd.Report()
	round.rate(p.name, "CPU a message", s.name, "ns", float64(m.perMessage))
	round.rate(p.name, "messages a second", s.name, "1/s", float64(m.messages)/m.took.Seconds())
	round.addLatency(p.name, "latency", s.name, report.Broadcast)
	round.addLatency(p.name, "last receiver", s.name, report.Last)
	round.addLoads(p.name, s.name, m)
	return nil
}

// phase is one kind of load, applied for some time.
type phase struct {
	name string
	play func(context.Context, time.Duration) error
}

// steady is fanoutRate broadcasts per second.
func (b *bench) steady(s *server, crowd *swarm.Swarm, size int) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		_, err := pushing.Along(ctx, crowd.Stream(0), s.broadcast, pushing.Pace{Rate: fanoutRate, For: d, Size: size})
		return err
	}
}

// warm plays a phase twice and measures it the second time. Each time ends when
// everything has arrived. The latencies in the swarm's report are then those of
// the second time.
func (b *bench) warm(ctx context.Context, s *server, crowd *swarm.Swarm, p phase) (m measured, err error) {
	if err := p.play(ctx, b.Warmup); err != nil {
		return m, err
	}
	if err := waitDelivered(ctx, crowd); err != nil {
		return m, err
	}
	if err := crowd.ForgetLatencies(); err != nil {
		return m, err
	}
	w, err := openWindow(p.name, s, crowd)
	if err != nil {
		return m, err
	}
	if err := p.play(ctx, b.Measure); err != nil {
		return m, err
	}
	if err := waitDelivered(ctx, crowd); err != nil {
		return m, err
	}
	return w.close(crowd)
}

// waitDelivered is Swarm.WaitDelivered with patience.
func waitDelivered(ctx context.Context, crowd *swarm.Swarm) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return crowd.WaitDelivered(ctx)
}
