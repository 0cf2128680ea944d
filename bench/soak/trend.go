package soak

import (
	"math"
)

// Trend is how much a series of samples grew after the warm-up.
//
// Samples taken a second apart are not independent observations: a heap goes up
// and down with its collections, a thread that was started stays. So the time
// is divided into blocks, and the slope is that of a least-squares line through
// the blocks' means (non-overlapping batch means; B. Schmeiser, Batch Size
// Effects in the Analysis of Simulation Output, Operations Research 30, 1982,
// finds 10 to 30 batches sufficient). If the residuals of neighbouring blocks
// are still correlated, the blocks count as fewer: n (1-r)/(1+r) with r their
// correlation at lag one, in the standard error as well as in the degrees of
// freedom (B. D. Santer et al., J. Geophys. Res. 105, 2000, equations 3 to 6).
//
// Growth that is almost linear leaves small residuals that are not noise, from
// a bend or from late samples. Then the share of the variance that the line
// explains decides: a line explains three quarters of a single step.
type Trend struct {
	Name string `json:"name"`
	// Unit is "B" for bytes, "" for numbers of things.
	Unit string  `json:"unit,omitempty"`
	Mean float64 `json:"mean"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
	// Slope is the growth per hour, Low and High are the ends of its 99 %
	// confidence interval. Tolerance is the growth per hour that does not
	// matter: for a short soak, as much as would occur in leastSpan, since one
	// thread started within a minute is not one thread per minute.
	Slope     float64 `json:"slope_per_hour"`
	Low       float64 `json:"low_per_hour"`
	High      float64 `json:"high_per_hour"`
	Tolerance float64 `json:"tolerance_per_hour"`
	// Blocks is the number of blocks, Effective the number that they count for.
	Blocks    int     `json:"blocks"`
	Effective float64 `json:"effective_blocks"`
	Verdict   Verdict `json:"verdict"`
}

// Verdict is the meaning of a trend.
type Verdict string

// The verdicts.
const (
	// Flat: the growth is within tolerance, or 0 is within the interval.
	Flat Verdict = "flat"
	// Rises: the growth is above the tolerance, and the interval excludes 0 or
	// the growth is almost linear.
	Rises Verdict = "rises"
	// Unclear: it would rise if blocks were independent, but they are too
	// correlated for that, as after a single step; or there are too few
	// samples.
	Unclear Verdict = "unclear"
)

const (
	maxBlocks  = 20
	minBlocks  = 5
	blockLeast = 3 // samples
	nearlyLine = 0.85
	hour       = 3600.0
	leastSpan  = hour / 3
)

// quantiles of Student's t for a two-sided interval of 99 %, by degrees of
// freedom from 1 to maxBlocks-2.
var quantiles = [maxBlocks - 2]float64{
	63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250,
	3.169, 3.106, 3.055, 3.012, 2.977, 2.947, 2.921, 2.898, 2.878,
}

// quantile uses the next lower whole number of degrees of freedom, which makes
// intervals wider, not narrower.
func quantile(freedom float64) float64 {
	if freedom < 1 {
		return math.Inf(1)
	}
	return quantiles[min(int(freedom), len(quantiles))-1]
}

// trendOf fits the values v at the times t, in seconds and ascending.
func trendOf(t, v []float64, tolerance float64) Trend {
	r := Trend{Tolerance: tolerance, Verdict: Unclear}
	if len(v) < 2 {
		return r
	}
	r.Tolerance *= max(1, leastSpan/(t[len(t)-1]-t[0]))
	r.Min, r.Max = v[0], v[0]
	for _, x := range v {
		r.Mean += x / float64(len(v))
		r.Min, r.Max = min(r.Min, x), max(r.Max, x)
	}
	x, y := blockMeans(t, v, min(maxBlocks, len(v)/blockLeast))
	if r.Blocks = len(x); r.Blocks < minBlocks {
		return r
	}
	f := fitLine(x, y)
	n := float64(r.Blocks)
	r.Effective = n
	if f.alike > 0 {
		r.Effective = n * (1 - f.alike) / (1 + f.alike)
	}
	half := f.half(r.Effective)
	naive := f.half(n)
	r.Slope, r.Low, r.High = hour*f.slope, hour*(f.slope-half), hour*(f.slope+half)
	switch {
	case r.Slope <= r.Tolerance, f.slope <= naive:
		r.Verdict = Flat
	case f.slope > half, f.explains > nearlyLine:
		r.Verdict = Rises
	}
	if math.IsInf(half, 0) { // JSON has no infinity
		r.Low, r.High = -math.MaxFloat64, math.MaxFloat64
	}
	return r
}

// blockMeans divides the time into that many equal blocks and returns the mean
// time and value of each that has samples.
func blockMeans(t, v []float64, blocks int) (x, y []float64) {
	if blocks < 1 {
		return nil, nil
	}
	first, length := t[0], t[len(t)-1]-t[0]
	for b, i := 0, 0; b < blocks; b++ {
		end := first + length*float64(b+1)/float64(blocks)
		n, sumT, sumV := 0.0, 0.0, 0.0
		for ; i < len(t) && (t[i] < end || b == blocks-1); i++ {
			n, sumT, sumV = n+1, sumT+t[i], sumV+v[i]
		}
		if n > 0 {
			x, y = append(x, sumT/n), append(y, sumV/n)
		}
	}
	return x, y
}

// line is a least-squares line.
type line struct {
	slope float64
	// squares is the sum of the squared residuals, spread that of the squared
	// distances of x from their mean.
	squares, spread float64
	alike           float64 // correlation of the residuals at lag one
	explains        float64 // the share of the variance that the line explains
}

// fitLine needs two different x.
func fitLine(x, y []float64) (l line) {
	n := float64(len(x))
	meanX, meanY := 0.0, 0.0
	for i := range x {
		meanX += x[i] / n
		meanY += y[i] / n
	}
	for i := range x {
		l.spread += (x[i] - meanX) * (x[i] - meanX)
		l.slope += (x[i] - meanX) * (y[i] - meanY)
	}
	l.slope /= l.spread
	before, products, all := 0.0, 0.0, 0.0
	for i := range x {
		left := y[i] - meanY - l.slope*(x[i]-meanX)
		l.squares += left * left
		products += left * before
		all += (y[i] - meanY) * (y[i] - meanY)
		before = left
	}
	// Rounding leaves residuals even if a line fits perfectly.
	if l.squares > 1e-18*n*max(meanY*meanY, 1) {
		l.alike = products / l.squares
		l.explains = 1 - l.squares/all
	} else {
		l.squares = 0
	}
	return l
}

// half is half the confidence interval of the slope for n independent values.
func (l *line) half(n float64) float64 {
	if l.squares == 0 {
		return 0
	}
	if n <= 3 {
		return math.Inf(1)
	}
	return quantile(n-2) * math.Sqrt(l.squares/(n-2)/l.spread)
}
