package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"castgate/bench/gateway"
	"castgate/internal/machine"
	"castgate/loadtest"
	"castgate/loadtest/swarm"
)

// soak is one run.
type soak struct {
	Options
	gateway *gateway.Gateway
	crowd   swarm.Config
	result  *Result
}

// Run holds the swarm and returns what it found: Result.Faults lists what was
// wrong. When ctx is done it ends early, with Result.Interrupted. Without a
// result nothing could be measured, and the error says why.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	s := &soak{Options: o, result: &Result{
		Started: time.Now().UTC(), Revision: o.Revision, Machine: machine.This(), Command: o.Command, Options: o, Samples: []Sample{}, Trends: []Trend{},
	}}
	dir, err := os.MkdirTemp("", "castgate-soak")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if s.gateway, s.crowd, err = o.start(ctx, dir); err != nil {
		return nil, err
	}
	err = s.play(ctx)
	if stopErr := s.gateway.Stop(); stopErr != nil {
		s.result.fault("%v", stopErr)
	}
	if len(s.result.Samples) == 0 && err != nil {
		return nil, err
	}
	s.result.Interrupted = ctx.Err() != nil
	if err != nil && !s.result.Interrupted {
		s.result.fault("%v", err)
	}
	s.result.judge()
	return s.result, nil
}

// play runs all parts. Its error is what ended it.
func (s *soak) play(ctx context.Context) error {
	if err := s.tide(ctx); err != nil {
		return err
	}
	before, counters, wrong, err := s.settled(ctx, nil)
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("before the soak: %v", wrong)
	}
	if err != nil {
		return err
	}
	s.result.Before = before
	s.log("at rest: %.1f MiB PSS, %d descriptors, %d goroutines", mib(before.PSS), before.Files, before.Goroutines)
	if err := s.flood(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	after, last, wrong, err := s.settled(ctx, &before)
	if err != nil {
		return err
	}
	s.result.After = after
	s.log("everybody has left: %.1f MiB PSS, %d descriptors, %d goroutines", mib(after.PSS), after.Files, after.Goroutines)
	for _, text := range append(wrong, counted(counters, last, s.result.Traffic)...) {
		s.result.fault("when all had left: %s", text)
	}
	return nil
}

// tide makes everything happen once that will happen later.
func (s *soak) tide(ctx context.Context) error {
	s.log("the first tide: %d connections come and go for %v", s.Connections, s.Tide)
	p := s.plan(s.gateway, s.crowd)
	p.For = s.Tide
	if _, err := loadtest.Run(ctx, "churn", p); err != nil {
		return fmt.Errorf("the first tide: %w", err)
	}
	return context.Cause(ctx)
}

// flood is the soak itself: traffic, with samples while it is measured.
func (s *soak) flood(ctx context.Context) error {
	p := s.plan(s.gateway, s.crowd)
	read := s.gateway.Weigh
	if s.weigh != nil {
		read = s.weigh
	}
	sampling, stop := context.WithCancel(ctx)
	defer stop()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var once sync.Once
	var watching sync.WaitGroup
	var received atomic.Int64
	p.Progress = func(now loadtest.Progress) {
		received.Store(now.Received)
		if !now.Measuring {
			return
		}
		once.Do(func() {
			watching.Go(func() {
				if err := watch(sampling, s.Every, read, func(x Sample) { s.see(x, received.Load()) }); err != nil {
					fail(fmt.Errorf("sample %d: %w", len(s.result.Samples)+1, err))
				}
			})
		})
		if now.Elapsed >= s.Length {
			stop() // no samples while the last messages arrive
		}
	}
	r, failed := loadtest.Run(ctx, "churn", p)
	stop()
	watching.Wait()
	if r == nil {
		return failed
	}
	if r.Report != nil {
		r.Report.Timeline = nil // the samples show it better
	}
	s.result.Traffic = r
	if cause := context.Cause(ctx); failed == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause // it could not be weighed
	}
	if failed != nil {
		s.result.fault("traffic: %v", failed)
	}
	return nil
}

// see stores a sample.
func (s *soak) see(x Sample, received int64) {
	s.result.Samples = append(s.result.Samples, x)
	if s.Seen != nil {
		s.Seen(x, received)
	}
}
