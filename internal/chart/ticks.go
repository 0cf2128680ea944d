package chart

import (
	"math"

	"gonum.org/v1/plot"
)

// maxTicks bounds the labels of an axis.
const maxTicks = 40

// scale is the range of an axis with its ticks.
type scale struct {
	min, max float64
	log      bool
	ticks    []plot.Tick
}

// linear makes a scale from 0 to a round number that is not below most.
func linear(most float64, u Unit, wanted int) scale {
	if most <= 0 || math.IsInf(most, 0) || math.IsNaN(most) {
		most = 1
	}
	step := roundStep(most/float64(wanted), u)
	s := scale{max: step * math.Ceil(most/step-1e-9)}
	for i := 0; i <= maxTicks; i++ {
		v := float64(i) * step
		if v > s.max*(1+1e-9) {
			break
		}
		s.ticks = append(s.ticks, plot.Tick{Value: v, Label: tickText(v, u)})
	}
	return s
}

// until makes a scale from 0 to exactly most, for time.
func until(most float64, u Unit, wanted int) scale {
	s := linear(most, u, wanted)
	for len(s.ticks) > 1 && s.ticks[len(s.ticks)-1].Value > most*(1+1e-9) {
		s.ticks = s.ticks[:len(s.ticks)-1]
	}
	if most > 0 {
		s.max = most
	}
	return s
}

func tickText(v float64, u Unit) string {
	if v == 0 {
		return "0"
	}
	return u.Text(v)
}

// roundStep is the smallest round number that is not less than step.
func roundStep(step float64, u Unit) float64 {
	switch {
	case u == Seconds && step > 1:
		for _, s := range []float64{2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600} {
			if s >= step {
				return s
			}
		}
	case u == Bytes && step > 1:
		return math.Exp2(math.Ceil(math.Log2(step) - 1e-9))
	}
	power := math.Pow(10, math.Floor(math.Log10(step)+1e-9))
	for _, f := range []float64{1, 2, 2.5, 5} {
		if f*power >= step*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// logarithmic makes a scale of powers of ten, with ticks in between if there are
// few powers. It needs 0 < least <= most.
func logarithmic(least, most float64, u Unit) scale {
	if u == Bytes {
		return binary(least, most)
	}
	s := scale{min: roundDown(least), max: roundUp(most), log: true}
	if s.max <= s.min {
		s.max = 10 * s.min
	}
	decades := math.Log10(s.max / s.min)
	between := []float64{1}
	switch {
	case decades <= 1.2:
		between = []float64{1, 2, 3, 5, 7}
	case decades <= 2.2:
		between = []float64{1, 2, 5}
	case decades <= 3.2:
		between = []float64{1, 3}
	}
	every := int(math.Ceil(decades / 9))
	for e := int(math.Floor(math.Log10(s.min) + 1e-9)); e <= int(math.Ceil(math.Log10(s.max)-1e-9)) && len(s.ticks) < maxTicks; e++ {
		if e%every != 0 {
			continue
		}
		for _, f := range between {
			if v := f * math.Pow(10, float64(e)); v >= s.min*(1-1e-9) && v <= s.max*(1+1e-9) {
				s.ticks = append(s.ticks, plot.Tick{Value: v, Label: u.Text(v)})
			}
		}
	}
	return s
}

// binary makes a scale of powers of two.
func binary(least, most float64) scale {
	from, to := math.Floor(math.Log2(least)+1e-9), math.Ceil(math.Log2(most)-1e-9)
	to = max(to, from+1)
	s := scale{min: math.Exp2(from), max: math.Exp2(to), log: true}
	every := math.Ceil((to - from) / 9)
	for e := from; e <= to; e += every {
		s.ticks = append(s.ticks, plot.Tick{Value: math.Exp2(e), Label: Bytes.Text(math.Exp2(e))})
	}
	return s
}

// percentiles is the scale of unit Percentile up to most.
func percentiles(most float64) scale {
	s := scale{min: 1, max: max(most, 10), log: true}
	for _, v := range []float64{1, 2, 4, 10} {
		s.ticks = append(s.ticks, plot.Tick{Value: v, Label: percentile(v)})
	}
	for v := 100.0; v <= s.max*(1+1e-9) && len(s.ticks) < maxTicks; v *= 10 {
		s.ticks = append(s.ticks, plot.Tick{Value: v, Label: percentile(v)})
	}
	return s
}

// roundDown is the largest of 1, 2 and 5 times a power of ten that is not
// above v.
func roundDown(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, f := range []float64{5, 2} {
		if f*power <= v*(1+1e-9) {
			return f * power
		}
	}
	return power
}

// roundUp is the smallest such number that is not below v.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= v*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}
