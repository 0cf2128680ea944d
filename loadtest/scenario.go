package loadtest

import (
	"context"
	"fmt"

	"castgate/loadtest/payload"
)

// needs are the parts of a Plan that a scenario uses.
type needs uint8

const (
	needsControl needs = 1 << iota
	needsIDs           // client ids
	needsPace          // Callers and Rate
	needsSize
	needsGroups
	needsMix     // BroadcastSize, Slow
	needsReplace // Replace, Broken, Stay, GroupRate, UnicastRate
)

// scenario is something that Run can play.
type scenario struct {
	name, does string
	needs      needs
	// doing describes the measurement in a result that was interrupted.
	doing string
	// streams are those that the swarm expects.
	streams func(p *Plan) []payload.Kind
	// open opens the swarms, if they are not simply one of p.Swarm.
	open func(ctx context.Context, pl *play) error
	// measure is everything after connections are open and bound. What it has
	// put into the result counts even if it fails.
	measure func(ctx context.Context, pl *play) error
	// judge adds faults that only this scenario can find, after the last
	// message has arrived. May be nil.
	judge func(pl *play) error
}

// scenarios in the order in which they are listed.
var scenarios = []*scenario{
	{name: "connect", does: "open the connections and report how fast and at what cost", doing: "holding", measure: measureConnect},
	{name: "idle", does: "hold the connections and report what each costs the server", doing: "holding", measure: measureIdle},
	{
		name: "broadcast", does: "push to all connections", doing: "pushing",
		needs: needsControl | needsPace | needsSize, streams: callersOf(payload.Broadcast), measure: measureBroadcast,
	},
	{
		name: "group", does: "push to one group after another", doing: "pushing",
		needs:   needsControl | needsIDs | needsGroups | needsPace | needsSize,
		streams: callersOf(payload.Group), measure: measureGroup,
	},
	{
		name: "unicast", does: "push to one connection after another", doing: "pushing",
		needs: needsControl | needsIDs | needsPace | needsSize, streams: callersOf(payload.Unicast), measure: measureUnicast,
	},
	{
		name: "mixed", does: "push to single connections during broadcasts, with slow readers", doing: "pushing",
		needs: needsControl | needsIDs | needsPace | needsSize | needsMix, streams: mixedStreams,
		open: openMixed, measure: measureMixed, judge: judgeMixed,
	},
	{
		name: "churn", does: "push to all while connections come and go", doing: "pushing and replacing connections",
		needs: needsControl | needsPace | needsSize | needsReplace, streams: churnStreams, measure: measureChurn, judge: judgeChurn,
	},
	{
		name: "storm", does: "cut all connections at once and report when the last is back and bound", doing: "in the storm",
		needs: needsControl | needsIDs | needsSize | needsGroups, streams: stormStreams, measure: measureStorm,
	},
}

// Scenarios maps the names that Run knows to what they do.
var Scenarios = func() map[string]string {
	all := map[string]string{}
	for _, sc := range scenarios {
		all[sc.name] = sc.does
	}
	return all
}()

func find(name string) (*scenario, error) {
	for _, sc := range scenarios {
		if sc.name == name {
			return sc, nil
		}
	}
	return nil, fmt.Errorf("unknown scenario %q", name)
}

// callersOf gives every caller a stream of a kind.
func callersOf(kind payload.Kind) func(p *Plan) []payload.Kind {
	return func(p *Plan) []payload.Kind {
		all := make([]payload.Kind, p.Callers)
		for i := range all {
			all[i] = kind
		}
		return all
	}
}

// Run plays a scenario. When ctx is done it ends early without an error and
// returns what was measured so far. A result is returned with an error if the
// server misbehaved; then, too, it holds what was measured so far. Without a
// result the plan cannot be played: it is wrong, or this host has no room.
func Run(ctx context.Context, name string, p Plan) (*Result, error) {
	sc, err := find(name)
	if err != nil {
		return nil, err
	}
	if err := p.prepare(sc); err != nil {
		return nil, err
	}
	if sc.streams != nil {
		p.Swarm.Streams = sc.streams(&p)
	}
	p.tellOpening()
	pl := newPlay(sc, p)
	if err := pl.prepare(ctx); err != nil {
		return nil, err
	}
	defer pl.close()
	return pl.result, pl.run(ctx)
}
