package chart

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Panel is one plot of Panels, with its own legend above it.
type Panel struct {
	Y     Axis
	Lines []Line
}

// Panels is several plots over the same time, one below the other: for quantities
// with different units whose courses belong together.
type Panels struct {
	Title, Subtitle string
	X               Axis
	Panels          []Panel
	// Shade, if above 0, is where the shaded part at the left ends, which does not
	// count. ShadeName says why.
	Shade     float64
	ShadeName string
}

// MaxPanels is how many plots Panels may have.
const MaxPanels = 12

const (
	panelHeight vg.Length = 150 // of a plot with its ticks
	panelGap    vg.Length = 14  // above a legend
	legendRow   vg.Length = textSize + 8
	labelHeight vg.Length = 18 // of the label below the last plot
)

// SVG draws the chart.
func (p *Panels) SVG(t Theme) ([]byte, error) {
	if n := len(p.Panels); n == 0 || n > MaxPanels {
		return nil, fmt.Errorf("chart %q: %d panels, not 1 to %d", p.Title, n, MaxPanels)
	}
	var x extent
	all, height := make([]measured, len(p.Panels)), labelHeight
	for i := range p.Panels {
		var err error
		if all[i], err = p.lines(i).measure(&x); err != nil {
			return nil, err
		}
		height += panelGap + vg.Length(len(legendRows(all[i].legend)))*legendRow + panelHeight
	}
	if x.empty() {
		return nil, fmt.Errorf("chart %q: no points", p.Title)
	}
	f := newFrame(p.Title, p.Subtitle, nil, height)
	plots := make([]*plot.Plot, len(all))
	left := vg.Length(0)
	for i := range all {
		plots[i] = p.lines(i).plot(x, all[i], &shade{p.Shade, p.ShadeName, i == 0})
		left = max(left, dataLeft(plots[i], f.Canvas))
	}
	top := f.Max.Y
	for i := range all {
		top -= panelGap
		for _, row := range legendRows(all[i].legend) {
			top -= legendRow
			at := f.Min.X
			for _, s := range row {
				at = f.sample(s, at, top+8)
			}
		}
		bottom := top - panelHeight
		if i == len(all)-1 {
			bottom = f.Min.Y
		}
		c := f.Canvas
		c.Min, c.Max = vg.Point{X: f.Min.X, Y: bottom}, vg.Point{X: f.Max.X - 8, Y: top}
		c.Min.X += left - dataLeft(plots[i], c)
		plots[i].Draw(c)
		top = bottom
	}
	return f.finish(t)
}

// lines returns a panel as a chart.
func (p *Panels) lines(i int) *Lines {
	l := &Lines{Title: p.Title, X: p.X, Y: p.Panels[i].Y, Lines: p.Panels[i].Lines}
	if i < len(p.Panels)-1 {
		l.X.Label = ""
	}
	return l
}

// dataLeft is the width that a plot needs for the labels at its left.
func dataLeft(p *plot.Plot, c draw.Canvas) vg.Length { return p.DataCanvas(c).Min.X - c.Min.X }

// shade plots the shaded part.
type shade struct {
	until float64
	name  string
	named bool // draw the name here
}

// Plot makes shade a plot.Plotter.
func (s *shade) Plot(c draw.Canvas, p *plot.Plot) {
	if s.until <= p.X.Min {
		return
	}
	x, _ := p.Transforms(&c)
	f := frame{Canvas: c}
	f.box(neutral.faint(), c.Min.X, c.Min.Y, min(x(s.until), c.Max.X), c.Max.Y)
	if s.named {
		c.FillText(style(textSize-1, false, muted), vg.Point{X: c.Min.X + 5, Y: (c.Min.Y + c.Max.Y) / 2}, s.name)
	}
}
