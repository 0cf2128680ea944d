package bench

import (
	"context"
	"fmt"
	"time"

	"castgate/loadtest"
)

// The fan-out scenario: CPU per delivered message, at two broadcasts a second
// and with 16 in flight.
const (
	fanoutRate  = 2.0
	fanoutDepth = 16
	// patience is how long a message may take before it counts as lost.
	patience = 20 * time.Second
)

// fanout measures one server once, through all phases.
func (b *bench) fanout(ctx context.Context, s *server, round *samples) error {
	begun := time.Now()
	opening, err := openWindow(s, nil)
	if err != nil {
		return err
	}
	swarm, err := loadtest.Open(ctx, b.swarmOf(s, b.Clients, make([]loadtest.Kind, fanoutDepth)))
	if err != nil {
		return err
	}
	defer swarm.Close()
	took := time.Since(begun)
	connects, err := opening.close(nil)
	if err != nil {
		return err
	}
	round.add("connect", "CPU a connect", s.name, "ns", float64(connects.cpu)/float64(b.Clients))
	round.add("connect", "connects a second", s.name, "1/s", float64(b.Clients)/took.Seconds())

	var streams []*loadtest.Stream
	for i := range fanoutDepth {
		streams = append(streams, swarm.Stream(i))
	}
	push := s.control.PushTo(nil)
	steady := func(ctx context.Context, d time.Duration) error {
		_, err := streams[0].Push(ctx, push, loadtest.Pace{Rate: fanoutRate, For: d, Size: b.Size})
		return err
	}
	flood := func(ctx context.Context, d time.Duration) error {
		_, err := swarm.Volleys(ctx, push, streams, loadtest.Pace{For: d, Size: b.Size}, patience)
		return err
	}
	for _, phase := range []struct {
		name string
		play func(context.Context, time.Duration) error
	}{
		{fmt.Sprintf("fanout %g/s", fanoutRate), steady},
		{fmt.Sprintf("fanout %d in flight", fanoutDepth), flood},
	} {
		if err := phase.play(ctx, b.Warmup); err != nil {
			return err
		}
		if err := waitDelivered(ctx, swarm); err != nil {
			return err
		}
		if err := b.phase(ctx, s, swarm, phase.name, phase.play, round); err != nil {
			return err
		}
	}
	report := swarm.Report()
	round.add("fanout", "messages lost", s.name, "", float64(report.Lost))
	return report.Err()
}

// phase measures one phase that is warm.
func (b *bench) phase(ctx context.Context, s *server, swarm *loadtest.Swarm, name string,
	play func(context.Context, time.Duration) error, round *samples) error {
	w, err := openWindow(s, swarm)
	if err != nil {
		return err
	}
	if err := play(ctx, b.Measure); err != nil {
		return err
	}
	if err := waitDelivered(ctx, swarm); err != nil {
		return err
	}
	m, err := w.close(swarm)
	if err != nil {
		return err
	}
	round.add(name, "CPU a message", s.name, "ns", float64(m.perMessage))
	round.add(name, "messages a second", s.name, "1/s", float64(m.messages)/m.took.Seconds())
	round.add(name, "server load", s.name, "cores", m.serverLoad)
	round.add(name, "swarm load", s.name, "cores", m.swarmLoad)
	round.add(name, foreignCPU, s.name, "of the machine", m.foreign)
	return nil
}

// foreignCPU is the figure by which disturbed rounds are found.
const foreignCPU = "foreign CPU"

// waitDelivered is the swarm's, with patience.
func waitDelivered(ctx context.Context, swarm *loadtest.Swarm) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return swarm.WaitDelivered(ctx)
}
