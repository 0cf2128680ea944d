// Command loadtest holds a swarm of WebSocket clients against a server and
// checks every message they get.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"castgate/loadtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK     = 0
	exitFaulty = 1 // the server did not do what it should, or could not be measured
	exitUsage  = 2
)

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c command
	asked := false // for help, which has been printed then
	parser, err := kong.New(&c, kong.Name("loadtest"),
		kong.Description("Holds a swarm of WebSocket clients and checks every message they get. Without flags: a castgate on this host, with its defaults."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { asked = true }), kong.UsageOnError(),
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
		fmt.Fprintln(stderr, "loadtest:", err)
		return exitUsage
	}
	scenario := parsed.Command()
	plan, err := c.plan(scenario, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "loadtest:", err)
		return exitUsage
	}
	if plan.Control != nil {
		defer plan.Control.Close()
	}
	result, err := loadtest.Run(ctx, scenario, plan)
	if result != nil {
		if printErr := c.print(stdout, result, err); printErr != nil && err == nil {
			err = printErr
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "loadtest:", err)
		return exitFaulty
	}
	return exitOK
}

// print writes the result as table or JSON.
func (c *command) print(w io.Writer, r *loadtest.Result, fault error) error {
	if !c.JSON {
		return r.WriteTable(w)
	}
	out := struct {
		*loadtest.Result
		Fault string `json:"fault,omitempty"`
	}{Result: r}
	if fault != nil {
		out.Fault = fault.Error()
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
