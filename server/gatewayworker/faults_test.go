package gatewayworker

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
	"castgate/server/gatewayworker/internal/faults"
	"castgate/server/internal/bell"
	"castgate/server/internal/listen"
)

// faulty is the real system with faults that the test switches on.
type faulty struct {
	system
	reads, writes, accepts, peeks, waits faults.Fault
	enrols, changes                      faults.Fault // epoll_ctl
	crumbs                               atomic.Bool
	unstamped                            atomic.Int64 // number of peeks that return no time
	turn                                 atomic.Int64
}

func newFaulty() *faulty {
	f := &faulty{system: linux}
	f.read = func(fd int, p []byte) (int, error) {
		if err := f.reads.Happens(); err != nil {
			return -1, err
		}
		return linux.read(fd, p)
	}
	f.write = func(fd int, p []byte) (int, error) {
		if err := f.writes.Happens(); err != nil {
			return -1, err
		}
		if f.crumbs.Load() {
			if f.turn.Add(1)%2 == 0 {
				return -1, unix.ENOBUFS
			}
			p = p[:1+len(p)/3]
		}
		return linux.write(fd, p)
	}
	f.accept = func(fd int) (int, netip.AddrPort, error) {
		if err := f.accepts.Happens(); err != nil {
			return -1, netip.AddrPort{}, err
		}
		return linux.accept(fd)
	}
	f.peek = func(fd int, p, oob []byte) (int, int, error) {
		if err := f.peeks.Happens(); err != nil {
			return -1, 0, err
		}
		n, oobn, err := linux.peek(fd, p, oob)
		if f.unstamped.Load() > 0 && f.unstamped.Add(-1) >= 0 {
			oobn = 0
		}
		return n, oobn, err
	}
	f.receive = func(fd int, p, oob []byte) (int, int, error) {
		for _, which := range []*faults.Fault{&f.reads, &f.peeks} {
			if err := which.Happens(); err != nil {
				return -1, 0, err
			}
		}
		n, oobn, err := linux.receive(fd, p, oob)
		if f.unstamped.Load() > 0 && f.unstamped.Add(-1) >= 0 {
			oobn = 0
		}
		return n, oobn, err
	}
	f.watch = func(epoll, op, fd int, events uint32) error {
		which := &f.enrols
		if op == unix.EPOLL_CTL_MOD {
			which = &f.changes
		}
		if err := which.Happens(); err != nil {
			return err
		}
		return linux.watch(epoll, op, fd, events)
	}
	f.wait = func(epoll int, events []unix.EpollEvent, milliseconds int) (int, error) {
		if err := f.waits.Happens(); err != nil {
			return -1, err
		}
		return linux.wait(epoll, events, milliseconds)
	}
	return f
}

// An error of accept affects at most the connection that it names. It neither ends
// the endpoint nor makes it spin.
func TestInnerAcceptErrors(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	for _, errno := range []unix.Errno{
		unix.EMFILE, unix.ENOMEM, unix.ECONNABORTED, unix.EINTR, unix.EAGAIN, unix.EPROTO,
	} {
		before := r.front.count.acceptErrors.Load()
		f.accepts.Set(errno, 2)
		r.answers("")
		if !f.accepts.Over() {
			t.Errorf("%v did not happen", errno)
		}
		counted := r.front.count.acceptErrors.Load() - before
		if want := uint64(2); errno == unix.EAGAIN && counted != 0 || errno != unix.EAGAIN && counted != want {
			t.Errorf("%v counted %d times", errno, counted)
		}
	}
}

// A lasting error of accept is retried only a few times a second.
func TestLastingAcceptErrorIsNoSpin(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	const many = 1 << 30
	f.accepts.Set(unix.ENETDOWN, many)
	began := time.Now()
	c := r.dial()
	r.await("accept has failed a few times", func() bool { return many-f.accepts.Left() >= listen.MostFailures+4 })
	n := many - f.accepts.Left()
	if took := time.Since(began); n > listen.MostFailures+6+int64(took/listen.Pause) {
		t.Errorf("accept was called %d times in %v", n, took)
	}
	f.accepts.Set(0, 0)
	if _, err := c.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, c); got != "i:0;" {
		t.Errorf("%q", got)
	}
}

