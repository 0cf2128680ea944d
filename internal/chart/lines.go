package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Axis says how values are shown along one side.
type Axis struct {
	// Label is the name of the values.
	Label string
	Unit  Unit
	// Log makes the axis logarithmic and leaves out values that are not above 0.
	// Otherwise the axis begins at 0.
	Log bool
}

// Point is a value Y at X.
type Point struct{ X, Y float64 }

// Line is one series of Lines.
type Line struct {
	Name string
	// Points are joined in this order, at most MaxPoints. The line has a gap where
	// X or Y is NaN or infinite.
	Points []Point
	// Color is the number of the colour. Related series may share a colour and
	// differ in Dashed.
	Color  int
	Dashed bool
	// Steps holds each value until the next X and fills the area below.
	Steps bool
}

// Lines is a chart of one or more series over a continuous axis, such as time or a
// distribution.
type Lines struct {
	Title, Subtitle string
	X, Y            Axis
	Lines           []Line
}

// Bounds of Lines.
const (
	// MaxPoints is how many points a line may have.
	MaxPoints = 100_000
	// MaxLines is how many lines a chart may have.
	MaxLines = 2 * maxSeries
	// fewPoints is the largest number of points that are marked individually.
	fewPoints = 40
)

// SVG draws the chart.
func (l *Lines) SVG(t Theme) ([]byte, error) {
	var x extent
	m, err := l.measure(&x)
	if err != nil {
		return nil, err
	}
	if x.empty() {
		return nil, fmt.Errorf("chart %q: no points", l.Title)
	}
	if len(m.legend) == 1 && m.legend[0].name == "" {
		m.legend = nil
	}
	f := newFrame(l.Title, l.Subtitle, m.legend, lineHeight)
	// Leave space for half of the last label.
	l.plot(x, m).Draw(draw.Crop(f.Canvas, 0, -8, 0, 0))
	return f.finish(t)
}

// measured is the part of Lines that can be drawn: the pieces of each line.
type measured struct {
	legend []sample
	pieces [][]plotter.XYs
	y      extent
}

// measure finds the part that can be drawn, and adds its range to x.
func (l *Lines) measure(x *extent) (m measured, err error) {
	if len(l.Lines) == 0 || len(l.Lines) > MaxLines {
		return m, fmt.Errorf("chart %q: %d lines, not 1 to %d", l.Title, len(l.Lines), MaxLines)
	}
	for i := range l.Lines {
		line := &l.Lines[i]
		if len(line.Points) > MaxPoints {
			return m, fmt.Errorf("chart %q: line %q has more than %d points", l.Title, line.Name, MaxPoints)
		}
		m.pieces = append(m.pieces, l.pieces(line, x, &m.y))
		m.legend = append(m.legend, sample{name: line.Name, line: line.style()})
	}
	return m, nil
}

// plot makes the plot. The plotters in below are drawn first.
func (l *Lines) plot(x extent, m measured, below ...plot.Plotter) *plot.Plot {
	p := newPlot()
	l.X.scale(x, true).set(&p.X, l.X.Label)
	l.Y.scale(m.y, false).set(&p.Y, l.Y.Label)
	g := plotter.NewGrid()
	g.Horizontal = draw.LineStyle{Color: grid.color(), Width: 1}
	g.Vertical = g.Horizontal
	p.Add(below...)
	p.Add(g)
	for i := range l.Lines {
		for _, piece := range m.pieces[i] {
			l.Lines[i].addTo(p, piece)
		}
	}
	return p
}

// extent is the range of the values of an axis.
type extent struct {
	least, most float64
	any         bool
}

func (e *extent) empty() bool { return !e.any }

func (e *extent) add(v float64) {
	if !e.any {
		*e = extent{v, v, true}
	}
	e.least, e.most = min(e.least, v), max(e.most, v)
}

// pieces returns the points of a line that can be drawn, split at its gaps.
func (l *Lines) pieces(line *Line, x, y *extent) (pieces []plotter.XYs) {
	open := false
	for _, at := range line.Points {
		if !l.X.shows(at.X) || !l.Y.shows(at.Y) {
			open = false
			continue
		}
		if !open {
			pieces, open = append(pieces, nil), true
		}
		last := &pieces[len(pieces)-1]
		*last = append(*last, plotter.XY{X: at.X, Y: at.Y})
		x.add(at.X)
		y.add(at.Y)
	}
	return pieces
}

func (a *Axis) shows(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (v > 0 || v == 0 && !a.Log && a.Unit != Percentile)
}

// scale chooses the range and the ticks.
func (a *Axis) scale(e extent, horizontal bool) scale {
	switch {
	case a.Unit == Percentile:
		return percentiles(e.most)
	case a.Log:
		return logarithmic(e.least, e.most, a.Unit)
	case horizontal:
		return until(e.most, a.Unit, 8)
	}
	return linear(e.most, a.Unit, 5)
}

func (l *Line) style() draw.LineStyle {
	s := draw.LineStyle{Color: series(l.Color).color(), Width: 2}
	if l.Dashed {
		s.Dashes = []vg.Length{5, 4}
	}
	return s
}

// addTo adds a piece of the line to the plot.
func (l *Line) addTo(p *plot.Plot, points plotter.XYs) {
	line := &plotter.Line{XYs: points, LineStyle: l.style()}
	if l.Steps {
		line.StepStyle, line.FillColor = plotter.PostStep, series(l.Color).faint()
	}
	p.Add(line)
	if len(points) <= fewPoints && !l.Steps || len(points) == 1 {
		p.Add(&plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: series(l.Color).color(), Radius: 2.6, Shape: draw.CircleGlyph{}}})
	}
}
