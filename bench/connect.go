package bench

import (
	"context"
	"time"

	"castgate/loadtest"
)

// connectWarmup is which part of the connections comes and goes before the
// others are counted.
const connectWarmup = 10

// connect measures what it costs a server to take connections, handshake and
// init message (or its counterpart) included.
func (b *bench) connect(ctx context.Context, s *server, round *samples) error {
	config := b.swarmOf(s, b.IdleClients, nil)
	few := config
	few.Connections = max(b.IdleClients/connectWarmup, 1)
	first, err := loadtest.Open(ctx, few)
	if err != nil {
		return err
	}
	first.Close()
	if err := b.pause(ctx); err != nil {
		return err
	}
	begun := time.Now()
	w, err := openWindow(s, nil)
	if err != nil {
		return err
	}
	swarm, err := loadtest.Open(ctx, config)
	if err != nil {
		return err
	}
	defer swarm.Close()
	took := time.Since(begun)
	m, err := w.close(nil)
	if err != nil {
		return err
	}
	report := swarm.Report()
	round.rate("connect", "CPU a connect", s.name, "ns", float64(m.cpu)/float64(b.IdleClients))
	round.rate("connect", "connects a second", s.name, "1/s", float64(b.IdleClients)/took.Seconds())
	round.addLatency("connect", "time to be open", s.name, report.Connect)
	round.addLoads("connect", s.name, m)
	return report.Err()
}
