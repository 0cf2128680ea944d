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
	Idle     int           `help:"Clients while memory is read." default:"10000"`
}

// Run measures and prints a line for each figure.
func (f *telling) Run(ctx context.Context, c *console) error {
	o := tell.Defaults()
	if o.Castgate = f.Castgate; o.Castgate == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if o.Castgate, err = exec.LookPath(filepath.Join(filepath.Dir(self), "castgate")); err != nil {
			return fmt.Errorf("no gateway to measure: %w; name one with --castgate", err)
		}
	}
	o.Rounds, o.Rate, o.Measure, o.Idle, o.Out = f.Rounds, f.Rate, f.Measure, f.Idle, c.stdout
	return tell.Run(ctx, o)
}
