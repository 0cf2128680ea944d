package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"castgate/bench/tell"
)

// telling is the command line of what events cost.
type telling struct {
	Castgate string        `help:"The gateway's binary (default: in the directory of this one)." placeholder:"FILE"`
	Rounds   int           `help:"Rounds; with and without events take turns." default:"3"`
	Rate     int           `help:"Messages a second that become events while pushes are measured." default:"30000"`
	Measure  time.Duration `help:"Duration of one measurement." default:"8s"`
	What     []string      `help:"What to measure: ${enum}." enum:"pushes,memory,flat-out" default:"pushes,memory,flat-out"`
	Beside   []string      `help:"Beside what pushes are measured: ${enum}; posts are as many events from another process." enum:"events,posts,nothing" default:"events,posts,nothing"`
	Idle     int           `help:"Clients while memory is read." default:"10000"`
}

// Run measures and prints a line for each figure.
func (f *telling) Run(ctx context.Context, c *console) (err error) {
	o := tell.Defaults()
	if o.Castgate, err = gatewayBinary(f.Castgate); err != nil {
		return err
	}
	o.Rounds, o.Rate, o.Measure, o.Idle, o.Out = f.Rounds, f.Rate, f.Measure, f.Idle, c.stdout
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.What, o.Beside, o.Part = f.What, f.Beside, []string{self, "tell-part"}
	return tell.Run(ctx, o)
}

// tellPart is a process beside the gateway of Tell.
type tellPart tell.Part

// Run plays the part until standard input ends.
func (p tellPart) Run(c *console) error { return tell.Play(tell.Part(p), c.stdin, c.stdout) }

// gatewayBinary is the gateway that is measured: the named one, or that beside this
// program.
func gatewayBinary(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	beside, err := exec.LookPath(filepath.Join(filepath.Dir(self), "castgate"))
	if err != nil {
		return "", fmt.Errorf("no gateway to measure: %w; name one with --castgate", err)
	}
	return beside, nil
}
