package chart

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Bar is one value with its range.
type Bar struct {
	Value float64
	// Min and Max are the ends of the whisker; if they are equal none is drawn.
	Min, Max float64
	// Missing says why there is no value. Then there is no bar either.
	Missing string
}

// Category is one row of Bars: one bar for each series.
type Category struct {
	Name string
	Bars []Bar
	// Subject marks what the chart is about. It is written in bold, and if there is
	// one series only it alone has colour.
	Subject bool
}

// Bars is a chart of horizontal bars, each with its value beside it.
type Bars struct {
	Title, Subtitle string
	Axis            Axis
	// Series are the names of the bars of each category. With a single series it
	// may be empty.
	Series     []string
	Categories []Category
	// Limit, if above 0, is drawn as a line labelled LimitName.
	Limit     float64
	LimitName string
}

// Bounds of Bars.
const (
	// MaxCategories is how many rows a chart may have.
	MaxCategories = 60
)

const (
	barHeight   vg.Length = 15
	barGap      vg.Length = 2
	categoryGap vg.Length = 11
	labelGap    vg.Length = 7
	axisHeight  vg.Length = 44
	limitHeight vg.Length = 14
	maxName     vg.Length = 260
)

// SVG draws the chart.
func (b *Bars) SVG(t Theme) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	names, values := b.nameStyle(true), style(textSize-0.5, false, ink)
	var nameWidth, valueWidth vg.Length
	var e extent
	for _, c := range b.Categories {
		nameWidth = max(nameWidth, min(names.Width(c.Name), maxName))
		for _, bar := range c.Bars {
			if !b.has(&bar) {
				continue // the text in its place begins at the left
			}
			valueWidth = max(valueWidth, values.Width(b.text(&bar)))
			for _, v := range []float64{bar.Value, bar.Min, bar.Max} {
				if b.Axis.shows(v) {
					e.add(v)
				}
			}
		}
	}
	if e.empty() {
		return nil, fmt.Errorf("chart %q: no values", b.Title)
	}
	if b.Limit > 0 {
		e.add(b.Limit)
	}
	var legend []sample
	if len(b.Series) > 1 {
		for i, name := range b.Series {
			legend = append(legend, sample{name: name, box: series(i)})
		}
	}
	height := vg.Length(len(b.Categories))*b.rowHeight() + axisHeight
	if b.Limit > 0 {
		height += limitHeight
	}
	f := newFrame(b.Title, b.Subtitle, legend, height)
	if b.Limit > 0 {
		f.Max.Y -= limitHeight
	}
	p := newPlot()
	p.HideY()
	p.Y.Min, p.Y.Max = 0, float64(len(b.Categories))
	b.scale(e).set(&p.X, b.Axis.Label)
	g := plotter.NewGrid()
	g.Horizontal = draw.LineStyle{}
	g.Vertical = draw.LineStyle{Color: grid.color(), Width: 1}
	p.Add(g, b)
	p.Draw(draw.Crop(f.Canvas, nameWidth+labelGap, -valueWidth-labelGap, 0, 0))
	return f.finish(t)
}

func (b *Bars) check() error {
	if n := len(b.Categories); n == 0 || n > MaxCategories {
		return fmt.Errorf("chart %q: %d categories, not 1 to %d", b.Title, n, MaxCategories)
	}
	n := max(len(b.Series), 1)
	if n > maxSeries {
		return fmt.Errorf("chart %q: %d series, more than %d", b.Title, n, maxSeries)
	}
	for _, c := range b.Categories {
		if len(c.Bars) != n {
			return fmt.Errorf("chart %q: %q has %d bars, not %d", b.Title, c.Name, len(c.Bars), n)
		}
	}
	return nil
}

// scale returns the scale of the values.
func (b *Bars) scale(e extent) scale {
	if b.Axis.Log {
		// The bar of the smallest value must still be visible.
		return logarithmic(e.least/1.5, e.most, b.Axis.Unit)
	}
	return linear(e.most, b.Axis.Unit, 6)
}

