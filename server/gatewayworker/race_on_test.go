//go:build race

package gatewayworker

// raceEnabled makes tests do less of what is slow.
const raceEnabled = true
