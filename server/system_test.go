package server

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/gateway"
	"castgate/server/internal/bell"
	"castgate/server/kernel"
)

// A socket that epoll has no room for is closed and counted; the next one is
// taken.
func TestUnwatchableSocket(t *testing.T) {
	f := newFaulty()
	s := startServerOn(t, &f.Calls, nil)
	for i, errno := range []unix.Errno{unix.ENOSPC, unix.ENOMEM} {
		f.watchE.Store(int64(errno))
		if _, err := s.tryDial(); err == nil {
			t.Errorf("%v: the client was taken", errno)
		}
		c := s.dial()
		s.push(gateway.Targets{ClientIDs: []string{c.id}}, "after")
		c.expect("after")
		if n := s.stats().Sockets; n != i+1 {
			t.Errorf("%v: %d sockets", errno, n)
		}
	}
}

// A client that epoll can't be asked to watch for room ends, and what was for
// it is counted; nobody else does. The same when it can't be asked to stop.
func TestUnwatchableRoom(t *testing.T) {
	f := newFaulty()
	s := startServerOn(t, &f.Calls, func(c *Config) { c.PingInterval = 0 })
	other := s.dial()
	c := s.dial()
	f.watchRoomE.Store(int64(unix.ENOMEM))
	f.writeE.Store(int64(unix.EAGAIN))
	s.push(gateway.Targets{ClientIDs: []string{c.id}}, "lost")
	<-c.done
	c = s.dial()
	f.unwatchRoomE.Store(int64(unix.ENOENT))
	f.writeE.Store(int64(unix.EAGAIN))
	s.push(gateway.Targets{ClientIDs: []string{c.id}}, "written")
	<-c.done
	c.expect("written")
	s.push(gateway.Targets{All: true}, "fine")
	other.expect("fine")
	eventually(t, "the counters", func() bool {
		st := s.stats()
		return st.Closes["internal"] == 2 && st.Dropped["closed"] == 1 && st.Written == 2 && st.Connections == 1
	})
}

// A server that cannot be made says why and keeps no descriptor.
func TestStartErrors(t *testing.T) {
	files := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	c := Defaults()
	c.Listen, c.Loops = []string{"127.0.0.1:0"}, 3
	for name, change := range map[string]func(f *faulty, loop int){
		"watch": func(f *faulty, _ int) { f.watchE.Store(int64(unix.ENOSPC)) },
		"eventfd": func(f *faulty, loop int) {
			f.Bell = func() (bell.Bell, error) {
				if loop--; loop < 0 {
					return -1, unix.EMFILE
				}
				return bell.New()
			}
		},
		"timerfd": func(f *faulty, loop int) {
			f.Ticker = func(every time.Duration) (int, error) {
				if loop--; loop < 0 {
					return -1, unix.EMFILE
				}
				return kernel.Linux.Ticker(every)
			}
		},
	} {
		for loop := range 3 {
			before := files()
			for range 10 {
				f := newFaulty()
				change(f, loop)
				_, err := newServer(c, &f.Calls)
				if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "event loop") {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if n := files(); n >= before+10 {
				t.Errorf("%s of loop %d: %d descriptors, %d before", name, loop, n, before)
			}
		}
	}
}
