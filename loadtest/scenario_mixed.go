package loadtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Mixed is what the scenario mixed found beside the latency of its unicasts.
type Mixed struct {
	// Probes are the connections that get the unicasts. They have an event
	// loop of their own: else a unicast would wait in the swarm for its turn
	// among the broadcasts, and the server would be blamed for it.
	Probes     int         `json:"probes"`
	Broadcasts *Pushes     `json:"broadcasts,omitempty"`
	Slow       *SlowReport `json:"slow_readers,omitempty"`
}

// SlowReport is what became of the connections that stopped reading while
// the others were pushed to, and read again afterwards.
type SlowReport struct {
	Readers int `json:"readers"`
	// Closed are those the server closed or cut off, as castgate does with
	// slow clients by default. ServerClosed is how many it says it closed for
	// being slow or silent, -1 if it does not say.
	Closed       int `json:"closed"`
	ServerClosed int `json:"server_closed"`
	// Owed and Received are the messages of those that stayed. What they miss
	// the server must have dropped, as castgate does with the slow policy
	// drop: Dropped is how many messages it says it has, of slow clients, -1
	// if it does not say.
	Owed     uint64 `json:"owed"`
	Received uint64 `json:"received"`
	Dropped  int    `json:"dropped"`
	// Lost is what neither the server's word nor its closing explains.
	Lost uint64 `json:"lost"`
	// Report is all they have seen.
	Report *Report `json:"report"`
}

// maxProbes is the most connections that get unicasts in mixed.
const maxProbes = 100

// slowBuffer is the receive buffer of slow readers in bytes: the kernel's own
// choice would grow to megabytes before the server notices anything.
const slowBuffer = 4 << 10

// mixedStreams: the first is of broadcasts, for every swarm; the others are
// of unicasts, for the probes.
func mixedStreams(p *Plan) []Kind {
	return append([]Kind{Broadcast}, callersOf(Unicast)(p)...)
}

// openMixed opens three swarms that make one: those who read, the probes
// among them, and the slow readers. They see the same broadcasts.
func openMixed(ctx context.Context, pl *play) error {
	reading := pl.Swarm.Connections - pl.Slow
	probes := min(maxProbes, reading/2)
	c := pl.Swarm
	c.Run, c.begun = newRun(c.Run), Now()
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
	pl.swarms = pl.swarms[:2] // less is owed to the slow ones
	pl.slow = slow
	crowd.Stream(0).Mirror(slow.Stream(0))
	return nil
}

// openPart opens the n connections of the play from first on.
func (pl *play) openPart(ctx context.Context, c Config, first, n int) (*Swarm, error) {
	c.First, c.Connections = c.First+first, n
	if all := pl.Swarm.Progress; all != nil {
		c.Progress = func(opened int) { all(first + opened) }
	}
	if pl.binder != nil {
		c.Arrived = func(connection int, clientID string) { pl.binder.arrived(first+connection, clientID) }
	}
	return pl.openSwarm(ctx, c)
}

// measureMixed pushes unicasts to the probes while broadcasts go to all and
// the slow readers do not read.
func measureMixed(ctx context.Context, pl *play) error {
	crowd, probing := pl.swarms[0], pl.swarms[1]
	if err := pl.stopSlow(); err != nil {
		return err
	}
	pl.log("pushing for %v", pl.For)
	pushing, stop := context.WithCancel(ctx) // the failure of one ends both
	defer stop()
	var both sync.WaitGroup
	var failed [2]error
	if pl.BroadcastRate > 0 {
		both.Go(func() {
			pace := Pace{Rate: pl.BroadcastRate, For: pl.For, Size: pl.BroadcastSize}
			pl.result.Mixed.Broadcasts, failed[0] = crowd.Stream(0).Push(pushing, pl.Control.PushTo(nil), pace)
			if failed[0] != nil {
				stop()
			}
		})
	}
	both.Go(func() {
		pl.result.Pushes, failed[1] = pl.callers(pushing, pl.unicasts(probing), probing.streams[1:], func(k int) int { return k % probing.Len() })
		if failed[1] != nil {
			stop()
		}
	})
	both.Wait()
	pl.await(ctx)
	return inOneLine(append(failed[:], pl.resumeSlow(ctx)))
}

// stopSlow makes the slow readers stop.
func (pl *play) stopSlow() error {
	if pl.slow == nil {
		return nil
	}
	for i := range pl.slow.Len() {
		// One that is lost already can't, and is counted later.
		if err := pl.slow.StopReading(i); errors.Is(err, errClosed) {
			return err
		}
	}
	pl.log("%d connections have stopped reading", pl.slow.Len())
	return nil
}

// resumeSlow has the slow readers read again, and waits until they have got
// what is there for them.
func (pl *play) resumeSlow(ctx context.Context) error {
	if pl.slow == nil {
		return nil
	}
	s := pl.slow
	for i := range s.Len() {
		if err := s.ResumeReading(i); errors.Is(err, errClosed) {
			return err
		}
	}
	pl.log("they read again")
	// Nobody knows how much it is: it has all come when nothing has for a while.
	for quiet, before, waited := time.Duration(0), uint64(0), time.Duration(0); quiet < slowQuiet && waited < pl.Patience && ctx.Err() == nil; {
		pause(ctx, slowPoll)
		quiet, waited = quiet+slowPoll, waited+slowPoll
		if now := s.Report().Bytes; now != before {
			quiet, before = 0, now
		}
		if n, err := s.missing(); err != nil || n == 0 {
			break
		}
	}
	return nil
}

// Slow readers have read everything when nothing has come for slowQuiet.
const (
	slowPoll  = 100 * time.Millisecond
	slowQuiet = 2 * time.Second
)

// judgeMixed tells what the server did to slow readers from what it lost.
func judgeMixed(pl *play) error {
	s := pl.slow
	if s == nil {
		return nil
	}
	missing, err := s.missing()
	if err != nil {
		return err
	}
	r := &SlowReport{Readers: s.Len(), Report: s.Report(), Closed: int(s.died.Load()), ServerClosed: -1, Dropped: -1}
	pl.result.Mixed.Slow = r
	r.Owed = uint64(s.Len()-r.Closed) * uint64(s.Stream(0).to(0).sent.Load())
	r.Received = r.Owed - min(missing, r.Owed)
	if said := pl.slowness; said != nil {
		r.ServerClosed, r.Dropped = said.closed, said.dropped
	}
	r.Lost = missing - min(missing, uint64(max(r.Dropped, 0)))
	return r.err()
}

// err is what was wrong with slow readers. That messages did not come and
// connections were closed is not.
func (r *SlowReport) err() error {
	var all []string
	if r.Lost > 0 {
		all = append(all, fmt.Sprintf("%d messages did not reach them, and the server does not say that it dropped them", r.Lost))
	}
	if r.ServerClosed >= 0 && r.Closed > r.ServerClosed {
		all = append(all, fmt.Sprintf("%d were lost, and the server says that it closed %d for being slow or silent (%s)", r.Closed, r.ServerClosed, joinCounts(r.Report.Deaths)))
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
