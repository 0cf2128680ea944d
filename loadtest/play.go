package loadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
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
	swarms []*Swarm
	// slow is the swarm whose connections may stop reading, nil if there is
	// none.
	slow *Swarm
	// slowness is what the server reported about slow clients when measuring
	// began and, after gather, what has been added since. Nil if it reports
	// nothing.
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
	targets, err := resolveAll(ctx, c.URLs, c.Sources)
	if err != nil {
		return err
	}
	if err := checkFiles(c.Connections); err != nil {
		return err
	}
	if err := checkPorts(c.Connections, targets, len(c.Sources)); err != nil {
		return err
	}
	if searchesPorts(c.Connections, targets, len(c.Sources)) {
		pl.result.warn("connecting took longer than necessary: once half the ports of a source address are in use, the kernel takes long to find a free one; use more source addresses")
	}
	if pl.PID == FindPID {
		pid, why := listenerOf(targets)
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
	var open *OpenError
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
	return inOneLine(all)
}

// awaitDeaths waits until no more connections are lost: the death of a server
// shows on one connection, or at its control API, before the others are closed.
func (pl *play) awaitDeaths() {
	const most = 20
	for n, before := 0, -1; n < most; n++ {
		died := 0
		for _, s := range pl.swarms {
			died += int(s.died.Load())
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
	pl.log("%d connections open after %v", pl.result.Connections, Round(pl.result.Opening))
	return pl.meter.opened()
}

// openSwarm opens one of the play's swarms.
func (pl *play) openSwarm(ctx context.Context, c Config) (*Swarm, error) {
	s, err := Open(ctx, c)
	if err == nil {
		pl.swarms = append(pl.swarms, s)
	}
	return s, err
}

func (pl *play) bind(ctx context.Context) error {
	if pl.Swarm.boundLater {
		pl.binder.told = pl.swarms[0].bound
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
		pl.slowness = pl.Control.slowness(ctx)
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
			left += s.Len() - int(s.died.Load())
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
		if err := s.waitPatiently(ctx, pl.Patience); err != nil {
			pl.log("%v", err)
			return false
		}
	}
	pause(ctx, straggle)
	return true
}

// gather takes stock of everything. A server that is gone has no costs.
func (pl *play) gather() {
	r := pl.result
	r.Report = reportOf(pl.swarms)
	if pl.measuring.IsZero() {
		return
	}
	r.Held = time.Since(pl.measuring)
	if pl.scenario.name != "connect" {
		r.SwarmLoad = pl.load(pl.self, r.Held)
	}
	if r.Pushes != nil && r.Held > 0 {
		r.Deliveries = float64(r.Report.Received) / r.Held.Seconds()
	}
	self, busy := ownCPU()-pl.self, busyCPU()-pl.busy
	var err error
	if r.Server, err = pl.meter.end(r.Connections, r.Report.Received); err != nil {
		r.warn("the server's memory and CPU are unknown: %v", err)
	}
	if r.Server != nil {
		r.Foreign = max(0, (busy-self-r.Server.CPU).Seconds()/max(r.Held.Seconds(), 1e-9)/float64(runtime.NumCPU()))
	}
	if pl.slowness != nil {
		pl.slowness = pl.slowness.since(pl.Control.slowness(context.Background()))
	}
}

// load is the CPU time of this process since a reading of ownCPU, relative to
// what the loops of the swarms can use in that time.
func (pl *play) load(since, took time.Duration) float64 {
	loops := max(pl.Swarm.Loops, 1)
	if len(pl.swarms) > 0 {
		loops = 0
		for _, s := range pl.swarms {
			loops += s.cfg.Loops
		}
	}
	return (ownCPU() - since).Seconds() / max(took.Seconds(), 1e-9) / float64(loops)
}

func (pl *play) close() {
	if pl.slow != nil {
		pl.slow.Close()
	}
	for _, s := range pl.swarms {
		s.Close()
	}
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	cpu, err := Process{PID: os.Getpid()}.CPU()
	if err != nil {
		panic("loadtest: " + err.Error()) // a process can always read its own CPU time
	}
	return cpu
}

// busyCPU is BusyCPU, or 0 if that cannot be read.
func busyCPU() time.Duration {
	cpu, err := BusyCPU()
	if err != nil {
		return 0
	}
	return cpu
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
