package transport

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Who gives way has SCHED_BATCH and a long slice, and afterwards what was.
func TestGiveWay(t *testing.T) {
	attr := func() unix.SchedAttr {
		t.Helper()
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return *a
	}
	done := make(chan struct{})
	go func() { // a goroutine of its own: it locks its thread
		defer close(done)
		outer := giveWay()
		outer()
		before := attr()
		if before.Policy != unix.SCHED_NORMAL {
			t.Logf("not tested: the test runs with policy %d", before.Policy)
			return
		}
		back := giveWay()
		during := attr()
		if during.Policy != unix.SCHED_BATCH || during.Runtime < before.Runtime || during.Nice != before.Nice {
			t.Errorf("%+v, and before %+v", during, before)
		}
		inner := giveWay() // nothing is left to change
		inner()
		back()
		if after := attr(); after != before {
			t.Errorf("%+v afterwards, before %+v", after, before)
		}
	}()
	<-done
}
