package acceptor

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/bell"
	"castgate/server/internal/listen"
	"castgate/server/internal/rush"
)

// Kernel are the system calls of an acceptor, so that tests can put faults there.
type Kernel struct {
	// Accept accepts a socket that does not block.
	Accept func(fd int) (int, netip.AddrPort, error)
	// Bell returns an eventfd.
	Bell func() (bell.Bell, error)
	// Spare opens a descriptor only to have it; -1 if there is none.
	Spare func() int
}

// Owner gets the sockets of an acceptor, on the acceptor's goroutine. A socket that it
// gets is the owner's to close.
type Owner struct {
	// Take takes a socket.
	Take func(fd int, peer netip.AddrPort)
	// TurnAway refuses a socket that there is no descriptor for, and closes it at once.
	TurnAway func(fd int, peer netip.AddrPort)
}

// Config is how to listen.
type Config struct {
	Endpoint
	Sockets
	// ReusePort lets another process of the same user listen on the same address.
	ReusePort bool
	Passed    listen.Passed
	// Settle is how long sockets are accepted after Finish; 0 means
	// listen.Settle.
	Settle time.Duration
	Kernel Kernel
	Log    *slog.Logger
}

// Acceptor accepts the sockets of one listener. It is a goroutine of its own, which
// waits in poll while there are none: no error of accept, including a lack of
// descriptors or kernel memory, ends an event loop.
type Acceptor struct {
	log       *slog.Logger
	kernel    Kernel
	addr      net.Addr
	scheme    Scheme
	idleProbe time.Duration
	inherited bool          // the socket was passed and outlives this process
	settle    time.Duration // Config.Settle
	file      *os.File
	queue     *queue
	failures  atomic.Uint64
	errors    *listen.Errors
	stopped   atomic.Bool
	finishing atomic.Bool // nobody new is to get into the queue
	closed    chan struct{}

	// Of the goroutine that accepts.
	owner Owner
	spare int // a descriptor kept to be able to accept and refuse when there are no more
	lost  int // sockets in a row that another process was faster to accept
	rush  rush.Rush
	began time.Time // of its clock
	until time.Time // from when an empty queue is the end; zero before Finish
}

const (
	// lostPause is how long to wait where another process is always faster: it
	// serves the clients.
	lostPause = time.Millisecond
	// maxFinish is how long the queue is emptied beyond Config.Settle.
	maxFinish = 2 * time.Second
)

