package watch

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"castgate/bench/median"
	"castgate/loadtest/control"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// inFlight is how many broadcasts are under way at once.
const inFlight = 16

// messages measures what a message of a broadcast costs the process, in CPU and in time,
// with the page open and without, in turn: one process and the same clients.
func messages(ctx context.Context, o Options) error {
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Stop() }() // the figures are taken already
	clients, err := s.crowd(ctx, o.Audience, inFlight, nil)
	if err != nil {
		return err
	}
	defer clients.Close()
	if _, err := s.broadcasts(ctx, clients, o.Measure); err != nil { // warms up
		return err
	}
	var cpu, rate, own []float64
	for round := range o.Rounds {
		var with, without cost
		for _, opened := range []bool{round%2 == 0, round%2 != 0} {
			if opened {
				with, err = s.watched(ctx, clients, o.Measure)
			} else {
				without, err = s.broadcasts(ctx, clients, o.Measure)
			}
			if err != nil {
				return err
			}
		}
		fmt.Fprintf(o.Out, "message  round %d: CPU %.1f ns with the page, %.1f without; the bench's own %.1f and %.1f; %.0f a second with, %.0f without\n",
			round+1, with.cpu, without.cpu, with.own, without.own, with.rate, without.rate)
		cpu, rate, own = append(cpu, with.cpu/without.cpu), append(rate, with.rate/without.rate), append(own, with.own/without.own)
	}
	fmt.Fprintf(o.Out, "message  medians of %d rounds, with the page: %+.2f %% CPU a message, %+.2f %% messages a second; the bench itself %+.2f %% CPU\n",
		o.Rounds, 100*(median.Of(cpu)-1), 100*(median.Of(rate)-1), 100*(median.Of(own)-1))
	return clients.Report().Err()
}

// cost is that of a message.
type cost struct {
	cpu  float64 // ns, of the gateway
	own  float64 // ns, of the bench, which receives it and is the page
	rate float64 // messages a second
}

// watched is broadcasts with the page open.
func (s *site) watched(ctx context.Context, clients *swarm.Swarm, length time.Duration) (cost, error) {
	looking, err := look(ctx, s.admin, nil)
	if err != nil {
		return cost{}, err
	}
	c, err := s.broadcasts(ctx, clients, length)
	if closed := looking.close(); err == nil {
		err = closed
	}
	return c, err
}

// broadcasts pushes to all for some time, so many at once.
func (s *site) broadcasts(ctx context.Context, clients *swarm.Swarm, length time.Duration) (c cost, err error) {
	var streams []*swarm.Stream
	for i := range inFlight {
		streams = append(streams, clients.Stream(i))
	}
	push := func(ctx context.Context, _ int, text []byte) (control.PushResult, error) {
		return s.Control.Broadcast(ctx, text)
	}
	before, _ := clients.Delivered()
	used, err := s.Process.CPU()
	if err != nil {
		return c, err
	}
	mine, began := ownCPU(), time.Now()
	if _, err := pushing.Volleys(ctx, clients, push, streams, pushing.Pace{For: length, Size: 64}, time.Minute); err != nil {
		return c, err
	}
	took, mine := time.Since(began), ownCPU()-mine
	now, err := s.Process.CPU()
	if err != nil {
		return c, err
	}
	after, _ := clients.Delivered()
	n := float64(after - before)
	return cost{cpu: float64(now-used) / n, own: float64(mine) / n, rate: n / took.Seconds()}, nil
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
