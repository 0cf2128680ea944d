package server

import (
	"sync/atomic"
	"time"
)

// maxTiming is how long a push to many that waits for a slow client keeps others from
// being timed.
const maxTiming = time.Second

// pushTimer chooses which pushes to many are timed. Any goroutine.
type pushTimer struct {
	began atomic.Int64 // when the one that is timed was asked for; 0: none is
}

// begin tells whether a push that was asked for at a time is to be timed.
func (t *pushTimer) begin(at time.Duration) bool {
	timed := t.began.Load()
	return (timed == 0 || int64(at)-timed >= int64(maxTiming)) && t.began.CompareAndSwap(timed, int64(at))
}

// end makes room for the next one, if that which was asked for at a time is timed still.
func (t *pushTimer) end(at time.Duration) { t.began.CompareAndSwap(int64(at), 0) }
