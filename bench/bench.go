package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"castgate/loadtest/address"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// Options say what to measure. Defaults returns the usual ones.
type Options struct {
	// Root is the module's directory, where servers are built.
	Root string `json:"-"`
	// Servers and Scenarios are what to run: names from Servers and Scenarios.
	Servers   []string `json:"servers"`
	Scenarios []string `json:"scenarios"`
	// Rounds is how often every server is measured, 1 to 100. Disturbed
	// measurements are repeated, up to three attempts in all.
	Rounds int `json:"rounds"`
	// Clients is the number of clients of fanout and latency, IdleClients that
	// of connect, memory, storm and growth.
	Clients     int `json:"clients"`
	IdleClients int `json:"idle_clients"`
	// Size of a message in bytes.
	Size int `json:"size"`
	// Warmup and Measure are the times before and in each phase, Idle the time
	// before memory is read.
	Warmup  time.Duration `json:"warmup_ns"`
	Measure time.Duration `json:"measure_ns"`
	Idle    time.Duration `json:"idle_ns"`
	// MaxForeign is the share of the machine, 0 to 1, that other processes may
	// use before a measurement counts as disturbed.
	MaxForeign float64 `json:"max_foreign"`
	// Sources is a list of addresses that clients come from, see
	// loadtest.ParseSources.
	Sources string `json:"sources"`
	// Profile plays each scenario once more on castgate while perf records it.
	Profile bool `json:"profile,omitempty"`
	// Log receives lines about what happens. May be nil.
	Log func(line string) `json:"-"`

	// programs is a directory in which built programs stay for later runs, which tests
	// share. Default: they are removed.
	programs string
}

// Servers are the names of all servers. Scenarios that need more than
// broadcasts (latency, control, storm, memory when bound) run on those that
// support them.
var Servers = names()

// Defaults measures everything that BENCHMARKS.md shows.
func Defaults() Options {
	return Options{
		Root: ".", Servers: slices.DeleteFunc(names(), func(name string) bool { return name == FloorGo }), Scenarios: Scenarios, Rounds: 5,
		Clients: 10_000, IdleClients: 19_000, Size: 64,
		Warmup: 3 * time.Second, Measure: 10 * time.Second, Idle: 10 * time.Second,
		MaxForeign: 0.05, Sources: "127.0.0.2-127.0.0.17",
	}
}

func (o *Options) check() error {
	for _, n := range []struct {
		name               string
		value, least, most int
	}{
		{"rounds", o.Rounds, 1, 100},
		{"clients", o.Clients, 1, swarm.MaxConnections},
		{"idle clients", o.IdleClients, 2, swarm.MaxConnections},
		{"size", o.Size, payload.MinSize, 1 << 20},
	} {
		if n.value < n.least || n.value > n.most {
			return fmt.Errorf("%s: %d is not between %d and %d", n.name, n.value, n.least, n.most)
		}
	}
	for _, s := range o.Scenarios {
		if !slices.Contains(Scenarios, s) {
			return fmt.Errorf("unknown scenario %q; known scenarios: %v", s, Scenarios)
		}
	}
	for _, s := range o.Servers {
		if !slices.Contains(Servers, s) {
			return fmt.Errorf("unknown server %q; known servers: %v", s, Servers)
		}
	}
	if len(o.Scenarios) == 0 || len(o.Servers) == 0 {
		return errors.New("nothing to measure")
	}
	return nil
}

// bench is one run.
type bench struct {
	Options
	dir      string // of built programs
	binaries map[string]string
	sources  []netip.Addr
	result   *Result
}

// leastProcs is the least GOMAXPROCS: with one per core, a Go scheduler that is
// busy reading sockets would let other goroutines, including the latency
// probes, wait for up to 10 ms.
const leastProcs = 8

