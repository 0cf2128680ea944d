// Package chart draws the charts of reports as SVG: lines, steps and bars with
// whiskers, on a light or a dark background. The same input gives the same bytes.
// gonum.org/v1/plot does the layout and the axes; this package adds colours, ticks
// with units, headers and legends.
//
// Any goroutine may call everything here. A chart must not be changed while it is
// drawn.
package chart
