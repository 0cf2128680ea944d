package acceptor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/internal/wstest"
	"castgate/server/internal/bell"
	"castgate/server/internal/listen"
)

// rig is an Acceptor whose owner answers each socket with a line and closes it.
type rig struct {
	*Acceptor
	t    testing.TB
	log  buffer
	done chan error

	failing atomic.Int64 // calls of accept that still fail
	errno   atomic.Int64 // with this error
	noSpare atomic.Bool
	asked   atomic.Int64 // for a spare descriptor
	taken   atomic.Int64
	turned  atomic.Int64
	hold    chan struct{} // Take waits for it, if it is not nil
}

// buffer is a log that a test reads while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), text)
}

func newRig(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, done: make(chan error, 1)}
	c := Config{
		Endpoint: Endpoint{WS, "127.0.0.1:0"}, Sockets: Sockets{NotsentLowat: 1 << 20, Liveness: Liveness{PingInterval: time.Minute, PingTimeout: time.Second}, IdleProbe: 55 * time.Second},
		Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Kernel: Kernel{
			Accept: func(fd int) (int, netip.AddrPort, error) {
				if r.failing.Add(-1) >= 0 {
					return -1, netip.AddrPort{}, unix.Errno(r.errno.Load())
				}
				return listen.Accept(fd)
			},
			Bell: bell.New,
			Spare: func() int {
				defer r.asked.Add(1)
				if r.noSpare.Load() {
					return -1
				}
				fd, _ := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				return fd
			},
		},
	}
	c.Settle = 5 * time.Millisecond // a round trip on loopback takes microseconds
	if change != nil {
		change(&c)
	}
	var err error
	if r.Acceptor, err = Listen(c); err != nil {
		t.Fatal(err)
	}
	return r
}

// start runs the acceptor until the end of the test.
func (r *rig) start() *rig {
	answer := func(count *atomic.Int64, line string) func(int, netip.AddrPort) {
		return func(fd int, peer netip.AddrPort) {
			if r.hold != nil {
				<-r.hold
			}
			if !peer.Addr().IsLoopback() || peer.Port() == 0 {
				r.t.Errorf("a peer at %v", peer)
			}
			count.Add(1)
			_, _ = unix.Write(fd, []byte(line))
			_ = unix.Close(fd)
		}
	}
	go func() {
		r.done <- r.Run(Owner{Take: answer(&r.taken, "taken"), TurnAway: answer(&r.turned, "turned away")})
	}()
	r.t.Cleanup(func() {
		r.Stop()
		<-r.Closed()
		r.Stop() // does nothing
		r.Finish()
	})
	return r
}

// ask connects and returns what the owner answers.
func (r *rig) ask() string {
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(wstest.Patience))
	b, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (r *rig) expect(want string) {
	r.t.Helper()
	if got := r.ask(); got != want {
		r.t.Errorf("answered %q, want %q", got, want)
	}
}

func (r *rig) await(what string, holds func() bool) {
	r.t.Helper()
	wstest.Await(r.t, func() string {
		if !holds() {
			return "waiting for " + what
		}
		return ""
	})
}

// ended expects Run to end without an error.
func (r *rig) ended() {
	r.t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Error(err)
		}
	case <-time.After(wstest.Patience):
		r.t.Fatal("Run does not end")
	}
}

