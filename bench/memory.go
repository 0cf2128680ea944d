package bench

import (
	"context"
	"fmt"
	"time"

	"castgate/loadtest"
)

// The memory scenario: what idle connections cost, and what stays behind
// after much has gone through them.
const (
	memoryGroups   = 1000
	heavyMessage   = 64 << 10
	heavyPerClient = 1 << 20
	heavyClients   = 1000
)

// memory measures castgate's proportional set size, bare and bound.
func (b *bench) memory(ctx context.Context, s *server, bound bool, round *samples) error {
	name := "memory, bare"
	if bound {
		name = "memory, bound and in a group"
	}
	if err := sleep(ctx, b.Idle/5); err != nil { // the start has its own garbage
		return err
	}
	before, err := s.process.PSS()
	if err != nil {
		return err
	}
	config := b.swarmOf(s, b.IdleClients, []loadtest.Kind{loadtest.Unicast})
	swarm, err := loadtest.Open(ctx, config)
	if err != nil {
		return err
	}
	defer swarm.Close()
	if bound {
		if err := s.control.Bind(ctx, loadtest.Bindings(swarm, memoryGroups)); err != nil {
			return err
		}
	}
	idle, err := b.settled(ctx, s)
	if err != nil {
		return err
	}
	round.add(name, "PSS a connection", s.name, "B", float64(idle-before)/float64(b.IdleClients))
	if err := b.countThreads(ctx, s, name, round); err != nil {
		return err
	}
	if !bound || s.name != Castgate {
		return swarm.Report().Err()
	}
	if err := b.heavy(ctx, s, swarm); err != nil {
		return err
	}
	after, err := b.settled(ctx, s)
	if err != nil {
		return err
	}
	through := fmt.Sprintf("PSS after 1 MiB through each of %d", min(heavyClients, b.IdleClients))
	round.add(name, through, s.name, "MiB", float64(after)/(1<<20))
	round.add(name, "PSS before that", s.name, "MiB", float64(idle)/(1<<20))
	return swarm.Report().Err()
}

// settled is the PSS after some idle time.
func (b *bench) settled(ctx context.Context, s *server) (int64, error) {
	if err := sleep(ctx, b.Idle); err != nil {
		return 0, err
	}
	return s.process.PSS()
}

func (b *bench) countThreads(ctx context.Context, s *server, name string, round *samples) error {
	threads, err := s.process.Threads()
	if err != nil {
		return err
	}
	round.add(name, "threads", s.name, "", float64(threads))
	if s.name != Castgate {
		return nil
	}
	goroutines, err := s.control.Metric(ctx, "castgate_go_goroutines")
	if err != nil {
		return err
	}
	round.add(name, "goroutines", s.name, "", goroutines)
	return nil
}

// heavy pushes 1 MiB in messages of 64 KiB to each of 1,000 connections, one
// message each at a time, so that no queue overflows.
func (b *bench) heavy(ctx context.Context, s *server, swarm *loadtest.Swarm) error {
	push, n := s.control.PushTo(swarm.ClientIDs()), min(heavyClients, swarm.Len())
	for range heavyPerClient / heavyMessage {
		_, err := swarm.Stream(0).Push(ctx, push, loadtest.Pace{
			For: time.Hour, Most: n, Size: heavyMessage, Target: func(k int) int { return k },
		})
		if err != nil {
			return err
		}
		if err := waitDelivered(ctx, swarm); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// sleep is an interruptible one.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