// Run measures. When ctx is done it ends early; the result then holds the
// complete rounds and is returned with the error.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	sources, err := address.ParseSources(o.Sources)
	if err != nil {
		return nil, err
	}
	previous := runtime.GOMAXPROCS(max(leastProcs, runtime.NumCPU()))
	defer runtime.GOMAXPROCS(previous)
	dir := o.programs
	if dir == "" {
		if dir, err = os.MkdirTemp("", "castgate-bench"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
	}
	b := &bench{Options: o, sources: sources, dir: dir, binaries: map[string]string{}, result: newResult(o)}
	for _, name := range o.Servers {
		if !b.plays(name) {
			continue
		}
		binary, err := build(ctx, o.Root, dir, name)
		var skipped *SkipError
		if errors.As(err, &skipped) {
			b.skip("%v", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		b.binaries[name] = binary
		if name == Floor {
			b.result.Floor = floorLanguage(ctx)
		}
		if b.result.Revision == "" {
			b.result.Revision = Revision(binary)
		}
	}
	if b.result.Revision == "" { // built with -buildvcs=false
		b.result.Revision = checkedOut(ctx, o.Root)
	}
	// Servers that are unavailable or take no part are left out.
	b.Servers = slices.DeleteFunc(slices.Clone(o.Servers), func(name string) bool { return b.binaries[name] == "" })
	b.log("%v on %v, %d rounds: about %v if nothing has to be repeated", b.Scenarios, b.Servers, b.Rounds, b.estimate().Round(time.Minute))
	for i := range scenarios {
		if !slices.Contains(o.Scenarios, scenarios[i].name) {
			continue
		}
		if err := b.rounds(ctx, &scenarios[i]); err != nil {
			return b.result, fmt.Errorf("%s: %w", scenarios[i].name, err)
		}
		if !b.Profile || b.binaries[Castgate] == "" {
			continue
		}
		if err := b.profile(ctx, &scenarios[i]); err != nil {
			b.skip("%v", err)
		}
	}
	return b.result, b.ourFaults()
}

// plays reports whether a server takes part in what is to be measured.
func (b *bench) plays(server string) bool {
	return slices.ContainsFunc(scenarios, func(sc scenario) bool {
		return slices.Contains(b.Scenarios, sc.name) && len(sc.plays(server)) > 0
	})
}

// rounds plays a scenario.
func (b *bench) rounds(ctx context.Context, sc *scenario) error {
	if !slices.ContainsFunc(b.Servers, func(name string) bool { return len(sc.plays(name)) > 0 }) {
		b.log("%s: not for any of %v", sc.name, b.Servers)
		return nil
	}
	for n := range b.Rounds {
		round, err := b.round(ctx, sc, n)
		if err != nil {
			return err
		}
		b.result.Figures = collect(b.result.Figures, round)
		b.log("%s: round %d of %d", sc.name, n+1, b.Rounds)
	}
	return nil
}

// ourFaults returns an error if castgate, or what it is compared with, had
// faults. If a rival loses messages, the result says so, but the run does not
// fail.
func (b *bench) ourFaults() error {
	for _, f := range b.result.Faults {
		if !isRival(f.Server) {
			return fmt.Errorf("%s: %s: %s", f.Scenario, f.Server, f.Text)
		}
	}
	return nil
}

// on runs f with a freshly started server.
func (b *bench) on(ctx context.Context, name string, f func(*server) error) error {
	s, err := start(ctx, name, b.binaries[programOf(name)], fanoutDepth+2)
	if err != nil {
		return err
	}
	err = f(s)
	return errors.Join(err, s.stop())
}

// swarmOf is the configuration of a swarm for a server.
func (b *bench) swarmOf(s *server, connections int, streams []payload.Kind) swarm.Config {
	c := swarm.Config{URLs: []string{s.url}, Connections: connections, Sources: b.sources, Streams: streams}
	s.configure(&c)
	return c
}

func (b *bench) log(format string, args ...any) {
	if b.Log != nil {
		b.Log(fmt.Sprintf(format, args...))
	}
}
