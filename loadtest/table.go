package loadtest

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteTable writes the result for a human to read.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("scenario", "%s, %d connections", r.Scenario, r.Connections)
	row("opened in", "%v, %.0f a second", Round(r.Opening), float64(r.Connections)/max(r.Opening.Seconds(), 1e-9))
	if r.Report != nil {
		r.writeReport(row)
	}
	if c := r.Server; c != nil {
		row("server CPU", "%v a connect, %.3f cores while measured", Round(c.CPUPerConnect), c.Load)
		if c.CPUPerMessage > 0 {
			row("", "%v a message", Round(c.CPUPerMessage))
		}
		row("server memory", "%.0f bytes a connection (PSS %d KiB before, %d KiB now), %d threads",
			c.PSSPerConnection, c.PSSBefore>>10, c.PSS>>10, c.Threads)
	}
	row("swarm load", "%.0f %% of its loops", 100*r.SwarmLoad)
	for _, text := range r.Warnings {
		row("warning", "%s", text)
	}
	return t.Flush()
}

// writeReport writes what was received.
func (r *Result) writeReport(row func(name, format string, args ...any)) {
	p := r.Report
	row("connect", "%s", latencies(p.Connect))
	row("still open", "%d after %v", p.Open, Round(r.Held))
	if r.Pushes != nil {
		row("pushes", "%d taken, %d refused, %.1f a second; answered in %s", r.Pushes.Taken, r.Pushes.Refused,
			float64(r.Pushes.Taken)/max(r.Pushes.Took.Seconds(), 1e-9), latencies(r.Pushes.Answer))
		row("messages", "%d of %d received, %.0f a second", p.Received, p.Expected, r.Deliveries)
	}
	for _, l := range []struct {
		name string
		l    Latency
	}{{"broadcast latency", p.Broadcast}, {"until the last has it", p.Last}, {"unicast latency", p.Unicast}} {
		if l.l.Count > 0 {
			row(l.name, "%s", latencies(l.l))
		}
	}
}

// latencies is a summary in one line.
func latencies(l Latency) string {
	if l.Count == 0 {
		return "none"
	}
	text := ""
	for _, q := range []struct {
		name string
		d    time.Duration
	}{{"p50", l.P50}, {"p90", l.P90}, {"p99", l.P99}, {"p99.9", l.P999}, {"max", l.Max}} {
		text += fmt.Sprintf("%s %v  ", q.name, Round(q.d))
	}
	return text[:len(text)-2]
}
