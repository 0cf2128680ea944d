//go:build race

package wstest

// RaceEnabled tells that this test, and so the binary that Build makes, runs
// under the race detector.
const RaceEnabled = true
