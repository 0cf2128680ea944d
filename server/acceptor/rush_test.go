package acceptor

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/listen"
	"castgate/server/internal/rush"
)

// In a rush all who wait are accepted after one look at the queue, and nobody is left.
func TestRushAcceptsAll(t *testing.T) {
	r := newRig(t, nil)
	const many = 20
	var peers []net.Conn
	for range many {
		c, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, c)
	}
	for range rush.Enough {
		r.rush.Count()
	}
	if n := r.batch(); n != 1 {
		t.Errorf("%d are accepted at once when there is no rush", n)
	}
	if !r.rush.TooFast(0) {
		t.Fatal("no rush")
	}
	if n := r.batch(); n != many {
		t.Fatalf("%d sockets are said to wait, %d do", n, many)
	}
	r.owner = Owner{Take: func(fd int, _ netip.AddrPort) { r.taken.Add(1); _ = unix.Close(fd) }}
	if err := r.acceptUpTo(many + 5); err != nil { // more than there are, as if others had taken five
		t.Fatal(err)
	}
	if r.taken.Load() != many || r.Errors() != 0 || r.queue.ready() || r.queue.length() != 1 {
		t.Errorf("%d are taken, %d errors, %d wait", r.taken.Load(), r.Errors(), r.queue.length())
	}
	if !r.rush.TooFast(time.Microsecond) {
		t.Error("twenty at once are no rush")
	}
	for _, c := range peers {
		_ = c.Close()
	}
	r.Discard()
}

// A batch ends at an error: what is to be done about it comes first.
func TestRushStopsAtErrors(t *testing.T) {
	r := newRig(t, nil)
	for range 3 {
		c, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	r.owner = Owner{
		Take:     func(fd int, _ netip.AddrPort) { r.taken.Add(1); _ = unix.Close(fd) },
		TurnAway: func(fd int, _ netip.AddrPort) { r.turned.Add(1); _ = unix.Close(fd) },
	}
	r.errno.Store(int64(unix.EMFILE))
	r.failing.Store(1)
	if err := r.acceptUpTo(3); err != nil || r.turned.Load() != 1 || r.taken.Load() != 0 {
		t.Errorf("%v, %d turned away, %d taken", err, r.turned.Load(), r.taken.Load())
	}
	if err := r.acceptUpTo(2); err != nil || r.taken.Load() != 2 {
		t.Errorf("%v, %d taken", err, r.taken.Load())
	}
	r.Discard()
}

// Whoever stops the acceptor does not wait for its rest, however long that is.
func TestRestEndsWithTheBell(t *testing.T) {
	r := newRig(t, nil)
	defer r.Discard()
	r.Stop()
	r.queue.bell.Wait(time.Hour)
	if r.queue.await(time.Now().Add(listen.Settle)) {
		t.Error("a socket is said to wait")
	}
}
