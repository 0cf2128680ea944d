package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"castgate/loadtest"
	"castgate/loadtest/address"
	"castgate/loadtest/control"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// command is the command line.
type command struct {
	swarmFlags
	gatewayFlags

	Settle time.Duration `help:"Pause between opening and measuring." default:"1s"`
	Limit  time.Duration `help:"Time limit for everything; 0: ten minutes more than the requested phases." default:"0"`
	Output outputFlags   `embed:""`

	Connect   struct{}     `cmd:"" help:"Open the connections and report how fast and at what cost."`
	Idle      idleFlags    `cmd:"" help:"Hold the connections and report what each costs the server."`
	Broadcast pushingFlags `cmd:"" help:"Push to all connections."`
	Group     groupFlags   `cmd:"" help:"Push to one group after another."`
	Unicast   unicastFlags `cmd:"" help:"Push to one connection after another."`
	Mixed     mixedFlags   `cmd:"" help:"Push to single connections during broadcasts, with slow readers."`
	Churn     churnFlags   `cmd:"" help:"Push to all while connections come and go."`
	Storm     stormFlags   `cmd:"" help:"Cut all connections at once and report when the last is back and bound."`
	Page      pageFlags    `cmd:"" help:"Turn a result that was printed as JSON into a page."`
}

// swarmFlags say what to open.
type swarmFlags struct {
	URL         []string      `help:"Where clients connect (default ${default}); repeat for several, used in turn." default:"ws://127.0.0.1:7272/" placeholder:"ws[s]://HOST:PORT/PATH"`
	Clients     int           `help:"Number of connections (default 1000)." short:"n" placeholder:"N"`
	Source      string        `help:"Addresses to connect from, in turn: a list of addresses and ranges such as 127.0.0.2-127.0.0.64." placeholder:"LIST"`
	ConnectRate float64       `help:"Connections to start per second; 0: as fast as possible." default:"0"`
	InFlight    int           `help:"Connections that may be opening at once." default:"256"`
	Loops       int           `help:"Event loops of the swarm." default:"1"`
	NoInit      bool          `help:"The server sends no init message: for servers other than castgate."`
	Timeout     time.Duration `help:"Time limit for one connection, from connect to its init message." default:"20s"`
	Compress    bool          `help:"Offer permessage-deflate. Messages are then JSON of prices, which compresses like real messages."`
	trustFlags
}

// gatewayFlags describe the gateway.
type gatewayFlags struct {
	Control    string `help:"Control API of the gateway: host:port, a URL or unix:/path; of the nodes of a cluster, several of them, separated by commas, that are asked in turn." default:"127.0.0.1:7273"`
	ControlKey string `help:"Key of the control API." env:"CASTGATE_CONTROL_KEY"`
	Bind       bool   `help:"Bind every connection to its own uid. The scenarios group and storm always do."`
	Groups     int    `help:"Number of groups; every bound connection joins one of them (default of group and storm: 10)." placeholder:"N"`
	PID        int    `help:"Process id of the server on this host, to measure its memory and CPU (default: the process that listens at the URLs; --pid=-1: none)." name:"pid" placeholder:"PID"`
}

type idleFlags struct {
	Duration time.Duration `help:"How long to hold them." default:"10s"`
}

// timeFlags are those of all scenarios that push.
type timeFlags struct {
	Duration time.Duration `help:"How long to push." default:"10s"`
	Patience time.Duration `help:"How long to wait for messages after the last push." default:"10s"`
	Callers  int           `help:"Number of concurrent callers; they share the rate." default:"1"`
	Size     int           `help:"Message size in bytes, at least 59." default:"64"`
}

type pushingFlags struct {
	timeFlags
	Rate float64 `help:"Pushes per second, regardless of how slow the answers are; 0: each push once the last has arrived everywhere." default:"10"`
}

type groupFlags struct {
	timeFlags
	Rate    float64 `help:"Pushes per second, regardless of how slow the answers are; 0: each push once the last has arrived everywhere." default:"100"`
	Members int     `help:"Members of each group; this sets the number of connections." placeholder:"N"`
}

type unicastFlags struct {
	timeFlags
	Rate float64 `help:"Pushes per second, regardless of how slow the answers are; 0: each caller pushes as soon as its last push is answered." default:"100"`
}

type mixedFlags struct {
	timeFlags
	Rate          float64 `help:"Pushes to single connections per second, regardless of how slow the answers are; 0: as fast as they are answered." default:"100"`
	BroadcastRate float64 `help:"Broadcasts per second at the same time; 0: none." default:"10"`
	BroadcastSize int     `help:"Broadcast size in bytes, at least 59." default:"1024"`
	Slow          int     `help:"Number of connections that stop reading while messages are pushed." default:"10"`
}

