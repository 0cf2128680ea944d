package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit is the unit of an axis.
type Unit uint8

// The units. Values are in base units: nanoseconds, bytes, seconds, fractions of
// one.
const (
	Number      Unit = iota
	Nanoseconds      // written as ns, µs, ms or s
	Bytes            // written as B, KiB, MiB or GiB
	PerSecond
	Seconds // for a time axis: s, min, h
	Percent // of fractions of one
	Times   // a ratio
	// Percentile is 1/(1-q) for the quantile q on a logarithmic axis, which spreads
	// out the tail.
	Percentile
)

// Text returns a value with its unit and three significant digits: "9.57 µs".
func (u Unit) Text(v float64) string {
	switch u {
	case Nanoseconds:
		return scaled(v, 1000, 4, "ns", "µs", "ms", "s")
	case Bytes:
		return scaled(v, 1024, 4, "B", "KiB", "MiB", "GiB")
	case PerSecond:
		return strings.TrimSpace(scaled(v, 1000, 4, "", "k", "M", "G")) + "/s"
	case Seconds:
		switch {
		case v >= 7200:
			return digits(v/3600) + " h"
		case v >= 120:
			return digits(v/60) + " min"
		}
		return digits(v) + " s"
	case Percent:
		return digits(100*v) + " %"
	case Percentile:
		return percentile(v)
	case Times:
		return digits(v) + " ×"
	}
	if v >= 1000 && v < 9999.5 {
		n := int(math.Round(v))
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	return strings.TrimSpace(scaled(v, 1000, 4, "", "k", "M", "G"))
}

// scaled divides v by steps until it is small enough to read.
func scaled(v, step float64, most int, names ...string) string {
	i := 0
	// A value that would be rounded up to a whole step uses the next unit.
	for i < most-1 && math.Abs(v) >= step*0.9995 {
		v /= step
		i++
	}
	return strings.TrimSpace(digits(v) + " " + names[i])
}

// digits formats a number with three significant digits, or all digits before the
// point if there are more.
func digits(v float64) string {
	places := 0
	for limit := 100.0; math.Abs(v) < limit && places < 3 && v != 0; limit /= 10 {
		places++
	}
	if places == 3 && math.Abs(v) < 0.1 {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	// Three decimals for 0.123, two for 1.23, one for 12.3.
	s := strconv.FormatFloat(v, 'f', min(places, 3), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// percentile is the percentage for 1/(1-q).
func percentile(x float64) string {
	if x <= 1 {
		return "0 %"
	}
	places := max(0, int(math.Ceil(math.Log10(x)-1e-9))-2)
	return strconv.FormatFloat(100*(1-1/x), 'f', min(places, 9), 64) + " %"
}

// Duration returns a duration as a value of unit Nanoseconds.
func Duration(d time.Duration) float64 { return float64(d) }
