package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"castgate/bench"
	"castgate/internal/chart"
)

// drawing describes one chart: a row for each server and scenario that has the
// figures.
type drawing struct {
	file, title string
	// about is the subtitle; {clients}, {idle} and {size} are replaced.
	about string
	axis  chart.Axis
	// scenarios match whole names; the text matched in parentheses is added to
	// the server's name.
	scenarios []*regexp.Regexp
	// names are the figures, each a series; the first is required.
	names []string
	// series name them in the legend.
	series []string
	// keep leaves rows in the order of the results. Otherwise the best comes
	// first: the smallest or, with more, the largest.
	keep, more bool
	goal       goal
}

// goal is a target: an absolute value, or a multiple of a server's.
type goal struct {
	value  float64
	server string
	name   string
}

func whole(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")$") }

var quantiles = []string{"p50", "p99", "max"}

// drawings in the order in which they are printed.
var drawings = []drawing{
	{
		file: "cpu-steady", title: "Server CPU per message, 2 broadcasts a second", about: "{clients} clients, {size} bytes, user and system time of the whole process",
		axis: chart.Axis{Label: "CPU time a message", Unit: chart.Nanoseconds}, scenarios: []*regexp.Regexp{whole(`fanout 2/s`)},
		names: []string{"CPU a message"}, goal: goal{1.15, bench.Floor, "goal: 1.15 × floor"},
	},
	{
		file: "cpu-flood", title: "Server CPU per message, 16 broadcasts in flight", about: "{clients} clients, {size} bytes, user and system time of the whole process",
		axis: chart.Axis{Label: "CPU time a message", Unit: chart.Nanoseconds}, scenarios: []*regexp.Regexp{whole(`fanout 16 in flight`)},
		names: []string{"CPU a message"}, goal: goal{0.25, bench.Floor, "goal: 0.25 × floor"},
	},
	{
		file: "messages", title: "Messages delivered, 16 broadcasts in flight", about: "{clients} clients, {size} bytes; the swarm shares the cores",
		axis: chart.Axis{Label: "messages a second", Unit: chart.PerSecond}, scenarios: []*regexp.Regexp{whole(`fanout 16 in flight`)},
		names: []string{"messages a second"}, more: true,
	},
	{
		file: "memory", title: "Memory of an idle connection", about: "{idle} connections, proportional set size of the server, kernel memory not included",
		axis: chart.Axis{Label: "memory a connection", Unit: chart.Bytes, Log: true}, scenarios: []*regexp.Regexp{whole(`memory, bare`), whole(`memory, (bound.*)`)},
		names: []string{"PSS a connection"}, goal: goal{800, "", "goal, bare: 800 B"},
	},
	{
		file: "pings", title: "Server CPU per ping and pong", about: "{clients} idle clients, each pinged once a second",
		axis: chart.Axis{Label: "CPU time a ping and its pong", Unit: chart.Nanoseconds}, scenarios: []*regexp.Regexp{whole(`pings`)},
		names: []string{"CPU a ping and its pong"}, goal: goal{1.2, bench.Floor, "goal: 1.2 × floor"},
	},
	{
		file: "connect", title: "Server CPU per connection opened", about: "{idle} connections, handshake and init message included",
		axis: chart.Axis{Label: "CPU time a connection", Unit: chart.Nanoseconds}, scenarios: []*regexp.Regexp{whole(`connect`)},
		names: []string{"CPU a connect"}, goal: goal{1.7, bench.Floor, "goal: 1.7 × floor"},
	},
	{
		file: "latency", title: "Latency of a broadcast, 2 a second", about: "{clients} clients, {size} bytes; of all messages, and until the last receiver has it",
		axis: chart.Axis{Label: "latency", Unit: chart.Nanoseconds, Log: true}, scenarios: []*regexp.Regexp{whole(`fanout 2/s`)},
		names: []string{"latency p50", "latency p99", "last receiver p50", "last receiver max"}, series: []string{"p50", "p99", "last receiver, p50", "last receiver, max"},
	},
	{
		file: "latency-flood", title: "Latency of a broadcast, 16 in flight", about: "{clients} clients, {size} bytes; of all messages, and until the last receiver has it",
		axis: chart.Axis{Label: "latency", Unit: chart.Nanoseconds, Log: true}, scenarios: []*regexp.Regexp{whole(`fanout 16 in flight`)},
		names: []string{"latency p50", "latency p99", "last receiver p50", "last receiver max"}, series: []string{"p50", "p99", "last receiver, p50", "last receiver, max"},
	},
	{
		file: "unicast", title: "Latency of a unicast beside broadcasts", about: "{clients} clients; broadcasts at 70 % of what the server carries with 1 and with 16 in flight",
		axis: chart.Axis{Label: "latency", Unit: chart.Nanoseconds, Log: true}, scenarios: []*regexp.Regexp{whole(`unicast latency at 70 % of what (.* in flight) carry`)},
		names: []string{"unicast p50", "unicast p99", "unicast max"}, series: quantiles, keep: true, goal: goal{10e6, "", "goal, p99: 10 ms"},
	},
	{
		file: "control", title: "Pushes through the control API", about: "Unicasts, 64 keep-alive connections; noop is a handler that does nothing",
		axis: chart.Axis{Label: "pushes a second", Unit: chart.PerSecond, Log: true}, scenarios: []*regexp.Regexp{whole(`control, (.*)`)},
		names: []string{"pushes a second"}, more: true,
	},
	{
		file: "gatewayworker", title: "Commands of GatewayClient", about: "{size} bytes from 64 backends: a connection per command to the inner port, kept ones to the control API",
		axis: chart.Axis{Label: "commands a second", Unit: chart.PerSecond, Log: true}, scenarios: []*regexp.Regexp{whole(`gatewayworker, (sendTo\w+ over the (?:inner port|control API))`)},
		names: []string{"commands a second"}, more: true,
	},
	{
		file: "growth", title: "Server CPU per message as clients grow in number", about: "2 broadcasts a second, {size} bytes",
		axis: chart.Axis{Label: "CPU time a message", Unit: chart.Nanoseconds}, scenarios: []*regexp.Regexp{whole(`growth, (.*)`)},
		names: []string{"CPU a message"}, keep: true,
	},
	{
		file: "storm", title: "All connections cut at once", about: "{idle} connections; castgate's are bound to their uids again",
		axis: chart.Axis{Label: "time since the cut", Unit: chart.Nanoseconds}, scenarios: []*regexp.Regexp{whole(`storm`)},
		names: []string{"time until all are back", "of that, until all are connected"}, series: []string{"until all are back", "of that, until all are connected"},
		goal: goal{1.5, bench.Floor, "goal: 1.5 × floor"},
	},
	{
		file: "shortage", title: "A server without descriptors left", about: "100 clients are connected when accept fails, 10 come when there is room again",
		axis: chart.Axis{Label: "clients", Unit: chart.Number}, scenarios: []*regexp.Regexp{whole(`shortage`)},
		names: []string{"clients kept, of 100", "newcomers let in afterwards, of 10"}, series: []string{"kept, of 100", "let in afterwards, of 10"}, more: true,
	},
	{
		file: "cost-memory", title: "Memory of an idle connection, with TLS and compression", about: "{idle} connections, proportional set size of the server, kernel memory not included",
		axis: chart.Axis{Label: "memory a connection", Unit: chart.Bytes, Log: true}, scenarios: []*regexp.Regexp{whole(`cost, memory`)},
		names: []string{"PSS a connection"},
	},
	{
		file: "cost-connect", title: "Server CPU per connection opened, with TLS", about: "{idle} connections; the second time TLS goes on with a session",
		axis: chart.Axis{Label: "CPU time a connection", Unit: chart.Nanoseconds}, scenarios: []*regexp.Regexp{whole(`cost, connect`), whole(`cost, connect (again)`)},
		names: []string{"CPU a connect"},
	},
	{
		file: "cost-steady", title: "Server CPU per message with TLS and compression, 2 broadcasts a second", about: "{clients} clients, user and system time of the whole process",
		axis: chart.Axis{Label: "CPU time a message", Unit: chart.Nanoseconds}, scenarios: []*regexp.Regexp{whole(`cost, (\d+ B), 2/s`)},
		names: []string{"CPU a message"}, keep: true,
	},
	{
		file: "cost-flood", title: "Server CPU per message with TLS and compression, 16 in flight", about: "{clients} clients, user and system time of the whole process",
		axis: chart.Axis{Label: "CPU time a message", Unit: chart.Nanoseconds, Log: true}, scenarios: []*regexp.Regexp{whole(`cost, (\d+ B), 16 in flight`)},
		names: []string{"CPU a message"}, keep: true,
	},
	{
		file: "flood", title: "Latency of a unicast beside a flood of TLS handshakes", about: "25 clients over wss, 500 unicasts a second; none, TCP only, ClientHellos only, whole handshakes",
		axis: chart.Axis{Label: "latency", Unit: chart.Nanoseconds, Log: true}, scenarios: []*regexp.Regexp{whole(`flood, (.*)`)},
		names: []string{"unicast p50", "unicast p99", "unicast p99.9"}, series: []string{"p50", "p99", "p99.9"}, keep: true,
	},
}

