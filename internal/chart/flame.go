package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// Call is a function in a flame graph, with the functions it has called.
type Call struct {
	Name string `json:"name"`
	// Kind is an index into Flame.Kinds.
	Kind int `json:"kind"`
	// Weight is the time in this function and in those it has called, in any unit.
	// It must be finite, and at least the sum of the weights in Calls.
	Weight float64 `json:"weight"`
	Calls  []Call  `json:"calls,omitempty"`
}

// Flame is a flame graph: a row for each depth of the call stack, callers below. The
// width of a function is the time in it.
type Flame struct {
	Title, Subtitle string
	// Kinds name the sorts of functions, each a colour.
	Kinds []string
	// Roots are the outermost functions, from left to right.
	Roots []Call
}

// The sizes of a flame graph. Deeper stacks are cut.
const (
	flameDepth = 48

	flameRow vg.Length = 16
	// flameLeast is the least width that is drawn, flameText that has a name.
	flameLeast vg.Length = 0.7
	flameText  vg.Length = 26
)

// SVG implements Chart.
func (f *Flame) SVG(t Theme) ([]byte, error) {
	total, err := f.check(f.Roots, math.Inf(1))
	if err != nil {
		return nil, err
	}
	if total == 0 {
		return nil, fmt.Errorf("chart %q: no function has any weight", f.Title)
	}
	var legend []sample
	for i, name := range f.Kinds {
		legend = append(legend, sample{name: name, box: series(i)})
	}
	rows := min(depth(f.Roots), flameDepth)
	canvas := newFrame(f.Title, f.Subtitle, legend, vg.Length(rows)*flameRow)
	flame := flamePen{canvas, float64(canvas.Max.X-canvas.Min.X) / total, total}
	flame.row(f.Roots, canvas.Min.X, 0)
	return canvas.finish(t)
}

// check returns the sum of the weights, which may not be above most.
func (f *Flame) check(calls []Call, most float64) (sum float64, err error) {
	for i := range calls {
		c := &calls[i]
		if !(c.Weight >= 0) || math.IsInf(c.Weight, 1) || c.Kind < 0 || c.Kind >= len(f.Kinds) {
			return 0, fmt.Errorf("chart %q: %q has weight %v and kind %d", f.Title, c.Name, c.Weight, c.Kind)
		}
		if _, err := f.check(c.Calls, c.Weight); err != nil {
			return 0, err
		}
		sum += c.Weight
	}
	if sum > most*(1+1e-9) {
		return 0, fmt.Errorf("chart %q: functions weigh %v in a caller of %v", f.Title, sum, most)
	}
	return sum, nil
}

func depth(calls []Call) (most int) {
	for i := range calls {
		most = max(most, 1+depth(calls[i].Calls))
	}
	return most
}

// flamePen draws functions.
type flamePen struct {
	*frame
	scale, total float64 // width of a unit of weight; all weights
}

// row draws functions side by side from x on, and what they have called above them.
func (p *flamePen) row(calls []Call, x vg.Length, row int) {
	if row == flameDepth {
		return
	}
	for i := range calls {
		c := &calls[i]
		w := vg.Length(c.Weight * p.scale)
		if w >= flameLeast {
			p.function(c, x, w, p.Min.Y+vg.Length(row)*flameRow)
			p.row(c.Calls, x, row+1)
		}
		x += w
	}
}

func (p *flamePen) function(c *Call, x, w, y vg.Length) {
	gap := min(w/4, 1)
	p.box(series(c.Kind).faint(), x, y, x+w-gap, y+flameRow-1)
	if w < flameText {
		return
	}
	names := style(textSize-1.5, false, ink)
	label := shortened(names, fmt.Sprintf("%s %.0f %%", c.Name, 100*c.Weight/p.total), w-gap-4)
	if label != "" {
		p.FillText(names, vg.Point{X: x + 2, Y: y + 4}, label)
	}
}

// shortened is as much of a text as fits, "" if that is next to nothing.
func shortened(s text.Style, label string, width vg.Length) string {
	if s.Width(label) <= width {
		return label
	}
	runes := []rune(label)
	for n := len(runes) - 1; n > 1; n-- {
		if cut := string(runes[:n]) + "…"; s.Width(cut) <= width {
			return cut
		}
	}
	return ""
}
