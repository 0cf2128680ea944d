package loadtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"castgate/loadtest/control"
	"castgate/loadtest/internal/oneline"
	"castgate/loadtest/payload"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// Churn is what the scenario churn found besides its broadcasts.
type Churn struct {
	// Replaced is how many connections left to come back, Rate how many per
	// second, Broken how many of them left by a reset instead of a closing
	// handshake.
	Replaced int     `json:"replaced"`
	Rate     float64 `json:"rate"`
	Broken   int     `json:"broken"`
	// Busy is how many were not replaced when it was their turn, because they
	// had not come back yet.
	Busy int `json:"busy"`
	// Back says whether all were open and bound at the end.
	Back bool `json:"back"`
	// Groups and Unicasts are the pushes besides the broadcasts, nil if there
	// were none.
	Groups   *pushing.Pushes `json:"groups,omitempty"`
	Unicasts *pushing.Pushes `json:"unicasts,omitempty"`
	// Last are those made once all were back: to all and, if they are bound, to
	// every group and some uids.
	Last *pushing.Pushes `json:"last,omitempty"`
}

// bindPoll is how often churn checks whether all are bound.
const bindPoll = 20 * time.Millisecond

// churnTick is how often connections are replaced, several at a time at high
// rates.
const churnTick = 10 * time.Millisecond

// churnStreams: the callers' streams are of broadcasts, then follow one of
// pushes to groups and one to single connections.
func churnStreams(p *Plan) []payload.Kind {
	return append(callersOf(payload.Broadcast)(p), payload.Group, payload.Unicast)
}

// measureChurn pushes while connections come and go, and once more when all are
// back.
func measureChurn(ctx context.Context, pl *play) error {
	c := &Churn{}
	pl.result.Churn = c
	pl.log("pushing for %v while %.6g connections per second come and go", pl.For, pl.Replace)
	churning, stop := context.WithCancel(ctx)
	defer stop()
	// Returning connections are bound until all are back, however ctx ends.
	returning, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var binding sync.WaitGroup
	var unbound error
	if pl.binder != nil {
		binding.Go(func() {
			if unbound = pl.binder.follow(returning); unbound != nil {
				stop()
				end()
			}
		})
	}
	failed := c.play(churning, pl)
	if failed == nil {
		failed = c.comeBack(returning, pl)
	}
	end()
	binding.Wait()
	if unbound != nil && (failed == nil || errors.Is(failed, context.Canceled)) {
		return unbound
	}
	return failed
}

// play pushes and replaces connections until the time is over or one of these
// fails.
func (c *Churn) play(ctx context.Context, pl *play) error {
	ctx, stop := context.WithCancel(ctx) // a failure ends all
	defer stop()
	s := pl.swarms[0]
	var all sync.WaitGroup
	failed := make([]error, 4)
	do := func(i int, f func() error) {
		all.Go(func() {
			if failed[i] = f(); failed[i] != nil {
				stop()
			}
		})
	}
	beside := func(i int, into **pushing.Pushes, rate float64, push control.Pusher, targets int) {
		if rate == 0 {
			return
		}
		pace := pushing.Pace{Rate: rate, For: pl.For, Size: pl.Size, Target: func(k int) int { return k % targets }}
		do(i, func() (err error) {
			*into, err = pushing.Along(ctx, s.Stream(pl.Callers+i), push, pace)
			return err
		})
	}
	beside(0, &c.Groups, pl.GroupRate, pl.Control.PushToGroups, max(pl.Groups, 1))
	beside(1, &c.Unicasts, pl.UnicastRate, pl.unicasts(s), s.Len())
	do(2, func() (err error) {
		pl.result.Pushes, err = pl.callers(ctx, pl.Control.PushTo(nil), s.Streams()[:pl.Callers], nil)
		return err
	})
	do(3, func() error { return c.replace(ctx, s, &pl.Plan) })
	all.Wait()
	return oneline.Join(failed)
}

// replace makes connections leave and come back, in turn, except those that
// stay.
func (c *Churn) replace(ctx context.Context, s *swarm.Swarm, p *Plan) error {
	begun := time.Now()
	tick := time.NewTicker(churnTick)
	defer tick.Stop()
	var polite, broken []int
	for next, guests := 0, s.Len()-p.Stay; ; {
		elapsed := min(time.Since(begun), p.For)
		polite, broken = polite[:0], broken[:0]
		for wanted := int(elapsed.Seconds() * p.Replace); next < wanted && len(polite)+len(broken) < guests; next++ {
			if i := p.Stay + next%guests; int(float64(next+1)*p.Broken) > int(float64(next)*p.Broken) {
				broken = append(broken, i)
			} else {
				polite = append(polite, i)
			}
		}
		left, err := s.Replace(polite...)
		reset, breakErr := s.Break(broken...)
		c.Replaced += left + reset
		c.Broken += reset
		c.Busy += len(polite) + len(broken) - left - reset
		c.Rate = float64(c.Replaced) / max(elapsed.Seconds(), 1e-9)
		if err = errors.Join(err, breakErr); err != nil || elapsed == p.For {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// comeBack waits until all connections are open and bound, pushes to all of
// them, and waits until everything has arrived.
func (c *Churn) comeBack(ctx context.Context, pl *play) error {
	s := pl.swarms[0]
	waiting, cancel := context.WithTimeout(ctx, pl.Patience)
	defer cancel()
	if err := reopened(waiting, s); err != nil {
		return err
	}
	for pl.binder != nil && !pl.binder.idle() {
		pause(waiting, bindPoll)
		if err := waiting.Err(); err != nil {
			return fmt.Errorf("all connections are open again, but not bound: %w", err)
		}
	}
	c.Back = true
	pause(waiting, straggle) // a server may answer a close frame before it has removed the client
	all := []onceEach{{s.Stream(0), 1, pl.Control.PushTo(nil), nil}}
	if pl.Groups > 0 {
		all = append(all, onceEach{s.Stream(pl.Callers), pl.Groups, pl.Control.PushToGroups, func(k int) int { return k }})
	}
	if pl.Bind {
		uids := min(stormUIDs, s.Len())
		all = append(all, onceEach{s.Stream(pl.Callers + 1), uids, pl.unicasts(s), func(k int) int { return k * s.Len() / uids }})
	}
	var err error
	c.Last, err = pl.pushOnce(ctx, all)
	if c.Last.Matched != c.Last.Receivers {
		pl.result.warn("after all were back the server matched %d receivers instead of %d: other clients are connected, or it still lists some that have left", c.Last.Matched, c.Last.Receivers)
	}
	pl.await(ctx)
	return err
}

// reopened is Reopen, with an error that leaves what happened to connections to
// the report.
func reopened(ctx context.Context, s *swarm.Swarm) error {
	err := s.Reopen(ctx)
	if err != nil && s.Lost() > 0 {
		return fmt.Errorf("%d of %d connections are open again", s.Opened(), s.Len())
	}
	return err
}

// judgeChurn warns if the server did not keep up.
func judgeChurn(pl *play) error {
	c := pl.result.Churn
	if c != nil && c.Busy > c.Replaced/50 {
		pl.result.warn("%d connections had not come back when it was their turn to leave again: lower the rate, or use more connections", c.Busy)
	}
	return nil
}