// An error that accept keeps returning, whatever it is, costs a few calls a second and
// one line in the log. When it is over, sockets are taken.
func TestLastingError(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENETDOWN, unix.EPROTO, unix.ECONNABORTED, unix.EINTR, unix.EAGAIN, unix.EMFILE, unix.ENOMEM} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil).start()
			const many = 1 << 40
			r.errno.Store(int64(errno))
			r.failing.Store(many)
			c, err := net.Dial("tcp", r.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			r.await("a pause", func() bool { return r.log.count("clients cannot be accepted") > 0 })
			began := time.Now()
			before := r.failing.Load()
			r.await("a few pauses", func() bool { return before-r.failing.Load() >= 6 })
			if most := 2*int64(time.Since(began)/listen.Pause) + 4; before-r.failing.Load() > most {
				t.Errorf("accept was called %d times in %v", before-r.failing.Load(), time.Since(began))
			}
			r.failing.Store(0)
			// One that comes while the last EMFILE is acted on is turned away.
			r.await("a socket to be taken", func() bool { return r.ask() == "taken" })
			calls := uint64(many - before)
			if errno == unix.EMFILE {
				calls /= 2 // each is tried again with the spare descriptor
			}
			if r.Errors() < calls {
				t.Errorf("%d errors are counted of at least %d", r.Errors(), calls)
			}
			if n := r.log.count("clients cannot be accepted"); n != 1 {
				t.Errorf("%d lines in the log", n)
			}
		})
	}
}

// A broken listener ends Run with an error, and closes all there is.
func TestBrokenListener(t *testing.T) {
	r := newRig(t, nil).start()
	r.errno.Store(int64(unix.EBADF))
	r.failing.Store(1)
	_, _ = net.Dial("tcp", r.Addr().String()) // so that there is something to accept
	if err := <-r.done; !errors.Is(err, unix.EBADF) {
		t.Errorf("Run: %v", err)
	}
	<-r.Closed()
}

// A socket for which there is no descriptor is turned away with the spare one. Without a
// spare descriptor it waits in the kernel's queue, and another one is opened later.
func TestSpareDescriptor(t *testing.T) {
	r := newRig(t, nil).start()
	r.errno.Store(int64(unix.EMFILE))
	r.failing.Store(1)
	r.expect("turned away")
	// The peer learns that before another one is opened.
	r.await("another spare descriptor", func() bool { return r.asked.Load() == 2 })
	r.noSpare.Store(true)
	r.failing.Store(1)
	r.expect("turned away") // the last spare one
	r.await("the next one to be refused", func() bool { return r.asked.Load() == 3 })
	r.failing.Store(3)
	r.expect("taken")
	r.noSpare.Store(false)
	r.failing.Store(1)
	r.expect("taken") // there was none; now there is
	r.failing.Store(1)
	r.expect("turned away")
	if r.taken.Load() != 2 || r.turned.Load() != 3 || r.Errors() != 7 {
		t.Errorf("%d are taken, %d turned away, %d errors", r.taken.Load(), r.turned.Load(), r.Errors())
	}
}

// passed is the rig's change for a socket that was passed to the process.
func passed(t testing.TB) func(*Config) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	t.Cleanup(func() { _ = f.Close() })
	return func(c *Config) { c.Address, c.Passed = "fd:clients", listen.Passed{"clients": {f}} }
}

// Two processes may accept from a socket that was passed to both. Being slower than the
// other one is no error.
func TestLostSockets(t *testing.T) {
	r := newRig(t, passed(t)).start()
	r.errno.Store(int64(unix.EAGAIN))
	r.failing.Store(4 * listen.MostFailures)
	r.expect("taken")
	if n := r.Errors(); n != 0 || r.failing.Load() > 0 || r.log.count("level=WARN") != 0 {
		t.Errorf("%d errors, %d calls were left to fail", n, r.failing.Load())
	}
}

// Finish takes all sockets that wait, and then nobody can connect any more. Those that
// wait at a passed socket are left to the next process.
func TestFinish(t *testing.T) {
	const waiting = 20
	for _, inherited := range []bool{false, true} {
		t.Run(fmt.Sprint("passed ", inherited), func(t *testing.T) {
			var change func(*Config)
			if inherited {
				change = passed(t)
			}
			r := newRig(t, change)
			r.hold = make(chan struct{})
			r.start()
			answers := make(chan string, waiting)
			for range waiting {
				c, err := net.Dial("tcp", r.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(wstest.Patience))
				go func() {
					defer func() { _ = c.Close() }()
					b, _ := io.ReadAll(c)
					answers <- string(b)
				}()
			}
			if r.Ending() || r.Stopped() {
				t.Error("it is ending before it was asked to")
			}
			r.Finish()
			close(r.hold)
			r.ended()
			if !r.Ending() || r.Stopped() {
				t.Error("it was not asked to finish")
			}
			if inherited {
				if n := r.taken.Load(); n == waiting {
					t.Error("all are taken, none is left to the next process")
				}
				return
			}
			for range waiting {
				if got := <-answers; got != "taken" {
					t.Errorf("answered %q", got)
				}
			}
			if _, err := net.Dial("tcp", r.Addr().String()); err == nil {
				t.Error("somebody can still connect")
			}
		})
	}
}

