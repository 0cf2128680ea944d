package loadtest

import (
	"fmt"
	"math"
	"time"

	"castgate/internal/chart"
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
	if t.received() {
		all = append(all, t.messages(), t.latencies())
	}
	return append(all, t.connections())
}

// kindColor is the colour of a kind by its name, the same in all charts.
func kindColor(name string) int {
	for k := range kinds {
		if k.String() == name {
			return int(k)
		}
	}
	return int(kinds)
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
			end := d.Buckets[n-1].From.Seconds() * math.Pow(10, 1.0/bucketsPerDecade) * 1e9
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

// received reports whether there were messages at all.
func (t *Timeline) received() bool {
	for i := range t.Moments {
		if t.Moments[i].Received > 0 {
			return true
		}
	}
	return false
}

// length is the length of moment i.
func (t *Timeline) length(i int) time.Duration {
	return min(t.Width, t.Length-time.Duration(i)*t.Width)
}

// middle is the middle of moment i on the axis.
func (t *Timeline) middle(i int) float64 {
	return seconds(time.Duration(i)*t.Width + t.length(i)/2)
}

// kinds are the kinds that were received.
func (t *Timeline) kinds() (found []Kind) {
	for k := range kinds {
		for i := range t.Moments {
			if t.Moments[i].Latencies[k] != nil {
				found = append(found, k)
				break
			}
		}
	}
	return found
}

// messages shows the rate of received messages.
func (t *Timeline) messages() chart.Chart {
	c := &chart.Lines{
		Title: "Messages received", Subtitle: "By all connections together" + t.resolution(),
		X: timeAxis, Y: chart.Axis{Label: "messages per second", Unit: chart.PerSecond},
	}
	for _, k := range t.kinds() {
		line := chart.Line{Name: k.String(), Color: int(k)}
		for i := range t.Moments {
			// A rate over a short remainder says nothing.
			if i > 0 && t.length(i) < t.Width/4 {
				continue
			}
			n := int64(0)
			if q := t.Moments[i].Latencies[k]; q != nil {
				n = q.Count
			}
			line.Points = append(line.Points, chart.Point{X: t.middle(i), Y: float64(n) / max(t.length(i).Seconds(), 1e-9)})
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// latencies shows how they changed over time.
func (t *Timeline) latencies() chart.Chart {
	c := &chart.Lines{
		Title: "Latency over time", Subtitle: "Of the messages received in each moment" + t.resolution(),
		X: timeAxis, Y: chart.Axis{Label: "latency", Unit: chart.Nanoseconds, Log: true},
	}
	for _, k := range t.kinds() {
		p50 := chart.Line{Name: k.String() + " p50", Color: int(k), Dashed: true}
		p99 := chart.Line{Name: k.String() + " p99", Color: int(k)}
		for i := range t.Moments {
			low, high := math.NaN(), math.NaN()
			if q := t.Moments[i].Latencies[k]; q != nil {
				low, high = chart.Duration(q.P50), chart.Duration(q.P99)
			}
			p50.Points = append(p50.Points, chart.Point{X: t.middle(i), Y: low})
			p99.Points = append(p99.Points, chart.Point{X: t.middle(i), Y: high})
		}
		c.Lines = append(c.Lines, p50, p99)
	}
	return c
}

// connections shows how many were open.
func (t *Timeline) connections() chart.Chart {
	line := chart.Line{Points: []chart.Point{{X: 0, Y: 0}}}
	for i := range t.Moments {
		line.Points = append(line.Points, chart.Point{X: seconds(time.Duration(i)*t.Width + t.length(i)), Y: float64(t.Moments[i].Open)})
	}
	return &chart.Lines{
		Title: "Connections open", Subtitle: "At the end of each moment" + t.resolution(),
		X: timeAxis, Y: chart.Axis{Label: "connections"}, Lines: []chart.Line{line},
	}
}

// resolution says how long moments are, unless they last a second.
func (t *Timeline) resolution() string {
	if t.Width <= time.Second {
		return ""
	}
	return fmt.Sprintf(", moments of %v", t.Width)
}
