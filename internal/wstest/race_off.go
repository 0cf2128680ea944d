//go:build !race

package wstest

// detected reports that this program itself has the race detector.
const detected = false
