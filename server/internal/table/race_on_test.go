//go:build race

package table

const raceEnabled = true // memory and allocations are not what they are