// bars is the chart, nil if there is nothing to show.
func (d *drawing) bars(all *figures) *chart.Bars {
	b := &chart.Bars{Title: d.title, Axis: d.axis, Series: d.series}
	all.roundsLeast, all.roundsMost = 0, 0
	for _, scenario := range d.scenarios {
		for i := range all.list {
			if len(b.Categories) == chart.MaxCategories {
				break
			}
			if row := d.row(all, scenario, &all.list[i]); row != nil {
				b.Categories = append(b.Categories, *row)
			}
		}
	}
	if len(b.Categories) == 0 {
		return nil
	}
	if !d.keep {
		slices.SortStableFunc(b.Categories, func(x, y chart.Category) int {
			if d.more {
				x, y = y, x
			}
			return cmp.Compare(x.Bars[0].Value, y.Bars[0].Value)
		})
	}
	b.Limit, b.LimitName = d.limit(all), d.goal.name
	about := strings.NewReplacer("{clients}", number(all.clients), "{idle}", number(all.idle), "{size}", number(all.size)).Replace(d.about)
	rounds := fmt.Sprint(all.roundsLeast)
	if all.roundsMost > all.roundsLeast {
		rounds = fmt.Sprintf("%d to %d", all.roundsLeast, all.roundsMost)
	}
	b.Subtitle = about + "; median and range of " + rounds + " rounds"
	return b
}

