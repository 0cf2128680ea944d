package soak

import (
	"fmt"
	"os"
	"path/filepath"

	"castgate/internal/chart"
)

// maxPoints is how many points a line of the chart has at most: each is then
// the mean of several samples.
const maxPoints = 400

// Chart shows the samples over time.
func (r *Result) Chart() *chart.Panels {
	o := &r.Options
	p := &chart.Panels{
		Title: "castgate under churn",
		Subtitle: fmt.Sprintf("%d connections, %.0f a second replaced; %.0f broadcasts, %.0f pushes to groups, %.0f to uids a second",
			o.Connections, o.Replace, o.Broadcasts, o.GroupPushes, o.Unicasts),
		X:     chart.Axis{Label: "time", Unit: chart.Seconds},
		Shade: o.Warmup.Seconds(), ShadeName: "warm-up, not counted",
	}
	// Two series to a panel, in their order.
	for i := 0; i < len(series); i += 2 {
		panel := chart.Panel{Y: panels[i/2]}
		for k := i; k < i+2; k++ {
			panel.Lines = append(panel.Lines, chart.Line{Name: r.legend(k), Color: k, Points: r.points(k)})
		}
		p.Panels = append(p.Panels, panel)
	}
	return p
}

// panels are the axes of the chart, each of two series.
var panels = []chart.Axis{{Label: "memory", Unit: chart.Bytes}, {Label: "open"}, {Label: "running"}}

// legend names a series with its trend.
func (r *Result) legend(i int) string {
	name := series[i].name
	if i >= len(r.Trends) || r.Trends[i].Blocks < minBlocks {
		return name
	}
	t := &r.Trends[i]
	return fmt.Sprintf("%s: %s, %s to %s an hour", name, t.text(t.Mean), t.text(t.Low), t.text(t.High))
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

// Draw writes the chart on a light and a dark background to dir and answers
// the paths.
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
