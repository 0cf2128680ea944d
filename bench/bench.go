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

	"castgate/loadtest"
)

// Options say what to measure. Defaults fills in what is usual.
type Options struct {
	// Root is the module's directory, where servers are built.
	Root string `json:"-"`
	// Servers and Scenarios are what to run: names of Servers, Scenarios.
	Servers   []string `json:"servers"`
	Scenarios []string `json:"scenarios"`
	// Rounds is how many undisturbed rounds are wanted, 1 to 100. At most as
	// many again are dropped.
	Rounds int `json:"rounds"`
	// Clients are those of fanout and latency, IdleClients those of memory.
	Clients     int `json:"clients"`
	IdleClients int `json:"idle_clients"`
	// Size of a message in bytes.
	Size int `json:"size"`
	// Warmup and Measure are the times before and in each phase, Idle the
	// time before memory is read.
	Warmup  time.Duration `json:"warmup_ns"`
	Measure time.Duration `json:"measure_ns"`
	Idle    time.Duration `json:"idle_ns"`
	// MaxForeign is the part of the machine that others may use before a
	// round counts as disturbed, 0 to 1.
	MaxForeign float64 `json:"max_foreign"`
	// Sources is a list of addresses for clients, see loadtest.ParseSources.
	Sources string `json:"sources"`
	// Log is told what goes on, a line at a time. May be nil.
	Log func(line string) `json:"-"`
}

// Scenarios are the names of what can be measured.
var Scenarios = []string{"fanout", "memory", "latency"}

// Servers are the names of what it can be measured on. Latency, and what
// memory costs when bound, are castgate's only: the floor has no unicasts.
var Servers = []string{Castgate, Floor}

// Defaults measures everything as BENCHMARKS.md shows it.
func Defaults() Options {
	return Options{
		Root: ".", Servers: Servers, Scenarios: Scenarios, Rounds: 5,
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
		{"clients", o.Clients, 1, loadtest.MaxConnections},
		{"idle clients", o.IdleClients, 2, loadtest.MaxConnections},
		{"size", o.Size, loadtest.MinPayload, 1 << 20},
	} {
		if n.value < n.least || n.value > n.most {
			return fmt.Errorf("%s: %d is not between %d and %d", n.name, n.value, n.least, n.most)
		}
	}
	for _, s := range o.Scenarios {
		if !slices.Contains(Scenarios, s) {
			return fmt.Errorf("no scenario %q; there are %v", s, Scenarios)
		}
	}
	for _, s := range o.Servers {
		if !slices.Contains(Servers, s) {
			return fmt.Errorf("no server %q; there are %v", s, Servers)
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
	binaries map[string]string
	sources  []netip.Addr
	result   *Result
}

// leastProcs is for GOMAXPROCS: with one per core a Go scheduler that is busy
// reading sockets would let other goroutines, and the probes of latency, wait
// for up to 10 ms.
const leastProcs = 8

// Run measures. When ctx is done it ends early; the result holds the rounds
// that were complete, and comes with the error.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	sources, err := loadtest.ParseSources(o.Sources)
	if err != nil {
		return nil, err
	}
	previous := runtime.GOMAXPROCS(max(leastProcs, runtime.NumCPU()))
	defer runtime.GOMAXPROCS(previous)
	dir, err := os.MkdirTemp("", "castgate-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	b := &bench{Options: o, sources: sources, binaries: map[string]string{}, result: newResult(o)}
	for _, name := range o.Servers {
		binary, err := build(ctx, o.Root, dir, name)
		if err != nil {
			return nil, err
		}
		b.binaries[name] = binary
	}
	b.result.Revision = revision(b.binaries[o.Servers[0]])
	for _, scenario := range Scenarios {
		if !slices.Contains(o.Scenarios, scenario) {
			continue
		}
		if err := b.rounds(ctx, scenario); err != nil {
			return b.result, fmt.Errorf("%s: %w", scenario, err)
		}
	}
	return b.result, nil
}

// rounds plays a scenario until enough rounds were undisturbed. If too many
// were not, those with the least disturbance count all the same, and the
// result says so.
func (b *bench) rounds(ctx context.Context, scenario string) error {
	var disturbed []samples
	good := 0
	for attempt := 0; good < b.Rounds && attempt < 2*b.Rounds; attempt++ {
		round, err := b.round(ctx, scenario, attempt)
		if err != nil {
			return err
		}
		if round.foreign() > b.MaxForeign {
			b.log("%s: a round dropped, others used %.0f %% of the machine", scenario, 100*round.foreign())
			b.result.Dropped++
			disturbed = append(disturbed, round)
			continue
		}
		good++
		b.result.Figures = collect(b.result.Figures, round)
		b.log("%s: %d of %d rounds", scenario, good, b.Rounds)
	}
	slices.SortFunc(disturbed, func(x, y samples) int {
		if x.foreign() < y.foreign() {
			return -1
		}
		return 1
	})
	for _, round := range disturbed[:min(b.Rounds-good, len(disturbed))] {
		b.result.Figures = collect(b.result.Figures, round)
		b.result.Disturbed = append(b.result.Disturbed, fmt.Sprintf("%s: a round counts in which others used %.0f %% of the machine", scenario, 100*round.foreign()))
	}
	return nil
}

// foreign is the worst that a round has seen.
func (s samples) foreign() (worst float64) {
	for _, v := range s {
		if v.name == foreignCPU {
			worst = max(worst, v.value)
		}
	}
	return worst
}

// round measures every server once; who comes first changes from round to
// round.
func (b *bench) round(ctx context.Context, scenario string, number int) (samples, error) {
	var round samples
	servers := slices.Clone(b.Servers)
	if number%2 == 1 {
		slices.Reverse(servers)
	}
	for _, name := range servers {
		for _, play := range b.plays(scenario, name) {
			if err := b.on(ctx, name, func(s *server) error { return play(ctx, s, &round) }); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for _, s := range slices.Clone(round) {
		if s.server == Castgate && s.unit == "ns" {
			round.addRatio(s.scenario, s.name)
		}
	}
	return round, nil
}

// play measures one freshly started server.
type play func(ctx context.Context, s *server, round *samples) error

// plays are what a scenario does with a server, each on a fresh process.
func (b *bench) plays(scenario, name string) []play {
	memory := func(bound bool) play {
		return func(ctx context.Context, s *server, round *samples) error { return b.memory(ctx, s, bound, round) }
	}
	switch {
	case scenario == "fanout":
		return []play{b.fanout}
	case scenario == "memory" && name == Castgate:
		return []play{memory(false), memory(true)}
	case scenario == "memory":
		return []play{memory(false)}
	case scenario == "latency" && name == Castgate:
		return []play{b.latency}
	}
	return nil
}

// on runs f with a fresh server.
func (b *bench) on(ctx context.Context, name string, f func(*server) error) error {
	s, err := start(ctx, name, b.binaries[name], fanoutDepth+2)
	if err != nil {
		return err
	}
	err = f(s)
	return errors.Join(err, s.stop())
}

// swarmOf is the configuration of a swarm for a server.
func (b *bench) swarmOf(s *server, connections int, streams []loadtest.Kind) loadtest.Config {
	return loadtest.Config{URLs: []string{s.url}, Connections: connections, Sources: b.sources, Streams: streams}
}

func (b *bench) log(format string, args ...any) {
	if b.Log != nil {
		b.Log(fmt.Sprintf(format, args...))
	}
}
