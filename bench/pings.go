package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"castgate/bench/kernel"
	"castgate/loadtest/swarm"
)

// pingInterval is how often a client that sends nothing is pinged. It is short, so that
// a phase has many pings: 10,000 clients make 10,000 pings and pongs a second.
const pingInterval = time.Second

// pingFlags tell a server to ping at pingInterval. The floor in Go has no pings.
var pingFlags = map[string][]string{
	Castgate: {"--ping-interval", pingInterval.String()},
	Floor:    {"--ping-interval", fmt.Sprint(int(pingInterval.Seconds()))},
}

// keepaliveFlags tell castgate to leave it to the kernel's keepalive, at the same interval.
var keepaliveFlags = []string{"--ping-interval", "0", "--tcp-keepalive", pingInterval.String()}

// pings measures the CPU of a ping and its pong with clients that are otherwise idle. It
// uses a server of its own; the one that it is given stays idle. For castgate it then
// measures the kernel's keepalive in place of pings.
func (b *bench) pings(ctx context.Context, resting *server, round *samples) error {
	pings := liveness{
		phase: "pings", one: "a ping and its pong", many: "pings", flags: pingFlags[resting.name],
		count: func(s *swarm.Swarm) (uint64, error) { return s.Report().Pings, nil },
	}
	if err := pings.measure(ctx, b, resting, round); err != nil || resting.name != Castgate {
		return err
	}
	probes := liveness{
		phase: "keepalive", one: "a probe and its answer", many: "probes", flags: keepaliveFlags,
		count: func(*swarm.Swarm) (uint64, error) { return kernel.KeepAlives() },
	}
	err := probes.measure(ctx, b, resting, round)
	if errors.Is(err, errNothingCame) {
		b.skip("keepalive: no probes are counted in /proc/net/netstat")
		return nil
	}
	return err
}

// liveness is a way to find out which clients are still there.
type liveness struct {
	phase, one, many string
	flags            []string
	count            func(*swarm.Swarm) (uint64, error)
}

var errNothingCame = errors.New("nothing came")

// measure measures one way.
func (way *liveness) measure(ctx context.Context, b *bench, resting *server, round *samples) (err error) {
	s, err := start(ctx, resting.name, b.binaries[resting.name], fanoutDepth+2, way.flags...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	s.profiler = resting.profiler
	crowd, err := swarm.Open(ctx, b.swarmOf(s, b.Clients, nil))
	if err != nil {
		return err
	}
	defer crowd.Close()
	if err := sleep(ctx, b.Warmup+pingInterval); err != nil {
		return err
	}
	w, err := openWindow(way.phase, s, crowd)
	if err != nil {
		return err
	}
	before, err := way.count(crowd)
	if err != nil {
		return err
	}
	idle, err := kernel.IdleCPU()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := sleep(ctx, max(b.Measure, 2*pingInterval)); err != nil {
		return err
	}
	idleAfter, idleErr := kernel.IdleCPU()
	busy := time.Duration(runtime.NumCPU())*time.Since(began) - (idleAfter - idle)
	m, err := w.close(crowd)
	after, countErr := way.count(crowd)
	if err = errors.Join(err, idleErr, countErr, crowd.Report().Err()); err != nil {
		return err
	}
	if after == before {
		return fmt.Errorf("%s: %w", way.phase, errNothingCame)
	}
	n := float64(after - before)
	round.rate(way.phase, "CPU "+way.one, s.name, "ns", float64(m.cpu)/n)
	round.rate(way.phase, "the machine's CPU "+way.one, s.name, "ns", float64(busy)/n)
	round.add(way.phase, way.many+" a second", s.name, "1/s", n/m.took.Seconds())
	round.addLoads(way.phase, s.name, m)
	return nil
}
