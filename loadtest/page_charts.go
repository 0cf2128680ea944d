package loadtest

import (
	"fmt"
	"math"
	"time"

	"castgate/internal/chart"
	"castgate/loadtest/latency"
	"castgate/loadtest/payload"
	"castgate/loadtest/timeline"
)

// charts are those that have something to show.
func (r *Record) charts() (all []chart.Chart) {
	if len(r.Distributions) > 0 {
		all = append(all, r.histogram(), r.percentiles())
	}
	if r.Report == nil || r.Report.Timeline == nil {
		return all
	}
	t := r.Report.Timeline
	if receivedAny(t) {
		all = append(all, messageRates(t), latenciesOverTime(t))
	}
	return append(all, openConnections(t))
}

// kindColor is the colour of a kind by its name, the same in all charts.
func kindColor(name string) int {
	for k := range payload.Kinds {
		if k.String() == name {
			return int(k)
		}
	}
	return int(payload.Kinds)
}

// histogram shows the distribution of latencies.
func (r *Record) histogram() chart.Chart {
	c := &chart.Lines{
		Title: "Distribution of latencies", Subtitle: "From when a push was due until a client had the message",
		X: chart.Axis{Label: "latency", Unit: chart.Nanoseconds, Log: true},
		Y: chart.Axis{Label: "share of messages", Unit: chart.Percent},
	}
	for _, d := range r.Distributions {
		line := chart.Line{Name: d.Kind, Color: kindColor(d.Kind), Steps: true}
		for _, b := range d.Buckets {
			line.Points = append(line.Points, chart.Point{X: chart.Duration(b.From), Y: float64(b.Count) / float64(max(d.Count, 1))})
		}
		if n := len(d.Buckets); n > 0 {
			// The last step needs an end and returns to zero.
			end := d.Buckets[n-1].From.Seconds() * math.Pow(10, 1.0/latency.BucketsPerDecade) * 1e9
			line.Points = append(line.Points, chart.Point{X: end, Y: 0})
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// percentiles shows the same as a distribution function with an enlarged tail.
func (r *Record) percentiles() chart.Chart {
	c := &chart.Lines{
		Title: "Latency by percentile", Subtitle: "The share of messages that took at most this long",
		X: chart.Axis{Label: "percentage of messages", Unit: chart.Percentile},
		Y: chart.Axis{Label: "latency", Unit: chart.Nanoseconds, Log: true},
	}
	for _, d := range r.Distributions {
		line := chart.Line{Name: d.Kind, Color: kindColor(d.Kind)}
		for _, p := range d.Percentiles {
			line.Points = append(line.Points, chart.Point{X: 1 / (1 - p.Percent/100), Y: chart.Duration(p.Latency)})
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// timeAxis is the axis of charts over time.
var timeAxis = chart.Axis{Label: "time since the first connection", Unit: chart.Seconds}

// receivedAny reports whether there were messages at all.
func receivedAny(t *timeline.Timeline) bool {
	for i := range t.Moments {
		if t.Moments[i].Received > 0 {
			return true
		}
	}
	return false
}

// momentLength is the length of moment i.
func momentLength(t *timeline.Timeline, i int) time.Duration {
	return min(t.Width, t.Length-time.Duration(i)*t.Width)
}

// middle is the middle of moment i on the axis.
func middle(t *timeline.Timeline, i int) float64 {
	return seconds(time.Duration(i)*t.Width + momentLength(t, i)/2)
}

// receivedKinds are the kinds that were received.
func receivedKinds(t *timeline.Timeline) (found []payload.Kind) {
	for k := range payload.Kinds {
		for i := range t.Moments {
			if t.Moments[i].Latencies[k] != nil {
				found = append(found, k)
				break
			}
		}
	}
	return found
}

// messageRates shows the rate of received messages.
func messageRates(t *timeline.Timeline) chart.Chart {
	c := &chart.Lines{
		Title: "Messages received", Subtitle: "By all connections together" + resolution(t),
		X: timeAxis, Y: chart.Axis{Label: "messages per second", Unit: chart.PerSecond},
	}
	for _, k := range receivedKinds(t) {
		line := chart.Line{Name: k.String(), Color: int(k)}
		for i := range t.Moments {
			// A rate over a short remainder is meaningless.
			if i > 0 && momentLength(t, i) < t.Width/4 {
				continue
			}
			n := int64(0)
			if q := t.Moments[i].Latencies[k]; q != nil {
				n = q.Count
			}
			line.Points = append(line.Points, chart.Point{X: middle(t, i), Y: float64(n) / max(momentLength(t, i).Seconds(), 1e-9)})
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// latenciesOverTime shows how they changed over time.
func latenciesOverTime(t *timeline.Timeline) chart.Chart {
	c := &chart.Lines{
		Title: "Latency over time", Subtitle: "Of the messages received in each moment" + resolution(t),
		X: timeAxis, Y: chart.Axis{Label: "latency", Unit: chart.Nanoseconds, Log: true},
	}
	for _, k := range receivedKinds(t) {
		p50 := chart.Line{Name: k.String() + " p50", Color: int(k), Dashed: true}
		p99 := chart.Line{Name: k.String() + " p99", Color: int(k)}
		for i := range t.Moments {
			low, high := math.NaN(), math.NaN()
			if q := t.Moments[i].Latencies[k]; q != nil {
				low, high = chart.Duration(q.P50), chart.Duration(q.P99)
			}
			p50.Points = append(p50.Points, chart.Point{X: middle(t, i), Y: low})
			p99.Points = append(p99.Points, chart.Point{X: middle(t, i), Y: high})
		}
		c.Lines = append(c.Lines, p50, p99)
	}
	return c
}

// openConnections shows how many were open.
func openConnections(t *timeline.Timeline) chart.Chart {
	line := chart.Line{Points: []chart.Point{{X: 0, Y: 0}}}
	for i := range t.Moments {
		line.Points = append(line.Points, chart.Point{X: seconds(time.Duration(i)*t.Width + momentLength(t, i)), Y: float64(t.Moments[i].Open)})
	}
	return &chart.Lines{
		Title: "Connections open", Subtitle: "At the end of each moment" + resolution(t),
		X: timeAxis, Y: chart.Axis{Label: "connections"}, Lines: []chart.Line{line},
	}
}

// resolution is how long moments are, unless they last a second.
func resolution(t *timeline.Timeline) string {
	if t.Width <= time.Second {
		return ""
	}
	return fmt.Sprintf(", moments of %v", t.Width)
}
