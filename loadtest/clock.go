package loadtest

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockBase ties Go's monotonic reading, which has no number of its own, to
// CLOCK_MONOTONIC: time.Since costs no system call, clock_gettime through
// x/sys does.
var clockBase, clockStart = readClock()

func readClock() (time.Duration, time.Time) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("loadtest: CLOCK_MONOTONIC: " + err.Error()) // not on any Linux
	}
	return time.Duration(ts.Nano()), time.Now()
}

// Now is CLOCK_MONOTONIC in nanoseconds, the same clock in every process of
// this machine. Any goroutine may call it.
func Now() int64 { return int64(clockBase + time.Since(clockStart)) }