// Listen opens a listener. Errors do not name its address.
func Listen(c Config) (*Acceptor, error) {
	ln, err := listen.TCP(c.Address, listen.Options{
		ReusePort: c.ReusePort, Passed: c.Passed,
		Prepare: func(fd int) error { return c.Sockets.set(fd, c.Scheme) },
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = ln.Close() }()
	if ln.Taken {
		c.Log.Warn("another process also listens on this address; each client goes to one of the two until one stops (reuse-port)", "listen", ln.Addr().String())
	}
	a := &Acceptor{
		settle: cmp.Or(c.Settle, listen.Settle), log: c.Log, kernel: c.Kernel, addr: ln.Addr(), scheme: c.Scheme, idleProbe: c.IdleProbe, inherited: ln.Inherited,
		closed: make(chan struct{}), began: time.Now(),
	}
	a.errors = listen.NewErrors(c.Log, "clients cannot be accepted at the moment", &a.failures)
	// The duplicate is ours alone, off the runtime's poller.
	if a.file, err = ln.Listener.(*net.TCPListener).File(); err != nil {
		return nil, err
	}
	if a.queue, err = newQueue(a.file, c.Kernel.Bell); err != nil {
		_ = a.file.Close()
		return nil, err
	}
	a.spare = c.Kernel.Spare()
	return a, nil
}

// Addr is the listener's address. Any goroutine.
func (a *Acceptor) Addr() net.Addr { return a.addr }

// Errors is how many errors of accept there have been. Any goroutine.
func (a *Acceptor) Errors() uint64 { return a.failures.Load() }

// Discard closes a listener that has never run.
func (a *Acceptor) Discard() {
	if a.spare >= 0 {
		_ = unix.Close(a.spare)
	}
	_ = a.file.Close()
	a.queue.close()
}

// Run accepts until Stop, or until the queue is empty after Finish. It returns an error
// only if the listener is broken.
func (a *Acceptor) Run(o Owner) error {
	runtime.LockOSThread() // it sits in poll; the thread would be of no other use
	defer func() {
		a.Discard()
		close(a.closed)
	}()
	a.owner = o
	for !a.stopped.Load() {
		if a.finishing.Load() && !a.finish() {
			return nil
		}
		// An accept in vain costs several times as much as poll.
		if !a.queue.await(a.until) {
			if !a.until.IsZero() && !time.Now().Before(a.until) {
				return nil
			}
			continue
		}
		if err := a.acceptUpTo(a.batch()); err != nil {
			return err
		}
		if !a.finishing.Load() && a.rush.TooFast(time.Since(a.began)) {
			a.queue.bell.Wait(rush.Rest)
		}
	}
	return nil
}

// batch is how many sockets to accept before the queue is looked at again. After a rest
// they are counted, which is one system call instead of a look for each.
func (a *Acceptor) batch() int {
	if !a.rush.On() {
		return 1
	}
	return a.queue.length()
}

// acceptUpTo accepts as many sockets; there is at least one. It returns an error if the
// listener is broken.
func (a *Acceptor) acceptUpTo(most int) error {
	for n := 0; n < most && !a.stopped.Load(); n++ {
		fd, peer, err := a.kernel.Accept(a.queue.fd)
		switch {
		case err == nil:
			a.errors.Accepted()
			a.lost = 0
			a.rush.Count()
			a.owner.Take(fd, peer)
		case err == unix.EAGAIN && n > 0: // what was counted has been taken by another process
			return nil
		case err == unix.EAGAIN && a.inherited: // another process that has the socket was faster
			if a.lost++; a.lost > listen.MostFailures {
				time.Sleep(lostPause)
			}
			return nil
		default:
			return a.failed(err)
		}
	}
	return nil
}

// failed acts on an error of accept; it returns one if the listener is broken.
func (a *Acceptor) failed(err error) error {
	r := a.errors.Failed(err)
	if r.Broken {
		return fmt.Errorf("accept: %w", err)
	}
	if r.NoFiles {
		a.turnAwayOne()
	}
	time.Sleep(r.Wait)
	return nil
}

// turnAwayOne gives up the spare descriptor to accept one socket and tell its peer
// that there is no room, instead of leaving it in the kernel's queue.
func (a *Acceptor) turnAwayOne() {
	if a.spare >= 0 {
		_ = unix.Close(a.spare)
		if a.queue.ready() { // who waited may have gone
			if fd, peer, err := a.kernel.Accept(a.queue.fd); err == nil {
				a.owner.TurnAway(fd, peer)
			}
		}
	}
	a.spare = a.kernel.Spare()
}

// finish begins the end: sockets in the queue are still accepted, but nobody else gets into
// it. It returns false when there is nothing left to do: a socket that was passed
// outlives this process, and its queue is for the next one.
func (a *Acceptor) finish() bool {
	switch {
	case a.inherited:
		return false
	case a.until.IsZero():
		a.until = time.Now().Add(a.settle)
		if err := listen.Deafen(a.queue.fd); err != nil {
			a.log.Warn("clients that connect at the last moment may see a connection reset", "listen", a.addr.String(), "err", err)
		}
	case time.Since(a.until) > maxFinish: // the queue does not end
		return false
	}
	return true
}

// Stop makes Run end, whoever waits in the queue. Any goroutine.
func (a *Acceptor) Stop() {
	a.stopped.Store(true)
	a.queue.ring()
}

// Finish makes Run end once the queue is empty. Any goroutine.
func (a *Acceptor) Finish() {
	a.finishing.Store(true)
	a.queue.ring()
}

// Stopped reports whether Stop was called. Any goroutine.
func (a *Acceptor) Stopped() bool { return a.stopped.Load() }

// Ending reports whether Stop or Finish was called. Any goroutine.
func (a *Acceptor) Ending() bool { return a.stopped.Load() || a.finishing.Load() }

// Closed is closed when Run has returned.
func (a *Acceptor) Closed() <-chan struct{} { return a.closed }