// row is the row of a figure that is the first of its series, nil for any
// other.
func (d *drawing) row(all *figures, scenario *regexp.Regexp, first *bench.Figure) *chart.Category {
	parts := scenario.FindStringSubmatch(first.Scenario)
	// A ratio has the names of two servers.
	if parts == nil || first.Name != d.names[0] || strings.Contains(first.Server, " / ") || len(first.Rounds) == 0 {
		return nil
	}
	row := &chart.Category{Name: first.Server, Subject: bench.IsOurs(first.Server)}
	if len(parts) > 1 {
		row.Name += ", " + parts[1]
	}
	// Faults name the scenario, figures the phase.
	for _, f := range all.faults {
		if f.Server == first.Server && strings.HasPrefix(first.Scenario, f.Scenario) {
			row.Name += " (with faults)"
			break
		}
	}
	for _, name := range d.names {
		f := all.find(first.Scenario, name, first.Server)
		if f == nil {
			row.Bars = append(row.Bars, chart.Bar{Missing: "not measured"})
			continue
		}
		row.Bars = append(row.Bars, chart.Bar{Value: f.Median, Min: f.Min, Max: f.Max})
		n := len(f.Rounds)
		if all.roundsLeast == 0 {
			all.roundsLeast = n
		}
		all.roundsLeast, all.roundsMost = min(all.roundsLeast, n), max(all.roundsMost, n)
	}
	return row
}

// limit is the goal as a value, 0 if there is none.
func (d *drawing) limit(all *figures) float64 {
	if d.goal.server == "" {
		return d.goal.value
	}
	for i := range all.list {
		if f := &all.list[i]; f.Server == d.goal.server && f.Name == d.names[0] && d.scenarios[0].MatchString(f.Scenario) {
			return d.goal.value * f.Median
		}
	}
	return 0
}

// number groups thousands.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
