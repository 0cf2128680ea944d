package loadtest

import (
	"context"
	"os"
	"runtime"
	"time"

	"castgate/loadtest/proc"
	"castgate/loadtest/swarm"
)

// gather takes stock of everything. A server that is gone has no costs.
func (pl *play) gather() {
	r := pl.result
	r.Report = swarm.ReportOf(pl.swarms...)
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
		pl.slowness = pl.slowness.since(slownessOf(context.Background(), pl.Control))
	}
}

// load is the CPU time of this process since a reading of ownCPU, relative to
// what the loops of the swarms can use in that time.
func (pl *play) load(since, took time.Duration) float64 {
	loops := max(pl.Swarm.Loops, 1)
	if len(pl.swarms) > 0 {
		loops = 0
		for _, s := range pl.swarms {
			loops += s.Loops()
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
	cpu, err := proc.Process{PID: os.Getpid()}.CPU()
	if err != nil {
		panic("loadtest: " + err.Error()) // a process can always read its own CPU time
	}
	return cpu
}

// busyCPU is BusyCPU, or 0 if that cannot be read.
func busyCPU() time.Duration {
	cpu, err := proc.BusyCPU()
	if err != nil {
		return 0
	}
	return cpu
}
