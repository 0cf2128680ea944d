package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// maxAttempts is how often something is measured if others keep using the
// processor, before the least disturbed attempt counts.
const maxAttempts = 3

// round measures every server once; the order changes from round to round. It
// fails only when ctx is done: what goes wrong with a server becomes a fault in
// the result.
func (b *bench) round(ctx context.Context, sc *scenario, number int) (samples, error) {
	var round samples
	servers := slices.Clone(b.Servers)
	if number%2 == 1 {
		slices.Reverse(servers)
	}
	for _, name := range servers {
		for _, p := range sc.plays(name) {
			part, err := b.undisturbed(ctx, sc.name, cmp.Or(p.as, name), p.measure)
			if err != nil {
				return nil, err
			}
			round = append(round, part...)
		}
	}
	round.addRatios()
	return round, nil
}

// undisturbed measures one server, and again at once if others used the
// processor.
func (b *bench) undisturbed(ctx context.Context, scenario, name string, measure measure) (best samples, err error) {
	for attempt := range maxAttempts {
		var part samples
		err := b.on(ctx, name, func(s *server) error { return measure(b, ctx, s, &part) })
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			b.fault(scenario, name, err)
			return part, nil
		}
		foreign := part.foreign()
		if foreign <= b.MaxForeign {
			return part, nil
		}
		b.result.Dropped++
		b.log("%s: measuring %s again; other processes used %.0f %% of the machine", scenario, name, 100*foreign)
		if attempt == 0 || foreign < best.foreign() {
			best = part
		}
	}
	b.result.Dropped-- // the best counts all the same
	b.result.Disturbed = append(b.result.Disturbed, fmt.Sprintf("%s: %s: other processes used %.0f %% of the machine during the best attempt",
		scenario, name, 100*best.foreign()))
	return best, nil
}

// foreign is the worst value in the samples.
func (s samples) foreign() (worst float64) {
	for _, v := range s {
		if v.name == foreignCPU {
			worst = max(worst, v.value)
		}
	}
	return worst
}

// Fault is something that went wrong with a server: messages lost, duplicated
// or out of order, connections lost, an early end. What was measured until then
// counts.
type Fault struct {
	Scenario string `json:"scenario"`
	Server   string `json:"server"`
	Text     string `json:"text"`
}

// maxFaults limits the stored faults; further ones are only logged.
const maxFaults = 100

func (b *bench) fault(scenario, server string, err error) {
	b.log("%s: %s: %v", scenario, server, err)
	if len(b.result.Faults) < maxFaults {
		b.result.Faults = append(b.result.Faults, Fault{scenario, server, err.Error()})
	}
}

// skip records once that something cannot be measured here, and why.
func (b *bench) skip(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(b.result.Skipped, text) {
		b.log("skipped: %s", text)
		b.result.Skipped = append(b.result.Skipped, text)
	}
}

// pause lets a server settle between two consecutive phases: long enough for
// closed connections to be gone.
func (b *bench) pause(ctx context.Context) error { return sleep(ctx, min(b.Warmup, time.Second)) }
