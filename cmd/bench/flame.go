package main

import (
	"fmt"
	"regexp"
	"strings"

	"castgate/bench"
	"castgate/bench/profile"
	"castgate/internal/chart"
)

// notInNames matches what does not belong in a file's name.
var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// flame is the flame graph of a profile, and the name of its file without ending.
func flame(p *bench.Profile) (f *chart.Flame, file string) {
	name := p.Scenario
	if p.Server != bench.Castgate {
		name += ", " + p.Server
	}
	return &chart.Flame{
		Title:    "Where the CPU time goes: " + name,
		Subtitle: fmt.Sprintf("%d samples of the server, callers below", p.Samples),
		Kinds:    profile.Kinds,
		Roots:    callsOf(p.Calls),
	}, "flame-" + strings.Trim(notInNames.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

func callsOf(calls []*profile.Call) []chart.Call {
	out := make([]chart.Call, 0, len(calls))
	for _, c := range calls {
		// A package's path is shortened to its last element.
		short := c.Name[strings.LastIndexByte(c.Name, '/')+1:]
		out = append(out, chart.Call{Name: short, Kind: c.Kind, Weight: float64(c.Samples), Calls: callsOf(c.Calls)})
	}
	return out
}
