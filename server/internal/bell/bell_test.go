package bell

import (
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/ownprocess"
)

func newBell(t testing.TB) Bell {
	t.Helper()
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// rings reports whether a poller would be woken.
func (b Bell) rings(t *testing.T) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(b), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

// TestRing: any number of rings, from any goroutine, are one event, and one Answer
// clears them all.
func TestRing(t *testing.T) {
	b := newBell(t)
	if b.rings(t) {
		t.Error("a new bell rings")
	}
	b.Answer() // does not block
	for range 2 {
		var ringing sync.WaitGroup
		for range 8 {
			ringing.Go(func() {
				for range 100 {
					b.Ring()
				}
			})
		}
		ringing.Wait()
		if !b.rings(t) {
			t.Error("a ring did not make the bell readable")
		}
		b.Answer()
		if b.rings(t) {
			t.Error("the bell is readable after Answer")
		}
	}
}

// TestFull: with a full counter Ring does not block, and the event is not lost.
func TestFull(t *testing.T) {
	b := newBell(t)
	if _, err := unix.Write(int(b), []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}); err != nil {
		t.Skip(err) // of another byte order
	}
	b.Ring()
	if !b.rings(t) {
		t.Error("a bell with a full counter is not readable")
	}
	b.Answer()
	if b.rings(t) {
		t.Error("the bell is readable after Answer")
	}
}

// TestWait: a wait ends with a ring, before it or in it, and leaves the ring; or with its time.
func TestWait(t *testing.T) {
	b := newBell(t)
	b.Wait(time.Millisecond)
	if b.rings(t) {
		t.Error("a bell that nobody has rung rings")
	}
	b.Ring()
	b.Wait(time.Hour)
	b.Answer()
	go b.Ring()
	for !b.rings(t) { // a signal of the runtime may end a wait
		b.Wait(time.Hour)
	}
}

// TestNoDescriptor: without a free descriptor New returns an error. The limit holds
// for a whole process, so the test has one of its own.
func TestNoDescriptor(t *testing.T) {
	if !ownprocess.Here(t) {
		return
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if _, err := New(); !errors.Is(err, unix.EMFILE) {
		t.Errorf("without a descriptor: %v", err)
	}
}

func BenchmarkRing(b *testing.B) {
	bell := newBell(b)
	b.ReportAllocs()
	for b.Loop() {
		bell.Ring()
	}
}
