package transport

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// batchSlice is the time slice in ns of work that gives way, the longest that
// Linux knows; usual ones are of 3 ms.
const batchSlice = 100_000_000

// giveWay makes the thread of the calling goroutine one that others go before:
// the kernel does not let it interrupt them when it is woken (SCHED_BATCH), and
// lets them, loops for one, interrupt it, since their slices are shorter (Linux
// 6.12 and later; before that the slice means nothing). Its share of the
// processors stays what it is: a thread that is starved would have the
// collector wait for it, and with that all loops.
//
// The goroutine keeps the thread until it calls back. Where the kernel or its
// owner want it otherwise, nothing changes.
func giveWay() (back func()) {
	runtime.LockOSThread()
	usual, err := unix.SchedGetAttr(0, 0)
	if err != nil || usual.Policy != unix.SCHED_NORMAL {
		return runtime.UnlockOSThread
	}
	batch := *usual
	batch.Policy, batch.Runtime = unix.SCHED_BATCH, batchSlice
	if unix.SchedSetAttr(0, &batch, 0) != nil {
		return runtime.UnlockOSThread
	}
	return func() {
		// A thread that can't be had back goes with its goroutine: it stays locked.
		if unix.SchedSetAttr(0, usual, 0) == nil {
			runtime.UnlockOSThread()
		}
	}
}
