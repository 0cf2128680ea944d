package wallclock

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the wall clock of all processes that Wrap started. All methods may be
// called from any goroutine.
type Clock struct {
	ln       *net.UnixListener
	offset   atomic.Int64 // nanoseconds ahead of the machine's clock, negative if behind
	readings atomic.Int64
	serving  sync.WaitGroup

	mu  sync.Mutex
	err error // the first error of a process whose readings could not be served; guarded by mu
}

// New returns a clock that shows the machine's time until Set is called.
func New() (*Clock, error) {
	if !supported {
		return nil, errors.New("only on amd64")
	}
	// An abstract address leaves no file behind. The kernel picks it.
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix"})
	if err != nil {
		return nil, err
	}
	c := &Clock{ln: ln}
	c.serving.Go(c.accept)
	return c, nil
}

// Wrap returns the prefix for the command line of a process that gets the clock.
// The main function of this program must begin with Entry.
func (c *Clock) Wrap() []string {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return []string{self, entryArg, c.ln.Addr().String()}
}

// Set sets the clock to the machine's time plus offset. Every reading after Set has
// returned sees the new time.
func (c *Clock) Set(offset time.Duration) { c.offset.Store(int64(offset)) }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// Readings returns how often processes have read the clock.
func (c *Clock) Readings() int { return int(c.readings.Load()) }

// Err returns the first error that kept a process from being served, nil if there
// was none.
func (c *Clock) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Clock) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// Close ends the clock. Its processes must have ended: a process that still runs
// would wait forever at its next reading.
func (c *Clock) Close() {
	c.ln.Close()
	c.serving.Wait()
}

// accept serves each process that connects.
func (c *Clock) accept() {
	for {
		conn, err := c.ln.AcceptUnix()
		if err != nil {
			return // closed
		}
		listener, err := receive(conn)
		if err != nil {
			c.fail(fmt.Errorf("receiving the listener of a process: %w", err))
			conn.Close()
			continue
		}
		c.serving.Go(func() { c.serve(listener) })
		conn.Write([]byte{0}) // the process may go on
		conn.Close()
	}
}

// send passes a descriptor and waits until it is served.
func send(conn *net.UnixConn, fd int) error {
	if _, _, err := conn.WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	return err
}

// receive is the counterpart of send.
func receive(conn *net.UnixConn) (fd int, err error) {
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), rights)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("%d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("%d descriptors, %v", len(fds), err)
	}
	return fds[0], nil
}
