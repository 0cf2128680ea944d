package gatewayworker

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"castgate/server/setting"
)

// Routing says which worker a client without one gets
// (docs/gatewayworker-protocol.md section 6.5).
type Routing string

// The values of Config.Routing.
const (
	RouteLeast  Routing = "least"  // the one with the fewest clients, of several the one attached first
	RouteRandom Routing = "random" // any
)

// Workers says whether workers want to know what clients do.
type Workers string

// The values of Config.Workers.
const (
	WorkersAuto   Workers = "auto"   // as soon as one has attached
	WorkersAlways Workers = "always" // from the beginning
	WorkersNever  Workers = "never"  // attached ones only send
)

// firstPhase is the one before any worker has come.
func (c *Config) firstPhase() phase {
	switch {
	case c.Workers == WorkersNever, c.Workers == WorkersAuto && c.WorkerWait == 0:
		return phaseOff
	case c.WorkerWait == 0:
		return phaseAlone
	}
	return phaseAwait
}

// Config is everything a Front is told at its start. Defaults gives the limits;
// Validate names the first setting that is wrong.
type Config struct {
	// Inner is the ip:port the inner endpoint listens on; empty means that
	// there is no GatewayWorker front. Port 0 picks a free one.
	Inner string
	// Advertise is the IPv4 address and port under which PHP reaches Inner. It is
	// part of every client id. Empty means Inner; port 0 the port of Inner.
	Advertise string
	// ReusePort sets SO_REUSEPORT on Inner and Register, so that a successor can
	// listen there before this process stops. Each connection of PHP then gets to
	// one of the two.
	ReusePort bool
	// Register is the ip:port the embedded Register listens on; empty for none.
	Register string
	// Join are the Registers, host:port, that are told of us instead or as well.
	Join []string
	// Secret is the key that PHP has to name. Needed unless Inner and Register
	// are on loopback addresses.
	Secret string
	// Routing is how workers get their clients. Default RouteLeast.
	Routing Routing
	// Workers says whether there are workers that want to know what clients do.
	// Default WorkersAuto.
	Workers Workers
	// WorkerWait is how long connections, and events of clients, wait for a worker
	// while one is expected and none is there; 0 to one hour. Then, as with
	// PHP, clients that want one are closed; before the first worker of
	// WorkersAuto none is expected any more.
	WorkerWait time.Duration
	// StuckAfter is how long a worker may leave its events unread before new
	// clients go to others.
	StuckAfter time.Duration
	// KeepInit has the server send its init message although workers, whose
	// application sends its own, are there or expected.
	KeepInit bool

	// MaxConns is how many inner connections are open at once, and MaxSilent how
	// many of them may not have sent a whole command yet. Over either the oldest
	// silent one has to go; if there is none, new ones wait for two seconds.
	MaxConns, MaxSilent int
	// SilentTimeout is the time from accept to the first whole command.
	SilentTimeout time.Duration
	// StallTimeout is how long half a frame, or a reply that is not read, may
	// make no progress.
	StallTimeout time.Duration
	// MaxHeld is how many bytes of frames that are not whole are held, for all
	// connections together. Over it the connection with the most is closed.
	MaxHeld int
	// MaxReplies is how many bytes of replies wait for one connection before
	// nothing more is read from it, MaxAllReplies for all together before the
	// next one that asks is closed. Each may be passed by one reply.
	MaxReplies, MaxAllReplies int
	// EventQueue is how many bytes of events may wait for workers, of all clients.
	// The more wait, the less may wait for each before it is not read any more.
	EventQueue int

	// Log receives structured logs; nil discards them.
	Log *slog.Logger
	// Audit receives a record of each kick and refused key, not of sessions: PHP
	// may store one with every message. Nil: none is written.
	Audit slog.Handler
}

// Defaults returns the limits of a Front; it listens nowhere yet.
func Defaults() Config {
	return Config{
		Routing:  RouteLeast,
		MaxConns: 4096, MaxSilent: 1024,
		SilentTimeout: 10 * time.Second, StallTimeout: time.Minute,
		MaxHeld: 64 << 20, MaxReplies: 4 << 20, MaxAllReplies: 256 << 20,
		EventQueue: 64 << 20, Workers: WorkersAuto, WorkerWait: 5 * time.Second, StuckAfter: 5 * time.Second,
	}
}

// On tells whether there is a front at all.
func (c *Config) On() bool { return c.Inner != "" }

