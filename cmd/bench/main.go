// Command bench compares castgate with other servers, holds a million
// connections, and draws charts of the results.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"castgate/bench"
)

// command is the command line.
type command struct {
	Run          sideBySide    `cmd:"" default:"withargs" help:"Measure servers side by side, in turn and in several rounds (the default)."`
	Million      fullSize      `cmd:"" help:"Hold a million connections in one castgate process, push to them and count every message."`
	Tell         telling       `cmd:"" help:"Measure what events to a backend cost: their rate, pushes meanwhile, memory of a client."`
	Watch        watching      `cmd:"" help:"Measure what the admin page costs: its requests while clients come and go, and broadcasts beside it."`
	Charts       chartsCommand `cmd:"" help:"Draw charts of results, for BENCHMARKS.md."`
	MillionSwarm millionSwarm  `cmd:"" hidden:""`
	TellPart     tellPart      `cmd:"" hidden:""`
}

// console is where a command writes.
type console struct {
	stdin          io.ReadCloser
	stdout, stderr io.Writer
}

// log writes a line about what happens.
func (c *console) log(line string) { fmt.Fprintln(c.stderr, line) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], &console{os.Stdin, os.Stdout, os.Stderr}))
}

// newParser makes the parser of the command line. help is called if it was asked for.
func newParser(ctx context.Context, c *console, help func()) (*kong.Kong, error) {
	d := bench.Defaults()
	return kong.New(&command{}, kong.Name("bench"),
		kong.Description("Compares castgate with other servers on this machine."),
		kong.Writers(c.stdout, c.stderr), kong.Exit(func(int) { help() }),
		kong.Bind(c), kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Vars{
			"scenarios": fmt.Sprint(bench.Scenarios), "servers": fmt.Sprint(bench.Servers),
			"rounds": fmt.Sprint(d.Rounds), "clients": fmt.Sprint(d.Clients), "idle_clients": fmt.Sprint(d.IdleClients),
			"size": fmt.Sprint(d.Size), "warmup": d.Warmup.String(), "measure": d.Measure.String(),
			"idle": d.Idle.String(), "max_foreign": fmt.Sprint(d.MaxForeign), "sources": d.Sources,
		})
}

// run is the whole program except for its process.
func run(ctx context.Context, args []string, c *console) int {
	asked := false
	parser, err := newParser(ctx, c, func() { asked = true })
	if err != nil {
		fmt.Fprintln(c.stderr, "bench:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if asked {
		return 0
	}
	if err != nil {
		fmt.Fprintln(c.stderr, "bench:", err)
		return 2
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(c.stderr, "bench:", err)
		return 1
	}
	return 0
}
