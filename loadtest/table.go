package loadtest

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"castgate/loadtest/latency"
	"castgate/loadtest/pushing"
)

// row writes one row of a table.
type row func(name, format string, args ...any)

// WriteTable writes the result for people to read.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	r.writeRows(row)
	for _, text := range r.Warnings {
		row("warning", "%s", text)
	}
	return t.Flush()
}

// writeRows writes everything except warnings, for the table and for the page.
// A row without a name continues the previous one.
func (r *Result) writeRows(row row) {
	row("scenario", "%s, %d connections%s", r.Scenario, r.Connections, ofGroups(r.Groups))
	if r.Interrupted != "" {
		row("interrupted", "while %s; measured until then:", r.Interrupted)
	}
	r.writeOpening(row)
	if r.Report != nil {
		r.writeReport(row)
	}
	r.Storm.write(row, r)
	r.Churn.write(row)
	r.Mixed.write(row)
	if c := r.Server; c != nil {
		row("server CPU", "%v per connect, %.3f cores while measuring", latency.Round(c.CPUPerConnect), c.Load)
		switch {
		case r.Storm != nil || r.Churn != nil: // the cost is not that of messages
		case c.CPUPerMessage > 0:
			row("", "%v per message", latency.Round(c.CPUPerMessage))
		case r.Scenario == "idle":
			row("", "%v per connection and second", latency.Round(time.Duration(c.CPUPerConnection)))
		}
		row("server memory", "%.0f bytes per connection (PSS %d KiB before, %d KiB now), %d threads",
			c.PSSPerConnection, c.PSSBefore>>10, c.PSS>>10, c.Threads)
		row("server process", "%d %s", c.PID, c.Name)
	}
	row("swarm load", "%.0f %% of its loops", 100*r.SwarmLoad)
}

func ofGroups(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" in %d groups", n)
}

// writeOpening writes how fast connections opened.
func (r *Result) writeOpening(row row) {
	if r.Held == 0 && r.Report != nil && r.Report.Open < r.Connections {
		row("opened", "%d of them in %v", r.Report.Open, latency.Round(r.Opening))
		return
	}
	if r.Report == nil {
		return
	}
	row("opened in", "%v, %.0f per second", latency.Round(r.Opening), float64(r.Connections)/max(r.Opening.Seconds(), 1e-9))
}

// writeReport writes what was received.
func (r *Result) writeReport(row row) {
	p := r.Report
	name := "connect"
	if r.Storm != nil && r.Storm.Cut > 0 {
		name = "connect again"
	}
	row(name, "%s", latencies(p.Connect))
	if r.Held > 0 {
		row("still open", "%d of %d after %v", p.Open, p.Connections, latency.Round(r.Held))
	}
	if r.Pushes != nil {
		writePushes(row, "pushes", r.Pushes)
		row("messages", "%d of %d received, %.0f per second", p.Received, p.Expected, r.Deliveries)
	}
	if p.Deflated > 0 {
		row("compressed", "%d of %d messages", p.Deflated, p.Texts+p.Binaries)
	}
	if p.TLSHandshakes > 0 {
		row("TLS handshakes", "%d, %d of them resumed", p.TLSHandshakes, p.TLSResumed)
	}
	for _, l := range []struct {
		name string
		l    latency.Summary
	}{{"broadcast latency", p.Broadcast}, {"until the last receiver", p.Last}, {"group latency", p.Group}, {"unicast latency", p.Unicast}} {
		if l.l.Count > 0 {
			row(l.name, "%s", latencies(l.l))
		}
	}
}

func writePushes(row row, name string, p *pushing.Pushes) {
	row(name, "%d accepted, %d refused, %.1f per second; answered in %s", p.Taken, p.Refused,
		float64(p.Taken)/max(p.Took.Seconds(), 1e-9), latencies(p.Answer))
}

func (storm *Storm) write(row row, r *Result) {
	if storm == nil || storm.Cut == 0 {
		return
	}
	row("storm", "all cut after %v", latency.Round(storm.Cut))
	if storm.AllOpen > 0 {
		row("", "all open after %v, %.0f per second", latency.Round(storm.AllOpen), float64(r.Connections)/storm.AllOpen.Seconds())
	}
	if storm.AllBound > 0 {
		row("", "all bound after %v", latency.Round(storm.AllBound))
	} else {
		row("", "%d open and %d bound when it ended", storm.Open, storm.Bound)
	}
}

func (c *Churn) write(row row) {
	if c == nil {
		return
	}
	text := "all back at the end"
	if !c.Back {
		text = "not all back at the end"
	}
	if c.Broken > 0 {
		text = fmt.Sprintf("%d by a reset; %s", c.Broken, text)
	}
	row("churn", "%d connections replaced, %.0f per second; %s", c.Replaced, c.Rate, text)
	if c.Groups != nil {
		writePushes(row, "to groups", c.Groups)
	}
	if c.Unicasts != nil {
		writePushes(row, "to uids", c.Unicasts)
	}
}

func (m *Mixed) write(row row) {
	if m == nil {
		return
	}
	row("unicasts go to", "%d connections with a loop of their own", m.Probes)
	if m.Broadcasts != nil {
		writePushes(row, "broadcasts", m.Broadcasts)
	}
	s := m.Slow
	if s == nil {
		return
	}
	row("slow readers", "%d; the server closed %d", s.Readers, s.Closed)
	if s.Closed < s.Readers {
		row("", "the others read again and received %d of %d messages%s", s.Received, s.Owed, s.dropped())
	}
}

// dropped is what the server reports about the messages that slow readers miss.
func (s *SlowReport) dropped() string {
	switch {
	case s.Owed == s.Received:
		return ""
	case s.Dropped < 0:
		return "; the server does not report whether it dropped the rest"
	}
	return fmt.Sprintf("; the server reports that it dropped %d", s.Dropped)
}

// latencies summarizes latencies in one line.
func latencies(l latency.Summary) string {
	if l.Count == 0 {
		return "none"
	}
	text := ""
	for _, q := range []struct {
		name string
		d    time.Duration
	}{{"p50", l.P50}, {"p90", l.P90}, {"p99", l.P99}, {"p99.9", l.P999}, {"max", l.Max}} {
		text += fmt.Sprintf("%s %v  ", q.name, latency.Round(q.d))
	}
	return text[:len(text)-2]
}
