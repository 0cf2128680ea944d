package bench

import (
	"context"
	"slices"
	"time"
)

// play measures one freshly started server.
type play struct {
	// as is the variant that the server is started as, "" for the server
	// itself.
	as string
	// measure adds to the round. What it adds counts even if it returns an
	// error, which is then reported with the figures.
	measure measure
}

type measure func(b *bench, ctx context.Context, s *server, round *samples) error

// scenario is something that can be measured.
type scenario struct {
	name string
	// plays are the measurements of a server, each in a fresh process.
	plays func(server string) []play
	// takes is the approximate duration of one play.
	takes func(b *bench) time.Duration
}

// scenarios in the order in which they are played.
var scenarios = []scenario{
	{"fanout", websocket((*bench).fanout), func(b *bench) time.Duration {
		return connecting(b.Clients) + 2*(b.Warmup+b.Measure)
	}},
	{"connect", websocket(func(b *bench, ctx context.Context, s *server, round *samples) error {
		return b.connect(ctx, s, "connect", round)
	}), func(b *bench) time.Duration {
		return 2 * connecting(b.IdleClients)
	}},
	{"memory", memoryPlays, func(b *bench) time.Duration {
		return connecting(b.IdleClients) + 3*b.Idle
	}},
	{"latency", only((*bench).latency, Castgate), func(b *bench) time.Duration {
		return connecting(b.Clients) + time.Duration(len(latencyDepths))*(b.Warmup+2*b.Measure)
	}},
	{"control", only((*bench).unicasts, Castgate, Noop), func(b *bench) time.Duration {
		return 2 * (b.Warmup + b.Measure)
	}},
	{"gatewayworker", only(commandPlay, Castgate), func(b *bench) time.Duration {
		return 3*connecting(min(innerClients, b.Clients)) + time.Duration(2*len(verbs)+1)*(b.Warmup+b.Measure)
	}},
	{"storm", only((*bench).storm, Castgate, Floor), func(b *bench) time.Duration {
		return 3 * connecting(b.IdleClients)
	}},
	{"growth", only((*bench).growth, Castgate, Floor), func(b *bench) time.Duration {
		return connecting(b.IdleClients) + 2*(b.Warmup+b.Measure)
	}},
	{"pings", only((*bench).pings, Castgate, Floor), func(b *bench) time.Duration {
		return 2 * (connecting(b.Clients) + b.Warmup + b.Measure)
	}},
	{"cost", costPlays, costTakes},
	{"shortage", only((*bench).shortage, Castgate, Gorilla, GWS, Gnet), func(b *bench) time.Duration {
		return connecting(shortageClients) + b.Measure
	}},
	{"flood", floodPlays, func(b *bench) time.Duration {
		return time.Duration(1+len(floodKinds)) * (b.Measure + 2*time.Second)
	}},
}

// Scenarios are the names of all scenarios.
var Scenarios = func() (names []string) {
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}()

// websocket is a scenario with one play for every server that holds WebSockets.
func websocket(m measure) func(string) []play {
	return func(server string) []play {
		if server == Noop {
			return nil
		}
		return []play{{"", m}}
	}
}

// only is a scenario with one play for each of these servers.
func only(m measure, servers ...string) func(string) []play {
	return func(server string) []play {
		if !slices.Contains(servers, server) {
			return nil
		}
		return []play{{"", m}}
	}
}

// memoryPlays: only castgate can bind.
func memoryPlays(name string) []play {
	bare := func(b *bench, ctx context.Context, s *server, round *samples) error {
		return memoryScenario{b}.measure(ctx, s, "memory, bare", false, round)
	}
	bound := func(b *bench, ctx context.Context, s *server, round *samples) error {
		return memoryScenario{b}.measure(ctx, s, "memory, bound and in a group", true, round)
	}
	switch name {
	case Noop:
		return nil
	case Castgate:
		return []play{{"", bare}, {"", bound}}
	}
	return []play{{"", bare}}
}

// connecting is the approximate time to open n connections, including the start
// and end of their server.
func connecting(n int) time.Duration { return 2*time.Second + time.Duration(n)*100*time.Microsecond }

// estimate is the duration of everything if nothing is repeated.
func (b *bench) estimate() (all time.Duration) {
	for _, sc := range scenarios {
		if !slices.Contains(b.Scenarios, sc.name) {
			continue
		}
		for _, name := range b.Servers {
			all += time.Duration(b.Rounds*len(sc.plays(name))) * sc.takes(b)
		}
	}
	return all
}
