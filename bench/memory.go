package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"castgate/bench/kernel"
	"castgate/loadtest/payload"
	"castgate/loadtest/proc"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// The memory scenario: what idle connections cost, and what remains after much
// has passed through them.
const (
	memoryGroups   = 1000
	heavyMessage   = 64 << 10
	heavyPerClient = 1 << 20
	heavyClients   = 1000
)

// memoryScenario measures what connections weigh.
type memoryScenario struct{ *bench }

// measure measures a server's proportional set size, bare or bound, under the
// name of a scenario.
func (b memoryScenario) measure(ctx context.Context, s *server, name string, bound bool, round *samples) error {
	none, err := b.settled(ctx, s)
	if err != nil {
		return err
	}
	// In two halves: the first may reuse memory left from the start; what the
	// second adds is the price of another connection.
	half := b.IdleClients / 2
	first, some, err := b.idle(ctx, s, 0, half, bound)
	if err != nil {
		return err
	}
	defer first.Close()
	second, all, err := b.idle(ctx, s, half, b.IdleClients-half, bound)
	if err != nil {
		return err
	}
	defer second.Close()
	round.rate(name, "PSS a connection", s.name, "B", float64(all.pss-none.pss)/float64(b.IdleClients))
	round.add(name, "of the second half alone", s.name, "B", float64(all.pss-some.pss)/float64(b.IdleClients-half))
	round.add(name, "PSS without connections", s.name, "MiB", mib(none.pss))
	round.add(name, fmt.Sprintf("PSS with %d", b.IdleClients), s.name, "MiB", mib(all.pss))
	b.addKernel(name, s.name, &none, &all, b.IdleClients, round)
	if err := b.countThreads(ctx, s, name, round); err != nil {
		return err
	}
	if bound && s.name == Castgate {
		if err := b.heavy(ctx, s, second); err != nil {
			return err
		}
		after, err := b.settled(ctx, s)
		if err != nil {
			return err
		}
		through := fmt.Sprintf("PSS after 1 MiB through each of %d", min(heavyClients, second.Len()))
		round.add(name, through, s.name, "MiB", mib(after.pss))
	}
	return errors.Join(first.Report().Err(), second.Report().Err())
}

// idle opens n connections, binds them to uids from first on if bound is set,
// and returns the memory in use after some idle time.
func (b memoryScenario) idle(ctx context.Context, s *server, first, n int, bound bool) (*swarm.Swarm, usage, error) {
	config := b.swarmOf(s, n, []payload.Kind{payload.Unicast})
	config.First = first
	crowd, err := swarm.Open(ctx, config)
	if err != nil {
		return nil, usage{}, err
	}
	if bound {
		err = s.control.Bind(ctx, crowd.Bindings(memoryGroups))
	}
	var u usage
	if err == nil {
		u, err = b.settled(ctx, s)
	}
	if err != nil {
		crowd.Close()
		return nil, usage{}, err
	}
	return crowd, u, nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// usage is the memory in use: the server's and this process's proportional set
// size in bytes, and the kernel's.
type usage struct {
	pss, self int64
	kernel    kernel.Memory
}

// settled returns the memory in use after some idle time.
func (b memoryScenario) settled(ctx context.Context, s *server) (u usage, err error) {
	if err := sleep(ctx, b.Idle); err != nil {
		return u, err
	}
	if u.self, err = (proc.Process{PID: os.Getpid()}).PSS(); err != nil {
		return u, err
	}
	if u.pss, err = s.PSS(); err != nil {
		return u, err
	}
	u.kernel = kernel.Read()
	return u, nil
}

func (b memoryScenario) countThreads(ctx context.Context, s *server, name string, round *samples) error {
	threads, err := s.Threads()
	if err != nil {
		return err
	}
	round.add(name, "threads", s.name, "", float64(threads))
	if !IsOurs(s.name) {
		return nil
	}
	goroutines, err := s.control.Metric(ctx, "go_goroutines")
	if err != nil {
		return err
	}
	round.add(name, "goroutines", s.name, "", goroutines)
	return nil
}

// heavy pushes 1 MiB in messages of 64 KiB to each of 1,000 connections, one
// message at a time to each, so that no queue overflows.
func (b memoryScenario) heavy(ctx context.Context, s *server, crowd *swarm.Swarm) error {
	push, n := s.control.PushTo(crowd.ClientIDs()), min(heavyClients, crowd.Len())
	for range heavyPerClient / heavyMessage {
		_, err := pushing.Along(ctx, crowd.Stream(0), push, pushing.Pace{
			For: time.Hour, Most: n, Size: heavyMessage, Target: func(k int) int { return k },
		})
		if err != nil {
			return err
		}
		if err := waitDelivered(ctx, crowd); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// sleep is an interruptible sleep.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// addKernel adds what n connections have cost the kernel between two readings.
func (b memoryScenario) addKernel(name, server string, none, all *usage, n int, round *samples) {
	before, now := &none.kernel, &all.kernel
	for _, text := range now.Missing {
		b.skip("memory: kernel: %s", text)
	}
	if grown, sum, ok := now.SlabsSince(before, n); ok {
		round.add(name, "kernel slabs a connection, both ends", server, "B", sum)
		for _, s := range grown {
			round.add(name, "kernel slab "+s.Name+", both ends", server, "B", s.Bytes)
		}
	}
	if before.Sockets >= 0 && now.Sockets >= 0 {
		round.add(name, "TCP sockets a connection, both ends", server, "", float64(now.Sockets-before.Sockets)/float64(n))
		round.add(name, "TCP buffers a connection, both ends", server, "B", float64(now.Buffers-before.Buffers)/float64(n))
	}
	if before.Available >= 0 && now.Available >= 0 {
		processes := all.pss - none.pss + all.self - none.self
		lost := float64(before.Available-now.Available-processes) / float64(n)
		round.add(name, "check: MemAvailable less both processes, a connection", server, "B", lost)
	}
}
