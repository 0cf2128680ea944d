package chart

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is something that can be drawn: *Lines, *Panels, *Bars or *Flame.
type Chart interface {
	// SVG draws the chart in the colours of a theme. An error says what is wrong
	// with the chart.
	SVG(t Theme) ([]byte, error)
}

// Sizes in units of the SVG, pixels at its natural size.
const (
	width      vg.Length = 760
	lineHeight vg.Length = 300 // of the plot of Lines with its axes
	margin     vg.Length = 16
	titleSize  vg.Length = 16
	textSize   vg.Length = 12
)

// faces measures text. Its font has the widths of Arial and Helvetica, the fonts
// that the SVG asks for.
var faces = sync.OnceValue(func() text.Handler {
	return text.Plain{Fonts: font.NewCache(liberation.Collection())}
})

// style is a text style, anchored at the left of the base line.
func style(size vg.Length, bold bool, c role) text.Style {
	f := font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
	if bold {
		f.Weight = 3 // golang.org/x/image/font.WeightBold
	}
	return text.Style{Color: c.color(), Font: f, Handler: faces()}
}

// sample is one entry of a legend.
type sample struct {
	name string
	line draw.LineStyle // a line if it has a width, otherwise a box
	box  role
}

// frame is what all charts have in common: a header and the space below it.
type frame struct {
	title, subtitle string
	legend          []sample
	canvas          *vgsvg.Canvas
	draw.Canvas
}

// newFrame draws the background and header of a chart whose plot has the given
// height. The rest is the canvas for the plot.
func newFrame(title, subtitle string, legend []sample, height vg.Length) *frame {
	rows := legendRows(legend)
	header := margin + titleSize
	if subtitle != "" {
		header += textSize + 6
	}
	header += vg.Length(len(rows))*(textSize+8) + 10
	f := &frame{title: title, subtitle: subtitle, legend: legend}
	f.canvas = vgsvg.New(width, header+height+margin)
	f.Canvas = draw.New(f.canvas)
	f.SetColor(background.color())
	f.Fill(f.Rectangle.Path())
	y := f.Max.Y - margin - titleSize*0.8
	f.FillText(style(titleSize, true, ink), vg.Point{X: margin, Y: y}, title)
	if subtitle != "" {
		y -= textSize + 6
		f.FillText(style(textSize, false, muted), vg.Point{X: margin, Y: y}, subtitle)
	}
	for _, row := range rows {
		y -= textSize + 8
		for x, i := margin, 0; i < len(row); i++ {
			x = f.sample(row[i], x, y)
		}
	}
	f.Max.Y -= header
	f.Min.X += margin
	f.Min.Y += margin
	f.Max.X -= margin
	return f
}

// The parts of a legend entry.
const (
	swatch    vg.Length = 22
	swatchGap vg.Length = 6
	entryGap  vg.Length = 20
)

// legendRows breaks a legend into rows that fit.
func legendRows(legend []sample) (rows [][]sample) {
	names, used := style(textSize, false, ink), vg.Length(0)
	for _, s := range legend {
		w := swatch + swatchGap + names.Width(s.name) + entryGap
		if len(rows) == 0 || used+w > width-2*margin {
			rows, used = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], s)
		used += w
	}
	return rows
}

// sample draws a legend entry and returns where the next one begins.
func (f *frame) sample(s sample, x, y vg.Length) vg.Length {
	middle, names := y+textSize*0.33, style(textSize, false, ink)
	if s.line.Width > 0 {
		f.StrokeLine2(s.line, x, middle, x+swatch, middle)
		x += swatch
	} else {
		f.box(s.box.color(), x, middle-5, x+swatch/2, middle+5)
		x += swatch / 2
	}
	x += swatchGap
	f.FillText(names, vg.Point{X: x, Y: y}, s.name)
	return x + names.Width(s.name) + entryGap
}

// newPlot is an empty plot in our style.
func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Padding = 0
		a.LineStyle = draw.LineStyle{Color: muted.color(), Width: 0.8}
		a.Tick.LineStyle = a.LineStyle
		a.Tick.Length = 4
		for _, s := range []*text.Style{&a.Tick.Label, &a.Label.TextStyle} {
			f := style(textSize-0.5, false, muted)
			s.Color, s.Font, s.Handler = f.Color, f.Font, f.Handler
		}
		a.Label.Padding = 5
	}
	p.Y.LineStyle.Width, p.Y.Tick.Length = 0, 0
	return p
}

// set gives an axis its scale.
func (s scale) set(a *plot.Axis, label string) {
	a.Min, a.Max, a.Label.Text = s.min, s.max, label
	a.Tick.Marker = plot.ConstantTicks(s.ticks)
	if s.log {
		a.Scale = plot.LogScale{}
	}
}

// finish returns the SVG, with a title for screen readers.
func (f *frame) finish(t Theme) ([]byte, error) {
	var b bytes.Buffer
	if _, err := f.canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	// This replaces the canvas's own head, which gives the size in points.
	_, body, found := strings.Cut(b.String(), "<g ")
	if !found {
		return nil, fmt.Errorf("chart %q: the canvas wrote no SVG", f.title)
	}
	w, h := f.canvas.Size()
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" font-family="'Liberation Sans',Arial,Helvetica,sans-serif" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f"><title>%s</title>`+"\n<g ",
		math.Ceil(float64(w)), math.Ceil(float64(h)), math.Ceil(float64(w)), math.Ceil(float64(h)), html.EscapeString(strings.TrimSuffix(f.title+": "+f.subtitle, ": ")))
	return []byte(head + t.themed(texts.ReplaceAllStringFunc(body, fitted))), nil
}

// texts matches the texts of an SVG: attributes, weight, size, text.
var texts = regexp.MustCompile(`<text ([^>]*?font-weight:(\w+)[^>]*?font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)

// usual is what the style of a text says beyond its weight, size and colour: the root of
// the SVG has the fonts, and the rest is the default.
var usual = strings.NewReplacer("font-family:Liberation Sans;", "", "font-variant:normal;", "", "font-weight:normal;", "", "font-style:normal;", "", "\n\t", " ")

// fitted gives a text the width for which it was laid out, so that texts do not overlap
// in other fonts.
func fitted(element string) string {
	parts := texts.FindStringSubmatch(element)
	size, err := strconv.ParseFloat(parts[3], 64)
	if err != nil || parts[4] == "" {
		return element
	}
	w := style(vg.Length(size), parts[2] == "bold", ink).Width(html.UnescapeString(parts[4]))
	return fmt.Sprintf(`<text textLength="%.1f" lengthAdjust="spacingAndGlyphs" %s>%s</text>`, float64(w), usual.Replace(parts[1]), parts[4])
}
