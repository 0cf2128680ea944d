package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"castgate/server/gateway"
	"castgate/server/kernel"
)

// faulty is the real system with faults switched on by the test.
type faulty struct {
	kernel.Calls
	accepts atomic.Int64 // accepts that still fail
	acceptE atomic.Int64 // with this errno
	short   atomic.Bool  // writes take one byte at a time, every second one none
	turn    atomic.Int64
	writeE  atomic.Int64 // errno of the next write, once
	crumbs  atomic.Bool  // reads take one byte at a time
	readE   atomic.Int64 // errno of the next reads
	reads   atomic.Int64 // that still fail

	watchE, watchRoomE, unwatchRoomE atomic.Int64 // errno of the next one, once
}

func newFaulty() *faulty {
	f := &faulty{Calls: kernel.Linux}
	f.Accept = func(fd int) (int, netip.AddrPort, error) {
		nfd, sa, err := kernel.Linux.Accept(fd)
		if err == nil && f.accepts.Add(-1) >= 0 {
			// The socket that was taken is lost, as in the kernel.
			_ = unix.Close(nfd)
			return -1, netip.AddrPort{}, unix.Errno(f.acceptE.Load())
		}
		return nfd, sa, err
	}
	f.Write = func(fd int, p []byte) (int, error) {
		if e := f.writeE.Swap(0); e != 0 {
			return -1, unix.Errno(e)
		}
		if f.short.Load() && len(p) > 1 {
			if f.turn.Add(1)%2 == 0 {
				return -1, unix.EAGAIN
			}
			return kernel.Linux.Write(fd, p[:1+len(p)/3])
		}
		return kernel.Linux.Write(fd, p)
	}
	f.Read = func(fd int, p []byte) (int, error) {
		if f.reads.Load() > 0 && f.reads.Add(-1) >= 0 {
			return -1, unix.Errno(f.readE.Load())
		}
		if f.crumbs.Load() {
			p = p[:1]
		}
		return kernel.Linux.Read(fd, p)
	}
	once := func(errno *atomic.Int64, call func(*netpoll.Poller, int) error) func(*netpoll.Poller, int) error {
		return func(p *netpoll.Poller, fd int) error {
			if e := errno.Swap(0); e != 0 {
				return unix.Errno(e)
			}
			return call(p, fd)
		}
	}
	f.Watch = once(&f.watchE, kernel.Linux.Watch)
	f.WatchRoom = once(&f.watchRoomE, kernel.Linux.WatchRoom)
	f.UnwatchRoom = once(&f.unwatchRoomE, kernel.Linux.UnwatchRoom)
	return f
}

// No error of accept ends the gateway or costs a client that is there.
func TestAcceptErrorsAreSurvived(t *testing.T) {
	f := newFaulty()
	s := startServerOn(t, &f.Calls, nil)
	there := s.dial()
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENOMEM, unix.ECONNABORTED, unix.EAGAIN} {
		t.Run(errno.Error(), func(t *testing.T) {
			f.acceptE.Store(int64(errno))
			f.accepts.Store(2)
			for range 2 {
				if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
					defer func() { _ = c.Close() }()
				}
			}
			eventually(t, "the faults to happen", func() bool { return f.accepts.Load() <= 0 })
			f.accepts.Store(0)
			c := s.dial()
			text := "after " + errno.Error()
			s.push(gateway.Targets{ClientIDs: []string{c.id, there.id}}, text)
			c.expect(text)
		})
	}
	eventually(t, "the client that was there to receive all", func() bool { return len(there.log()) == 4 })
}

// A listener that is broken for good ends Run with an error.
func TestBrokenListenerIsFatal(t *testing.T) {
	f := newFaulty()
	c := Defaults()
	c.Listen = []string{"127.0.0.1:0"}
	f.Accept = func(int) (int, netip.AddrPort, error) { return -1, netip.AddrPort{}, unix.EBADF }
	s, err := newServer(c, &f.Calls)
	if err != nil {
		t.Fatal(err)
	}
	somebody, err := net.Dial("tcp", s.Addr().String()) // or nothing is to be accepted
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = somebody.Close() }()
	if err := s.Run(); !errors.Is(err, unix.EBADF) {
		t.Errorf("Run: %v", err)
	}
}

// Short writes and full sockets change nothing of what a client reads.
func TestShortWrites(t *testing.T) {
	f := newFaulty()
	s := startServerOn(t, &f.Calls, nil)
	a, b := s.dial(), s.dial()
	f.short.Store(true)
	var want []string
	for i := range 200 {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("m", i*7))
		want = append(want, text)
		to := gateway.Targets{All: true}
		if i%3 == 0 {
			to = gateway.Targets{ClientIDs: []string{a.id, b.id}}
		}
		s.push(to, text)
	}
	a.expect(want...)
	b.expect(want...)
	f.short.Store(false)
}

// An error of write ends that client only; what was for it is counted.
func TestWriteErrors(t *testing.T) {
	f := newFaulty()
	s := startServerOn(t, &f.Calls, func(c *Config) { c.PingInterval = 0 })
	for _, errno := range []unix.Errno{unix.EPIPE, unix.ECONNRESET, unix.ETIMEDOUT, unix.EBADF} {
		c := s.dial()
		other := s.dial()
		f.writeE.Store(int64(errno))
		s.push(gateway.Targets{ClientIDs: []string{c.id}}, "lost")
		<-c.done
		s.push(gateway.Targets{ClientIDs: []string{other.id}}, "fine")
		other.expect("fine")
	}
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM, unix.EINTR} {
		c := s.dial()
		f.writeE.Store(int64(errno))
		s.push(gateway.Targets{ClientIDs: []string{c.id}}, "late")
		c.expect("late")
	}
	st := s.stats()
	if st.Dropped["closed"] != 4 || st.Written != 8 || st.Closes["peer_gone"] != 4 {
		t.Errorf("%+v", st)
	}
}

// A defect that one client's bytes find closes that client only.
func TestPanicIsContained(t *testing.T) {
	f := newFaulty()
	var armed atomic.Bool
	f.Read = func(fd int, p []byte) (int, error) {
		if armed.CompareAndSwap(true, false) {
			panic("a defect")
		}
		return kernel.Linux.Read(fd, p)
	}
	s := startServerOn(t, &f.Calls, nil)
	victim, other := s.dialRaw(), s.dial()
	armed.Store(true)
	_, _ = victim.Write([]byte("x"))
	_ = victim.SetReadDeadline(time.Now().Add(patience))
	if _, err := victim.Read(make([]byte, 1)); err == nil {
		t.Error("the client was not closed")
	}
	s.push(gateway.Targets{All: true}, "alive")
	other.expect("alive")
	if st := s.stats(); st.Panics != 1 || st.Closes["internal"] != 1 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
}
