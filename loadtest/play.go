package loadtest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"castgate/loadtest/address"
	"castgate/loadtest/internal/oneline"
	"castgate/loadtest/latency"
	"castgate/loadtest/proc"
	"castgate/loadtest/swarm"
)

// play is one run of a scenario. It belongs to one goroutine.
type play struct {
	Plan
	scenario *scenario
	result   *Result
	meter    *meter
	binder   *binder

	// swarms are open and expect every push; the first stands for all in
	// scenarios that have only one.
	swarms []*swarm.Swarm
	// slow is the swarm whose connections may stop reading, nil if there is
	// none.
	slow *swarm.Swarm
	// slowness is what the server reported about slow clients when measuring
	// began; after gather, it is what has been added since. Nil if the server
	// reports nothing.
	slowness *slowness

	doing     string // for the result of an interrupted run
	measuring time.Time
	self      time.Duration // CPU time of this process when measuring began
	busy      time.Duration // of the whole machine
}

// Reasons for a play to end early.
var (
	errLimit   = errors.New("the time limit has passed")
	errAllLost = errors.New("no connection is left")
)

func newPlay(sc *scenario, p Plan) *play {
	pl := &play{
		Plan: p, scenario: sc, doing: "starting",
		result: &Result{Scenario: sc.name, Started: time.Now(), Connections: p.Swarm.Connections, Groups: p.Groups},
	}
	if p.Bind {
		pl.binder = newBinder(p.Control, p.Swarm.First, p.Groups)
		pl.Swarm.Arrived = pl.binder.arrived
	}
	return pl
}

// prepare finds out what can be known before anything is opened.
func (pl *play) prepare(ctx context.Context) error {
	c := &pl.Swarm
	targets, err := address.ResolveAll(ctx, c.URLs, c.Sources)
	if err != nil {
		return err
	}
	if err := swarm.CheckFiles(c.Connections); err != nil {
		return err
	}
	if err := address.CheckPorts(c.Connections, targets, len(c.Sources)); err != nil {
		return err
	}
	if address.SearchesPorts(c.Connections, targets, len(c.Sources)) {
		pl.result.warn("connecting took longer than necessary: once half the ports of a source address are in use, the kernel takes long to find a free one; use more source addresses")
	}
	if pl.PID == FindPID {
		addrs := make([]netip.AddrPort, len(targets))
		for i := range targets {
			addrs[i] = targets[i].Addr
		}
		pid, why := proc.Listener(addrs...)
		if pl.PID = pid; pid == 0 {
			pl.log("the server's memory and CPU are not measured: %s", why)
		}
		pl.meter, err = newMeter(pid)
		if err != nil { // the process was found, but may not be inspected
			pl.log("the server's memory and CPU are not measured: %v", err)
			pl.PID, pl.meter, err = 0, &meter{}, nil
		}
		return err
	}
	pl.meter, err = newMeter(pl.PID)
	return err
}

// step is a part of a play.
type step struct {
	doing string
	do    func(ctx context.Context) error
}

func (pl *play) steps() []step {
	all := []step{{"opening", pl.open}}
	if pl.Bind {
		all = append(all, step{"binding", pl.bind})
	}
	return append(all, step{"settling", pl.settle}, step{pl.scenario.doing, pl.measure})
}

// run plays all steps and completes the result.
func (pl *play) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pl.Limit, errLimit)
	defer cancel()
	var failed error
	for _, s := range pl.steps() {
		pl.doing = s.doing
		if ctx.Err() != nil {
			break
		}
		if failed = s.do(ctx); failed != nil {
			break
		}
	}
	return pl.finish(failed, context.Cause(ctx))
}

