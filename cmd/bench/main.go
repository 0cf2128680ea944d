// Command bench measures castgate beside the floor, a plain loop of send(),
// prints a table and keeps the figures in a file.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"castgate/bench"
)

// command is the command line.
type command struct {
	Scenario    []string      `help:"What to measure, of ${scenarios}; all if not given." placeholder:"NAME"`
	Server      []string      `help:"Servers to measure, of ${servers}; all if not given." placeholder:"NAME"`
	Rounds      int           `help:"Undisturbed rounds wanted." default:"${rounds}"`
	Clients     int           `help:"Connections of fanout and latency." default:"${clients}"`
	IdleClients int           `help:"Connections of memory." default:"${idle_clients}"`
	Size        int           `help:"Bytes of a message." default:"${size}"`
	Warmup      time.Duration `help:"Time before each phase that does not count." default:"${warmup}"`
	Measure     time.Duration `help:"Time of each phase." default:"${measure}"`
	Idle        time.Duration `help:"Time before memory is read." default:"${idle}"`
	MaxForeign  float64       `help:"Part of the machine that others may use before a round is dropped and repeated." default:"${max_foreign}"`
	Source      string        `help:"Addresses clients come from." default:"${sources}"`
	Root        string        `help:"Directory of the module." default:"." type:"existingdir"`
	Results     string        `help:"Directory for the figures as JSON; empty: none are kept." default:"bench/results"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c command
	d, asked := bench.Defaults(), false
	parser, err := kong.New(&c, kong.Name("bench"),
		kong.Description("Measures castgate beside the floor, a plain loop of send() over the same sockets, in turn and in several rounds."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { asked = true }),
		kong.Vars{
			"scenarios": fmt.Sprint(bench.Scenarios), "servers": fmt.Sprint(bench.Servers),
			"rounds": fmt.Sprint(d.Rounds), "clients": fmt.Sprint(d.Clients), "idle_clients": fmt.Sprint(d.IdleClients),
			"size": fmt.Sprint(d.Size), "warmup": d.Warmup.String(), "measure": d.Measure.String(),
			"idle": d.Idle.String(), "max_foreign": fmt.Sprint(d.MaxForeign), "sources": d.Sources,
		})
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	_, err = parser.Parse(args)
	if asked {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	result, err := bench.Run(ctx, c.options(d, stderr))
	if result != nil && len(result.Figures) > 0 {
		if keepErr := c.keep(result, stdout, stderr); err == nil {
			err = keepErr
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

func (c *command) options(o bench.Options, log io.Writer) bench.Options {
	if len(c.Scenario) > 0 {
		o.Scenarios = c.Scenario
	}
	if len(c.Server) > 0 {
		o.Servers = c.Server
	}
	o.Rounds, o.Clients, o.IdleClients, o.Size = c.Rounds, c.Clients, c.IdleClients, c.Size
	o.Warmup, o.Measure, o.Idle = c.Warmup, c.Measure, c.Idle
	o.MaxForeign, o.Sources, o.Root = c.MaxForeign, c.Source, c.Root
	o.Log = func(line string) { fmt.Fprintln(log, line) }
	return o
}

// keep prints the result and writes it to its file.
func (c *command) keep(r *bench.Result, stdout, stderr io.Writer) error {
	if err := r.WriteTable(stdout); err != nil || c.Results == "" {
		return err
	}
	path, err := r.Save(c.Results)
	if err == nil {
		fmt.Fprintln(stderr, "figures in", path)
	}
	return err
}
