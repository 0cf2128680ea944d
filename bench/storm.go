package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"castgate/loadtest/control"
	"castgate/loadtest/payload"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// The storm scenario: all clients are reset at once and come back as fast as
// they can. On castgate they are bound again as they come. On the floor, which
// cannot bind, the time counts from when it has noticed that all are gone: that
// is the time in which a plain server accepts the connections.
const (
	stormGroups  = 1000
	stormSamples = 1000 // unicasts that check bindings
	stormFlight  = 1024 // connections opening at once
	stormPoll    = 10 * time.Millisecond
)

// Streams of the storm's swarm.
const (
	stormAll = iota
	stormGroup
	stormUID
)

// storm measures one server once.
func (b *bench) storm(ctx context.Context, s *server, round *samples) error {
	groups := min(stormGroups, b.IdleClients)
	bindings := newBinder(groups)
	config := b.swarmOf(s, b.IdleClients, []payload.Kind{payload.Broadcast, payload.Group, payload.Unicast})
	config.Groups, config.InFlight = groups, stormFlight
	var callers []*caller // none if nothing is bound
	if s.name == Castgate {
		var hangUp func()
		var err error
		if callers, hangUp, err = dialCallers(ctx, s.controlAddr, bindCallers); err != nil {
			return err
		}
		defer hangUp()
		config.Arrived = bindings.arrived
	}
	crowd, err := b.audience(ctx, s, config)
	if err != nil {
		return err
	}
	defer crowd.Close()
	if callers != nil {
		if err := bindings.bind(ctx, callers, crowd.Len()); err != nil {
			return err
		}
	}
	if err := b.reachAll(ctx, s, crowd, groups); err != nil {
		return fmt.Errorf("before the storm: %w", err)
	}
	if err := b.cutAndBack(ctx, s, crowd, bindings, callers, round); err != nil {
		return err
	}
	if err := b.reachAll(ctx, s, crowd, groups); err != nil {
		return fmt.Errorf("after the storm: %w", err)
	}
	report := crowd.Report()
	round.add("storm", "messages lost", s.name, "", float64(report.Lost))
	return report.Err()
}

// cutAndBack is the storm itself.
func (b *bench) cutAndBack(ctx context.Context, s *server, crowd *swarm.Swarm, bindings *binder, callers []*caller, round *samples) error {
	if err := crowd.ForgetLatencies(); err != nil {
		return err
	}
	begun := time.Now()
	if err := crowd.Cut(); err != nil {
		return err
	}
	cut := time.Since(begun)
	if callers == nil {
		if err := awaitNobody(ctx, s); err != nil {
			return err
		}
	}
	w, err := openWindow("storm", s, nil)
	if err != nil {
		return err
	}
	begun = time.Now()
	open, err := back(ctx, crowd, bindings, callers)
	if err != nil {
		return err
	}
	all := time.Since(begun)
	m, err := w.close(nil)
	if err != nil {
		return err
	}
	report := crowd.Report()
	round.rate("storm", "time until all are back", s.name, "ns", float64(all))
	round.rate("storm", "of that, until all are connected", s.name, "ns", float64(open))
	round.add("storm", "time to cut all off", s.name, "ns", float64(cut))
	round.rate("storm", "CPU a client", s.name, "ns", float64(m.cpu)/float64(crowd.Len()))
	round.addLatency("storm", "time to be open", s.name, report.Connect)
	round.addLoads("storm", s.name, m)
	return nil
}

// back makes all connections that were cut reconnect, and binds them if there
// are callers for that. It returns when the last was open.
func back(ctx context.Context, crowd *swarm.Swarm, bindings *binder, callers []*caller) (open time.Duration, err error) {
	begun := time.Now()
	if callers == nil {
		err = crowd.Reopen(ctx)
		return time.Since(begun), err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bound := make(chan error, 1)
	go func() {
		err := bindings.bind(ctx, callers, crowd.Len())
		if err != nil {
			cancel(err) // no need to wait for the others
		}
		bound <- err
	}()
	if err = crowd.Reopen(ctx); err != nil {
		cancel(err)
	}
	open = time.Since(begun)
	return open, errors.Join(err, <-bound)
}

// awaitNobody returns when the floor has closed everything that was cut.
func awaitNobody(ctx context.Context, s *server) error {
	for {
		r, err := s.control.Broadcast(ctx, []byte("anybody?"))
		if err != nil || r.Matched == 0 {
			return err
		}
		if err := sleep(ctx, stormPoll); err != nil {
			return err
		}
	}
}

// reachAll pushes once to everybody and, if clients are bound, once to every
// group and to some of the uids, and returns when everything has arrived.
func (b *bench) reachAll(ctx context.Context, s *server, crowd *swarm.Swarm, groups int) error {
	once := func(stream int, push control.Pusher, n int, target func(k int) int) error {
		_, err := pushing.Along(ctx, crowd.Stream(stream), push, pushing.Pace{For: time.Hour, Most: n, Size: b.Size, Target: target})
		return err
	}
	err := once(stormAll, s.broadcast, 1, nil)
	if err == nil && s.name == Castgate {
		uids := min(stormSamples, crowd.Len())
		err = errors.Join(
			once(stormGroup, s.control.PushToGroups, groups, func(k int) int { return k }),
			once(stormUID, func(ctx context.Context, target int, payload []byte) (control.PushResult, error) {
				return s.control.PushUID(ctx, control.UID(target), payload)
			}, uids, func(k int) int { return k * crowd.Len() / uids }),
		)
	}
	if err != nil {
		return err
	}
	return waitDelivered(ctx, crowd)
}
