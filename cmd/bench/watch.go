package main

import (
	"context"
	"time"

	"castgate/bench/watch"
)

// watching is the command line of what the admin page costs.
type watching struct {
	Castgate string        `help:"The gateway's binary (default: in the directory of this one)." placeholder:"FILE"`
	Clients  int           `help:"Clients, of which some leave and come again." default:"19000"`
	Changes  int           `help:"Connects, binds and ends a second." default:"1000"`
	Watch    time.Duration `help:"How long clients come and go." default:"30s"`
	Audience int           `help:"Clients that broadcasts go to." default:"4000"`
	Rounds   int           `help:"Rounds of broadcasts; with and without the page take turns." default:"7"`
	Measure  time.Duration `help:"Duration of the broadcasts of one figure." default:"4s"`
}

// Run measures and prints a line for each figure.
func (f *watching) Run(ctx context.Context, c *console) (err error) {
	o := watch.Options{Clients: f.Clients, Changes: f.Changes, Watch: f.Watch, Audience: f.Audience, Rounds: f.Rounds, Measure: f.Measure, Out: c.stdout}
	if o.Castgate, err = gatewayBinary(f.Castgate); err != nil {
		return err
	}
	return watch.Run(ctx, o)
}
