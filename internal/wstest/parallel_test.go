package wstest

import (
	"sync/atomic"
	"testing"
)

func TestParallel(t *testing.T) {
	const n, workers = 1000, 7
	var calls [n]atomic.Int32
	var at, most atomic.Int32
	Parallel(n, workers, func(i int) {
		now := at.Add(1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		calls[i].Add(1)
		at.Add(-1)
	})
	for i := range calls {
		if got := calls[i].Load(); got != 1 {
			t.Errorf("%d was called %d times", i, got)
		}
	}
	if at.Load() != 0 || most.Load() > workers {
		t.Errorf("%d calls are still running at the end, %d ran at once", at.Load(), most.Load())
	}
	Parallel(0, 3, func(int) { t.Error("called for nothing") })
}

// TestParallelIsParallel: calls that wait for each other finish.
func TestParallelIsParallel(t *testing.T) {
	meeting := make(chan int)
	Parallel(2, 2, func(i int) {
		if i == 0 {
			meeting <- i
			return
		}
		<-meeting
	})
}