// finish completes the result. failed is the error of a step, cause the reason
// for an early end; both may be nil.
func (pl *play) finish(failed, cause error) error {
	var open *swarm.OpenError
	if errors.As(failed, &open) {
		pl.result.Report = open.Report
	}
	switch {
	case errors.Is(cause, errLimit):
		failed = fmt.Errorf("not done after %v: %w", pl.Limit, errLimit)
	case cause != nil:
		pl.result.Interrupted = pl.doing
		if errors.Is(failed, cause) || errors.Is(failed, context.Canceled) {
			failed = nil // it was asked to
		}
	}
	if failed != nil {
		failed = fmt.Errorf("while %s: %w", pl.doing, failed)
	}
	all := []error{failed}
	if len(pl.swarms) > 0 {
		if failed != nil {
			pl.awaitDeaths()
		}
		pl.gather()
		all = append(all, pl.result.Report.Err())
		if pl.scenario.judge != nil {
			all = append(all, pl.scenario.judge(pl))
		}
		pl.slowness.judge(pl.result)
	}
	pl.result.judge(&pl.Plan, failed != nil)
	return oneline.Join(all)
}

// awaitDeaths waits until no more connections are lost: the death of a server
// shows on one connection, or at its control API, before the others are closed.
func (pl *play) awaitDeaths() {
	const most = 20
	for n, before := 0, -1; n < most; n++ {
		died := 0
		for _, s := range pl.swarms {
			died += s.Lost()
		}
		if died == before {
			return
		}
		before = died
		time.Sleep(2 * lossPoll)
	}
}

// open opens the connections.
func (pl *play) open(ctx context.Context) error {
	begun, self := time.Now(), ownCPU()
	var err error
	if pl.scenario.open != nil {
		err = pl.scenario.open(ctx, pl)
	} else {
		_, err = pl.openSwarm(ctx, pl.Swarm)
	}
	pl.result.Opening = time.Since(begun)
	pl.result.SwarmLoad = pl.load(self, pl.result.Opening)
	if err != nil {
		return err
	}
	pl.log("%d connections open after %v", pl.result.Connections, latency.Round(pl.result.Opening))
	return pl.meter.opened()
}

// openSwarm opens one of the play's swarms.
func (pl *play) openSwarm(ctx context.Context, c swarm.Config) (*swarm.Swarm, error) {
	s, err := swarm.Open(ctx, c)
	if err == nil {
		pl.swarms = append(pl.swarms, s)
	}
	return s, err
}

func (pl *play) bind(ctx context.Context) error {
	if pl.Swarm.BoundLater {
		pl.binder.told = pl.swarms[0].Bound
	}
	if err := pl.binder.settle(ctx, pl.result.Connections); err != nil {
		return err
	}
	pl.log("each bound to its own uid, %d groups", pl.Groups)
	return nil
}

func (pl *play) settle(ctx context.Context) error {
	pause(ctx, pl.Settle)
	return nil
}

// measure is the scenario itself. It ends early once no connection is left.
func (pl *play) measure(ctx context.Context) error {
	if err := pl.meter.begin(); err != nil {
		return err
	}
	if pl.Control != nil {
		pl.slowness = slownessOf(ctx, pl.Control)
	}
	pl.measuring, pl.self, pl.busy = time.Now(), ownCPU(), busyCPU()
	ctx, lost := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { pl.watch(ctx, lost) })
	err := pl.scenario.measure(ctx, pl)
	cause := context.Cause(ctx)
	lost(nil)
	watching.Wait()
	if cause == errAllLost && (err == nil || errors.Is(err, cause) || errors.Is(err, context.Canceled)) {
		return cause
	}
	return err
}

// lossPoll is how often watch checks.
const lossPoll = 50 * time.Millisecond

// watch calls lost once no connection is left, and reports progress, until ctx
// is done.
func (pl *play) watch(ctx context.Context, lost context.CancelCauseFunc) {
	for ctx.Err() == nil {
		pause(ctx, lossPoll)
		pl.tell()
		left := 0
		for _, s := range pl.swarms {
			left += s.Len() - s.Lost()
		}
		if left == 0 {
			lost(errAllLost)
		}
	}
}

// straggle is how long after the last expected message a duplicate is still
// noticed.
const straggle = 50 * time.Millisecond

// await waits until all pushes have arrived, however ctx ends, and reports
// whether they have. The report says what is missing.
func (pl *play) await(ctx context.Context) bool {
	for _, s := range pl.swarms {
		if err := s.WaitPatiently(ctx, pl.Patience); err != nil {
			pl.log("%v", err)
			return false
		}
	}
	pause(ctx, straggle)
	return true
}

// pause sleeps for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
