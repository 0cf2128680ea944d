// Package watch measures what it costs castgate when somebody looks at its admin page: how
// long the page's requests take while clients come and go, what a tail drops, and what a
// message costs with the page open and without.
package watch

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"castgate/bench/gateway"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// Options say what to measure.
type Options struct {
	// Castgate is the gateway's binary.
	Castgate string
	// Clients are connected and bound; with the page's own connections they must fit into
	// the open files. Of them Changes/3 a second leave and come again,
	// and are bound again, which are three changes.
	Clients, Changes int
	// Audience is how many clients broadcasts go to.
	Audience int
	// Rounds is how often a message is measured; with and without the page take turns.
	Rounds int
	// Watch is how long clients come and go, Measure how long broadcasts are sent for one
	// figure.
	Watch, Measure time.Duration
	// Out gets the figures, a line each.
	Out io.Writer
}

// Run measures. An error says what could not be measured, or that a request of the page
// took too long.
func Run(ctx context.Context, o Options) error {
	if err := changes(ctx, o); err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	if err := messages(ctx, o); err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	return nil
}

// site is a gateway with an admin page.
type site struct {
	*gateway.Gateway
	listen, admin string
}

func open(ctx context.Context, o Options) (*site, error) {
	addrs, err := gateway.FreeAddrs(3)
	if err != nil {
		return nil, err
	}
	s := &site{listen: addrs[0], admin: addrs[2]}
	s.Gateway, err = gateway.Start(ctx, gateway.Options{
		Binary: o.Castgate, Listen: []string{s.listen}, Control: addrs[1], Callers: 32, Output: os.Stderr,
		Flags: []string{"--admin", s.admin, "--max-conns", fmt.Sprint(max(o.Clients, o.Audience) + 300), "--ping-interval", "0", "--log-level", "error"},
	})
	return s, err
}

// crowd connects clients to a site.
func (s *site) crowd(ctx context.Context, n, streams int, arrived func(int, string)) (*swarm.Swarm, error) {
	return swarm.Open(ctx, swarm.Config{
		URLs: []string{"ws://" + s.listen + "/"}, Connections: n, Streams: make([]payload.Kind, streams), Arrived: arrived,
	})
}
