package bench

import (
	"context"
	"time"

	"castgate/loadtest/swarm"
)

// connectWarmup is the share (one in so many) of the connections that come and
// go before the others are counted.
const connectWarmup = 10

// connect measures what connections cost a server, including handshakes and the
// init message (or its counterpart), under the name of a scenario.
func (b *bench) connect(ctx context.Context, s *server, name string, round *samples) error {
	return b.connectAs(ctx, s, b.swarmOf(s, b.IdleClients, nil), name, round)
}

// connectAs is connect for a swarm with this configuration.
func (b *bench) connectAs(ctx context.Context, s *server, config swarm.Config, name string, round *samples) error {
	few := config
	few.Connections = max(b.IdleClients/connectWarmup, 1)
	first, err := swarm.Open(ctx, few)
	if err != nil {
		return err
	}
	first.Close()
	if err := b.pause(ctx); err != nil {
		return err
	}
	begun := time.Now()
	w, err := openWindow(name, s, nil)
	if err != nil {
		return err
	}
	crowd, err := swarm.Open(ctx, config)
	if err != nil {
		return err
	}
	defer crowd.Close()
	took := time.Since(begun)
	m, err := w.close(nil)
	if err != nil {
		return err
	}
	report := crowd.Report()
	round.rate(name, "CPU a connect", s.name, "ns", float64(m.cpu)/float64(b.IdleClients))
	round.rate(name, "connects a second", s.name, "1/s", float64(b.IdleClients)/took.Seconds())
	round.addLatency(name, "time to be open", s.name, report.Connect)
	round.addLoads(name, s.name, m)
	if report.TLSHandshakes > 0 {
		round.add(name, "part of TLS handshakes that were resumed", s.name, "", float64(report.TLSResumed)/float64(report.TLSHandshakes))
	}
	return report.Err()
}
