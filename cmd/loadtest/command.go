package main

import (
	"fmt"
	"io"
	"time"

	"castgate/loadtest"
)

// command is the command line.
type command struct {
	URL         []string      `help:"Where clients connect, ${default} if not given; repeat for several, taken in turn." default:"ws://127.0.0.1:7272/" placeholder:"ws://HOST:PORT/PATH"`
	Clients     int           `help:"Number of connections." short:"n" default:"1000"`
	Source      string        `help:"Addresses to connect from, in turn: a list of addresses and ranges such as 127.0.0.2-127.0.0.64." placeholder:"LIST"`
	ConnectRate float64       `help:"Connections begun a second; 0: as fast as possible." default:"0"`
	InFlight    int           `help:"Connections that may be on their way at once." default:"256"`
	Loops       int           `help:"Event loops of the swarm." default:"1"`
	NoInit      bool          `help:"The server sends no init message: for servers other than castgate."`
	Timeout     time.Duration `help:"For one connection, from connect to its init message." default:"20s"`

	Control    string `help:"Control API of the gateway: host:port, a URL or unix:/path." default:"127.0.0.1:7273"`
	ControlKey string `help:"Key of the control API." env:"CASTGATE_CONTROL_KEY"`
	Bind       bool   `help:"Bind every connection to a uid of its own."`
	Groups     int    `help:"With --bind: put every connection into one of so many groups." default:"0"`

	PID    int           `help:"Process id of the server on this host: measures its memory and CPU." name:"pid" default:"0"`
	Settle time.Duration `help:"Pause between opening and measuring." default:"1s"`
	JSON   bool          `help:"Print the result as JSON." name:"json"`

	Connect   struct{}     `cmd:"" help:"Open the connections, say how fast and at what cost."`
	Idle      idleFlags    `cmd:"" help:"Hold the connections, say what each costs the server (with --pid)."`
	Broadcast pushingFlags `cmd:"" help:"Push to all connections."`
	Unicast   pushingFlags `cmd:"" help:"Push to one connection after the other."`
}

type idleFlags struct {
	Duration time.Duration `help:"How long to hold them." default:"10s"`
}

type pushingFlags struct {
	Duration time.Duration `help:"How long to push." default:"10s"`
	Rate     float64       `help:"Pushes a second, kept up however slow the answers are; 0: as fast as the answers (broadcasts: the messages) come." default:"10"`
	Callers  int           `help:"How many push at once; they share the rate." default:"1"`
	Size     int           `help:"Bytes of a message, at least 59." default:"64"`
	Patience time.Duration `help:"How long messages may take after the last push." default:"10s"`
}

// plan makes a Plan of the command line.
func (c *command) plan(scenario string, log io.Writer) (loadtest.Plan, error) {
	sources, err := loadtest.ParseSources(c.Source)
	if err != nil {
		return loadtest.Plan{}, err
	}
	p := loadtest.Plan{
		Swarm: loadtest.Config{
			URLs: c.URL, Connections: c.Clients, Sources: sources, Rate: c.ConnectRate,
			InFlight: c.InFlight, Loops: c.Loops, NoInit: c.NoInit, Timeout: c.Timeout,
		},
		PID: c.PID, Bind: c.Bind, Groups: c.Groups, Settle: c.Settle,
		Log: func(line string) { fmt.Fprintln(log, line) },
	}
	last := time.Now()
	p.Swarm.Progress = func(opened int) {
		if time.Since(last) >= time.Second {
			last = time.Now()
			fmt.Fprintf(log, "%d of %d open\n", opened, c.Clients)
		}
	}
	switch scenario {
	case "connect", "idle":
		// Others may push while we only hold the connections.
		p.Swarm.AcceptForeign = true
		p.For = c.Idle.Duration
	default:
		f := c.Broadcast
		if scenario == "unicast" {
			f = c.Unicast
		}
		p.For, p.Rate, p.Callers, p.Size, p.Patience = f.Duration, f.Rate, f.Callers, f.Size, f.Patience
	}
	if c.Bind || scenario == "broadcast" || scenario == "unicast" {
		p.Control = loadtest.NewControl(c.Control, c.ControlKey, max(p.Callers, 1))
	}
	return p, nil
}
