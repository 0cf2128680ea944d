// Command loadtest opens a swarm of WebSocket clients to a server and checks
// every message they receive.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"castgate/loadtest"
)

// version is set by the linker: see the Makefile.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A further signal ends it at once, but not immediately: timeout(1) sends
	// the first one twice.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK     = 0
	exitFaulty = 1 // the server misbehaved or could not be measured
	exitUsage  = 2
)

// run is the whole program except for its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c command
	asked := false // help was requested and has been printed
	parser, err := kong.New(&c, kong.Name("loadtest"),
		kong.Description("Opens a swarm of WebSocket clients and checks every message they receive. Without flags it connects to a castgate with default settings on this host."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { asked = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(stderr, "loadtest:", err)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if asked {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "loadtest: %s (see loadtest --help)\n", oneLine(err))
		return exitUsage
	}
	out, err := c.Output.open()
	if err != nil {
		fmt.Fprintln(stderr, "loadtest:", err)
		return exitUsage
	}
	defer out.close()
	scenario, _, _ := strings.Cut(parsed.Command(), " ")
	if scenario == "page" {
		err = c.makePage(os.Stdin, stdout, out)
	} else {
		var plan loadtest.Plan
		shown := newProgress(stderr, c.Output.NoProgress)
		if plan, err = c.plan(scenario, shown); err != nil {
			fmt.Fprintln(stderr, "loadtest:", err)
			return exitUsage
		}
		err = play(ctx, scenario, plan, shown, out, stdout, args)
	}
	if err != nil {
		fmt.Fprintf(stderr, "loadtest: %s%s\n", oneLine(err), advice(err))
		return exitFaulty
	}
	return exitOK
}

// oneLine makes any error fit on one line: scripts read lines.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// play plays a scenario and writes the result, if there is one.
func play(ctx context.Context, scenario string, plan loadtest.Plan, shown *progress, out *output, stdout io.Writer, args []string) error {
	defer plan.Control.Close()
	result, err := loadtest.Run(ctx, scenario, plan)
	shown.close()
	if result != nil {
		record := loadtest.NewRecord(result, err, withoutSecrets(args), version)
		if writeErr := out.write(stdout, record); err == nil {
			err = writeErr
		}
	}
	return err
}
