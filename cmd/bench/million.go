package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"castgate/bench"
	"castgate/bench/million"
)

// fullSize is the command line of the run at full size.
type fullSize struct {
	Castgate    string        `help:"The gateway's binary (default: in the directory of this one)." placeholder:"FILE"`
	Connections int           `help:"Connections." default:"1000000"`
	Groups      int           `help:"Groups that the connections are spread over." default:"1000"`
	UIDs        int           `help:"Uids to push to, drawn at random." name:"uids" default:"1000"`
	PerProcess  int           `help:"Connections per process of the swarm; 0: as many as its open-file limit allows." default:"0"`
	Rate        float64       `help:"Connections to start per second; 0: as fast as they are accepted." default:"0"`
	Source      string        `help:"Addresses that clients connect from." default:"127.0.0.2-127.0.0.65"`
	Listen      string        `help:"Address of the gateway under measurement." default:"127.0.0.1:7272"`
	Control     string        `help:"Address of its control API." default:"127.0.0.1:7273"`
	Idle        time.Duration `help:"Idle time before memory is read." default:"30s"`
	Patience    time.Duration `help:"How long to wait for messages." default:"10m"`
	Pings       time.Duration `help:"How long to count pings at the end; 0: no pings." default:"60s"`
	Interval    time.Duration `help:"How often a client is pinged then." name:"ping-interval" default:"25s"`
	Trace       time.Duration `help:"How long strace counts system calls after that; 0: not at all." default:"10s"`
	Note        string        `help:"A note to keep with the result, for example about an emulated processor."`
	Results     string        `help:"Directory for the result as JSON; empty: do not keep it." default:"bench/results"`
}

// Run holds the connections and saves what was found, also if it ends early.
func (f *fullSize) Run(ctx context.Context, c *console) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o := million.Defaults()
	o.Swarm = []string{self, "million-swarm"}
	if o.Castgate = f.Castgate; o.Castgate == "" {
		if o.Castgate, err = exec.LookPath(filepath.Join(filepath.Dir(self), "castgate")); err != nil {
			return fmt.Errorf("no gateway to measure: %w; name one with --castgate", err)
		}
	}
	o.Revision = bench.Revision(o.Castgate)
	o.Connections, o.Groups, o.UIDs, o.PerProcess = f.Connections, f.Groups, f.UIDs, f.PerProcess
	o.Rate, o.Sources, o.Listen, o.Control = f.Rate, f.Source, f.Listen, f.Control
	o.Idle, o.Patience, o.Note, o.Log = f.Idle, f.Patience, f.Note, c.log
	o.Pings, o.PingInterval, o.Trace = f.Pings, f.Interval, f.Trace
	result, err := million.Run(ctx, o)
	if result == nil || len(result.Weights) == 0 {
		return err
	}
	err = errors.Join(err, result.WriteTable(c.stdout))
	if f.Results == "" {
		return err
	}
	path, saveErr := result.Save(f.Results)
	c.log("result in " + path)
	return errors.Join(err, saveErr)
}

// millionSwarm is a process of the swarm. It is controlled over standard input
// and output.
type millionSwarm struct{}

// Run serves until standard input ends.
func (millionSwarm) Run(c *console) error {
	return million.Serve(c.stdin, unclosed{c.stdout})
}

// unclosed is standard output, which we must not close.
type unclosed struct{ io.Writer }

// Close does nothing.
func (unclosed) Close() error { return nil }
