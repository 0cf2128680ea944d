// Package chart draws the charts of reports as SVG: lines, steps and bars with
// whiskers, on a light or a dark background. The same input gives the same
// bytes. Layout and axes are gonum.org/v1/plot's; colours, ticks with units,
// header and legend are this package's.
//
// Everything here may be called from any goroutine; a chart must not be
// changed while it is drawn.
package chart
