package loadtest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Churn is what the scenario churn found beside its broadcasts.
type Churn struct {
	// Replaced is how many connections left and were to come back, Rate how
	// many that was a second.
	Replaced int     `json:"replaced"`
	Rate     float64 `json:"rate"`
	// Busy is how many were not replaced when it was their turn: they had not
	// come back yet.
	Busy int `json:"busy"`
	// Back is whether all were open at the end.
	Back bool `json:"back"`
}

// churnTick is how often connections are replaced, several at once at high
// rates.
const churnTick = 10 * time.Millisecond

// measureChurn broadcasts while connections leave and come, and once more
// when all are back.
func measureChurn(ctx context.Context, pl *play) error {
	s, c := pl.swarms[0], &Churn{}
	pl.result.Churn = c
	pl.log("pushing for %v while %.6g connections a second leave and come", pl.For, pl.Replace)
	churning, stop := context.WithCancel(ctx)
	defer stop()
	var both, binding sync.WaitGroup
	failed := make([]error, 3)
	do := func(group *sync.WaitGroup, i int, f func() error) {
		group.Go(func() {
			if failed[i] = f(); failed[i] != nil {
				stop() // the failure of one ends all
			}
		})
	}
	do(&both, 0, func() (err error) {
		pl.result.Pushes, err = pl.callers(churning, pl.Control.PushTo(nil), s.streams, nil)
		return err
	})
	do(&both, 1, func() error { return c.replace(churning, s, pl.Replace, pl.For) })
	if pl.binder != nil {
		do(&binding, 2, func() error { return pl.binder.follow(churning) })
	}
	both.Wait()
	stop()
	binding.Wait()
	if err := inOneLine(failed); err != nil {
		return err
	}
	return c.comeBack(ctx, pl)
}

// replace has rate connections a second leave and come back, in turn.
func (c *Churn) replace(ctx context.Context, s *Swarm, rate float64, length time.Duration) error {
	begun := time.Now()
	tick := time.NewTicker(churnTick)
	defer tick.Stop()
	var turn []int
	for next := 0; ; {
		elapsed := min(time.Since(begun), length)
		turn = turn[:0]
		for wanted := int(elapsed.Seconds() * rate); next < wanted && len(turn) < s.Len(); next++ {
			turn = append(turn, next%s.Len())
		}
		left, err := s.Replace(turn...)
		c.Replaced += left
		c.Busy += len(turn) - left
		c.Rate = float64(c.Replaced) / max(elapsed.Seconds(), 1e-9)
		if err != nil || elapsed == length {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// comeBack waits until all connections are open, however ctx ends, pushes to
// all of them, and waits until all that was pushed has come.
func (c *Churn) comeBack(ctx context.Context, pl *play) error {
	s := pl.swarms[0]
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), pl.Patience)
	defer cancel()
	if err := s.reopened(waiting); err != nil {
		return err
	}
	c.Back = true
	pause(waiting, straggle) // a server may answer a goodbye before it has forgotten the client
	last, err := s.Stream(0).Push(context.WithoutCancel(ctx), pl.Control.PushTo(nil), Pace{For: time.Hour, Most: 1, Size: pl.Size})
	if last.Matched != last.Receivers {
		pl.result.warn("once all were back the server matched %d receivers, the swarm should have been %d: other clients are connected, or it keeps some that have left", last.Matched, last.Receivers)
	}
	pl.result.Pushes.merge(last)
	pl.await(ctx)
	return err
}

// reopened is Reopen with an error that leaves what has become of connections
// to the report.
func (s *Swarm) reopened(ctx context.Context) error {
	err := s.Reopen(ctx)
	if err != nil && s.died.Load() > 0 {
		return fmt.Errorf("%d of %d connections are open again", s.opened.Load(), s.Len())
	}
	return err
}

// judgeChurn adds a warning where the server did not keep up.
func judgeChurn(pl *play) error {
	c := pl.result.Churn
	if c != nil && c.Busy > c.Replaced/50 {
		pl.result.warn("%d connections had not come back when it was their turn to leave again: lower the rate, or use more connections", c.Busy)
	}
	return nil
}
