package loadtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"castgate/loadtest/clock"
	"castgate/loadtest/internal/oneline"
	"castgate/loadtest/payload"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// Mixed is what the scenario mixed found besides the latency of its unicasts.
type Mixed struct {
	// Probes are the connections that receive the unicasts. They have an event
	// loop of their own: otherwise a unicast would wait in the swarm behind the
	// broadcasts, and the server would be blamed for it.
	Probes     int             `json:"probes"`
	Broadcasts *pushing.Pushes `json:"broadcasts,omitempty"`
	Slow       *SlowReport     `json:"slow_readers,omitempty"`
}

// SlowReport is what happened to the connections that stopped reading while the
// others were pushed to, and read again afterwards.
type SlowReport struct {
	Readers int `json:"readers"`
	// Closed are those that the server closed or reset, as castgate does with
	// slow clients by default. ServerClosed is how many it reports to have
	// closed for being slow or silent, -1 if it does not report that.
	Closed       int `json:"closed"`
	ServerClosed int `json:"server_closed"`
	// Owed and Received are the messages of those that stayed connected. The
	// server must have dropped what they miss, as castgate does with the slow
	// policy drop: Dropped is how many messages of slow clients it reports to
	// have dropped, -1 if it does not report that.
	Owed     uint64 `json:"owed"`
	Received uint64 `json:"received"`
	Dropped  int    `json:"dropped"`
	// Lost is what the server's reports do not explain.
	Lost uint64 `json:"lost"`
	// Report is everything they have seen.
	Report *swarm.Report `json:"report"`
}

// maxProbes is the largest number of connections that receive unicasts in
// mixed.
const maxProbes = 100

// slowBuffer is the receive buffer of slow readers in bytes: with the kernel's
// own choice it would grow to megabytes before the server notices anything.
const slowBuffer = 4 << 10

// mixedStreams: the first is of broadcasts, for every swarm; the others are of
// unicasts, for the probes.
func mixedStreams(p *Plan) []payload.Kind {
	return append([]payload.Kind{payload.Broadcast}, callersOf(payload.Unicast)(p)...)
}

// openMixed opens three swarms that make up one: readers, of which the probes
// are separate, and slow readers. They receive the same broadcasts.
func openMixed(ctx context.Context, pl *play) error {
	reading := pl.Swarm.Connections - pl.Slow
	probes := min(maxProbes, reading/2)
	c := pl.Swarm
	c.Run, c.Begun = swarm.NewRun(c.Run), clock.Now()
	crowd, err := pl.openPart(ctx, c, 0, reading-probes)
	if err != nil {
		return err
	}
	probing, err := pl.openPart(ctx, c, reading-probes, probes)
	if err != nil {
		return err
	}
	crowd.Stream(0).Mirror(probing.Stream(0))
	pl.result.Mixed = &Mixed{Probes: probes}
	if pl.Slow == 0 {
		return nil
	}
	c.ReceiveBuffer = slowBuffer
	slow, err := pl.openPart(ctx, c, reading, pl.Slow)
	if err != nil {
		return err
	}
	pl.swarms = pl.swarms[:2] // slow readers may miss messages
	pl.slow = slow
	crowd.Stream(0).Mirror(slow.Stream(0))
	return nil
}

// openPart opens n connections of the play, starting with first.
func (pl *play) openPart(ctx context.Context, c swarm.Config, first, n int) (*swarm.Swarm, error) {
	c.First, c.Connections = c.First+first, n
	if all := pl.Swarm.Progress; all != nil {
		c.Progress = func(opened int) { all(first + opened) }
	}
	if pl.binder != nil {
		c.Arrived = func(connection int, clientID string) { pl.binder.arrived(first+connection, clientID) }
	}
	return pl.openSwarm(ctx, c)
}

