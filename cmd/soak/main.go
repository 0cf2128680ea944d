// Command soak runs clients that come and go against a castgate process for a
// long time and reports whether the process grows.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"castgate/bench"
	"castgate/bench/soak"
)

// command is the command line.
type command struct {
	Length      time.Duration `help:"How long samples are taken." default:"${length}" env:"SOAK"`
	Warmup      time.Duration `help:"Part of that, at the start, that trends ignore; 0: a fifth." default:"0"`
	Every       time.Duration `help:"Time between two samples." default:"${every}"`
	Connections int           `help:"Connections, each with a uid and a group." default:"${connections}"`
	Stay        int           `help:"Connections that are never replaced; -1: half of them." default:"-1"`
	Scheme      []string      `help:"Schemes of the gateway's listeners, ws or wss, used in turn (default: both)." placeholder:"SCHEME"`
	Groups      int           `help:"Groups that the connections are spread over." default:"${groups}"`
	Replace     float64       `help:"Connections replaced per second." default:"${replace}"`
	Broken      float64       `help:"Share of these, 0 to 1, that end by a reset instead of a close frame." default:"${broken}"`
	Broadcasts  float64       `help:"Pushes to all connections per second." default:"${broadcasts}"`
	GroupPushes float64       `help:"Pushes to groups per second." default:"${group_pushes}"`
	Unicasts    float64       `help:"Pushes to uids per second." default:"${unicasts}"`
	Size        int           `help:"Message size in bytes." default:"${size}"`
	Source      string        `help:"Addresses that clients connect from." default:"${sources}"`
	Tide        time.Duration `help:"Warm-up before the first memory reading." default:"${tide}"`
	Rest        time.Duration `help:"How long the gateway rests, with nobody connected, before its memory is read." default:"${rest}"`
	Slack       int64         `help:"How many bytes its memory may have grown at the end." default:"${slack}"`

	Castgate string `help:"The gateway's binary (default: in the directory of this one)." placeholder:"FILE"`
	Results  string `help:"Directory for the result as JSON; empty: do not keep it." default:"tmp/soak"`
	Charts   string `help:"Directory for the chart; empty: draw none." default:"tmp/soak"`
	Draw     string `help:"Only draw the chart of a stored result." placeholder:"FILE"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A further signal ends it at once, but not immediately: make and the
	// terminal may both send the first one.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK          = 0
	exitFaulty      = 1 // the gateway grew, lost something, or could not be measured
	exitUsage       = 2
	exitInterrupted = 130
)

// run is the whole program except for its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c command
	asked := false // help was requested and has been printed
	parser, err := kong.New(&c, kong.Name("soak"),
		kong.Description("Starts a castgate, runs clients that come and go for a long time, and reports whether it grows."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { asked = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), defaults())
	if err == nil {
		_, err = parser.Parse(args)
	}
	if asked {
		return exitOK
	}
	if err == nil && c.Draw != "" {
		return c.draw(stdout, stderr)
	}
	var o soak.Options
	if err == nil {
		o = c.options()
		err = o.Check()
	}
	if err == nil && c.Castgate == "" {
		o.Castgate, err = beside("castgate")
	}
	for _, dir := range []string{c.Results, c.Charts} {
		if err == nil && dir != "" { // it would be too late at the end
			err = os.MkdirAll(dir, 0o755)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "soak: %v (see soak --help)\n", err)
		return exitUsage
	}
	shown := newProgress(stderr, o.Length)
	o.Log, o.Seen, o.Output = shown.log, shown.seen, shown
	o.Command, o.Revision = append([]string{"soak"}, args...), bench.Revision(o.Castgate)
	r, err := soak.Run(ctx, o)
	shown.clear()
	if r == nil {
		fmt.Fprintln(stderr, "soak:", err)
		if ctx.Err() != nil {
			return exitInterrupted
		}
		return exitFaulty
	}
	return c.keep(r, stdout, stderr)
}

// keep prints the result, writes its files and returns the exit code.
func (c *command) keep(r *soak.Result, stdout, stderr io.Writer) int {
	err := r.WriteTable(stdout)
	if c.Results != "" && err == nil {
		var path string
		if path, err = r.Save(c.Results); err == nil {
			fmt.Fprintln(stderr, "result in", path)
		}
	}
	if c.Charts != "" && err == nil {
		var paths []string
		if paths, err = r.Draw(c.Charts); err == nil {
			fmt.Fprintln(stderr, "chart in", paths)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
	}
	switch {
	case r.Interrupted:
		return exitInterrupted
	case err != nil || len(r.Faults) > 0:
		return exitFaulty
	}
	return exitOK
}

// draw draws a stored result.
func (c *command) draw(stdout, stderr io.Writer) int {
	r, err := soak.Read(c.Draw)
	var paths []string
	if err == nil {
		paths, err = r.Draw(c.Charts)
	}
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return exitFaulty
	}
	for _, path := range paths {
		fmt.Fprintln(stdout, path)
	}
	return exitOK
}

// defaults are those of the flags.
func defaults() kong.Vars {
	d := soak.Defaults()
	return kong.Vars{
		"length": d.Length.String(), "every": d.Every.String(), "connections": fmt.Sprint(d.Connections), "groups": fmt.Sprint(d.Groups),
		"replace": fmt.Sprint(d.Replace), "broken": fmt.Sprint(d.Broken), "broadcasts": fmt.Sprint(d.Broadcasts),
		"group_pushes": fmt.Sprint(d.GroupPushes), "unicasts": fmt.Sprint(d.Unicasts), "size": fmt.Sprint(d.Size),
		"sources": d.Sources, "tide": d.Tide.String(), "rest": d.Rest.String(), "slack": fmt.Sprint(d.Slack),
	}
}

// options are those of the command line.
func (c *command) options() soak.Options {
	o := soak.Defaults()
	o.Castgate, o.Length, o.Warmup, o.Every = c.Castgate, c.Length, c.Warmup, c.Every
	o.Connections, o.Stay, o.Groups, o.Replace, o.Broken = c.Connections, c.Stay, c.Groups, c.Replace, c.Broken
	if c.Stay == -1 {
		o.Stay = c.Connections / 2
	}
	if len(c.Scheme) > 0 {
		o.Schemes = c.Scheme
	}
	o.Broadcasts, o.GroupPushes, o.Unicasts, o.Size = c.Broadcasts, c.GroupPushes, c.Unicasts, c.Size
	o.Sources, o.Tide, o.Rest, o.Slack = c.Source, c.Tide, c.Rest, c.Slack
	return o
}

// beside returns a program in the directory of this one.
func beside(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path, err := exec.LookPath(filepath.Join(filepath.Dir(self), name))
	if err != nil {
		return "", fmt.Errorf("no gateway to measure: %w; name one with --castgate", err)
	}
	return path, nil
}
