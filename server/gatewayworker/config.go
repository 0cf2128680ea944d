package gatewayworker

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"castgate/server/gatewayworker/internal/register"
	"castgate/server/setting"
)

// Routing says which worker a client gets that has none
// (docs/gatewayworker-protocol.md section 6.5).
type Routing string

// The values of Config.Routing.
const (
	RouteLeast  Routing = "least"  // the worker with the fewest clients; among equals the one that attached first
	RouteRandom Routing = "random" // any worker
)

// Workers says whether workers want the clients' events.
type Workers string

// The values of Config.Workers.
const (
	WorkersAuto   Workers = "auto"   // from the moment one has attached
	WorkersAlways Workers = "always" // from the beginning
	WorkersNever  Workers = "never"  // attached workers only send
)

// firstPhase is the phase before any worker has attached.
func (c *Config) firstPhase() phase {
	switch {
	case c.Workers == WorkersNever, c.Workers == WorkersAuto && c.WorkerWait == 0:
		return phaseOff
	case c.WorkerWait == 0:
		return phaseAlone
	}
	return phaseAwait
}

// Config is all settings of a Front. Defaults returns the limits; Validate names
// the first invalid setting.
type Config struct {
	// Inner is the ip:port that the inner endpoint listens on; empty turns the
	// GatewayWorker front off. Port 0 picks a free port.
	Inner string
	// Advertise is the IPv4 address and port under which PHP reaches Inner. It is
	// part of every client id. Empty means Inner; port 0 means the port of Inner.
	Advertise string
	// ReusePort sets SO_REUSEPORT on Inner and Register, so that a successor can
	// listen there before this process stops. Each connection of PHP then reaches
	// one of the two.
	ReusePort bool
	// Register is the ip:port that the embedded Register listens on; empty for
	// none.
	Register string
	// Join are the Registers, host:port, at which this gateway registers, instead
	// of or in addition to Register.
	Join []string
	// Secret is the key that PHP must send. It is required unless Inner and
	// Register are on loopback addresses.
	Secret string
	// Routing says how workers get clients; the default is RouteLeast.
	Routing Routing
	// Workers says whether there are workers that want the clients' events. The
	// default is WorkersAuto.
	Workers Workers
	// WorkerWait is how long connections and events of clients wait for a worker
	// while one is expected and none is attached; 0 to one hour. After that,
	// clients that need a worker are closed, as with PHP. With WorkersAuto no
	// worker is expected any more if none has attached by then.
	WorkerWait time.Duration
	// StuckAfter is how long a worker may leave its events unread before new
	// clients go to other workers.
	StuckAfter time.Duration
	// KeepInit makes the server send its init message although workers, whose
	// application sends its own, are attached or expected.
	KeepInit bool

	// MaxConns limits the open inner connections, and MaxSilent those among them
	// that have not sent a complete command yet. At either limit the oldest silent
	// one is closed. If there is none, new connections wait for two seconds.
	MaxConns, MaxSilent int
	// SilentTimeout is the time from accept to the first complete command.
	SilentTimeout time.Duration
	// StallTimeout is how long an incomplete frame, or a reply that is not read,
	// may make no progress.
	StallTimeout time.Duration
	// MaxHeld limits the bytes of incomplete frames of all connections together.
	// Above it the connection that holds the most is closed.
	MaxHeld int
	// MaxReplies limits the bytes of replies that wait for one connection before
	// nothing more is read from it. MaxAllReplies is the limit for all connections
	// together; above it the next one that asks is closed. A single reply may
	// exceed each limit.
	MaxReplies, MaxAllReplies int
	// EventQueue limits the bytes of events that wait for workers, for all clients.
	// The more bytes wait, the fewer may wait for each client before it is no
	// longer read.
	EventQueue int

	// Log receives structured logs; nil discards them.
	Log *slog.Logger
	// Audit receives a record of each kick and each refused key, but not of
	// sessions, which PHP may store with every message. With nil none is written.
	Audit slog.Handler
}

