//go:build race

package wstest

// RaceEnabled reports that this test, and so the binary that Build makes, runs
// under the race detector.
const RaceEnabled = true
