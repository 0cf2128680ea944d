package loadtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"castgate/loadtest/latency"
	"castgate/loadtest/payload"
	"castgate/loadtest/pushing"
)

// Storm is what the scenario storm found. Times are measured from just before
// the first connection was cut; 0 means not reached.
type Storm struct {
	Cut      time.Duration `json:"cut_ns"`       // until all were cut
	AllOpen  time.Duration `json:"all_open_ns"`  // until the last was open again
	AllBound time.Duration `json:"all_bound_ns"` // until the last was bound to its uid and in its group
	// Open and Bound are how many had come back when it ended.
	Open  int `json:"open"`
	Bound int `json:"bound"`
	// UIDs is how many uids, spread evenly, were pushed to before and after.
	UIDs int `json:"uids"`
}

// Streams of a storm's swarm.
const (
	stormAll = iota
	stormGroup
	stormUID
)

// stormUIDs is the largest number of uids that are pushed to, each before and
// after.
const stormUIDs = 1000

func stormStreams(*Plan) []payload.Kind {
	return []payload.Kind{payload.Broadcast, payload.Group, payload.Unicast}
}

// measureStorm pushes to all, cuts all, waits until they are back and bound,
// and pushes to all again.
func measureStorm(ctx context.Context, pl *play) error {
	s, storm := pl.swarms[0], &Storm{}
	storm.UIDs = min(stormUIDs, s.Len())
	pl.result.Storm, pl.result.Pushes = storm, pushing.New()
	if err := pl.reachAll(ctx); err != nil {
		return err
	}
	if err := s.ForgetLatencies(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	pl.log("all connections were reached; cutting %d connections", s.Len())
	begun := time.Now()
	if err := s.Cut(); err != nil {
		return err
	}
	storm.Cut = time.Since(begun)
	if err := storm.back(ctx, pl, begun); err != nil {
		return err
	}
	pl.log("all open after %v, all bound after %v", latency.Round(storm.AllOpen), latency.Round(storm.AllBound))
	return pl.reachAll(ctx)
}

// back makes all connections reconnect and binds them as they come.
func (storm *Storm) back(ctx context.Context, pl *play, begun time.Time) error {
	s := pl.swarms[0]
	returning, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var binding sync.WaitGroup
	var failed [2]error
	binding.Go(func() {
		if failed[1] = pl.binder.settle(returning, s.Len()); failed[1] != nil {
			cancel(failed[1]) // no need to wait for the others
			return
		}
		storm.AllBound = time.Since(begun)
	})
	if failed[0] = reopened(returning, s); failed[0] == nil {
		storm.AllOpen = time.Since(begun)
	} else {
		cancel(failed[0])
	}
	binding.Wait()
	storm.Open, storm.Bound = s.Opened(), pl.binder.settled()
	for _, err := range failed { // one may be the other's cause
		if err != nil {
			return fmt.Errorf("%d of %d connections were bound again: %w", storm.Bound, s.Len(), err)
		}
	}
	return nil
}

// reachAll pushes once to everybody, to every group and to some of the uids.
func (pl *play) reachAll(ctx context.Context) error {
	s := pl.swarms[0]
	uids := pl.result.Storm.UIDs
	done, err := pl.pushOnce(ctx, []onceEach{
		{s.Stream(stormAll), 1, pl.Control.PushTo(nil), nil},
		{s.Stream(stormGroup), pl.Groups, pl.Control.PushToGroups, func(k int) int { return k }},
		{s.Stream(stormUID), uids, pl.unicasts(s), func(k int) int { return k * s.Len() / uids }},
	})
	pl.result.Pushes.Merge(done)
	if err != nil {
		return err
	}
	if !pl.await(ctx) {
		// What is missing now would be forgotten with the connections.
		return errNotReached
	}
	return nil
}

var errNotReached = errors.New("some clients were not reached")
