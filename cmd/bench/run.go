package main

import (
	"context"
	"time"

	"castgate/bench"
)

// sideBySide is the command line of the side-by-side measurement.
type sideBySide struct {
	Scenario    []string      `help:"Scenarios to measure, of ${scenarios} (default: all)." placeholder:"NAME"`
	Server      []string      `help:"Servers to measure, of ${servers} (default: all)." placeholder:"NAME"`
	Rounds      int           `help:"Number of undisturbed rounds." default:"${rounds}"`
	Clients     int           `help:"Connections in scenarios that push." default:"${clients}"`
	IdleClients int           `help:"Connections in scenarios that only hold them." default:"${idle_clients}"`
	Size        int           `help:"Message size in bytes." default:"${size}"`
	Warmup      time.Duration `help:"Warm-up before each phase, not counted." default:"${warmup}"`
	Measure     time.Duration `help:"Duration of each phase." default:"${measure}"`
	Idle        time.Duration `help:"Idle time before memory is read." default:"${idle}"`
	MaxForeign  float64       `help:"Share of the CPU that other processes may use before a round is repeated." default:"${max_foreign}"`
	Source      string        `help:"Addresses that clients connect from." default:"${sources}"`
	Root        string        `help:"Directory of the module." default:"." type:"existingdir"`
	Profile     bool          `help:"Play each scenario once more on castgate while perf records it, for flame graphs."`
	Results     string        `help:"Directory for the figures as JSON; empty: do not keep them." default:"bench/results"`
}

// Run measures, prints a table and saves the figures, also if it ends early.
func (r *sideBySide) Run(ctx context.Context, c *console) error {
	result, err := bench.Run(ctx, r.options(c))
	if result != nil && len(result.Figures) > 0 {
		if keepErr := r.keep(result, c); err == nil {
			err = keepErr
		}
	}
	return err
}

func (r *sideBySide) options(c *console) bench.Options {
	o := bench.Defaults()
	if len(r.Scenario) > 0 {
		o.Scenarios = r.Scenario
	}
	if len(r.Server) > 0 {
		o.Servers = r.Server
	}
	o.Rounds, o.Clients, o.IdleClients, o.Size = r.Rounds, r.Clients, r.IdleClients, r.Size
	o.Warmup, o.Measure, o.Idle = r.Warmup, r.Measure, r.Idle
	o.MaxForeign, o.Sources, o.Root = r.MaxForeign, r.Source, r.Root
	o.Log, o.Profile = c.log, r.Profile
	return o
}

// keep prints the result and writes it to its file.
func (r *sideBySide) keep(result *bench.Result, c *console) error {
	if err := result.WriteTable(c.stdout); err != nil || r.Results == "" {
		return err
	}
	path, err := result.Save(r.Results)
	if err == nil {
		c.log("figures in " + path)
	}
	return err
}
