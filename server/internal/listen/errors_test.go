package listen

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// What each error of accept(2) leads to, once and again and again, and how often it is
// logged.
func TestErrorsOfAccept(t *testing.T) {
	wait := Reaction{Wait: Pause}
	for errno, want := range map[unix.Errno]struct {
		first, later Reaction
		lines        int
	}{
		unix.EMFILE:       {Reaction{Wait: Pause, NoFiles: true}, Reaction{Wait: Pause, NoFiles: true}, 1},
		unix.ENFILE:       {Reaction{Wait: Pause, NoFiles: true}, Reaction{Wait: Pause, NoFiles: true}, 1},
		unix.ENOBUFS:      {wait, wait, 1},
		unix.ENOMEM:       {wait, wait, 1},
		unix.EPERM:        {wait, wait, 1},
		unix.EINTR:        {Reaction{}, wait, 1},
		unix.ECONNABORTED: {Reaction{}, wait, 1},
		unix.EPROTO:       {Reaction{}, wait, 1},
		unix.ENETDOWN:     {Reaction{}, wait, 1},
		unix.EHOSTUNREACH: {Reaction{}, wait, 1},
		unix.ENOPROTOOPT:  {Reaction{}, wait, 1},
		unix.ETIMEDOUT:    {Reaction{}, wait, 1},
		unix.EAGAIN:       {Reaction{}, wait, 1},
		unix.EBADF:        {Reaction{Broken: true}, Reaction{Broken: true}, 0},
		unix.EINVAL:       {Reaction{Broken: true}, Reaction{Broken: true}, 0},
		unix.ENOTSOCK:     {Reaction{Broken: true}, Reaction{Broken: true}, 0},
		unix.EFAULT:       {Reaction{Broken: true}, Reaction{Broken: true}, 0},
		unix.EOPNOTSUPP:   {Reaction{}, wait, 1},
	} {
		for _, err := range []error{errno, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", errno)}} {
			var log bytes.Buffer
			var count atomic.Uint64
			e := NewErrors(slog.New(slog.NewTextHandler(&log, nil)), "cannot accept", &count)
			for i := range MostFailures + 1 {
				r := e.Failed(err)
				if i == 0 && r != want.first || i == MostFailures && r != want.later {
					t.Errorf("%v, number %d: %+v", err, i, r)
				}
			}
			if n := strings.Count(log.String(), "\n"); n != want.lines || n > 0 && !strings.Contains(log.String(), errno.Error()) {
				t.Errorf("%v: %d lines: %s", err, n, log.String())
			}
			if count.Load() != MostFailures+1 {
				t.Errorf("%v: %d counted", err, count.Load())
			}
			e.Accepted()
			if r := e.Failed(err); r != want.first {
				t.Errorf("%v, after a success: %+v", err, r)
			}
			e.warned -= warnEvery
			for range MostFailures {
				e.Failed(err)
			}
			if n := strings.Count(log.String(), "\n"); n != 2*want.lines {
				t.Errorf("%v: %d lines after %v more", err, n, warnEvery)
			}
		}
	}
	var count atomic.Uint64
	e := NewErrors(slog.New(slog.DiscardHandler), "", &count)
	if r := e.Failed(&net.OpError{Op: "accept", Err: net.ErrClosed}); r != (Reaction{Broken: true}) || count.Load() != 0 {
		t.Errorf("closed by its owner: %+v, %d counted", r, count.Load())
	}
}
