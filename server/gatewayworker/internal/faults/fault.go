// Package faults makes calls fail in tests as the test wants.
package faults

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Fault makes a call fail a number of times with an errno, and succeed afterwards. Any
// goroutine may call its methods.
type Fault struct {
	errno atomic.Int64
	left  atomic.Int64
}

// Set has the next calls fail.
func (f *Fault) Set(errno unix.Errno, times int) {
	f.errno.Store(int64(errno))
	f.left.Store(int64(times))
}

// Happens returns the error for this call, nil for none.
func (f *Fault) Happens() error {
	if f.left.Load() > 0 && f.left.Add(-1) >= 0 {
		return unix.Errno(f.errno.Load())
	}
	return nil
}

// Left is how often it will still happen; negative if calls have come since.
func (f *Fault) Left() int64 { return f.left.Load() }

// Over reports whether all that was set has happened.
func (f *Fault) Over() bool { return f.left.Load() <= 0 }
