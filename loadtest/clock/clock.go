// Package clock is CLOCK_MONOTONIC, which all processes of a machine share.
package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockBase relates Go's monotonic clock, which has no absolute value, to
// CLOCK_MONOTONIC: time.Since needs no system call, clock_gettime through x/sys
// does.
var clockBase, clockStart = read()

func read() (time.Duration, time.Time) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("loadtest: CLOCK_MONOTONIC: " + err.Error()) // every Linux has it
	}
	return time.Duration(ts.Nano()), time.Now()
}

// Now is CLOCK_MONOTONIC in nanoseconds, the same clock in every process of
// this machine. It may be called from any goroutine.
func Now() int64 { return int64(clockBase + time.Since(clockStart)) }
