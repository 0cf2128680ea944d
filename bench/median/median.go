// Package median is the middle of the rounds of a measurement.
package median

import "slices"

// Of returns the median of values, of which there must be at least one: of an even
// number the mean of the two in the middle.
func Of(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
