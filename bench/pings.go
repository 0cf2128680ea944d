package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// pings measures the CPU of a ping and its pong with clients that are otherwise idle, on
// a server of its own: the one it is given rests.
func (b *bench) pings(ctx context.Context, resting *server, round *samples) (err error) {
	s, err := start(ctx, resting.name, b.binaries[resting.name], fanoutDepth+2, pingFlags[resting.name]...)
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
	w, err := openWindow("pings", s, crowd)
	if err != nil {
		return err
	}
	before := crowd.Report().Pings
	if err := sleep(ctx, max(b.Measure, 2*pingInterval)); err != nil {
		return err
	}
	m, err := w.close(crowd)
	report := crowd.Report()
	pings := report.Pings - before
	if err = errors.Join(err, report.Err()); err != nil {
		return err
	}
	if pings == 0 {
		return errors.New("no ping came")
	}
	round.rate("pings", "CPU a ping and its pong", s.name, "ns", float64(m.cpu)/float64(pings))
	round.add("pings", "pings a second", s.name, "1/s", float64(pings)/m.took.Seconds())
	round.addLoads("pings", s.name, m)
	return nil
}