// measureMixed pushes unicasts to the probes while broadcasts go to all and the
// slow readers do not read.
func measureMixed(ctx context.Context, pl *play) error {
	crowd, probing := pl.swarms[0], pl.swarms[1]
	if err := pl.stopSlow(); err != nil {
		return err
	}
	pl.log("pushing for %v", pl.For)
	both, stop := context.WithCancel(ctx) // a failure ends both
	defer stop()
	var callers sync.WaitGroup
	var failed [2]error
	if pl.BroadcastRate > 0 {
		callers.Go(func() {
			pace := pushing.Pace{Rate: pl.BroadcastRate, For: pl.For, Size: pl.BroadcastSize}
			pl.result.Mixed.Broadcasts, failed[0] = pushing.Along(both, crowd.Stream(0), pl.Control.PushTo(nil), pace)
			if failed[0] != nil {
				stop()
			}
		})
	}
	callers.Go(func() {
		pl.result.Pushes, failed[1] = pl.callers(both, pl.unicasts(probing), probing.Streams()[1:], func(k int) int { return k % probing.Len() })
		if failed[1] != nil {
			stop()
		}
	})
	callers.Wait()
	pl.await(ctx)
	return oneline.Join(append(failed[:], pl.resumeSlow(ctx)))
}

// stopSlow makes the slow readers stop reading.
func (pl *play) stopSlow() error {
	if pl.slow == nil {
		return nil
	}
	for i := range pl.slow.Len() {
		// One that is already lost cannot stop, and is counted later.
		if err := pl.slow.StopReading(i); errors.Is(err, swarm.ErrClosed) {
			return err
		}
	}
	pl.log("%d connections have stopped reading", pl.slow.Len())
	return nil
}

// resumeSlow makes the slow readers read again, and waits until they have
// received what is there for them.
func (pl *play) resumeSlow(ctx context.Context) error {
	if pl.slow == nil {
		return nil
	}
	s := pl.slow
	for i := range s.Len() {
		if err := s.ResumeReading(i); errors.Is(err, swarm.ErrClosed) {
			return err
		}
	}
	pl.log("they are reading again")
	// Nobody knows how much that is: everything has arrived when nothing has
	// for a while.
	for quiet, before, waited := time.Duration(0), uint64(0), time.Duration(0); quiet < slowQuiet && waited < pl.Patience && ctx.Err() == nil; {
		pause(ctx, slowPoll)
		quiet, waited = quiet+slowPoll, waited+slowPoll
		if now := s.Report().Bytes; now != before {
			quiet, before = 0, now
		}
		if n, err := s.Missing(); err != nil || n == 0 {
			break
		}
	}
	return nil
}

// Slow readers have read everything when nothing has arrived for slowQuiet.
const (
	slowPoll  = 100 * time.Millisecond
	slowQuiet = 2 * time.Second
)

// judgeMixed finds out from what was lost what the server did to slow readers.
func judgeMixed(pl *play) error {
	s := pl.slow
	if s == nil {
		return nil
	}
	missing, err := s.Missing()
	if err != nil {
		return err
	}
	r := &SlowReport{Readers: s.Len(), Report: s.Report(), Closed: s.Lost(), ServerClosed: -1, Dropped: -1}
	pl.result.Mixed.Slow = r
	r.Owed = uint64(s.Len()-r.Closed) * uint64(s.Stream(0).Sent(0))
	r.Received = r.Owed - min(missing, r.Owed)
	if said := pl.slowness; said != nil {
		r.ServerClosed, r.Dropped = said.closed, said.dropped
	}
	r.Lost = missing - min(missing, uint64(max(r.Dropped, 0)))
	return r.err()
}

// err is what went wrong with slow readers. Missing messages and closed
// connections alone are no fault.
func (r *SlowReport) err() error {
	var all []string
	if r.Lost > 0 {
		all = append(all, fmt.Sprintf("%d messages did not reach them, and the server does not report that it dropped them", r.Lost))
	}
	if r.ServerClosed >= 0 && r.Closed > r.ServerClosed {
		all = append(all, fmt.Sprintf("%d were lost, and the server reports that it closed %d for being slow or silent (%s)", r.Closed, r.ServerClosed, oneline.Counts(r.Report.Deaths)))
	}
	rest := *r.Report
	rest.Deaths, rest.Lost = nil, 0
	if err := rest.Err(); err != nil {
		all = append(all, err.Error())
	}
	if all == nil {
		return nil
	}
	return errors.New("of the slow readers " + strings.Join(all, "; "))
}
