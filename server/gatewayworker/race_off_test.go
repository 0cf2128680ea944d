//go:build !race

package gatewayworker

// raceEnabled tells tests to do less of what takes long.
const raceEnabled = false
