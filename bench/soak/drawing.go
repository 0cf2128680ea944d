package soak

import (
	"fmt"
	"os"
	"path/filepath"

	"castgate/internal/chart"
)

// maxPoints is the largest number of points in a line of the chart: each is
// then the mean of several samples.
const maxPoints = 400

// Chart shows the samples over time.
func (r *Result) Chart() *chart.Panels {
	o := &r.Options
	p := &chart.Panels{
		Title: "castgate under churn",
		Subtitle: fmt.Sprintf("%d connections, %.0f a second replaced, %.0f pushes a second; means, and growth with intervals of 99 %% confidence",
			o.Connections, o.Replace, o.Broadcasts+o.GroupPushes+o.Unicasts),
		X:     chart.Axis{Label: "time", Unit: chart.Seconds},
		Shade: o.Warmup.Seconds(), ShadeName: "warm-up, not counted",
	}
	for _, panel := range panels {
		next := chart.Panel{Y: panel.axis}
		for i, k := range panel.series {
			// There are almost as many descriptors as connections: make both
			// visible.
			line := chart.Line{Name: r.legend(k), Color: panel.color + i, Points: r.points(k), Dashed: series[k].name == "connections"}
			next.Lines = append(next.Lines, line)
		}
		p.Panels = append(p.Panels, next)
	}
	return p
}

// panels are the plots of the chart, each with some of the series.
var panels = []struct {
	axis   chart.Axis
	series []int
	color  int // of the first line
}{
	{chart.Axis{Label: "memory", Unit: chart.Bytes}, []int{0, 1}, 0},
	{chart.Axis{Label: "open"}, []int{2, 3}, 2},
	{chart.Axis{Label: "number"}, []int{4, 5, 6}, 4},
}

// legend names a series with its growth, if that is known.
func (r *Result) legend(i int) string {
	name := series[i].name
	if i >= len(r.Trends) || r.Trends[i].Blocks < minBlocks {
		return name
	}
	t := &r.Trends[i]
	return fmt.Sprintf("%s %s, %s ± %s an hour", name, t.text(t.Mean), t.text(t.Slope), t.text((t.High-t.Low)/2))
}

// points are those of a series.
func (r *Result) points(i int) (all []chart.Point) {
	each := (len(r.Samples) + maxPoints - 1) / maxPoints
	for from := 0; from < len(r.Samples); from += each {
		some := r.Samples[from:min(from+each, len(r.Samples))]
		var mean chart.Point
		for k := range some {
			mean.X += some[k].At / float64(len(some))
			mean.Y += series[i].of(&some[k]) / float64(len(some))
		}
		all = append(all, mean)
	}
	return all
}

// Draw writes the chart on a light and a dark background to dir and returns the
// paths.
func (r *Result) Draw(dir string) (paths []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, theme := range []struct {
		name string
		chart.Theme
	}{{"light", chart.Light}, {"dark", chart.Dark}} {
		svg, err := r.Chart().SVG(theme.Theme)
		if err != nil {
			return paths, err
		}
		path := filepath.Join(dir, "soak-"+theme.name+".svg")
		if err := os.WriteFile(path, svg, 0o644); err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