// Validate reports the first setting that is wrong, by its name on the command
// line. The secret is never in an error.
func (c *Config) Validate() error {
	if !c.On() {
		for name, set := range map[string]bool{"register": c.Register != "", "join": len(c.Join) > 0, "advertise": c.Advertise != "",
			"workers": c.Workers != WorkersAuto && c.Workers != "", "worker-wait": c.WorkerWait != 0 && c.WorkerWait != Defaults().WorkerWait,
			"secret": c.Secret != "", "routing": c.Routing != RouteLeast && c.Routing != ""} {
			if set {
				return setting.Errorf("gatewayworker-"+name, "needs gatewayworker-inner as well")
			}
		}
		return nil
	}
	inner, err := netip.ParseAddrPort(c.Inner)
	if err != nil {
		return setting.Errorf("gatewayworker-inner", "%q is not ip:port", c.Inner)
	}
	if c.Secret == "" && !inner.Addr().IsLoopback() {
		return setting.Errorf("gatewayworker-inner", "%s can be reached from other hosts; set gatewayworker-secret or listen on a loopback address", c.Inner)
	}
	if err := c.validateAdvertise(); err != nil {
		return err
	}
	if c.Register != "" {
		r := c.registerConfig(inner)
		if err := r.Validate(); err != nil {
			return setting.Named("gatewayworker-register", err)
		}
	}
	if len(c.Join) > 0 {
		j := c.joinerConfig(inner)
		if err := j.Validate(); err != nil {
			return setting.Named("gatewayworker-join", err)
		}
	}
	switch {
	case len(c.Secret) > maxSecret:
		return setting.Errorf("gatewayworker-secret", "it has %d bytes, %d are allowed", len(c.Secret), maxSecret)
	case c.Routing != RouteLeast && c.Routing != RouteRandom:
		return setting.Errorf("gatewayworker-routing", "%q is neither least nor random", c.Routing)
	case c.Workers != WorkersAuto && c.Workers != WorkersAlways && c.Workers != WorkersNever:
		return setting.Errorf("gatewayworker-workers", "%q is none of auto, always, never", c.Workers)
	case c.WorkerWait < 0 || c.WorkerWait > time.Hour:
		return setting.Errorf("gatewayworker-worker-wait", "%v is not between 0 and 1h", c.WorkerWait)
	case c.MaxConns < 1 || c.MaxSilent < 1 || c.SilentTimeout <= 0 || c.StallTimeout <= 0,
		c.MaxHeld < 1 || c.MaxReplies < 1 || c.MaxAllReplies < 1 || c.EventQueue < 1 || c.StuckAfter <= 0:
		return errors.New("gatewayworker: a limit is not positive")
	}
	return nil
}

// maxSecret is the longest secret in bytes: it has to fit, with room, into the
// first frame of a connection.
const maxSecret = 512

func (c *Config) validateAdvertise() error {
	name, value := "gatewayworker-advertise", c.Advertise
	if value == "" {
		name, value = "gatewayworker-inner", c.Inner
	}
	a, err := netip.ParseAddrPort(value)
	switch {
	case err != nil || !a.Addr().Is4():
		return setting.Errorf(name, "%q is not an IPv4 address and port, as client ids carry one; set gatewayworker-advertise", value)
	case a.Addr().IsUnspecified():
		return setting.Errorf(name, "nobody can connect to %s; set gatewayworker-advertise to the address that PHP hosts use", value)
	}
	return nil
}

// advertised is the address PHP is told, once it is known where inner listens.
func (c *Config) advertised(inner netip.AddrPort) netip.AddrPort {
	value := c.Advertise
	if value == "" {
		value = c.Inner
	}
	a, err := netip.ParseAddrPort(value)
	if err == nil && a.Port() == 0 {
		a = netip.AddrPortFrom(a.Addr(), inner.Port())
	}
	return a
}

func (c *Config) registerConfig(inner netip.AddrPort) RegisterConfig {
	return RegisterConfig{Address: c.Register, Secret: c.Secret, Own: []string{c.advertised(inner).String()}, ReusePort: c.ReusePort, Log: c.Log}
}

func (c *Config) joinerConfig(inner netip.AddrPort) JoinerConfig {
	return JoinerConfig{Registers: c.Join, Address: c.advertised(inner).String(), Secret: c.Secret, Log: c.Log}
}