// rowHeight is the height of a category.
func (b *Bars) rowHeight() vg.Length {
	n := vg.Length(max(len(b.Series), 1))
	return n*barHeight + (n-1)*barGap + categoryGap
}

func (b *Bars) nameStyle(bold bool) text.Style {
	s := style(textSize, bold, ink)
	s.XAlign, s.YAlign = text.XRight, text.YCenter
	return s
}

// has reports whether there is a value to draw.
func (b *Bars) has(bar *Bar) bool { return bar.Missing == "" && b.Axis.shows(bar.Value) }

// text is the text beside a bar.
func (b *Bars) text(bar *Bar) string {
	switch {
	case b.has(bar):
		return b.Axis.Unit.Text(bar.Value)
	case bar.Missing != "":
		return bar.Missing
	}
	return "no value"
}

// Plot draws the bars and their texts. It makes Bars a plot.Plotter.
func (b *Bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	if b.Limit > 0 {
		b.limit(&c, x(b.Limit))
	}
	row := (c.Max.Y - c.Min.Y) / vg.Length(len(b.Categories))
	for i, category := range b.Categories {
		top := c.Max.Y - vg.Length(i)*row - categoryGap/2
		c.FillText(b.nameStyle(category.Subject), vg.Point{X: c.Min.X - labelGap, Y: c.Max.Y - (vg.Length(i)+0.5)*row}, category.Name)
		for k, bar := range category.Bars {
			fill := neutral
			switch {
			case len(b.Series) > 1:
				fill = series(k)
			case category.Subject:
				fill = series0
			}
			b.bar(&frame{Canvas: c}, x, &bar, fill, top-vg.Length(k)*(barHeight+barGap))
		}
	}
	c.StrokeLine2(draw.LineStyle{Color: muted.color(), Width: 0.8}, c.Min.X, c.Min.Y, c.Min.X, c.Max.Y)
}

// limit draws the line of the limit, under the bars.
func (b *Bars) limit(c *draw.Canvas, at vg.Length) {
	c.StrokeLine2(draw.LineStyle{Color: (series0 + 1).color(), Width: 1.5, Dashes: []vg.Length{5, 4}}, at, c.Min.Y, at, c.Max.Y)
	s := style(textSize-1, false, series0+1)
	s.XAlign = text.XCenter
	c.FillText(s, vg.Point{X: at, Y: c.Max.Y + 3}, b.LimitName)
}

// bar draws one bar whose upper edge is at top.
func (b *Bars) bar(f *frame, x func(float64) vg.Length, bar *Bar, fill role, top vg.Length) {
	s := style(textSize-0.5, false, ink)
	s.YAlign = text.YCenter
	middle, end := top-barHeight/2, f.Min.X
	if b.has(bar) {
		end = x(bar.Value)
		f.box(fill.color(), f.Min.X, top-barHeight, end, top)
	} else {
		s.Color = muted.color()
	}
	if b.has(bar) && bar.Min < bar.Max && b.Axis.shows(bar.Min) && b.Axis.shows(bar.Max) {
		from, to := x(bar.Min), x(bar.Max)
		line := draw.LineStyle{Color: ink.color(), Width: 1.2}
		f.StrokeLine2(line, from, middle, to, middle)
		f.StrokeLine2(line, from, middle-3.5, from, middle+3.5)
		f.StrokeLine2(line, to, middle-3.5, to, middle+3.5)
		end = max(end, to)
	}
	label, at := b.text(bar), vg.Point{X: end + labelGap, Y: middle}
	// Lines of the grid and the limit end before the text.
	f.box(background.color(), at.X-2, middle-barHeight/2, at.X+s.Width(label)+2, middle+barHeight/2)
	f.FillText(s, at, label)
}

// box fills a rectangle.
func (f *frame) box(c color.Color, left, bottom, right, top vg.Length) {
	f.FillPolygon(c, []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}})
}
