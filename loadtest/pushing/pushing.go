// Package pushing pushes payloads to a swarm through a server, at a rate or in volleys.
package pushing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"castgate/loadtest/clock"
	"castgate/loadtest/control"
	"castgate/loadtest/latency"
	"castgate/loadtest/swarm"
)

// Pushes sums up what callers have done.
type Pushes struct {
	Taken   int `json:"taken"`   // accepted by the server
	Refused int `json:"refused"` // 503: no room, try later
	// Matched and Dropped are the sums of the server's answers; Receivers is
	// what Matched should be.
	Matched   int           `json:"matched"`
	Receivers int           `json:"receivers"`
	Dropped   int           `json:"dropped"`
	Took      time.Duration `json:"took_ns"`
	// Answer is the time until the server's answer.
	Answer latency.Summary `json:"answer"`
	// Oversleep is how late callers woke up for pushes that were due. It is
	// part of the latency, but not the server's fault.
	Oversleep latency.Summary `json:"oversleep"`

	answer, oversleep *hdrhistogram.Histogram
}

func New() *Pushes {
	return &Pushes{answer: latency.NewHistogram(), oversleep: latency.NewHistogram()}
}

// Merge adds other, which ran at the same time.
func (p *Pushes) Merge(other *Pushes) {
	p.Taken += other.Taken
	p.Refused += other.Refused
	p.Matched += other.Matched
	p.Receivers += other.Receivers
	p.Dropped += other.Dropped
	p.Took = max(p.Took, other.Took)
	p.answer.Merge(other.answer)
	p.oversleep.Merge(other.oversleep)
	p.Answer, p.Oversleep = latency.Of(p.answer), latency.Of(p.oversleep)
}

// Pace says when and what a caller pushes.
type Pace struct {
	// Rate is pushes per second. Push k is due at k/Rate, however long earlier
	// pushes took, and its latency is measured from then: a slow server cannot
	// hide its delays by delaying the caller. 0: each push follows the answer
	// to the previous one.
	Rate float64
	// For is how long, and Most (if not 0) how many at most.
	For  time.Duration
	Most int
	// Size of a payload in bytes.
	Size int
	// Target is the connection for push k. Nil for broadcasts.
	Target func(k int) int
}

// Along pushes along a stream according to p until the time is over or ctx is
// done; neither is an error. Pushes refused with 503 are counted and not
// repeated. Any other failure ends it.
func Along(ctx context.Context, st *swarm.Stream, push control.Pusher, p Pace) (*Pushes, error) {
	done := New()
	begun := clock.Now()
	defer func() { done.finish(begun) }()
	var buf []byte
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := 0; p.Most == 0 || k < p.Most; k++ {
		due := clock.Now()
		if p.Rate > 0 {
			due = begun + int64(float64(k)/p.Rate*1e9)
		}
		if due-begun >= int64(p.For) {
			waitUntil(ctx, timer, begun+int64(p.For))
			break
		}
		if due > clock.Now() {
			if !waitUntil(ctx, timer, due) {
				break
			}
			latency.Record(done.oversleep, clock.Now()-due)
		}
		if ctx.Err() != nil {
			break
		}
		target := 0
		if p.Target != nil {
			target = p.Target(k)
		}
		buf = st.Append(buf[:0], target, p.Size, due)
		if err := done.note(once(ctx, st, push, target, buf)); err != nil {
			return done, err
		}
	}
	return done, nil
}

// waitUntil sleeps until a time of Now; false if ctx was done first.
func waitUntil(ctx context.Context, timer *time.Timer, when int64) bool {
	timer.Reset(time.Duration(max(when-clock.Now(), 0)))
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// outcome is the result of one push.
type outcome struct {
	result    control.PushResult
	receivers int   // ours
	took      int64 // until the answer, in ns
	refused   bool  // with 503
	err       error
}

// once makes one push. It is not interrupted, since nobody would know then
// whether it will arrive; control.Client has a time limit of its own.
func once(ctx context.Context, st *swarm.Stream, push control.Pusher, target int, payload []byte) outcome {
	sent := clock.Now()
	result, err := push(context.WithoutCancel(ctx), target, payload)
	var refused *control.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable:
		return outcome{refused: true}
	case err != nil:
		return outcome{err: fmt.Errorf("push: %w", err)}
	}
	st.Commit(target)
	return outcome{result: result, receivers: st.Receivers(target), took: clock.Now() - sent}
}

// note adds an outcome.
func (p *Pushes) note(o outcome) error {
	switch {
	case o.err != nil:
		return o.err
	case o.refused:
		p.Refused++
	default:
		latency.Record(p.answer, o.took)
		p.Taken++
		p.Matched += o.result.Matched
		p.Receivers += o.receivers
		p.Dropped += o.result.Dropped
	}
	return nil
}

// finish completes p for pushes that began at a time of Now.
func (p *Pushes) finish(begun int64) {
	p.Took = time.Duration(clock.Now() - begun)
	p.Answer, p.Oversleep = latency.Of(p.answer), latency.Of(p.oversleep)
}

// Volleys pushes one payload along each of the streams at the same time, waits
// until all have arrived everywhere, and begins again, until the time is over,
// p.Most volleys (if not 0) are done, or ctx is done. p.Rate is ignored. A
// message that does not arrive within patience is an error.
func Volleys(ctx context.Context, s *swarm.Swarm, push control.Pusher, streams []*swarm.Stream, p Pace, patience time.Duration) (*Pushes, error) {
	all := New()
	begun := clock.Now()
	defer func() { all.finish(begun) }()
	for k := 0; p.Most == 0 || k < p.Most; k++ {
		if clock.Now()-begun >= int64(p.For) || ctx.Err() != nil {
			break
		}
		var callers sync.WaitGroup
		outcomes := make([]outcome, len(streams))
		for i, st := range streams {
			target := 0
			if p.Target != nil {
				target = p.Target(k*len(streams) + i)
			}
			callers.Go(func() {
				outcomes[i] = once(ctx, st, push, target, st.Append(nil, target, p.Size, clock.Now()))
			})
		}
		callers.Wait()
		for _, o := range outcomes {
			if err := all.note(o); err != nil {
				return all, err
			}
		}
		if err := s.WaitPatiently(ctx, patience); err != nil {
			return all, err
		}
	}
	return all, nil
}
