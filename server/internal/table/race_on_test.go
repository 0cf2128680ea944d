//go:build race

package table

const raceEnabled = true // changes memory use and allocations
