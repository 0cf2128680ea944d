// Command stress drives the real castgate binary through trouble and checks with
// exact counts that it keeps its promises.
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

	"castgate/internal/wstest"
	"castgate/stress"
)

// command is the command line.
type command struct {
	Scenarios []string      `arg:"" optional:"" help:"Scenarios to run, all by default; see --list."`
	Length    time.Duration `default:"1m" env:"STRESS" help:"Total duration of all scenarios; each plays at least one round."`
	List      bool          `help:"List the scenarios."`
}

func main() {
	stress.Entry()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program except for its process. It returns 0 if all checks held,
// 1 after a failed check, 2 for a wrong command line, 130 after an interrupt.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c command
	asked := false
	parser, err := kong.New(&c, kong.Name("stress"), kong.Description("Drives the real castgate binary through trouble and checks that it keeps its promises."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { asked = true }))
	if err == nil {
		_, err = parser.Parse(args)
	}
	if asked {
		return 0
	}
	var list []stress.Scenario
	if err == nil {
		if list, err = stress.Find(c.Scenarios); err != nil {
			err = fmt.Errorf("%w; stress --list shows them", err)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "stress:", err)
		return 2
	}
	if c.List {
		for _, s := range list {
			fmt.Fprintf(stdout, "%-16s %s\n", s.Name, s.Says)
		}
		return 0
	}
	defer wstest.Clean()
	sum, err := stress.Run(ctx, list, c.Length, stdout)
	switch {
	case err != nil:
		return 130
	case sum.Failed > 0:
		return 1
	}
	return 0
}
