package transport

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// batchSlice is the time slice in ns of a thread that gives way. It is the longest one that
// Linux accepts; usual ones are 3 ms.
const batchSlice = 100_000_000

// giveWay gives other threads precedence over that of the calling goroutine: when it
// wakes up, it does not preempt them (SCHED_BATCH), and they, event loops for example,
// preempt it, since their slices are shorter (Linux 6.12 and later; earlier kernels ignore
// the slice). Its share of the processors stays the same: the collector, and with it all
// loops, would have to wait for a thread that is starved.
//
// The goroutine keeps the thread until it calls back. If the kernel does not allow the
// change, or the thread has another policy than the usual one, nothing changes.
//
// What it is worth (BENCHMARKS.md, "A flood of handshakes"): beside a flood of whole
// handshakes, the 99th percentile of a push takes 2.5 times as long as without a flood, and
// 3.2 times as long without giveWay. It costs 3 system calls of a handshake.
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
		// That can't fail where the change has not: both policies are everybody's.
		_ = unix.SchedSetAttr(0, usual, 0)
		runtime.UnlockOSThread()
	}
}