// Defaults returns the default limits of a Front. It does not listen anywhere yet.
func Defaults() Config {
	return Config{
		Routing:  RouteLeast,
		MaxConns: 4096, MaxSilent: 1024,
		SilentTimeout: 10 * time.Second, StallTimeout: time.Minute,
		MaxHeld: 64 << 20, MaxReplies: 4 << 20, MaxAllReplies: 256 << 20,
		EventQueue: 64 << 20, Workers: WorkersAuto, WorkerWait: 5 * time.Second, StuckAfter: 5 * time.Second,
	}
}

// On reports whether the front is on.
func (c *Config) On() bool { return c.Inner != "" }

// Validate returns an error for the first invalid setting, which begins with its
// name on the command line. No error contains the secret.
func (c *Config) Validate() error {
	if !c.On() {
		for name, set := range map[string]bool{"register": c.Register != "", "join": len(c.Join) > 0, "advertise": c.Advertise != "",
			"workers": c.Workers != WorkersAuto && c.Workers != "", "worker-wait": c.WorkerWait != 0 && c.WorkerWait != Defaults().WorkerWait,
			"secret": c.Secret != "", "routing": c.Routing != RouteLeast && c.Routing != ""} {
			if set {
				return setting.Errorf("gatewayworker-"+name, "needs gatewayworker-inner")
			}
		}
		return nil
	}
	inner, err := netip.ParseAddrPort(c.Inner)
	if err != nil {
		return setting.Errorf("gatewayworker-inner", "%q is not ip:port", c.Inner)
	}
	if c.Secret == "" && !inner.Addr().IsLoopback() {
		return setting.Errorf("gatewayworker-inner", "%s is reachable from other hosts; set gatewayworker-secret or listen on a loopback address", c.Inner)
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
		return setting.Errorf("gatewayworker-secret", "it has %d bytes, more than %d", len(c.Secret), maxSecret)
	case c.Routing != RouteLeast && c.Routing != RouteRandom:
		return setting.Errorf("gatewayworker-routing", "%q is neither least nor random", c.Routing)
	case c.Workers != WorkersAuto && c.Workers != WorkersAlways && c.Workers != WorkersNever:
		return setting.Errorf("gatewayworker-workers", "%q is not auto, always or never", c.Workers)
	case c.WorkerWait < 0 || c.WorkerWait > time.Hour:
		return setting.Errorf("gatewayworker-worker-wait", "%v is not between 0 and 1h", c.WorkerWait)
	case c.MaxConns < 1 || c.MaxSilent < 1 || c.SilentTimeout <= 0 || c.StallTimeout <= 0,
		c.MaxHeld < 1 || c.MaxReplies < 1 || c.MaxAllReplies < 1 || c.EventQueue < 1 || c.StuckAfter <= 0:
		return errors.New("gatewayworker: a limit is not positive")
	}
	return nil
}

// maxSecret is the longest secret in bytes: it must fit into the first frame of a
// connection, with some room to spare.
const maxSecret = 512

func (c *Config) validateAdvertise() error {
	name, value := "gatewayworker-advertise", c.Advertise
	if value == "" {
		name, value = "gatewayworker-inner", c.Inner
	}
	a, err := netip.ParseAddrPort(value)
	switch {
	case err != nil || !a.Addr().Is4():
		return setting.Errorf(name, "%q is not an IPv4 address and port, which client ids must contain; set gatewayworker-advertise", value)
	case a.Addr().IsUnspecified():
		return setting.Errorf(name, "nobody can connect to %s; set gatewayworker-advertise to the address that PHP hosts use", value)
	}
	return nil
}

// advertised is the address that PHP gets, once the listening address is known.
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

func (c *Config) registerConfig(inner netip.AddrPort) register.Config {
	return register.Config{Address: c.Register, Secret: c.Secret, Own: []string{c.advertised(inner).String()}, ReusePort: c.ReusePort, Log: c.Log}
}

func (c *Config) joinerConfig(inner netip.AddrPort) register.JoinerConfig {
	return register.JoinerConfig{Registers: c.Join, Address: c.advertised(inner).String(), Secret: c.Secret, Log: c.Log}
}
