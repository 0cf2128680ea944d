package loadtest

import (
	"context"
	"sync"
	"time"

	"castgate/loadtest/control"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// measureBroadcast pushes to all, in volleys at rate 0.
func measureBroadcast(ctx context.Context, pl *play) error {
	return pl.pushAlong(ctx, pl.Control.PushTo(nil), nil)
}

// measureGroup pushes to one group after another, in volleys at rate 0.
func measureGroup(ctx context.Context, pl *play) error {
	return pl.pushAlong(ctx, pl.Control.PushToGroups, func(k int) int { return k % pl.Groups })
}

// pushAlong pushes with all callers, the k-th push of all together to the
// target of k, and waits until everything has arrived.
func (pl *play) pushAlong(ctx context.Context, push control.Pusher, target func(k int) int) (err error) {
	pl.log("pushing for %v", pl.For)
	s := pl.swarms[0]
	if pl.Rate > 0 {
		pl.result.Pushes, err = pl.callers(ctx, push, s.Streams(), target)
	} else {
		pace := pushing.Pace{For: pl.For, Size: pl.Size, Target: target}
		pl.result.Pushes, err = pushing.Volleys(ctx, s, push, s.Streams(), pace, pl.Patience)
	}
	pl.await(ctx)
	return err
}

// measureUnicast pushes to one connection after another, at rate 0 each caller
// as soon as its last push is answered.
func measureUnicast(ctx context.Context, pl *play) (err error) {
	pl.log("pushing for %v", pl.For)
	s := pl.swarms[0]
	pl.result.Pushes, err = pl.callers(ctx, pl.unicasts(s), s.Streams(), func(k int) int { return k % s.Len() })
	pl.await(ctx)
	return err
}

// unicasts pushes to single connections of s: to uids if they are bound,
// otherwise to client ids.
func (pl *play) unicasts(s *swarm.Swarm) control.Pusher {
	if !pl.Bind {
		return pl.Control.PushTo(s.ClientIDs())
	}
	return func(ctx context.Context, target int, payload []byte) (control.PushResult, error) {
		return pl.Control.PushUID(ctx, control.UID(s.First()+target), payload)
	}
}

// callers pushes along each of the streams with a caller of its own; they share
// the rate and the targets. A caller that fails ends only itself: the first
// error is returned.
func (pl *play) callers(ctx context.Context, push control.Pusher, streams []*swarm.Stream, target func(k int) int) (*pushing.Pushes, error) {
	n := len(streams)
	var callers sync.WaitGroup
	done := make([]*pushing.Pushes, n)
	errs := make([]error, n)
	for i, st := range streams {
		pace := pushing.Pace{Rate: pl.Rate / float64(n), For: pl.For, Size: pl.Size}
		if target != nil {
			pace.Target = func(k int) int { return target(k*n + i) }
		}
		callers.Go(func() { done[i], errs[i] = pushing.Along(ctx, st, push, pace) })
	}
	callers.Wait()
	all := pushing.New()
	var failed error
	for i := range done {
		all.Merge(done[i])
		if failed == nil {
			failed = errs[i]
		}
	}
	return all, failed
}

// onceEach is a stream along which each of n targets is pushed to once.
type onceEach struct {
	stream *swarm.Stream
	n      int
	push   control.Pusher
	target func(k int) int
}

// pushOnce pushes along one stream after another.
func (pl *play) pushOnce(ctx context.Context, streams []onceEach) (*pushing.Pushes, error) {
	all := pushing.New()
	for _, e := range streams {
		done, err := pushing.Along(ctx, e.stream, e.push, pushing.Pace{For: time.Hour, Most: e.n, Size: pl.Size, Target: e.target})
		all.Merge(done)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}