// Stop ends Run at once, also while it waits.
func TestStop(t *testing.T) {
	r := newRig(t, nil).start()
	r.expect("taken")
	r.Stop()
	r.ended()
	if !r.Stopped() || !r.Ending() {
		t.Error("it does not say that it was stopped")
	}
}

// What cannot be listened on is an error, and leaves no descriptor behind.
func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	files := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	for name, c := range map[string]Config{
		"a taken port":     {Endpoint: Endpoint{WS, taken.Addr().String()}},
		"no passed socket": {Endpoint: Endpoint{WS, "fd:clients"}},
		"no eventfd":       {Endpoint: Endpoint{WS, "127.0.0.1:0"}, Kernel: Kernel{Bell: func() (bell.Bell, error) { return -1, unix.EMFILE }}},
	} {
		c.Log = slog.New(slog.DiscardHandler)
		before := files()
		for range 5 {
			if _, err := Listen(c); err == nil {
				t.Fatalf("%s: no error", name)
			}
		}
		if n := files(); n >= before+5 {
			t.Errorf("%s: %d descriptors, %d before", name, n, before)
		}
	}
	free := newRig(t, nil)
	before := files()
	free.Discard()
	if n := files(); n != before-3 { // listener, bell, spare
		t.Errorf("%d descriptors after Discard, %d before", n, before)
	}
}

// Accepted sockets have the options of their listener, and those of pings as they are at
// the time.
func TestSocketOptions(t *testing.T) {
	for _, test := range []struct {
		scheme                  Scheme
		interval, timeout, keep time.Duration
		on, idle, every, probes int
	}{
		{WS, time.Minute, 10 * time.Second, 0, 0, 60, 10, 1},
		{WS, time.Minute, 10 * time.Second, 25 * time.Second, 0, 60, 10, 1},
		{WS, 0, 9 * time.Second, 25 * time.Second, 1, 25, 3, 3},
		{WSS, 0, 10 * time.Second, 0, 1, 55, 55, 1},
		{WSS, 0, 10 * time.Second, time.Second, 1, 1, 4, 3},
		{Text, time.Minute, 1500 * time.Millisecond, 0, 1, 60, 2, 1},
		{Text, time.Minute, 1500 * time.Millisecond, 10 * time.Second, 1, 10, 1, 3},
		{TCP, 100 * time.Hour, time.Millisecond, 0, 1, maxKeepAlive, 1, 1},
	} {
		r := newRig(t, func(c *Config) { c.Scheme = test.scheme })
		options := make(chan [6]int, 1)
		go func() {
			r.done <- r.Run(Owner{Take: func(fd int, _ netip.AddrPort) {
				var o [6]int
				for i, opt := range [6][2]int{
					{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT},
					{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
					{unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
				} {
					o[i], _ = unix.GetsockoptInt(fd, opt[0], opt[1])
				}
				options <- o
				_ = unix.Close(fd)
			}})
		}()
		r.SetLiveness(Liveness{test.interval, test.timeout, test.keep})
		if got := r.ask(); got != "" {
			t.Errorf("%s", got)
		}
		if o, want := <-options, [6]int{1, 1 << 20, test.on, test.idle, test.every, test.probes}; o != want {
			t.Errorf("%+v: %v, want %v", test, o, want)
		}
		r.Stop()
		r.ended()
		r.SetLiveness(Liveness{time.Hour, time.Hour, 0}) // does nothing any more
		if n := r.log.count("level=WARN"); n != 0 {
			t.Errorf("%d warnings", n)
		}
	}
}