// If epoll cannot be asked to report room to write, or new connections again, the
// gateway tries again later.
func TestWatchErrors(t *testing.T) {
	f := newFaulty()
	var rests sync.Once
	change := f.watch
	f.watch = func(epoll, op, fd int, events uint32) error {
		err := change(epoll, op, fd, events)
		if op == unix.EPOLL_CTL_MOD && events == 0 { // accepting pauses; resuming it is what fails
			rests.Do(func() { f.changes.Set(unix.ENOMEM, 2) })
		}
		return err
	}
	r := startRigOn(t, &f.system, func(c *Config, _ *server.Config) { c.MaxConns = 2 })
	c := r.dial()
	f.changes.Set(unix.ENOMEM, 1)
	f.writes.Set(unix.EAGAIN, 1)
	if _, err := c.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, c); got != "i:0;" {
		t.Errorf("%q", got)
	}
	if !f.writes.Over() || !f.changes.Over() {
		t.Error("room to write was there at once")
	}
	f.accepts.Set(unix.EMFILE, 1)
	second := r.dial()
	if _, err := second.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, second); got != "i:0;" {
		t.Errorf("%q", got)
	}
	rests.Do(func() { t.Error("accepting did not pause") })
	if !f.accepts.Over() || !f.changes.Over() {
		t.Error("the faults did not happen")
	}
}

// A command is executed even if the arrival time of its bytes is unknown.
func TestPeekErrors(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	old := r.dial()
	r.answers("")
	for _, errno := range []unix.Errno{unix.ENOBUFS, unix.ENOMEM, unix.EINTR, unix.ECONNRESET} {
		f.peeks.Set(errno, 5)
		for range 5 {
			for _, c := range []net.Conn{old, r.dial()} {
				if _, err := c.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
					t.Fatal(err)
				}
				if got := readReply(t, c); got != "i:0;" {
					t.Errorf("%v: %q", errno, got)
				}
			}
		}
		f.peeks.Set(0, 0)
	}
}

// A connection whose bytes have no arrival time keeps its place before one that
// connected later. The first bytes after the start have none, since the kernel
// takes a moment to begin recording times.
func TestOrderWithoutTimes(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	r.client()
	for i, unknown := range []func(){func() {}, func() { f.unstamped.Store(1) }, func() { f.peeks.Set(unix.ENOBUFS, 1) }} {
		uid := fmt.Sprint("u", i)
		held, release := make(chan struct{}), make(chan struct{})
		go r.front.do(t.Context(), func(*innerLoop) { close(held); <-release }, held)
		<-held
		r.tell(frame(wire.BindUID, 1, uid, ""))
		c := r.dial()
		if _, err := c.Write(frame(wire.ClientsOfUID, 0, uid, "")); err != nil {
			t.Fatal(err)
		}
		unknown()
		close(release)
		if got := readReply(t, c); got != "a:1:{i:0;i:1;}" {
			t.Errorf("%d: the query did not see the binding before it: %q", i, got)
		}
	}
}

// A lasting error of epoll_wait ends Serve with that error; an interruption does
// not.
func TestWaitErrors(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	f.waits.Set(unix.EINTR, 5)
	r.answers("")

	broken := newFaulty()
	broken.waits.Set(unix.EBADF, 1)
	c := Defaults()
	c.Inner = "127.0.0.1:0"
	front, err := newFront(c, &broken.system)
	if err != nil {
		t.Fatal(err)
	}
	if err := front.Serve(r.server, r.server); !errors.Is(err, unix.EBADF) {
		t.Errorf("Serve: %v", err)
	}
}

// A start that fails returns the reason, and leaves no descriptor open and no
// address in use.
func TestStartErrors(t *testing.T) {
	files := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	noWatch, noBell := newFaulty(), newFaulty()
	noWatch.watch = func(_, _, _ int, _ uint32) error { return unix.ENOSPC }
	noBell.bell = func() (bell.Bell, error) { return -1, unix.EMFILE }
	c := Defaults()
	c.Inner = "127.0.0.1:0"
	before := files()
	for range 10 {
		if _, err := newFront(c, &noWatch.system); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("%v", err)
		}
		if _, err := newFront(c, &noBell.system); !errors.Is(err, unix.EMFILE) {
			t.Fatalf("%v", err)
		}
	}
	if n := files(); n >= before+10 {
		t.Errorf("%d descriptors, %d before", n, before)
	}
}