type churnFlags struct {
	timeFlags
	Rate    float64 `help:"Broadcasts per second." default:"10"`
	Replace float64 `help:"Connections replaced per second." default:"100"`
	Broken  float64 `help:"Share of these, 0 to 1, that end by a reset instead of a close frame." default:"0"`
	Stay    int     `help:"Connections that are never replaced." default:"0"`

	GroupRate   float64 `help:"Pushes to groups per second at the same time; binds all connections." default:"0"`
	UnicastRate float64 `help:"Pushes to uids per second at the same time; binds all connections." default:"0"`
}

type stormFlags struct {
	Patience time.Duration `help:"How long to wait for messages after the last push." default:"10s"`
	Size     int           `help:"Message size in bytes, at least 59." default:"64"`
}

// Defaults that depend on the scenario.
const (
	defaultClients = 1000
	defaultGroups  = 10
)

// plan makes a Plan from the command line.
func (c *command) plan(scenario string, shown *progress) (loadtest.Plan, error) {
	sources, err := address.ParseSources(c.Source)
	if err != nil {
		return loadtest.Plan{}, err
	}
	if err := c.count(scenario); err != nil {
		return loadtest.Plan{}, err
	}
	trust, err := c.trustFlags.config(c.URL)
	if err != nil {
		return loadtest.Plan{}, err
	}
	p := loadtest.Plan{
		Swarm: swarm.Config{
			URLs: c.URL, Connections: c.Clients, Sources: sources, Rate: c.ConnectRate,
			InFlight: c.InFlight, Loops: c.Loops, NoInit: c.NoInit, Timeout: c.Timeout,
			TLS: trust, Compress: c.Compress,
		},
		PID: c.PID, Bind: c.Bind, Groups: c.Groups, Settle: c.Settle, Limit: c.Limit,
		Log: shown.log, Progress: shown.update,
	}
	if c.Compress {
		p.Swarm.Padding = payload.Prices
	}
	switch c.PID {
	case 0:
		p.PID = loadtest.FindPID
	case -1:
		p.PID = 0
	}
	c.fill(&p, scenario)
	p.Control = control.New(c.Control, c.ControlKey, max(p.Callers+1, 4))
	return p, nil
}

// count determines how many connections and groups there are.
func (c *command) count(scenario string) error {
	grouped := scenario == "group" || scenario == "storm" || scenario == "churn" && c.Churn.GroupRate > 0
	if grouped && c.Groups == 0 {
		c.Groups = defaultGroups
	}
	if members := c.Group.Members; scenario == "group" && members != 0 {
		if members < 0 || members > swarm.MaxConnections/max(c.Groups, 1) {
			return fmt.Errorf("--members: %d is too many or too few for %d groups", members, c.Groups)
		}
		if c.Clients != 0 && c.Clients != c.Groups*members {
			return fmt.Errorf("--clients %d is not --groups %d times --members %d: leave one of them out", c.Clients, c.Groups, members)
		}
		c.Clients = c.Groups * members
	}
	if c.Clients == 0 {
		c.Clients = defaultClients
	}
	if c.Groups > 0 && c.Groups > c.Clients {
		return fmt.Errorf("--groups: %d groups are more than the %d connections", c.Groups, c.Clients)
	}
	return nil
}

// fill sets what only the scenario's own flags say.
func (c *command) fill(p *loadtest.Plan, scenario string) {
	times := func(f timeFlags, rate float64) {
		p.For, p.Patience, p.Callers, p.Size, p.Rate = f.Duration, f.Patience, f.Callers, f.Size, rate
	}
	switch scenario {
	case "connect", "idle":
		// Others may push while we only hold the connections.
		p.Swarm.AcceptForeign = true
		p.For = c.Idle.Duration
	case "broadcast":
		times(c.Broadcast.timeFlags, c.Broadcast.Rate)
	case "group":
		times(c.Group.timeFlags, c.Group.Rate)
	case "unicast":
		times(c.Unicast.timeFlags, c.Unicast.Rate)
	case "mixed":
		times(c.Mixed.timeFlags, c.Mixed.Rate)
		p.BroadcastRate, p.BroadcastSize, p.Slow = c.Mixed.BroadcastRate, c.Mixed.BroadcastSize, c.Mixed.Slow
	case "churn":
		times(c.Churn.timeFlags, c.Churn.Rate)
		p.Replace, p.Broken, p.Stay = c.Churn.Replace, c.Churn.Broken, c.Churn.Stay
		p.GroupRate, p.UnicastRate = c.Churn.GroupRate, c.Churn.UnicastRate
	case "storm":
		p.Patience, p.Size = c.Storm.Patience, c.Storm.Size
	}
}

// advice says how to fix an error with this command line, or nothing.
func advice(err error) string {
	var ports *address.PortsError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, swarm.ErrNoInit):
		return " (a server other than castgate? then --no-init)"
	case errors.As(err, &ports):
		return " (--source, --url)"
	case errors.As(err, &certificate):
		return " (--ca-file with its authority, or --insecure)"
	}
	return ""
}
